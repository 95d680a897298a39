"""Rows told to experiment trackers as they are committed: TensorBoard, MLflow, or one of your own.

    run(scenario, logs=[log("tensorboard:logs")])            analognn run --log tensorboard:logs --log mlflow:URI

A trial is one step (its draw) of the curves NAME/accuracy, NAME/wnr_db, ... with NAME = medium/point/receiver; a round
is one step (its number) of station/point/seed. Of a run that is resumed, only the new rows are told. The records of the
run folder stay the one source: a tracker gets copies.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from analognn.experiments.parsing import Recipe
from analognn.experiments.rows import RowStore
from analognn.experiments.watching import watched
from analognn.experiments.words import point_text
from analognn.plugins import Group

LOGS = Group("analognn.logs", "log", "see its documentation.")
"""Where trackers are registered: a callable of one text, the place, that makes a :class:`Log`."""


class Log(Protocol):
    """What takes the rows of one run after another."""

    def begin(self, scenario: Recipe, folder: Path) -> None:
        """A run starts."""

    def add(self, name: str, step: int, values: Mapping[str, float]) -> None:
        """One row: a step of the curves ``name/key``."""

    def end(self) -> None:
        """No more rows."""


def log(text: str) -> Log:
    """The tracker that ``KIND:PLACE`` names.

    Raises:
        ValueError: no such kind, no place, or its package is not installed.
    """
    name, colon, place = text.partition(":")
    if not colon or not place:
        raise ValueError(f"`--log` needs KIND:PLACE, for example tensorboard:logs; got {text!r}.")
    made: Log = LOGS.load(name)(place)
    return made


@contextmanager
def logged(store: RowStore[Any, Any], logs: Sequence[Log]) -> Iterator[None]:
    """Tell ``logs`` of the rows that are committed while the block runs."""
    if not logs:
        yield
        return

    def told(row: Any, _number: int) -> None:
        for each in logs:
            each.add(*scalars(row, store.KEY))

    with ExitStack() as ends:
        for each in logs:
            each.begin(store.scenario, store.folder)
            ends.callback(each.end)
        with watched(store, told):
            yield


def scalars(row: Any, key: Sequence[str]) -> tuple[str, int, dict[str, float]]:
    """Name, step and values of a row; counts become accuracies, what is missing or infinite is left out.

    Args:
        row: of a store.
        key: the store's columns that tell rows apart; "round", else "seed", is the step.
    """
    table: dict[str, Any] = dataclasses.asdict(row)
    counter = "round" if "round" in key else "seed"
    name = "/".join(_text(column, table[column]) for column in key if column != counter)
    values = {c: v for c, v in table.items() if c not in key and isinstance(v, (int, float)) and math.isfinite(v)}
    for column in [column for column in values if column.endswith("correct")]:
        correct, total = values.pop(column), values.pop(column.removesuffix("correct") + "total")
        values[column.removesuffix("correct") + "accuracy"] = correct / total
    return name, table[counter], values


def _text(column: str, value: Any) -> str:
    return point_text(json.loads(value)) or "-" if column == "point" else str(value)


class TensorBoard:
    """Event files in ``PLACE/FOLDER``, one folder a run; needs the extra ``tensorboard``."""

    def __init__(self, place: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            raise ValueError("`--log tensorboard:DIR` needs it: pip install 'analognn[tensorboard]'.") from None
        self._make, self._place = SummaryWriter, Path(place)

    def begin(self, scenario: Recipe, folder: Path) -> None:
        """See :class:`Log`."""
        self._writer: Any = self._make(str(self._place / folder.name))
        self._writer.add_text("scenario", f"```toml\n{scenario.to_toml()}```")

    def add(self, name: str, step: int, values: Mapping[str, float]) -> None:
        """See :class:`Log`."""
        for key, value in values.items():
            self._writer.add_scalar(f"{name}/{key}", value, step)

    def end(self) -> None:
        """See :class:`Log`."""
        self._writer.close()


class MLflow:
    """One run of the experiment "analognn" at the tracking URI ``PLACE``; needs the extra ``mlflow``."""

    EXPERIMENT = "analognn"

    def __init__(self, place: str) -> None:
        try:
            from mlflow import MlflowClient
        except ModuleNotFoundError:
            raise ValueError("`--log mlflow:URI` needs it: pip install 'analognn[mlflow]'.") from None
        self._client: Any = MlflowClient(tracking_uri=place)

    def begin(self, scenario: Recipe, folder: Path) -> None:
        """See :class:`Log`."""
        found = self._client.get_experiment_by_name(self.EXPERIMENT)
        experiment = found.experiment_id if found else self._client.create_experiment(self.EXPERIMENT)
        tags = {"folder": folder.name, "scenario_hash": scenario.hash}
        self._run = self._client.create_run(experiment, tags=tags, run_name=folder.name).info.run_id
        for key, value in scenario.to_dict().items():
            self._client.log_param(self._run, key, value if isinstance(value, str) else json.dumps(value))

    def add(self, name: str, step: int, values: Mapping[str, float]) -> None:
        """See :class:`Log`."""
        place = re.sub(r"[^\w./ :-]", "_", name.replace("=", ":"))  # the characters that MLflow takes
        for key, value in values.items():
            self._client.log_metric(self._run, f"{place}/{key}", value, step=step)

    def end(self) -> None:
        """See :class:`Log`."""
        self._client.set_terminated(self._run)
