"""Run folders whose files are damaged, on a full disk or read-only: said in words, set aside, the rest kept."""

import contextlib
import dataclasses
import errno
import json
import os
import sqlite3
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from fuzzing import QUICK, answered, damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from analognn.cli import main
from analognn.experiments import Store, run, runner, summarise
from analognn.experiments.feel import FeelScenario, FeelStore, RoundRow, Run
from analognn.experiments.fingerprint import Fingerprint
from analognn.experiments.reading import kind, read
from analognn.experiments.record import Record, denoisers, receptions
from analognn.experiments.summary import write_summary
from analognn.federated import State
from analognn.files import UnwritableError, replacing

SETTLED = Fingerprint("s", "s", "d", "c", {"python": "3"})
NAMING = ("results.", "summary.json")
warned = pytest.mark.filterwarnings("always::UserWarning")


def record(reception, name):
    return Record(**vars(reception), denoiser=name, backend="awgn", correct=50, total=100, loss_sum=1.5, wnr_db=3.0)


def records(scenario):
    return [record(reception, name) for reception in receptions(scenario) for name in denoisers(scenario, reception)]


@pytest.fixture
def stubbed(monkeypatch):
    """Trials that cost nothing."""
    monkeypatch.setattr(runner.Trials, "workspace", SimpleNamespace(fingerprint=SETTLED))
    monkeypatch.setattr(runner, "run_trials", lambda _workspace, draw, names: (record(draw, name) for name in names))


@pytest.fixture
def many(tiny):
    """A scenario of 601 trials."""
    return dataclasses.replace(tiny, seeds=100)


@pytest.fixture
def folder(many, tmp_path):
    """A folder with all of them, summary and CSV beside the database."""
    store = Store.create(tmp_path / "run", many)
    store.keep(SETTLED)
    store.put(*records(many))
    store.export_csv()
    write_summary(store)
    return store.folder


def overwrite(path, start, content):
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


def garbled(path):
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 20)


def one_page(path):
    overwrite(path, path.stat().st_size // 2 // 4096 * 4096, b"\xff" * 4096)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(("damage", "fewest"), [(garbled, 601), (one_page, 400), (cut, 100)])
def test_a_damaged_database_is_set_aside_and_its_rows_are_kept(damage, fewest, many, folder, stubbed):
    damage(folder / "results.sqlite")
    with pytest.warns(
        UserWarning, match=r"results\.sqlite is damaged: .*It is kept as results\.sqlite\.corrupt; \d+ rows"
    ):
        store = Store.create(folder, many)
    kept = store.records()
    assert fewest <= len(kept) <= 601
    assert set(kept) <= set(records(many))
    assert (folder / "results.sqlite.corrupt").is_file()
    run(many, folder, workers=1)
    assert set(Store(folder).records()) == set(records(many))
    damage(folder / "results.sqlite")
    with pytest.warns(UserWarning, match=r"kept as results\.sqlite\.corrupt-2"):
        Store.create(folder, many)


def test_rows_of_another_scenario_are_not_taken_over(many, folder):
    garbled(folder / "results.sqlite")
    with pytest.warns(UserWarning, match="; 0 rows could be read"):
        assert Store.create(folder, dataclasses.replace(many, seed=1)).records() == []


def test_commands_that_only_read_name_the_damaged_file_and_leave_it(folder):
    garbled(folder / "results.sqlite")
    for command in ("show run", "plot", "report"):
        outcome = CliRunner().invoke(main, [*command.split(), str(folder)])
        assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1), outcome.stderr
        assert f"Error: {folder / 'results.sqlite'} is damaged: file is not a database" in outcome.stderr
    assert not (folder / "results.sqlite.corrupt").exists()


@warned
def test_the_command_says_it_in_one_line_and_goes_on(many, folder, tmp_path, stubbed):
    garbled(folder / "results.sqlite")
    (tmp_path / "many.toml").write_text(many.to_toml())
    outcome = CliRunner().invoke(main, ["run", str(tmp_path / "many.toml"), "--out", str(folder), "--workers", "1"])
    assert outcome.exit_code == 0
    assert outcome.stderr.startswith(f"Warning: {folder / 'results.sqlite'} is damaged: ")
    assert outcome.stderr.count("\n") == 1


@contextlib.contextmanager
def a_disk_with_room_for(pages, monkeypatch):
    """SQLite's own limit on the pages of a file: the same error as from a full disk."""
    genuine = sqlite3.connect

    def connect(*args, **options):
        db = genuine(*args, **options)
        db.execute(f"PRAGMA max_page_count = {pages}")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect)
        yield


def test_a_full_disk_stops_the_run_in_one_line_and_nothing_is_lost(many, tmp_path, stubbed, monkeypatch):
    (tmp_path / "many.toml").write_text(many.to_toml())
    command = ["run", str(tmp_path / "many.toml"), "--out", str(tmp_path / "out"), "--workers", "1"]
    with a_disk_with_room_for(20, monkeypatch):
        outcome = CliRunner().invoke(main, command)
    assert outcome.exit_code == 1
    assert outcome.stderr == f"Error: No space left on device: {tmp_path / 'out' / 'results.sqlite'}\n"
    before = Store(tmp_path / "out").records()
    assert 100 < len(before) < 601
    assert CliRunner().invoke(main, command).exit_code == 0
    assert Store(tmp_path / "out").records()[: len(before)] == before
    assert set(Store(tmp_path / "out").records()) == set(records(many))


def test_a_file_that_does_not_fit_leaves_the_old_one(many, folder, monkeypatch):
    before = (folder / "results.csv").read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")  # as from write(2): without a name

    monkeypatch.setattr("csv.writer", full)
    with pytest.raises(UnwritableError) as caught:
        Store(folder).export_csv()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(folder / "results.csv"))
    assert (folder / "results.csv").read_bytes() == before
    assert not list(folder.glob("*.part"))


def test_what_a_killed_writer_left_goes_with_the_next_write_and_what_a_live_one_writes_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path, other = tmp_path / "a[1].json", tmp_path / f"a1.json.{gone.pid}.part"
    left, alive = (tmp_path / f"{path.name}.{pid}.part" for pid in (gone.pid, os.getppid()))
    for part in (left, alive, other):
        part.write_text("half")
    with replacing(path) as part:
        part.write_text("whole")
    assert path.read_text() == "whole"
    assert sorted(tmp_path.iterdir()) == sorted([path, alive, other])


def test_a_read_only_folder_can_be_read_and_is_refused_for_a_run(many, folder, stubbed, monkeypatch):
    genuine = sqlite3.connect

    def connect(path, **options):
        """What SQLite does where it may not create the files beside a database."""
        if "immutable" in str(path):
            return genuine(path, **options)
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert len(Store(folder).records()) == 601
    assert CliRunner().invoke(main, ["show", "run", str(folder)]).exit_code == 0
    with pytest.raises(UnwritableError) as caught:
        run(many, folder, workers=1)
    assert caught.value.filename == str(folder / "results.sqlite")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """File name -> content of a folder with ten trials, and its scenario."""
    from analognn.experiments import Scenario

    scenario = Scenario.named("default", ["seeds=1", "denoiser.names=['ml']"])
    store = Store.create(tmp_path_factory.mktemp("small"), scenario)
    store.put(*records(scenario))
    store.export_csv()
    write_summary(store)
    names = ("results.sqlite", "results.csv", "summary.json")
    return scenario, {name: (store.folder / name).read_bytes() for name in names}


@settings(QUICK, max_examples=120)
@given(st.sampled_from(["results.sqlite", "results.csv", "summary.json"]), st.data())
def test_damaged_bytes_are_refused_by_the_name_of_the_file(small, tmp_path_factory, name, data):
    _, files = small
    folder = tmp_path_factory.mktemp("damaged")
    kept = [name] if name == "results.sqlite" else ["results.csv", "summary.json"]
    for each in kept:
        content = files[each]
        (folder / each).write_bytes(data.draw(damaged(content)) if each == name else content)
    kept = answered(lambda: read(kind(folder), folder), naming=NAMING)
    if kept is not None and all(record.medium for record in kept.rows):
        json.dumps(summarise(kept).to_dict())


@settings(QUICK, max_examples=60)
@given(st.data())
def test_a_run_goes_on_from_any_damaged_database_or_refuses(small, tmp_path_factory, data):
    scenario, files = small
    folder = tmp_path_factory.mktemp("resumed")
    (folder / "results.sqlite").write_bytes(data.draw(damaged(files["results.sqlite"])))
    with contextlib.suppress(UserWarning):  # an error in tests; it comes last
        answered(lambda: Store.create(folder, scenario), naming=(*NAMING, str(folder)))
    if answered(lambda: Store(folder), naming=NAMING) is not None:
        answered(lambda: Store(folder).put(*records(scenario)), naming=NAMING)


def training(tmp_path, rounds):
    scenario = FeelScenario.named("feel", ["federation.num_rounds=5"])
    store, asked = FeelStore.create(tmp_path, scenario), Run("ml", '{"wnr_db": -5.0}', 0)
    blank = {field.name: None for field in dataclasses.fields(RoundRow)}
    blank |= dict.fromkeys(("validation_total", "test_total", "diverged", "channel_uses", "side_info_bits"), 1)
    blank |= dict.fromkeys(("validation_correct", "test_correct"), 1)
    blank |= dict.fromkeys(("outage", "seconds_training", "seconds_air", "seconds_station"), 0.0)
    blank |= {"devices": "[]", "refused": "{}", "dropped": "[]", "note": "", **vars(asked)}
    store.put(*(RoundRow(**{**blank, "round": index}) for index in rounds))
    State(4, {"w": torch.ones(3)}).save(store.checkpoint(asked))
    return store, asked


@pytest.mark.parametrize(
    ("rounds", "there"), [(range(4), True), (range(5), True), (range(3), False), ((0, 1, 3), False)]
)
def test_a_federated_state_counts_where_its_rounds_are_kept(rounds, there, tmp_path):
    store, asked = training(tmp_path, rounds)
    assert (store.state(asked) is not None) == there


def test_a_damaged_federated_state_is_set_aside(tmp_path):
    store, asked = training(tmp_path, range(4))
    path = store.checkpoint(asked)
    cut(path)
    with pytest.warns(
        UserWarning, match=r"cannot be read as a safetensors file.*\.corrupt; this training starts again"
    ):
        assert store.state(asked) is None
    assert path.with_name(f"{path.name}.corrupt").is_file()
    assert store.state(asked) is None
