"""Any trial's model as a file that plain PyTorch loads, and the rows for other tools."""

import csv

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from torch import nn

from analognn import checkpoints, models
from analognn.cli import main
from analognn.evaluate import Evaluator
from analognn.experiments import Store, run, tables
from analognn.experiments.workspace import prepare


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    from analognn.experiments import Denoising, Medium, Scenario

    scenario = Scenario(
        name="tiny",
        model="mnist-resnet8",
        media={"awgn": Medium("awgn", {"wnr_db": [0.0, 6.0]})},
        denoiser=Denoising(names=("ml", "mmsepb"), kappa=20, lambda_primes=(0.9, 1.0), betas=(-1.0, 0.0)),
        seeds=1,
        test_examples=100,
    )
    return run(scenario, tmp_path_factory.mktemp("run"), workers=1, device="cpu").folder


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize("receiver", ["ml", "mmsepb"])
def test_the_saved_model_is_that_of_the_trial_in_plain_pytorch(finished, tmp_path, receiver):
    out = tmp_path / "model.safetensors"
    asked = ["--receiver", receiver, "--point", "wnr_db=6.0", "--device", "cpu", "--out", out]
    outcome = call("save", finished, *asked)
    assert outcome.exit_code == 0, outcome.stderr
    model = models.build("mnist-resnet8", generator=torch.Generator().manual_seed(5)).eval()
    model.load_state_dict(load_file(out))
    trial = next(r for r in Store(finished).records() if "6.0" in r.point and r.denoiser == receiver)
    test: Evaluator = prepare(Store(finished).scenario, device="cpu").test
    score = test(model)
    assert (score.correct, score.loss_sum) == (trial.correct, trial.loss_sum)
    first = out.read_bytes()
    call("save", finished, *asked)
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--receiver", "mmse"], "mmse"),
        (["--receiver", "ml", "--medium", "pcm"], "pcm"),
        (["--receiver", "ml"], "Name one point of 'awgn'"),
        (["--receiver", "ml", "--out", "model.pt"], ".safetensors file"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(finished, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    point = [] if said.startswith("Name") else ["--point", "wnr_db=6.0"]
    outcome = call("save", finished, *arguments, *point)
    assert outcome.exit_code == 2
    assert said in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_tied_weights_are_there_under_each_name(tmp_path):
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    model = nn.Sequential(first, second)
    checkpoints.save(model.state_dict(), tmp_path / "tied.safetensors")
    other = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    other.load_state_dict(load_file(tmp_path / "tied.safetensors"))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in other.state_dict().items())


def test_rows_for_other_tools(finished):
    rows = tables.records(finished)
    with (finished / "results.csv").open(newline="") as file:
        assert list(rows[0]) == next(csv.reader(file))
    assert len(rows) == 5
    pytest.importorskip("pandas")
    frame = tables.to_pandas(finished)
    assert list(frame["correct"]) == [row["correct"] for row in rows]
    assert str(frame["labelled"].dtype) == "Int64"
    assert frame["lambda_prime"].isna().sum() == 3


def test_rows_as_arrow(finished):
    pytest.importorskip("pyarrow")
    assert tables.to_arrow(finished).to_pylist() == tables.records(finished)
