"""Trials, records and runs: same bits however they are run, nothing lost, nothing computed twice."""

import contextlib
import csv
import dataclasses
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import torch
from run_helpers import rows
from scipy import stats

from analognn import MmsePb
from analognn.estimates import estimate
from analognn.experiments import Denoising, Medium, Store, run, runner, summarise
from analognn.experiments.record import Reception, denoisers, receptions
from analognn.experiments.trial import run_trials, seeded
from analognn.experiments.workspace import prepare


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of the tiny scenario in this process: (scenario, folder, result)."""
    scenario = dataclasses.replace(
        _tiny(),
        denoiser=Denoising(
            names=("ml", "mmse", "mmsep", "mmsepb"), kappa=20, lambda_primes=(0.9, 1.0), betas=(-1.0, 0.0)
        ),
    )
    folder = tmp_path_factory.mktemp("run")
    return scenario, folder, run(scenario, folder, workers=1)


def _tiny():
    from analognn.experiments import Scenario

    return Scenario(
        name="tiny",
        model="mnist-resnet8",
        media={"awgn": Medium("awgn", {"wnr_db": [0.0, 6.0]})},
        seeds=2,
        test_examples=100,
    )


def test_a_run_has_one_row_a_trial_and_one_entry_a_point(finished):
    scenario, folder, result = finished
    expected = {(*vars(r).values(), name) for r in receptions(scenario) for name in denoisers(scenario, r)}
    assert len(expected) == 1 + 2 * 2 * 4
    assert set(rows(folder)) == expected
    assert result.failures == ()
    assert len(result.summary.entries) == 2 * 4
    saved = json.loads((folder / "summary.json").read_text())
    assert saved == json.loads(json.dumps(result.summary.to_dict()))
    assert saved["entries"][0].keys() >= {"medium", "point", "denoiser", "seeds", "accuracy", "wnr_db", "gain_over_ml"}
    assert {"python", "torch", "aihwkit", "sionna"} <= saved["versions"].keys()


def test_the_csv_is_the_database(finished):
    _, folder, _ = finished
    with (folder / "results.csv").open() as file:
        exported = list(csv.DictReader(file))
    assert len(exported) == len(rows(folder))
    for row in exported:
        record = rows(folder)[row["medium"], row["point"], int(row["seed"]), row["denoiser"]]
        assert int(row["correct"]) == record.correct
        assert row["lambda_prime"] == ("" if record.lambda_prime is None else str(record.lambda_prime))


def test_worker_processes_give_the_same_bits(finished, tmp_path):
    scenario, folder, _ = finished
    run(scenario, tmp_path, workers=2)
    assert rows(tmp_path) == rows(folder)


def test_a_run_that_is_done_computes_nothing_again(finished, monkeypatch):
    scenario, folder, _ = finished
    before = Store(folder).records()
    monkeypatch.setattr(runner, "run_trials", lambda *_: pytest.fail("computed again"))
    ticks = []
    run(scenario, folder, progress=lambda done, total: ticks.append((done, total)))
    assert ticks == [(17, 17)]
    assert Store(folder).records() == before


def test_an_interrupted_run_goes_on_with_the_rest(finished, tmp_path):
    scenario, folder, _ = finished
    store = Store.create(tmp_path, scenario)
    kept = list(rows(folder).values())[:7]
    for record in kept:
        store.put(record)
    ticks = []
    run(scenario, tmp_path, workers=1, progress=lambda done, total: ticks.append(done))
    assert ticks[0] == 7
    assert ticks == sorted(ticks)
    assert ticks[-1] == 17
    assert rows(tmp_path) == rows(folder)


def test_another_scenario_in_the_same_folder_is_refused_with_the_difference(finished):
    scenario, folder, _ = finished
    before = rows(folder)
    with pytest.raises(ValueError, match=r"holds the results of another scenario(.|\n)*-seeds = 2\n\+seeds = 3"):
        run(dataclasses.replace(scenario, seeds=3), folder)
    assert rows(folder) == before


def test_a_trial_repeats_bit_by_bit_and_its_columns_fit_together(finished):
    scenario, folder, _ = finished
    workspace = prepare(scenario)
    reception = Reception("awgn", '{"wnr_db": 0.0}', 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    records = list(run_trials(workspace, reception, denoisers(scenario, reception)))
    torch.set_num_threads(threads)
    assert [dataclasses.replace(r, wall_s=None) for r in records] == [rows(folder)[r.key] for r in records]
    ml, _, mmsep, mmsepb = records
    assert (ml.lambda_prime, ml.beta, mmsep.beta) == (None, None, 0.0)
    assert mmsepb.validation_correct >= mmsep.validation_correct  # its grid holds the other's
    assert abs(ml.wnr_db) < 4 * 10 / math.log(10) * math.sqrt(2 / workspace.layout.numel)
    assert ml.noise_var == pytest.approx(ml.reported_noise_var, rel=4 * math.sqrt(2 / workspace.layout.numel))
    assert ml.channel_uses == math.ceil(workspace.layout.numel / 2)
    # The row again by hand: receive, denoise with what it says was chosen, score.
    from analognn import Prior, backends

    received = backends.create("awgn", wnr_db=0.0).receive(
        workspace.packed, generator=seeded(scenario, reception, "medium")
    )
    w_hat = MmsePb(mmsepb.lambda_prime, mmsepb.beta)(received, Prior.from_received(received))
    assert workspace.test(workspace.layout.unpack(w_hat, workspace.model)).correct == mmsepb.correct


def test_seeds_are_made_of_the_identity_of_the_draw(tiny):
    draws = receptions(tiny)
    seeds = {seeded(tiny, draw, purpose).initial_seed() for draw in draws for purpose in ("medium", "validation")}
    assert len(seeds) == 2 * len(draws)
    other_denoiser = dataclasses.replace(tiny, denoiser=Denoising(kappa=7))
    assert seeded(other_denoiser, draws[1], "medium").initial_seed() == seeded(tiny, draws[1], "medium").initial_seed()
    other_seed = dataclasses.replace(tiny, seed=1)
    assert seeded(other_seed, draws[1], "medium").initial_seed() not in seeds


def test_a_failed_draw_is_told_and_the_others_are_kept(tiny, tmp_path, monkeypatch):
    genuine = runner.run_trials

    def fails_once(workspace, reception, names):
        if reception == Reception("awgn", '{"wnr_db": 6.0}', 0):
            raise RuntimeError("the medium broke")
        yield from genuine(workspace, reception, names)

    monkeypatch.setattr(runner, "run_trials", fails_once)
    result = run(tiny, tmp_path, workers=1)
    assert len(result.failures) == 1
    assert 'awgn {"wnr_db": 6.0} seed 0' in result.failures[0]
    assert "the medium broke" in result.failures[0]
    assert len(rows(tmp_path)) == 1 + 3 * 3
    monkeypatch.undo()
    assert run(tiny, tmp_path, workers=1).failures == ()
    assert len(rows(tmp_path)) == 1 + 4 * 3


def test_a_killed_run_loses_at_most_the_trial_under_way(tiny, finished, tmp_path):
    many = dataclasses.replace(tiny, seeds=40)
    file = tmp_path / "many.toml"
    file.write_text(many.to_toml())
    command = [sys.executable, "-m", "analognn", "run", str(file), "--out", str(tmp_path / "out"), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    before = _wait_for_rows(tmp_path / "out", 20, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    store = Store(tmp_path / "out")
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    survived = rows(tmp_path / "out")
    assert before <= len(survived) < 1 + 2 * 40 * 3
    run(many, tmp_path / "out", workers=1)
    final = rows(tmp_path / "out")
    assert len(final) == 1 + 2 * 40 * 3
    assert survived.items() <= final.items()


def _wait_for_rows(folder, count, process):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        try:
            there = len(Store(folder).records())
        except (FileNotFoundError, sqlite3.OperationalError):  # not made yet
            there = 0
        if there >= count:
            return there
        time.sleep(0.02)
    raise AssertionError(f"fewer than {count} rows after two minutes")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": "mnist-resnet9"}, ValueError, "must be one of .* got 'mnist-resnet9'. Did you mean 'mnist-resnet8'"),
        (
            {"denoiser": Denoising(kappa=501)},
            ValueError,
            r"denoiser.kappa=...\)` must be <= 500, the size of .* mnist5k; got 501",
        ),
        (
            {"test_examples": 1001},
            ValueError,
            "must be <= 1000, the size of the test set of mnist5k; got 1001",
        ),
        ({"media": {"x": Medium("awng", {"wnr_db": 1.0})}}, ValueError, "got 'awng'. Did you mean 'awgn'"),
        (
            {"media": {"x": Medium("awgn", {"wnr": 1.0})}},
            ValueError,
            "has no parameter 'wnr'; .* Did you mean 'wnr_db'",
        ),
        (
            {"media": {"x": Medium("awgn", {"wnr_db": "ten"})}},
            TypeError,
            r"`Awgn\(wnr_db=...\)` must be .* got 'ten' \(str\)",
        ),
        (
            {"media": {"x": Medium("awgn", {"noise_var": [0.1, -0.1]})}},
            ValueError,
            r"`Awgn\(noise_var=...\)` .* got -0.1",
        ),
        ({"media": {"x": Medium("awgn", {})}}, ValueError, "`Awgn` needs exactly one of noise_var and wnr_db"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_folder_exists(tiny, tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        run(dataclasses.replace(tiny, **change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_data_set_is_refused_before_the_folder_exists(tiny, tmp_path):
    scenario = dataclasses.replace(tiny, model="cifar10-resnet20")
    with pytest.raises(FileNotFoundError, match="ANALOGNN_DATA or --data DIR"):
        run(scenario, tmp_path / "out", data_dir=tmp_path)
    assert not (tmp_path / "out").exists()


def test_intervals_are_students_t():
    values = [0.5, 0.7, 0.6, 0.8]
    got = estimate(values)
    want = stats.t.interval(0.95, 3, loc=0.65, scale=stats.sem(values))
    assert (got.low, got.high) == pytest.approx(want)
    assert estimate([0.5]) == dataclasses.replace(got, mean=0.5, low=None, high=None)


def test_the_gain_is_the_paired_difference(finished):
    _, folder, _ = finished
    found = rows(folder)
    for entry in summarise(Store(folder)).entries:
        point = json.dumps(entry.point)
        gains = [
            (found["awgn", point, seed, entry.denoiser].correct - found["awgn", point, seed, "ml"].correct) / 100
            for seed in (0, 1)
        ]
        assert entry.gain_over_ml.mean == pytest.approx(sum(gains) / 2)
