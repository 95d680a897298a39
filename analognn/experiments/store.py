"""The records of a run folder, one row a trial."""

from __future__ import annotations

from typing import Any, ClassVar

from analognn.experiments.parsing import Recipe
from analognn.experiments.record import Record
from analognn.experiments.rows import RowStore
from analognn.experiments.scenario import Scenario


class Store(RowStore[Scenario, Record]):
    """One row a trial, committed as it ends; see :class:`RowStore`."""

    TABLE: ClassVar[str] = "trials"
    KEY: ClassVar[tuple[str, ...]] = ("medium", "point", "seed", "denoiser")
    ROW: ClassVar[type[Any]] = Record
    SCENARIO: ClassVar[type[Recipe]] = Scenario
