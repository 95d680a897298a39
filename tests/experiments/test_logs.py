"""Rows told to trackers: each once, whoever computes it, and the calls that MLflow's client takes."""

import inspect
import sys
import time
import types

import pytest
from click.testing import CliRunner
from feel_helpers import tiny as tiny_feel

from analognn.cli import main
from analognn.experiments import Store, logs, run, watching
from analognn.experiments.feel import FeelStore, feel
from analognn.files import UnwritableError


class Kept:
    """A tracker that keeps what it is told."""

    def __init__(self):
        self.rows, self.calls = [], []

    def begin(self, scenario, folder):
        self.calls.append(("begin", scenario.name, folder.name))

    def add(self, name, step, values):
        self.rows.append((name, step, dict(values)))

    def end(self):
        self.calls.append(("end",))


@pytest.mark.parametrize("workers", [1, 2])
def test_each_trial_is_told_once_and_a_finished_run_tells_nothing(tiny, tmp_path, workers):
    kept = Kept()
    run(tiny, tmp_path / "out", workers=workers, device="cpu", logs=[kept])
    records = Store(tmp_path / "out").records()
    told = {(name, step): values for name, step, values in kept.rows}
    assert len(kept.rows) == len(told) == len(records)
    (ml,) = (r for r in records if (r.denoiser, r.seed) == ("ml", 1) and "6.0" in r.point)
    values = told["awgn/wnr_db=6/ml", 1]
    assert values["accuracy"] == ml.correct / ml.total
    assert values["wnr_db"] == ml.wnr_db
    assert "lambda_prime" not in values
    assert "wnr_db" not in told["clean/-/none", 0]
    assert kept.calls == [("begin", "tiny", "out"), ("end",)]
    again = Kept()
    run(tiny, tmp_path / "out", workers=1, device="cpu", logs=[again])
    assert again.rows == []


def test_rounds_are_steps(tmp_path):
    kept = Kept()
    feel(tiny_feel(), tmp_path, workers=1, device="cpu", logs=[kept])
    row = FeelStore(tmp_path).records()[-1]
    told = {(name, step): values for name, step, values in kept.rows}
    assert len(kept.rows) == len(told) == len(FeelStore(tmp_path).records())
    assert told[f"{row.station}/wnr_db=-5/0", row.round]["test_accuracy"] == row.test


def test_tensorboard_has_the_curves(tiny, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (tmp_path / "tiny.toml").write_text(tiny.to_toml())
    out, place = tmp_path / "out", tmp_path / "logs"
    asked = ["run", tmp_path / "tiny.toml", "--out", out, "--workers", 1, "--device", "cpu", "--set", "seeds=1"]
    outcome = CliRunner().invoke(main, [*map(str, asked), "--log", f"tensorboard:{place}"], catch_exceptions=False)
    assert outcome.exit_code == 0
    events = accumulator.EventAccumulator(str(place / "out"))
    events.Reload()
    ml = next(r for r in Store(out).records() if r.denoiser == "ml" and "6.0" in r.point)
    (point,) = events.Scalars("awgn/wnr_db=6/ml/accuracy")
    assert (point.step, point.value) == (0, pytest.approx(ml.correct / ml.total))
    assert "scenario/text_summary" in events.Tags()["tensors"]


class MlflowClient:
    """The signatures of mlflow-skinny 3.17's client, and a list of the calls."""

    calls: list

    def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None):
        type(self).calls = []

    def get_experiment_by_name(self, name: str):
        self.calls.append(("get_experiment_by_name", name))

    def create_experiment(self, name: str, artifact_location=None, tags=None):
        return "7"

    def create_run(self, experiment_id: str, start_time=None, tags=None, run_name=None):
        self.calls.append(("create_run", experiment_id, run_name))
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id="r"))

    def log_param(self, run_id: str, key: str, value, synchronous=None):
        assert len(str(value)) <= 6000

    def log_metric(self, run_id: str, key: str, value: float, timestamp=None, step=None, synchronous=None, **_):
        assert not set(key) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./ :-")
        self.calls.append(("log_metric", key, value, step))

    def set_terminated(self, run_id: str, status=None, end_time=None):
        self.calls.append(("set_terminated", run_id))


def test_mlflow_is_told_in_the_words_of_its_client(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", types.SimpleNamespace(MlflowClient=MlflowClient))
    run(tiny, tmp_path, workers=1, device="cpu", logs=[logs.log("mlflow:nowhere")])
    calls = MlflowClient.calls
    assert calls[1] == ("create_run", "7", tmp_path.name)
    assert calls[-1] == ("set_terminated", "r")
    assert {key for kind, key, *_ in calls if kind == "log_metric"} >= {
        "awgn/wnr_db:6/mmsepb/beta",
        "clean/-/none/accuracy",
    }


def test_the_client_still_has_these_signatures():
    real = pytest.importorskip("mlflow").MlflowClient
    for name, ours in inspect.getmembers(MlflowClient, inspect.isfunction):
        theirs = inspect.signature(getattr(real, name)).parameters
        named = [key for key, p in inspect.signature(ours).parameters.items() if p.kind is not p.VAR_KEYWORD]
        assert set(named) <= set(theirs), name


@pytest.mark.parametrize(("text", "said"), [("tensorboard", "KIND:PLACE"), ("tensorbord:x", "tensorboard")])
def test_unknown_trackers_are_refused_before_any_work(tmp_path, text, said):
    outcome = CliRunner().invoke(main, ["run", "--out", str(tmp_path / "out"), "--log", text])
    assert outcome.exit_code == 2
    assert said in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_who_watches_a_full_disk_leaves_it_to_the_writer_to_say_so(monkeypatch):
    looks, told = [], []

    def records(after=0):
        looks.append(after)
        if len(looks) in (2, 3):
            raise UnwritableError(28, "No space left on device")
        return ["row"][after:] if len(looks) > 1 else []

    monkeypatch.setattr(watching, "POLL", 0.001)
    with watching.watched(types.SimpleNamespace(records=records), lambda *each: told.append(each)):
        while len(looks) < 4:
            time.sleep(0.001)
    assert told == [("row", 1)]
