"""The rounds of a folder of federated trainings, and the checkpoint of each training after its last one."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any, ClassVar

from analognn.experiments.database import connection
from analognn.experiments.feel.rounds import RoundRow, Run
from analognn.experiments.feel.scenario import FeelScenario
from analognn.experiments.parsing import Recipe
from analognn.experiments.rows import RowStore
from analognn.experiments.salvage import set_aside
from analognn.federated import State

STATES = "states"


class FeelStore(RowStore[FeelScenario, RoundRow]):
    """One row a round, committed as it ends; see :class:`RowStore`."""

    TABLE: ClassVar[str] = "rounds"
    KEY: ClassVar[tuple[str, ...]] = ("station", "point", "seed", "round")
    ROW: ClassVar[type[Any]] = RoundRow
    SCENARIO: ClassVar[type[Recipe]] = FeelScenario

    def commit(self, result: tuple[RoundRow, State]) -> None:
        """Keep a round: its row first, so that no checkpoint is ahead of the rows.

        A process killed between the two plays the round again and finds its row there.
        """
        row, state = result
        self.put(row)
        state.save(self.checkpoint(row.run))

    def state(self, job: Run) -> State | None:
        """Where a training stands; None before its first round is done.

        A file that is damaged is set aside, and one ahead of its rows (which were lost) does not count: the training
        is played again from its start, to the same bits.
        """
        path = self.checkpoint(job)
        try:
            state = State.load(path) if path.is_file() else None
        except ValueError as error:
            kept = set_aside(path)
            warnings.warn(f"{error} It is kept as {kept.name}; this training starts again.", stacklevel=2)
            return None
        return state if state is None or self._rounds_before(job, state.round) == state.round else None

    def _rounds_before(self, run: Run, round: int) -> int:
        there = "SELECT COUNT(*) FROM rounds WHERE station = ? AND point = ? AND seed = ? AND round < ?"
        with connection(self.path) as db:
            (count,) = db.execute(there, (run.station, run.point, run.seed, round)).fetchone()
        return int(count)

    def checkpoint(self, run: Run) -> Path:
        """The file of its state."""
        point = hashlib.sha256(run.point.encode()).hexdigest()[:8]
        return self.folder / STATES / f"{run.station}-{point}-{run.seed}.safetensors"
