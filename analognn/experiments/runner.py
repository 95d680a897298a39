"""Runs the trials of a scenario: a job is one noise draw with the receivers that have no record of it yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analognn.experiments.engines import Workers
from analognn.experiments.logs import Log, logged
from analognn.experiments.record import Reception, Record, denoisers, receptions
from analognn.experiments.scenario import Scenario
from analognn.experiments.stopping import draws
from analognn.experiments.store import Store
from analognn.experiments.summary import Summary, write_summary
from analognn.experiments.trial import run_trials
from analognn.experiments.work import Work
from analognn.experiments.workspace import Workspace, prepare
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
        progress: told as noise draws end; on a cluster, as trials end.
        logs: trackers that get a copy of each record, see :mod:`analognn.experiments.logs`.

    Raises:
        ValueError: the scenario does not fit its model, data or media, or ``out`` holds another scenario.
        FileNotFoundError: data set or checkpoint not there.
        UnwritableError: the folder cannot be written, or the disk is full; what was committed is kept.
    """
    work = Trials.begin(out, scenario, data_dir=data_dir, device=device)
    store = Store(work.folder)
    with logged(store, logs):
        failures = _rounds(work, store, workers, progress or (lambda _done, _total: None))
    store.export_csv()
    return RunResult(work.folder, write_summary(store), tuple(failures))


@dataclass(frozen=True)
class Draw:
    """A job: the trials that are missing on one noise draw."""

    reception: Reception
    names: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.reception)


class Trials(Work[Draw]):
    """Trials, a job for each noise draw."""

    STORE = Store
    prepare = staticmethod(prepare)

    @staticmethod
    def compute(workspace: Workspace, job: Draw, _state: None, /) -> Iterator[Record]:
        """One record a receiver."""
        return run_trials(workspace, job.reception, job.names)


def left(store: Store) -> tuple[int, list[Draw]]:
    """How many trials are needed in all, as far as the records tell, and the jobs that are not done."""
    scenario, records = store.scenario, store.records()
    done = {record.key for record in records}
    total, jobs = 0, []
    for reception in receptions(scenario, draws(scenario, records)):
        wanted = denoisers(scenario, reception)
        names = tuple(name for name in wanted if (*vars(reception).values(), name) not in done)
        total += len(wanted)
        if names:
            jobs.append(Draw(reception, names))
    return total, jobs


def _rounds(work: Trials, store: Store, workers: Workers, progress: Report) -> list[str]:
    """Round after round, each planned on the records of those before it; one with failures is the last."""
    failures: list[str] = []
    total, jobs = left(store)
    progress(done := total - sum(len(job.names) for job in jobs), total)
    while jobs and not failures:
        for kept, failure in work.outcomes(jobs, workers):
            progress(done := done + kept, total)
            failures += [failure] if failure else []
        total, jobs = left(store)
    return failures
