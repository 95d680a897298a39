"""Plays the trainings of a scenario: a job is one training, from its last checkpoint on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analognn.experiments.engines import Workers
from analognn.experiments.feel.rounds import RoundRow, Run, runs
from analognn.experiments.feel.scenario import FeelScenario
from analognn.experiments.feel.store import FeelStore
from analognn.experiments.feel.summary import FeelSummary, write_summary
from analognn.experiments.feel.training import play, prepare
from analognn.experiments.logs import Log, logged
from analognn.experiments.watching import watched
from analognn.experiments.work import Work

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
    work = Trainings.begin(out, scenario, data_dir=data_dir, device=device)
    store = FeelStore(work.folder)
    total, told = sum(scenario.served(run.station).num_rounds for run in runs(scenario)), progress or (lambda *_: None)
    with watched(store, lambda row, done: told(row, done, total)), logged(store, logs):
        failures = tuple(failure for _, failure in work.outcomes(left(store), workers) if failure)
    store.export_csv()
    return FeelResult(work.folder, write_summary(store), failures)


class Trainings(Work[Run]):
    """Federated trainings, a job each."""

    STORE = FeelStore
    prepare = staticmethod(prepare)
    compute = staticmethod(play)


def left(store: FeelStore) -> list[Run]:
    """The trainings that are not over."""
    scenario, found = store.scenario, []
    for run in runs(scenario):
        state = store.state(run)
        if state is None or not (state.diverged or state.round >= scenario.served(run.station).num_rounds):
            found.append(run)
    return found
