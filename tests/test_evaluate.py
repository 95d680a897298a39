"""Counts, devices, modes and ways of execution of the evaluator."""

import functools
import math

import pytest
import torch
from torch import nn

from analognn import Evaluator, ParameterLayout, Score, data, grid_search, models
from analognn.affine import AffineFamily, affine_scores
from analognn.channels import Awgn
from analognn.denoise import Prior
from analognn.evaluate import Execution, resolve_device


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
        (lambda e: Evaluator(torch.tensor(1.0), torch.zeros(1)), r"got {'inputs': 0} and labels \[1\]"),
        (lambda e: Evaluator(torch.zeros(2, 3), torch.full((2,), -100)), "must ask something; all 2 are -100"),
        (lambda e: e(nn.Sequential(nn.Identity(), nn.Flatten(0))), r"Labels \[10\] need logits .*; got \[30\]"),
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


def test_logits_score_and_subset_agree_with_the_call(answers):
    evaluator = Evaluator(*answers, device="cpu", batch_size=3)
    assert torch.equal(evaluator.logits(Logits()), answers[0])
    assert evaluator.score(answers[0]) == evaluator(Logits())
    first, rest = evaluator.subset(torch.arange(4)), evaluator.subset(torch.arange(4, 10))
    assert (first(Logits()).correct, rest(Logits()).correct) == (0, 6)
    assert torch.equal(evaluator.subset(torch.tensor([7, 2])).labels, answers[1][[7, 2]])
    assert len(evaluator) == 10


@pytest.fixture(scope="module")
def mnist():
    spec = models.spec("mnist-resnet8")
    part = data.load(spec.dataset).test
    return models.load(spec.name), spec.normalise(part.inputs[:300]), part.labels[:300]


def test_the_default_execution_repeats_bit_for_bit_whatever_the_batch_size(mnist):
    model, *examples = mnist
    by_size = [Evaluator(*examples, device="cpu", batch_size=size).logits(model) for size in (300, 100, 64)]
    assert torch.equal(by_size[0], by_size[1])
    assert torch.equal(by_size[0], by_size[2])


@pytest.mark.parametrize(
    ("execution", "moved"),
    [(Execution(channels_last=True), 1e-5), (Execution(precision="bfloat16"), 3e-2)],
    ids=["channels_last", "bfloat16"],
)
def test_other_executions_move_the_logits_a_little(mnist, execution, moved):
    model, *examples = mnist
    plain, other = Evaluator(*examples, device="cpu"), Evaluator(*examples, device="cpu", execution=execution)
    logits, expected = other.logits(model), plain.logits(model)
    assert logits.dtype == torch.float32
    assert 0 < (logits - expected).abs().max() < moved * expected.abs().max()
    assert abs(other(model).correct - plain(model).correct) <= 1
    assert other.subset(torch.arange(2)).execution == execution


def test_compilation_is_asked_for_once_a_call(mnist, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or functools.partial(model))
    model, *examples = mnist
    evaluator = Evaluator(*examples, device="cpu", batch_size=100, execution=Execution(compiled=True))
    assert evaluator(model) == Evaluator(*examples, device="cpu", batch_size=100)(model)
    assert compiled == [model]


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="must be one of float32, bfloat16, float16; got 'tf32'"):
        Execution(precision="tf32")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
class TestOnAGpu:
    def test_counts_are_those_of_the_cpu(self, mnist):
        # Rounding may turn an answer whose two largest logits are closer than 1e-3: at most 1 in 300.
        model, *examples = mnist
        expected = Evaluator(*examples, device="cpu")(model)
        for execution in (Execution(), Execution(channels_last=True), Execution(compiled=True)):
            score = Evaluator(*examples, device="cuda", execution=execution)(model)
            assert abs(score.correct - expected.correct) <= 1
            assert score.loss == pytest.approx(expected.loss, rel=1e-2)
        for precision in ("bfloat16", "float16"):
            score = Evaluator(*examples, device="cuda", execution=Execution(precision=precision))(model)
            assert abs(score.correct - expected.correct) <= 6

    def test_both_routes_of_a_grid_agree(self, mnist):
        model, *examples = mnist
        layout = ParameterLayout.from_model(model)
        received = Awgn(wnr_db=5.0).transmit(layout.pack(model).vector, generator=torch.Generator().manual_seed(0))
        case = model, layout, received, Prior.from_received(received)
        grid = {"lambda_primes": [0.9, 1.0, 1.1], "betas": [-2.0, 0.0, 2.0]}
        cpu, loop, affine = (
            grid_search(*case, Evaluator(*examples, device=device), **grid, route=route).surface * len(examples[1])
            for device, route in (("cpu", "loop"), ("cuda", "loop"), ("cuda", "affine"))
        )
        assert (loop - cpu).abs().max() <= 2
        assert (affine - cpu).abs().max() <= 2

    def test_the_memory_bound_holds(self, mnist):
        model, *examples = mnist
        layout = ParameterLayout.from_model(model)
        family = AffineFamily(layout.pack(model).vector, torch.linspace(0.8, 1.2, 50), torch.zeros(50))
        evaluator = Evaluator(*examples, device="cuda")
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        affine_scores(model, layout, [family], evaluator, max_bytes=2**26)
        assert torch.cuda.max_memory_allocated() - before < 1.5 * 2**26

    def test_auto_is_the_gpu(self):
        assert resolve_device("auto").type == "cuda"


@pytest.mark.parametrize("coded", [[1, 2, 3], [-1, 1, 1], [0, 1, 9]])
def test_labels_coded_otherwise_are_named(coded: list[int]) -> None:
    strange = next(label for label in coded if not 0 <= label < 3)
    with pytest.raises(ValueError, match=rf"must be 0 to 2 for a model with 3 classes; got {strange}\."):
        Evaluator(torch.eye(3), torch.tensor(coded), device="cpu")(torch.nn.Identity())
