"""Plays the trainings of a scenario that are not over, here or on workers, with the same bits either way.

Each training is one job. Its rounds are kept one by one, row and checkpoint, so that a killed run loses the round under
way and goes on behind the last one that is there.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from analognn.evaluate import resolve_device
from analognn.experiments.engines import RayCluster, Workers, WorkersDied, on_processes, one_thread
from analognn.experiments.feel.scenario import FeelScenario
from analognn.experiments.feel.store import FeelStore
from analognn.experiments.feel.summary import FeelSummary, write_summary
from analognn.experiments.feel.training import RoundRow, Run, Workspace, play, prepare, runs
from analognn.federated import Federation, State

POLL = 0.3
"""Seconds between two looks at what the workers committed."""

Told = Callable[[RoundRow, int, int], None]
"""Called with (round, rounds done, rounds in all), as rounds end."""


@dataclass(frozen=True)
class FeelResult:
    """What a run left behind.

    Args:
        folder: the run folder.
        summary: of all trainings in it that are over.
        failures: one text a training that failed, with its traceback; it goes on next time.
    """

    folder: Path
    summary: FeelSummary
    failures: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    """Where and from what a worker computes; small, so that it travels to every worker."""

    scenario: FeelScenario
    folder: Path
    data_dir: Path | None
    device: str


def feel(
    scenario: FeelScenario,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    device: str = "auto",
    workers: Workers = None,
    progress: Told | None = None,
) -> FeelResult:
    """Play what is left and write ``summary.json`` and ``results.csv`` beside ``results.sqlite`` and ``states/``.

    Args:
        scenario: what to play.
        out: the run folder, ``runs/NAME`` by default. One that holds part of the same scenario is resumed.
        data_dir: data; by default ANALOGNN_DATA, else the user's cache directory.
        device: "auto", "cpu" or "cuda".
        workers: see :func:`analognn.experiments.run`.
        progress: told as rounds end.

    Raises:
        ValueError: the scenario does not fit its model or data, or ``out`` holds another scenario.
        FileNotFoundError: data set not there.
    """
    folder = Path(out) if out is not None else Path("runs") / scenario.name
    resolved = resolve_device(device)
    place = _Place(scenario, folder, Path(data_dir) if data_dir is not None else None, str(resolved))
    with one_thread():
        workspace = _workspace(place)  # checks everything before the folder is touched
    store = FeelStore.create(folder, scenario)
    store.keep(workspace.fingerprint)
    count = workers or (1 if resolved.type == "cuda" else os.cpu_count() or 1)
    with _watched(store, progress or (lambda _row, _done, _total: None)):
        failures = _execute(place, _left(store), count)
    store.export_csv()
    return FeelResult(folder, write_summary(store), tuple(failures))


def _left(store: FeelStore) -> list[Run]:
    scenario = store.scenario
    return [run for run in runs(scenario) if not _is_over(store.state(run), scenario.served(run.station))]


def _is_over(state: State | None, federation: Federation) -> bool:
    return state is not None and (state.diverged or state.round >= federation.num_rounds)


def _execute(place: _Place, left: list[Run], workers: int | RayCluster) -> list[str]:
    failures = []
    try:
        for text in _outcomes(place, left, workers):
            failures += [text] if text else []
    except WorkersDied as error:
        failures.append(str(error))
    return failures


def _outcomes(place: _Place, left: list[Run], workers: int | RayCluster) -> Iterator[str]:
    """The text of what failed, or an empty one, as trainings end."""
    if isinstance(workers, RayCluster):
        return _on_cluster(place, left, workers)
    count = min(workers, len(left))
    if count <= 1:
        return (_play_one(place, run) for run in left)
    return on_processes(partial(_play_one, place), left, count)


def _play_one(place: _Place, run: Run) -> str:
    store = FeelStore(place.folder)
    try:
        with one_thread():
            for row, state in play(_workspace(place), run, store.state(run)):
                store.commit(row, state)
    except Exception:
        return _told(run, traceback.format_exc())
    return ""


def _on_cluster(place: _Place, left: list[Run], cluster: RayCluster) -> Iterator[str]:
    """The workspace travels to the cluster; rounds and states come back and are kept here."""
    store = FeelStore(place.folder)
    jobs = [(run, store.state(run)) for run in left]
    for job, result in cluster.stream(_compute, _workspace(place), jobs, num_gpus=int(place.device.startswith("cuda"))):
        if isinstance(result, Exception):
            yield _told(job[0], str(result))
        else:
            store.commit(*result)


def _compute(workspace: Workspace, job: tuple[Run, State | None]) -> Iterator[tuple[RoundRow, State]]:
    with one_thread():
        yield from play(workspace, *job)


def _told(run: Run, failure: str) -> str:
    return f"{run.station} {run.point} seed {run.seed}:\n{failure}"


@contextmanager
def _watched(store: FeelStore, told: Told) -> Iterator[None]:
    """Tell of rounds as they appear in the store, whoever commits them."""
    scenario = store.scenario
    total = sum(scenario.served(run.station).num_rounds for run in runs(scenario))
    done, ended = len(store.records()), threading.Event()

    def look() -> None:
        nonlocal done
        for row in store.records(after=done):
            done += 1
            told(row, done, total)

    def watch() -> None:
        while not ended.wait(POLL):
            look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        look()


@lru_cache(maxsize=1)
def _cached_workspace(scenario_toml: str, data_dir: Path | None, device: str) -> Workspace:
    return prepare(FeelScenario.from_toml(scenario_toml), data_dir=data_dir, device=device)


def _workspace(place: _Place) -> Workspace:
    return _cached_workspace(place.scenario.to_toml(), place.data_dir, place.device)
