"""Runs the trials of a scenario that are not done yet, here or on worker processes, with the same bits either way.

Each worker computes on one PyTorch thread (the order of a sum depends on the number of threads). Every record is
committed as its trial ends, by the worker or, where it may not see the run folder, by this process.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from analognn.evaluate import resolve_device
from analognn.experiments.engines import RayCluster, Workers, WorkersDied, on_processes, one_thread
from analognn.experiments.logs import Log, logged
from analognn.experiments.scenario import Scenario
from analognn.experiments.stopping import draws
from analognn.experiments.store import Store
from analognn.experiments.summary import Summary, write_summary
from analognn.experiments.trial import Reception, Record, Workspace, denoisers, prepare, receptions, run_trials
from analognn.files import UnwritableError
from analognn.progress import Report


@dataclass(frozen=True)
class RunResult:
    """What a run left behind.

    Args:
        folder: the run folder.
        summary: of all records in it.
        failures: one text a draw that failed, with its traceback; its trials are not recorded and run again next time.
    """

    folder: Path
    summary: Summary
    failures: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    """The trials still to do on one noise draw."""

    reception: Reception
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    """Where and from what a worker computes; small, so that it travels to every worker."""

    scenario: Scenario
    folder: Path
    data_dir: Path | None
    device: str


def run(
    scenario: Scenario,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    device: str = "auto",
    workers: Workers = None,
    progress: Report | None = None,
    logs: Sequence[Log] = (),
) -> RunResult:
    """Run what is not done yet and write ``summary.json`` and ``results.csv`` beside ``results.sqlite``.

    Args:
        scenario: what to run.
        out: the run folder, ``runs/NAME`` by default. One that holds part of the same scenario is resumed.
        data_dir: data and checkpoints; by default ANALOGNN_DATA, else the user's cache directory.
        device: "auto", "cpu" or "cuda".
        workers: processes of this machine; by default one a core on the CPU and one on a GPU. 1 computes in this
            process. Or a cluster, from :func:`~analognn.experiments.engines.ray_cluster`.
        progress: told as trials end.
        logs: trackers that get a copy of each record, see :mod:`analognn.experiments.logs`.

    Raises:
        ValueError: the scenario does not fit its model, data or media, or ``out`` holds another scenario.
        FileNotFoundError: data set or checkpoint not there.
        UnwritableError: the folder cannot be written, or the disk is full; what was committed is kept.
    """
    folder = Path(out) if out is not None else Path("runs") / scenario.name
    resolved = resolve_device(device)
    place = _Place(scenario, folder, Path(data_dir) if data_dir is not None else None, str(resolved))
    with one_thread():
        workspace = _workspace(place)  # checks everything before the folder is touched
    store = Store.create(folder, scenario)
    store.keep(workspace.fingerprint)
    count = workers or (1 if resolved.type == "cuda" else os.cpu_count() or 1)
    with logged(store, logs):
        failures = _execute(place, store, count, progress or (lambda _done, _total: None))
    store.export_csv()
    return RunResult(folder, write_summary(store), tuple(failures))


@dataclass(frozen=True)
class _Plan:
    """What is known to be needed so far: trials in all, and those that are not done."""

    total: int
    jobs: list[_Job]


def _plan(store: Store, scenario: Scenario) -> _Plan:
    records = store.records()
    done = {record.key for record in records}
    total, jobs = 0, []
    for reception in receptions(scenario, draws(scenario, records)):
        wanted = denoisers(scenario, reception)
        names = tuple(n for n in wanted if (*vars(reception).values(), n) not in done)
        total += len(wanted)
        if names:
            jobs.append(_Job(reception, names))
    return _Plan(total, jobs)


def _execute(place: _Place, store: Store, workers: int | RayCluster, progress: Report) -> list[str]:
    """Round after round, each planned on the records of those before it; one with failures is the last."""
    failures: list[str] = []
    plan = _plan(store, place.scenario)
    progress(plan.total - sum(len(job.names) for job in plan.jobs), plan.total)
    while plan.jobs and not failures:
        failures = _round(place, plan, workers, progress)
        plan = _plan(store, place.scenario)
    return failures


def _round(place: _Place, plan: _Plan, workers: int | RayCluster, progress: Report) -> list[str]:
    done, failures = plan.total - sum(len(job.names) for job in plan.jobs), []
    try:
        for finished, failure in _outcomes(place, plan.jobs, workers):
            done += finished
            progress(done, plan.total)
            failures += [failure] if failure else []
    except WorkersDied as error:
        failures.append(str(error))
    return failures


def _outcomes(place: _Place, jobs: list[_Job], workers: int | RayCluster) -> Iterator[tuple[int, str]]:
    """Trials that are committed now, and the text of what failed (or an empty one), as they come."""
    if isinstance(workers, RayCluster):
        return _on_cluster(place, jobs, workers)
    count = min(workers, len(jobs))
    if count <= 1:
        return (_run_job(place, job) for job in jobs)
    return on_processes(partial(_run_job, place), jobs, count)


def _on_cluster(place: _Place, jobs: list[_Job], cluster: RayCluster) -> Iterator[tuple[int, str]]:
    """The workspace travels to the cluster, records come back: its machines need neither the data nor the folder."""
    store, shared = Store(place.folder), (_workspace(place), place.scenario)
    for job, result in cluster.stream(_compute, shared, jobs, num_gpus=int(place.device.startswith("cuda"))):
        if isinstance(result, Exception):
            yield 0, _told(job, str(result))
        else:
            store.put(result)
            yield 1, ""


def _run_job(place: _Place, job: _Job) -> tuple[int, str]:
    store = Store(place.folder)
    committed = 0
    try:
        with one_thread():
            workspace = _workspace(place)
        for record in _compute((workspace, place.scenario), job):
            store.put(record)
            committed += 1
    except UnwritableError:
        raise  # what follows could not be kept either
    except Exception:
        return committed, _told(job, traceback.format_exc())
    return committed, ""


def _compute(shared: tuple[Workspace, Scenario], job: _Job) -> Iterator[Record]:
    with one_thread():
        yield from run_trials(*shared, job.reception, job.names)


def _told(job: _Job, failure: str) -> str:
    return f"{job.reception.medium} {job.reception.point} seed {job.reception.seed}:\n{failure}"


@lru_cache(maxsize=1)
def _cached_workspace(scenario_toml: str, data_dir: Path | None, device: str) -> Workspace:
    return prepare(Scenario.from_toml(scenario_toml), data_dir=data_dir, device=device)


def _workspace(place: _Place) -> Workspace:
    return _cached_workspace(place.scenario.to_toml(), place.data_dir, place.device)
