"""The rounds of a folder of federated trainings, and the checkpoint of each training after its last one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

from analognn.experiments.feel.scenario import FeelScenario
from analognn.experiments.feel.training import RoundRow, Run
from analognn.experiments.parsing import Recipe
from analognn.experiments.rows import RowStore
from analognn.federated import State

STATES = "states"


class FeelStore(RowStore[FeelScenario, RoundRow]):
    """One row a round, committed as it ends; see :class:`RowStore`."""

    TABLE: ClassVar[str] = "rounds"
    KEY: ClassVar[tuple[str, ...]] = ("station", "point", "seed", "round")
    ROW: ClassVar[type[Any]] = RoundRow
    SCENARIO: ClassVar[type[Recipe]] = FeelScenario

    def commit(self, row: RoundRow, state: State) -> None:
        """Keep a round: its row first, so that no checkpoint is ahead of the rows.

        A process killed between the two plays the round again and finds its row there.
        """
        self.put(row)
        state.save(self.checkpoint(row.run))

    def state(self, run: Run) -> State | None:
        """Where a training stands; None before its first round is done."""
        path = self.checkpoint(run)
        return State.load(path) if path.is_file() else None

    def checkpoint(self, run: Run) -> Path:
        """The file of its state."""
        point = hashlib.sha256(run.point.encode()).hexdigest()[:8]
        return self.folder / STATES / f"{run.station}-{point}-{run.seed}.safetensors"
