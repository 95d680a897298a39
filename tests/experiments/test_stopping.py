"""The stop rule: as many draws as an interval needs, the first ones of a longer run, however often it was killed."""

import dataclasses
import json

import pytest

from analognn.experiments import Denoising, Scenario, Store, run
from analognn.experiments.record import Record
from analognn.experiments.stopping import draws

RULE = 'name="x"\nmodel="mnist-resnet8"\nseeds=2\n[media.a]\nbackend="awgn"\nwnr_db=[0.0, 6.0]\n'
RULE += '[media.b]\nbackend="awgn"\nwnr_db=3.0\n[denoiser]\nnames=["ml", "mmse"]\n'


def scenario(stop):
    return Scenario.from_toml(f"{RULE}[stop]\n{stop}")


def records(asked, medium, accuracies):
    """The same accuracies, draw by draw, at all points and for all receivers."""
    return [
        Record(medium, json.dumps(point), seed, name, "awgn", correct, 100, 0.0, wnr_db=point.get("wnr_db", 3.0))
        for point in asked.media[medium].points()
        for name in asked.denoiser.names
        for seed, correct in enumerate(accuracies)
    ]


def test_a_medium_gets_draws_until_its_interval_is_small():
    asked = scenario("half_width = 0.05\nmax_seeds = 7")
    assert draws(asked, []) == {"a": 2, "b": 2}
    wide = records(asked, "a", [50, 60])
    assert draws(asked, wide) == {"a": 4, "b": 2}
    assert draws(asked, wide + records(asked, "b", [50, 50])) == {"a": 4, "b": 2}
    assert draws(asked, records(asked, "a", [50, 60, 54, 56])) == {"a": 6, "b": 2}  # t_3 s / 2 = .066
    assert draws(asked, records(asked, "a", [50, 60, 54, 56, 55, 55])) == {"a": 6, "b": 2}  # .034
    assert draws(asked, records(asked, "a", [10, 90, 10, 90, 10, 90])) == {"a": 7, "b": 2}


def test_a_round_under_way_decides_nothing():
    asked = scenario("half_width = 0.05\nmax_seeds = 8")
    assert draws(asked, records(asked, "a", [50, 60])[1:]) == {"a": 2, "b": 2}
    assert draws(asked, records(asked, "a", [50, 60, 55])) == {"a": 4, "b": 2}
    later = records(asked, "a", [50, 50, 10, 90])  # precise after two draws: what came later does not change that
    assert draws(asked, later) == {"a": 2, "b": 2}


@pytest.mark.parametrize(("score", "count"), [("accuracy", 8), ("gain_over_ml", 2), ("area", 8)])
def test_the_score_is_the_one_that_was_named(score, count):
    asked = scenario(f'half_width = 0.05\nmax_seeds = 8\nscore = "{score}"')
    assert draws(asked, records(asked, "a", [10, 90, 20, 80, 30, 70, 40, 60]))["a"] == count


def test_without_a_rule_there_are_seeds():
    assert draws(Scenario.from_toml(RULE), []) == {"a": 2, "b": 2}


def test_a_rule_is_part_of_the_identity_and_reads_back():
    plain, asked = Scenario.from_toml(RULE), scenario("half_width = 0.05\nmax_seeds = 8")
    assert "stop" not in plain.to_dict()
    assert Scenario.from_toml(asked.to_toml()) == asked
    assert asked.hash != plain.hash


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        ("half_width = 0.0\nmax_seeds = 8", r"stop.half_width=...\)` must be a finite number > 0; got 0.0"),
        ("half_width = 0.1\nmax_seeds = 1", r"stop.max_seeds=...\)` must be an integer >= 2; got 1"),
        ("half_width = 0.1", "lacks the key 'stop.max_seeds'"),
        ("half_width = 0.1\nmax_seeds = 8\nscor = 'area'", "Unknown key 'stop.scor'.*Did you mean 'stop.score'"),
        ('half_width = 0.1\nmax_seeds = 8\nscore = "loss"', "'accuracy', 'gain_over_ml' or 'area'; got 'loss'"),
    ],
)
def test_what_does_not_fit_is_refused(stop, message):
    with pytest.raises(ValueError, match=message):
        scenario(stop)


def test_a_cap_below_the_first_round_and_gains_without_ml_are_refused():
    with pytest.raises(ValueError, match=r"stop.max_seeds=...\)` must be an integer >= 3; got 2"):
        Scenario.from_dict(
            {**Scenario.from_toml(RULE).to_dict(), "seeds": 3, "stop": {"half_width": 1, "max_seeds": 2}}
        )
    raw = scenario('half_width = 0.1\nmax_seeds = 8\nscore = "gain_over_ml"').to_dict()
    with pytest.raises(ValueError, match="needs 'ml' among denoiser.names"):
        Scenario.from_dict({**raw, "denoiser": {"names": ["mmse"]}})


def test_a_stopped_run_is_the_start_of_a_longer_one_and_survives_a_kill(tiny, tmp_path, monkeypatch):
    small = dataclasses.replace(tiny, denoiser=Denoising(names=("ml", "mmse"), kappa=20), test_examples=50)
    asked = Scenario.from_dict({**small.to_dict(), "stop": {"half_width": 0.2, "max_seeds": 6}})
    assert run(asked, tmp_path / "whole", workers=1).failures == ()
    whole = rows(tmp_path / "whole")
    (count,) = draws(asked, whole.values()).values()
    assert 2 < count <= 6, "the rule asks for a second round and ends"

    plain = dataclasses.replace(small, seeds=count)
    run(plain, tmp_path / "plain", workers=1)
    assert rows(tmp_path / "plain") == whole

    put, kept = Store.put, []

    def put_some(store, record):
        if len(kept) == 11:  # in the second round
            raise KeyboardInterrupt
        kept.append(put(store, record))

    monkeypatch.setattr(Store, "put", put_some)
    with pytest.raises(KeyboardInterrupt):
        run(asked, tmp_path / "killed", workers=1)
    monkeypatch.undo()
    run(asked, tmp_path / "killed", workers=1)
    assert rows(tmp_path / "killed") == whole


def rows(folder):
    """All records without what time and the scenario's identity put there, by trial."""
    found = Store(folder).records()
    return {record.key: dataclasses.replace(record, wall_s=None, fingerprint=None) for record in found}
