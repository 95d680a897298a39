"""Federated trainings as experiments: kept round by round, resumed with the same bits, paired, told."""

import csv
import dataclasses
import json
import signal
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner
from feel_helpers import TINY, point, tiny, without_time

from analognn import federated, plots_feel
from analognn.cli import main
from analognn.cli_feel import line
from analognn.experiments import Store
from analognn.experiments.engines import RayCluster
from analognn.experiments.feel import FeelScenario, FeelStore, Run, feel, store, training
from analognn.experiments.feel.gains import accuracy_curves, crossing
from analognn.experiments.feel.rounds import runs
from analognn.experiments.feel.scenario import NOISELESS
from analognn.experiments.feel.summary import best_by_validation, best_on_test, last
from analognn.federated import State

AT = point(wnr_db=-5.0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of the tiny scenario in this process: (scenario, folder, result, what was told)."""
    folder, told = tmp_path_factory.mktemp("feel"), []
    scenario = tiny()
    result = feel(scenario, folder, workers=1, device="cpu", progress=lambda *each: told.append(each))
    return scenario, folder, result, told


def rows(folder):
    return without_time(FeelStore(folder).records())


def states(folder):
    return {path.name: State.load(path) for path in sorted((folder / store.STATES).iterdir())}


def same_states(one, other):
    assert one.keys() == other.keys()
    for name, state in one.items():
        assert (state.round, state.diverged) == (other[name].round, other[name].diverged)
        assert state.memory.keys() == other[name].memory.keys()
        assert all(torch.equal(tensor, other[name].model[key]) for key, tensor in state.model.items())
        assert all(torch.equal(torch.as_tensor(kept), other[name].memory[key]) for key, kept in state.memory.items())


def test_a_run_has_one_row_a_round_and_one_model_a_training(finished):
    scenario, folder, result, told = finished
    trainings = [Run(NOISELESS, "{}", 0), Run("ml", AT, 0), Run("searched", AT, 0)]
    assert runs(scenario) == trainings
    assert set(rows(folder)) == {(run, r) for run in trainings for r in range(2)}
    assert result.failures == ()
    assert len(states(folder)) == 3
    assert all(state.round == 2 for state in states(folder).values())
    assert [(done, total) for _, done, total in told] == [(i + 1, 6) for i in range(6)]
    assert [entry.station for entry in result.summary.entries] == [NOISELESS, "ml", "searched"]
    saved = json.loads((folder / "summary.json").read_text())
    assert saved == json.loads(json.dumps(result.summary.to_dict()))
    with (folder / "results.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6


def test_a_row_says_what_the_round_did(finished):
    _, folder, _, _ = finished
    found = rows(folder)
    clean, noisy, searched = (found[run, 1] for run in runs(tiny()))
    assert (clean.noise_var, clean.effective_wnr_db) == (0.0, None)
    assert noisy.effective_wnr_db == pytest.approx(-5.0)
    assert noisy.noise_var == pytest.approx(noisy.update_power * 10**0.5)
    assert noisy.gain == pytest.approx(1.0)
    assert noisy.lambda_prime is None
    assert searched.lambda_prime is not None
    assert (searched.searched_total, searched.validation_total, searched.test_total) == (20, 480, 50)
    assert json.loads(noisy.devices) == json.loads(searched.devices)
    assert "validation" in line(searched, 2)
    assert "lambda'" in line(searched, 2)


def test_all_stations_share_deal_weights_and_noise():
    workspace = training.prepare(tiny("federation.num_rounds=1"), device="cpu")
    one, other = (training.begin(workspace, Run(label, AT, 0)) for label in ("ml", "searched"))
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(one.devices, other.devices, strict=True))
    assert all(torch.equal(tensor, other.start.model[name]) for name, tensor in one.start.model.items())
    assert one.setup.seed == other.setup.seed
    again = training.begin(workspace, Run("ml", AT, 1))
    assert not all(torch.equal(a.labels, b.labels) for a, b in zip(one.devices, again.devices, strict=True))
    judged = one.validation.batch(slice(None))
    searched = one.cell.examples.inputs
    assert not any((judged == image).flatten(1).all(1).any() for image in searched)


def test_the_same_folder_again_does_nothing(finished, monkeypatch):
    scenario, folder, result, _ = finished
    monkeypatch.setattr(federated, "play", None)
    assert feel(scenario, folder, workers=1, device="cpu").summary == result.summary
    with pytest.raises(ValueError, match=r"(?s)holds the results of another scenario.*\+seeds = 2"):
        feel(tiny("seeds=2"), folder, device="cpu")
    with pytest.raises(FileNotFoundError, match="`analognn run` makes it"):
        Store(folder)


def test_a_killed_run_goes_on_with_the_same_bits(finished, tmp_path):
    scenario, folder, _, _ = finished
    (tmp_path / "tiny.toml").write_text(TINY)
    out = tmp_path / "out"
    command = "import sys; from analognn.experiments.feel import *; import signal, os\n"
    command += "def told(row, done, total): done < 3 or os.kill(os.getpid(), signal.SIGKILL)\n"
    command += "feel(FeelScenario.named(sys.argv[1]), sys.argv[2], workers=1, device='cpu', progress=told)"
    killed = subprocess.Popen([sys.executable, "-c", command, str(tmp_path / "tiny.toml"), str(out)])
    assert killed.wait() == -signal.SIGKILL
    there = rows(out)
    assert 3 <= len(there) < 6
    checkpoint = FeelStore(out).checkpoint(Run("ml", AT, 0))
    checkpoint.unlink(missing_ok=True)  # as if killed between row and checkpoint, and in the middle of a checkpoint:
    checkpoint.with_name(f"{checkpoint.name}.{killed.pid}.part").write_bytes(b"half")
    feel(scenario, out, workers=1, device="cpu")
    assert rows(out) == rows(folder)
    same_states(states(out), states(folder))


def test_worker_processes_give_the_same_bits(finished, tmp_path):
    scenario, folder, _, _ = finished
    told = []
    result = feel(scenario, tmp_path, workers=2, device="cpu", progress=lambda *each: told.append(each))
    assert result.failures == ()
    assert rows(tmp_path) == rows(folder)
    assert len(told) == 6
    same_states(states(tmp_path), states(folder))


def test_a_cluster_sends_rounds_and_states_back(finished, tmp_path):
    class OnTheSpot(RayCluster):
        """Computes each job here and, as Ray does, hands over what it yields and what it raises."""

        def stream(self, function, shared, jobs, *, num_gpus=0):
            for job in (handed := list(jobs)):
                yield from ((job, result) for result in function(shared, job))
            yield handed[0], RuntimeError("lost")

    scenario, folder, _, _ = finished
    result = feel(scenario, tmp_path, workers=OnTheSpot(), device="cpu")
    assert result.failures == ("noiseless {} seed 0:\nlost",)
    assert rows(tmp_path) == rows(folder)
    same_states(states(tmp_path), states(folder))


def test_divergence_ends_a_training_and_is_recorded(tmp_path):
    scenario = tiny("federation.max_loss=0.5", "federation.num_rounds=3")
    result = feel(scenario, tmp_path, workers=1, device="cpu")
    assert {row.round for row in FeelStore(tmp_path).records()} == {0}
    assert all("above max_loss = 0.5" in row.note for row in FeelStore(tmp_path).records())
    assert [entry.diverged for entry in result.summary.entries] == [1, 1, 1]
    again = feel(scenario, tmp_path, workers=1, device="cpu")
    assert again.summary == result.summary
    assert "1 of 1" in CliRunner().invoke(main, ["show", "run", str(tmp_path)]).output


def test_a_failure_leaves_the_other_trainings_alone(tmp_path, monkeypatch):
    def broken(state, devices, cell, setup):
        if setup.station.plan.wants_examples:
            raise RuntimeError("out of order")
        return play(state, devices, cell, setup)

    play = federated.play
    monkeypatch.setattr(federated, "play", broken)
    result = feel(tiny("federation.num_rounds=1"), tmp_path, workers=1, device="cpu")
    (failure,) = result.failures
    assert failure.startswith(f"searched {AT} seed 0:")
    assert "out of order" in failure
    assert [entry.station for entry in result.summary.entries] == [NOISELESS, "ml"]


def test_the_reported_round_is_what_the_rules_say(finished):
    _, folder, _, _ = finished
    (row, *_) = FeelStore(folder).records()
    rounds = [dataclasses.replace(row, round=i, validation_correct=v, test_correct=t) for i, (v, t) in enumerate(
        [(5, 9), (7, 3), (7, 8), (6, 1)]
    )]  # fmt: skip
    assert (last(rounds).round, best_by_validation(rounds).round, best_on_test(rounds).round) == (3, 1, 0)


def test_gains_are_paired_and_bounds_are_told():
    ml = crossing({0: [(-10.0, 0.1), (0.0, 0.9)], 1: [(-10.0, 0.3), (0.0, 0.7)]}, 0.5)
    better = crossing({0: [(-10.0, 0.4), (0.0, 0.6)], 1: [(-10.0, 0.6), (0.0, 0.9)]}, 0.5)
    assert ml.db == pytest.approx({0: -5.0, 1: -5.0})
    assert better.db == pytest.approx({0: -5.0, 1: -10.0})
    assert (ml.below, ml.above, better.below, better.above) == (0, 0, 1, 0)
    assert better.gain(ml).mean == pytest.approx(2.5)
    assert better.over(ml).startswith(">= +2.5 ±")
    assert ml.over(better).startswith("<= -2.5 ±")
    assert better.text().startswith("<= -7.5")
    assert crossing({0: [(-10.0, 0.1), (0.0, 0.2)]}, 0.5).text() == ">= 0.0"


def test_curves_have_every_point(finished):
    _, folder, _, _ = finished
    ml = accuracy_curves(FeelStore(folder))["ml"]
    assert [x for x, _ in ml[0]] == [-5.0]
    assert NOISELESS not in accuracy_curves(FeelStore(folder))


@pytest.mark.parametrize(("override", "message"), [
    ("kappa=500", r"`FeelScenario\(kappa=...\)` must be < 500, the validation examples of mnist5k"),
    ("test_examples=2000", r"must be <= 1000, the size of the test set of mnist5k; got 2000"),
    ("model=mnist-resnet9", "Did you mean 'mnist-resnet8'"),
])  # fmt: skip
def test_what_does_not_fit_the_data_is_refused_before_the_folder_is_made(override, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        feel(tiny(override), tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


def test_the_command_tells_each_round_and_draws_two_pictures(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    out = tmp_path / "out"
    arguments = ["feel", tmp_path / "tiny.toml", "--out", out, "--workers", 1, "--device", "cpu"]
    arguments += ["--set", "federation.num_rounds=1"]
    outcome = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    assert "1/3 noiseless  seed 0 round 1/1: power" in outcome.output
    assert "WNR -5.0 dB, lambda'" in outcome.output
    assert outcome.output.count(" left\n") == 3
    assert outcome.output.splitlines()[-1] == f"Rounds, table, models and 2 pictures are in {out}/"
    pictures = [out / plots_feel.PER_ROUND, out / plots_feel.VS_NOISE]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    pictures[0].unlink()
    assert CliRunner().invoke(main, ["plot", str(out)]).exit_code == 0
    assert pictures[0].exists()
    shown = CliRunner().invoke(main, ["show", "scenario", "feel", "--set", "seeds=2"]).output
    assert FeelScenario.from_toml(shown).seeds == 2
    refused = CliRunner().invoke(main, ["feel", "--set", "sedes=3"])
    assert refused.exit_code == 2
    assert "Did you mean 'seeds'" in refused.output
