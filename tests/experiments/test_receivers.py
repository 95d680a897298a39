"""Receivers in scenarios: identity, columns, examples that never overlap, stores from before."""

import contextlib
import dataclasses
import json
import sqlite3

import pytest
import torch

from analognn.experiments import Denoising, Medium, Scenario, Store, run, summarise
from analognn.experiments.record import receptions
from analognn.experiments.trial import run_trials, seeded
from analognn.experiments.workspace import prepare
from analognn.receiver import Receiver, Spent

YOUNGER = ("budget", "unlabelled", "labelled", "receiver_bits")


@pytest.fixture(scope="module")
def chains() -> Scenario:
    names = ("ml", "protect", "recalibrate+affine")
    denoiser = Denoising(names=names, kappa=20, unlabelled=30, directions=2)
    media = {"awgn": Medium("awgn", {"wnr_db": 0.0})}
    return Scenario("chains", "mnist-resnet8", media, denoiser=denoiser, seeds=2, test_examples=200)


@pytest.fixture(scope="module")
def finished(chains, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chains")
    return run(chains, folder, workers=1)


def test_every_row_says_what_its_receiver_used(finished):
    assert finished.failures == ()
    found = {r.denoiser: r for r in Store(finished.folder).records() if r.seed == 0}
    assert [found["ml"].budget, found["protect"].budget, found["recalibrate+affine"].budget] == [
        "none",
        "side-information",
        "labelled",
    ]
    assert [getattr(found["recalibrate+affine"], name) for name in YOUNGER[1:]] == [30, 20, 0]
    assert found["protect"].receiver_bits > 0 == found["ml"].receiver_bits
    assert found["none"].budget is None
    entry = next(e for e in finished.summary.entries if e.denoiser == "recalibrate+affine")
    assert (entry.budget, entry.unlabelled, entry.labelled) == ("labelled", 30, 20)


def test_less_noise_in_the_right_places_is_worth_more_than_none(finished):
    accuracy = {entry.denoiser: entry.accuracy.mean for entry in finished.summary.entries}
    assert accuracy["protect"] > accuracy["ml"] + 0.1
    assert accuracy["recalibrate+affine"] > accuracy["ml"] + 0.1


def test_keys_that_came_later_leave_the_identity_of_older_scenarios_alone(chains):
    before = ['denoiser.names=["ml", "mmse", "mmsepb"]', "denoiser.unlabelled=0"]
    assert Scenario.named("default", before).hash == "34fda6f5aa268de8"  # of records from before
    assert Scenario.named("cifar10-resnet20").hash == "a11f8edef34cb2ca"
    for change in ({"unlabelled": 31}, {"directions": 3}):
        other = dataclasses.replace(chains, denoiser=dataclasses.replace(chains.denoiser, **change))
        assert other.hash != chains.hash


def test_unlabelled_examples_are_validation_inputs_and_none_of_the_labelled(chains, monkeypatch):
    workspace, reception = prepare(chains), receptions(chains)[1]
    seen = []
    monkeypatch.setattr(Receiver, "__call__", lambda self, delivery: seen.append(delivery) or delivery)
    list(run_trials(workspace, reception, ["ml"]))
    (arrived,) = seen
    everything = workspace.validation.inputs.flatten(1)

    def places(inputs):
        return {int((everything == row).all(1).nonzero()[0]) for row in inputs.flatten(1)}

    labelled, unlabelled = places(arrived.labelled.inputs), places(arrived.unlabelled)
    assert (len(labelled), len(unlabelled)) == (20, 30)
    assert not labelled & unlabelled
    order = torch.randperm(len(everything), generator=seeded(chains, reception, "validation"))
    assert labelled == set(order[:20].tolist())
    assert arrived.spent == Spent()


def test_a_store_from_before_the_columns_can_be_read_and_resumed(chains, finished, tmp_path):
    store = Store.create(tmp_path, chains)
    records = Store(finished.folder).records()
    with contextlib.closing(sqlite3.connect(store.path)) as db, db:
        for name in YOUNGER:
            db.execute(f"ALTER TABLE trials DROP COLUMN {name}")
        old = [field.name for field in dataclasses.fields(records[0]) if field.name not in YOUNGER]
        for record in records[:3]:
            values = [getattr(record, name) for name in old]
            db.execute(f"INSERT INTO trials ({', '.join(old)}) VALUES ({', '.join('?' * len(old))})", values)
    read = Store(tmp_path).records()
    assert [record.correct for record in read] == [record.correct for record in records[:3]]
    assert {record.budget for record in read} == {None}
    assert [entry.budget for entry in summarise(Store(tmp_path)).entries] == ["none", "side-information"]
    resumed = run(chains, tmp_path, workers=1)
    assert resumed.failures == ()
    assert len(Store(tmp_path).records()) == len(records)
    assert json.loads((tmp_path / "summary.json").read_text())["entries"][2]["budget"] == "labelled"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unlabelled": 0}, r"denoiser.unlabelled=...\)` must be >= 1 for 'recalibrate\+affine', which needs inputs"),
        ({"unlabelled": 481}, "denoiser.unlabelled=...\\)` must be <= 480, .* without the labelled ones; got 481"),
        ({"directions": 17}, r"`Protect\(directions=...\)` must be <= 16; got 17"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(chains, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        run(dataclasses.replace(chains, denoiser=dataclasses.replace(chains.denoiser, **change)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_fewer_labels_than_classes_are_warned_of(chains):
    few = dataclasses.replace(chains, denoiser=dataclasses.replace(chains.denoiser, kappa=9))
    with pytest.warns(UserWarning, match="is 9, fewer than the 10 classes of mnist5k"):
        prepare(few)
