"""What a result rests on: the same for the same, another one for anything that decides its numbers."""

import dataclasses
import json

import pytest
import torch

from analognn import models
from analognn.data import Examples
from analognn.experiments import Denoising, Store, run
from analognn.experiments.fingerprint import Fingerprint


@pytest.fixture(scope="module")
def examples():
    return Examples(torch.arange(12, dtype=torch.uint8).reshape(3, 1, 2, 2), torch.arange(3))


@pytest.fixture
def model():
    return models.load("mnist-resnet8")


def test_the_same_gives_the_same(tiny, examples, model):
    first, again = (Fingerprint.of(tiny, [examples], each) for each in (model, models.load("mnist-resnet8")))
    assert first == again
    assert first.digest == again.digest
    assert first.apart(again) == []


def test_anything_that_decides_the_numbers_changes_it(tiny, examples, model):
    first = Fingerprint.of(tiny, [examples], model)
    labels = Examples(examples.inputs, examples.labels.flip(0))
    texts = Examples(("a", "b", "c"), examples.labels)
    other_seeds = dataclasses.replace(tiny, seeds=3)
    moved = models.load("mnist-resnet8")
    with torch.no_grad():
        next(moved.buffers()).add_(1e-3)  # a running statistic, which is no parameter
    for other, field in (
        (Fingerprint.of(tiny, [labels], model), "data"),
        (Fingerprint.of(tiny, [texts], model), "data"),
        (Fingerprint.of(tiny, [examples], moved), "checkpoint"),
        (Fingerprint.of(other_seeds, [examples], model), "setting"),
        (dataclasses.replace(first, versions={**first.versions, "torch": "0.0"}), "torch"),
    ):
        assert other.digest != first.digest
        assert [line.partition(":")[0] for line in first.apart(other)] == [field]


def test_receivers_change_the_scenario_but_not_the_setting(tiny, examples):
    more = dataclasses.replace(tiny, denoiser=dataclasses.replace(tiny.denoiser, names=("ml", "soft")))
    first, other = (Fingerprint.of(each, [examples]) for each in (tiny, more))
    assert first.scenario != other.scenario
    assert first.apart(other) == []
    assert Fingerprint.of(dataclasses.replace(more, seed=1), [examples]).apart(other) != []
    assert Fingerprint.of(tiny, [examples]).checkpoint == ""


def test_every_row_names_its_own(tiny, tmp_path, monkeypatch):
    small = dataclasses.replace(tiny, denoiser=Denoising(names=("ml",)), seeds=1, test_examples=20)
    run(small, tmp_path, workers=1)
    (digest,) = Store(tmp_path).fingerprints()
    assert {record.fingerprint for record in Store(tmp_path).records()} == {digest}
    found = json.loads((tmp_path / "summary.json").read_text())["fingerprints"][digest]
    assert Fingerprint(**found).digest == digest
    assert found["scenario"] == small.hash
    assert digest in (tmp_path / "results.csv").read_text()
