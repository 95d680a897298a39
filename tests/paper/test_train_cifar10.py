"""The training recipe on a few images: it resumes to the same bits, and writes what models.load reads."""

import json
from pathlib import Path

import pytest
import torch
from paper_recipes import load

from analognn import models
from analognn.data import Examples, Splits

script = load("train_cifar10")
RECIPE = script.Recipe(epochs=2, batch_size=32, warm_up=1)
SPEC = models.spec("cifar10-resnet20")


@pytest.fixture(scope="module")
def examples() -> Examples:
    g = torch.Generator().manual_seed(0)
    return Examples(torch.randint(256, (48, 3, 32, 32), dtype=torch.uint8, generator=g), torch.arange(48) % 10)


def trained(examples: Examples, folder: Path, recipe=RECIPE):
    training = script.Training(SPEC, recipe, torch.device("cpu"))
    script.train(training, examples, folder / "state.pt", lambda *_: None)
    return training


def test_resumes_to_the_same_bits_and_writes_half_precision(examples: Examples, tmp_path: Path) -> None:
    whole = trained(examples, tmp_path)
    half = script.Training(SPEC, RECIPE, torch.device("cpu"))
    half.run_epoch(examples.inputs, examples.labels)
    (tmp_path / "models").mkdir()
    half.save(tmp_path / "models" / "state.pt")
    resumed = trained(examples, tmp_path / "models")
    assert resumed.losses == whole.losses
    assert all(torch.equal(a, b) for a, b in zip(resumed.model.parameters(), whole.model.parameters(), strict=True))

    record = script.write(whole, Splits(lambda _: examples), tmp_path / "models")
    loaded = models.load(SPEC.name, data_dir=tmp_path)
    weights = [parameter.detach() for parameter in whole.model.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), weights, strict=True))  # the rounded ones
    assert torch.equal(weights[0], weights[0].half().float())
    assert json.loads((tmp_path / "models" / "resnet20_cifar10.json").read_text()) == record
    assert record["results"]["test"]["total"] == 48
    with pytest.raises(ValueError, match="another recipe"):
        trained(examples, tmp_path, script.Recipe(epochs=3))


def test_rate_rises_and_falls() -> None:
    recipe = script.Recipe(epochs=10, warm_up=2)
    assert [recipe.rate(epoch) for epoch in (0, 1, 2, 10)] == pytest.approx([0, 0.05, 0.1, 0])


def test_diverged_training_is_an_error(examples: Examples) -> None:
    training = script.Training(SPEC, script.Recipe(peak_rate=1e30, warm_up=0, batch_size=24), torch.device("cpu"))
    with pytest.raises(RuntimeError, match="lower peak_rate"):
        training.run_epoch(examples.inputs, examples.labels)  # two steps: the first makes the weights huge


def test_recipe_from_the_command_line() -> None:
    assert script._recipe(["epochs=3", "peak_rate=.2"]) == script.Recipe(epochs=3, peak_rate=0.2)
    with pytest.raises(ValueError, match="--set knows"):
        script._recipe(["rate=3"])
