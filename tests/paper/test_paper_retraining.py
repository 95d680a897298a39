"""Retraining repeats and leaves the network alone; verdicts are those of the intervals."""

import json
from dataclasses import replace

import pytest
import torch
from paper_recipes import load

from analognn import models
from analognn.estimates import Estimate
from analognn.packing import ParameterLayout
from analognn.seeds import seeded

retraining, reporting = load("retraining"), load("retraining_report")
RECIPE = replace(
    retraining.DIGITS, targets=(3.0,), wnr_db=(0.0, 6.0), seeds=1, epochs=1, train_examples=64, test_examples=40
)


def weights(model):
    return ParameterLayout.from_model(model).pack(model).vector


def test_retraining_repeats_and_leaves_model_and_global_randomness_alone() -> None:
    model, state = models.load("mnist-resnet8"), torch.get_rng_state()
    before = weights(model).clone()
    train = retraining.Bench(RECIPE, None, None).splits.train
    steps = list(retraining.batches(RECIPE, train, seeded("images")))
    assert [len(labels) for _, labels in steps] == [64]
    first, again, other = (
        retraining.retrain(model, steps, 3.0, peak_rate=1e-3, generator=seeded("noise", seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))
    assert torch.equal(weights(model), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not first.training


def test_a_bench_resumes_and_reports(tmp_path) -> None:
    path = tmp_path / "records.json"
    found = retraining.Bench(RECIPE, path, None).run()
    assert len(found["records"]) == 3  # networks
    assert all(len(rows) == 2 * 4 for rows in found["records"].values())  # points, receivers
    tables = json.loads(path.read_text())
    del tables["records"]["retrained at 3 dB/0"]
    path.write_text(json.dumps(tables))
    assert retraining.Bench(RECIPE, path, None).run()["records"] == found["records"]
    results = {RECIPE: (retraining.records(found), found)}
    text = reporting.report(results)
    assert "retrained at 3 dB | recalibrate" in text
    figure = reporting.picture(results)
    figure.canvas.draw()
    assert [panel.get_title() for panel in figure.axes] == [f"mnist-resnet8: {name}" for name in reporting.RECEIVERS]


@pytest.mark.parametrize(
    ("intervals", "winner"),
    [
        (((-0.2, -0.1), (0.1, 0.2)), "a"),
        (((0.1, 0.2), (0.1, 0.2)), "retraining"),
        (((-0.1, 0.2), (0.1, 0.2)), "no one"),
    ],
)
def test_who_wins(intervals, winner) -> None:
    over = {name: Estimate(sum(ends) / 2, *ends) for name, ends in zip("ab", intervals, strict=True)}
    assert reporting._winner(over) == winner
