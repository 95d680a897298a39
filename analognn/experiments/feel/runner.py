"""Plays the trainings of a scenario that are not over, here or on workers, with the same bits either way.

Each training is one job. Its rounds are kept one by one, row and checkpoint, so that a killed run loses the round under
way and goes on behind the last one that is there.
"""

from __future__ import annotations

import itertools
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from analognn.evaluate import resolve_device
from analognn.experiments.engines import RayCluster, Workers, WorkersDied, on_processes, one_thread
from analognn.experiments.feel.scenario import FeelScenario
from analognn.experiments.feel.store import FeelStore
from analognn.experiments.feel.summary import FeelSummary, write_summary
from analognn.experiments.feel.training import RoundRow, Run, Workspace, play, prepare, runs
from analognn.experiments.logs import Log, logged
from analognn.experiments.watching import watched
from analognn.federated import Federation, State
from analognn.files import UnwritableError

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
    logs: Sequence[Log] = (),
) -> FeelResult:
    """Play what is left and write ``summary.json`` and ``results.csv`` beside ``results.sqlite`` and ``states/``.

    Args:
        scenario: what to play.
        out: the run folder, ``runs/NAME`` by default. One that holds part of the same scenario is resumed.
        data_dir: data; by default ANALOGNN_DATA, else the user's cache directory.
        device: "auto", "cpu" or "cuda".
        workers: see :func:`analognn.experiments.run`.
        progress: told as rounds end.
        logs: trackers that get a copy of each round, see :mod:`analognn.experiments.logs`.

    Raises:
        ValueError: the scenario does not fit its model or data, or ``out`` holds another scenario.
        FileNotFoundError: data set not there.
        UnwritableError: the folder cannot be written, or the disk is full; what was committed is kept.
    """
    folder = Path(out) if out is not None else Path("runs") / scenario.name
    resolved = resolve_device(device)
    place = _Place(scenario, folder, Path(data_dir) if data_dir is not None else None, str(resolved))
    with one_thread():
        workspace = _workspace(place)  # checks everything before the folder is touched
    store = FeelStore.create(folder, scenario)
    store.keep(workspace.fingerprint)
    count = workers or (1 if resolved.type == "cuda" else os.cpu_count() or 1)
    with watched(store, _counted(store, progress)), logged(store, logs):
        failures = _execute(place, _left(store), count)
    store.export_csv()
    return FeelResult(folder, write_summary(store), tuple(failures))


def _counted(store: FeelStore, told: Told | None) -> Callable[[RoundRow], None]:
    """``told`` with the number of rounds done so far and in all."""
    scenario = store.scenario
    total = sum(scenario.served(run.station).num_rounds for run in runs(scenario))
    done = itertools.count(len(store.records()) + 1)
    return (lambda row: told(row, next(done), total)) if told else (lambda _row: None)


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
    except UnwritableError:
        raise  # what follows could not be kept either
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


@lru_cache(maxsize=1)
def _cached_workspace(scenario_toml: str, data_dir: Path | None, device: str) -> Workspace:
    return prepare(FeelScenario.from_toml(scenario_toml), data_dir=data_dir, device=device)


def _workspace(place: _Place) -> Workspace:
    return _cached_workspace(place.scenario.to_toml(), place.data_dir, place.device)
