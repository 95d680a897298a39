"""What a folder of results holds: its database where there is one, else the files that are kept beside it.

``results.csv`` and ``summary.json`` are all that a folder needs to be read; a run in progress has the database alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from pydantic import TypeAdapter, ValidationError

from analognn.experiments.cells import CSV_FILE, SUMMARY_FILE, from_csv, unreadable
from analognn.experiments.feel import FeelStore
from analognn.experiments.fingerprint import Fingerprint
from analognn.experiments.rows import FILE as DATABASE
from analognn.experiments.rows import Asked, Row, RowStore
from analognn.experiments.store import Store


@dataclass(frozen=True)
class Kept(Generic[Asked, Row]):
    """The results of one folder; :func:`~analognn.experiments.summarise` takes them as it takes a store.

    Args:
        folder: where they lie.
        scenario: that made them.
        rows: one a trial or round.
        versions: of the libraries that wrote the summary; empty while the run is in progress.
        fingerprints: digest -> what the rows rest on; empty where they are older than fingerprints, and more than one
            where the run went on with other releases.
    """

    folder: Path
    scenario: Asked
    rows: tuple[Row, ...]
    versions: dict[str, str]
    fingerprints: dict[str, Fingerprint]

    def records(self) -> tuple[Row, ...]:
        """Every row."""
        return self.rows


def kind(folder: Path) -> type[Store] | type[FeelStore]:
    """Whether a folder holds trials or federated rounds.

    Raises:
        ValueError: neither, or a file in it that cannot be read; the message names it.
    """
    for store in (Store, FeelStore):
        if store.is_in(folder):
            return store
    if not ((folder / SUMMARY_FILE).is_file() and (folder / CSV_FILE).is_file()):
        raise ValueError(
            f"{str(folder)!r} holds no results: neither {DATABASE} nor {SUMMARY_FILE} with {CSV_FILE} is there. Give a "
            "folder that `analognn run` or `analognn feel` made."
        )
    return FeelStore if "station" in _summary(folder)["scenario"] else Store


def read(store: type[RowStore[Asked, Row]], folder: Path) -> Kept[Asked, Row]:
    """The results of a folder of that :func:`kind`.

    Raises:
        ValueError: a file that cannot be read; the message names it.
    """
    summary = _summary(folder) if (folder / SUMMARY_FILE).is_file() else {}
    versions = summary.get("versions", {})
    if store.is_in(folder):
        there = store(folder)
        if summary and _scenario(store, folder, summary).hash != there.scenario.hash:
            raise ValueError(
                f"{str(folder)!r}: {DATABASE} and {SUMMARY_FILE} are of different scenarios; remove the outdated one."
            )
        found = _fingerprints(there.fingerprints(), there.path)
        return Kept(folder, there.scenario, tuple(there.records()), versions, found)
    found = _fingerprints(summary.get("fingerprints", {}), folder / SUMMARY_FILE)
    return Kept(folder, _scenario(store, folder, summary), from_csv(folder / CSV_FILE, store.ROW), versions, found)


def _scenario(store: type[RowStore[Asked, Row]], folder: Path, summary: dict[str, Any]) -> Asked:
    try:
        scenario: Asked = store.SCENARIO.from_dict(summary["scenario"])  # type: ignore[assignment]  # SCENARIO is Asked
    except (TypeError, ValueError) as error:
        raise unreadable(folder / SUMMARY_FILE, error) from None
    return scenario


def _fingerprints(tables: object, path: Path) -> dict[str, Fingerprint]:
    try:
        return TypeAdapter(dict[str, Fingerprint]).validate_python(tables)
    except ValidationError as error:
        raise unreadable(path, f"fingerprints: {error.errors(include_url=False)[0]['msg'].lower()}") from None


def _summary(folder: Path) -> dict[str, Any]:
    path = folder / SUMMARY_FILE
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, or no text; hundreds of brackets
        raise unreadable(path, error) from None
    tables: dict[str, Any] = found if isinstance(found, dict) else {}
    for table in ("scenario", "versions"):
        if not isinstance(tables.get(table), dict):
            raise ValueError(f"{path} has no table {table!r}; `analognn run` writes it again where the database is.")
    return tables
