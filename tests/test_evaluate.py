"""Counts, devices and modes of the evaluator."""

import math

import pytest
import torch
from torch import nn

from analognn import Evaluator, Score
from analognn.evaluate import resolve_device


class Logits(nn.Module):
    """Returns its inputs, as an object with ``logits`` where asked to."""

    def __init__(self, wrap=False):
        super().__init__()
        self.wrap = wrap
        self.drop = nn.Dropout(0.9)

    def forward(self, x):
        x = self.drop(x)
        return type("Output", (), {"logits": x})() if self.wrap else x


@pytest.fixture
def answers():
    labels = torch.arange(10) % 3
    logits = torch.nn.functional.one_hot(labels, 3).float()
    logits[:4] = logits[:4].roll(1, dims=1)  # four wrong
    return logits, labels


@pytest.mark.parametrize("batch_size", [1, 3, 10, 500])
def test_counts_do_not_depend_on_the_batch_size(answers, batch_size):
    score = Evaluator(*answers, device="cpu", batch_size=batch_size)(Logits())
    assert (score.correct, score.total) == (6, 10)
    assert score.loss_sum == pytest.approx(float(nn.functional.cross_entropy(*answers, reduction="sum")))


def test_keyword_inputs_and_output_objects(answers):
    logits, labels = answers
    assert Evaluator({"x": logits}, labels, device="cpu")(Logits(wrap=True)).correct == 6


def test_the_model_is_scored_in_eval_mode_and_left_as_it_was(answers):
    model = nn.Sequential(Logits(), nn.BatchNorm1d(3, affine=False))
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Evaluator(*answers, device="cpu")(model)
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_an_answer_that_is_not_a_number_is_wrong(answers):
    logits, _ = answers
    score = Evaluator(torch.full_like(logits, math.nan), torch.zeros(10, dtype=torch.long), device="cpu")(Logits())
    assert score.correct == 0
    assert math.isnan(score.loss)


def test_scores_add():
    assert Score(1, 2, 0.5) + Score(3, 4, 1.0) == Score(4, 6, 1.5)


def test_a_sample_is_drawn_without_replacement_and_by_the_generator_alone(answers):
    evaluator = Evaluator(torch.eye(10), torch.arange(10), device="cpu")
    samples = [evaluator.sample(4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    labels = [sorted(sample.labels.tolist()) for sample in samples]
    assert labels[0] == labels[1] != labels[2]
    assert len(set(labels[0])) == 4
    assert samples[0](Logits()).correct == 4
    assert evaluator.sample(10, generator=torch.Generator())(Logits()).total == 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.sample(11, generator=torch.Generator()), r"kappa=...\)` must be <= 10.*got 11"),
        (lambda e: e.sample(0, generator=torch.Generator()), r"kappa=...\)` must be an integer >= 1; got 0"),
        (lambda e: Evaluator(torch.zeros(0, 3), torch.zeros(0)), "labels .n. with n >= 1"),
        (lambda e: Evaluator(torch.zeros(3, 3), torch.zeros(2)), r"got {'inputs': 3} and labels \[2\]"),
        (lambda e: Evaluator(torch.zeros(2, 3), torch.zeros(2), batch_size=0), "batch_size"),
        (lambda e: resolve_device("gpu"), "must be one of auto, cpu, cuda; got 'gpu'"),
    ],
)
def test_bad_input_is_refused(answers, call, message):
    with pytest.raises(ValueError, match=message):
        call(Evaluator(*answers, device="cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none_is_refused():
    with pytest.raises(ValueError, match="no CUDA device is available; use 'auto' or 'cpu'"):
        resolve_device("cuda")
    assert resolve_device("auto") == torch.device("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_gives_the_same_counts(answers):
    model = Logits()
    assert Evaluator(*answers, device="cuda")(model).correct == 6
    assert resolve_device("auto").type == "cuda"
