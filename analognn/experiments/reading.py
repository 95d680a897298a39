"""What a folder of results holds: its database where there is one, else the files that are kept beside it.

``results.csv`` and ``summary.json`` are all that a folder needs to be read; a run in progress has the database alone.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, get_type_hints

from analognn.experiments.feel import FeelStore
from analognn.experiments.rows import FILE as DATABASE
from analognn.experiments.rows import Asked, Row, RowStore
from analognn.experiments.store import Store
from analognn.experiments.summary import FILE as SUMMARY

ROWS = "results.csv"


@dataclass(frozen=True)
class Kept(Generic[Asked, Row]):
    """The results of one folder; :func:`~analognn.experiments.summarise` takes them as it takes a store.

    Args:
        folder: where they lie.
        scenario: that made them.
        rows: one a trial or round.
        versions: of the libraries that made them; empty while the run is in progress.
    """

    folder: Path
    scenario: Asked
    rows: tuple[Row, ...]
    versions: dict[str, str]

    def records(self) -> tuple[Row, ...]:
        """Every row."""
        return self.rows


def kind(folder: Path) -> type[Store] | type[FeelStore]:
    """Whether a folder holds trials or federated rounds.

    Raises:
        ValueError: neither, or a file in it that cannot be read; the message names it.
    """
    try:
        for store in (Store, FeelStore):
            if store.is_in(folder):
                return store
    except sqlite3.Error as error:
        raise _unreadable(folder / DATABASE, error) from None
    if not ((folder / SUMMARY).is_file() and (folder / ROWS).is_file()):
        raise ValueError(
            f"{str(folder)!r} holds no results: neither {DATABASE} nor {SUMMARY} with {ROWS} is there. Give a folder "
            "that `analognn run` or `analognn feel` made."
        )
    return FeelStore if "station" in _summary(folder)["scenario"] else Store


def read(store: type[RowStore[Asked, Row]], folder: Path) -> Kept[Asked, Row]:
    """The results of a folder of that :func:`kind`.

    Raises:
        ValueError: a file that cannot be read; the message names it.
    """
    summary = _summary(folder) if (folder / SUMMARY).is_file() else {}
    versions = summary.get("versions", {})
    try:
        if store.is_in(folder):
            there = store(folder)
            if summary and _scenario(store, folder, summary).hash != there.scenario.hash:
                raise ValueError(
                    f"{str(folder)!r}: {DATABASE} and {SUMMARY} are of different scenarios; remove the outdated one."
                )
            return Kept(folder, there.scenario, tuple(there.records()), versions)
    except sqlite3.Error as error:
        raise _unreadable(folder / DATABASE, error) from None
    return Kept(folder, _scenario(store, folder, summary), _rows(folder / ROWS, store.ROW), versions)


def _scenario(store: type[RowStore[Asked, Row]], folder: Path, summary: dict[str, Any]) -> Asked:
    try:
        scenario: Asked = store.SCENARIO.from_dict(summary["scenario"])  # type: ignore[assignment]  # SCENARIO is Asked
    except (TypeError, ValueError) as error:
        raise _unreadable(folder / SUMMARY, error) from None
    return scenario


def _summary(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text
        raise _unreadable(path, error) from None
    if not isinstance(found, dict) or not isinstance(found.get("scenario"), dict):
        raise ValueError(f"{path} has no table 'scenario'; `analognn run` writes it again where the database is.")
    return found


def _rows(path: Path, row: type[Any]) -> tuple[Any, ...]:
    """Of a CSV file; columns younger than the file have defaults."""
    hints = get_type_hints(row)
    found = []
    with path.open(newline="", encoding="utf-8") as file:
        for number, line in enumerate(csv.DictReader(file), start=2):
            try:
                found.append(row(**{name: _parsed(hints[name], text) for name, text in line.items()}))
            except (KeyError, TypeError, ValueError) as error:
                raise _unreadable(path, f"line {number}: {error}") from None
    return tuple(found)


def _parsed(hint: Any, text: str) -> int | float | str | None:
    """One cell: of type int, float or str, or one of these and None, which is the empty cell."""
    optional = getattr(hint, "__args__", ())
    if optional and text == "":
        return None
    value: int | float | str = (optional[0] if optional else hint)(text)
    return value


def _unreadable(path: Path, why: object) -> ValueError:
    return ValueError(f"{path} cannot be read: {why}. Restore it, or move it away and run the scenario again.")
