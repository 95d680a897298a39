"""What is left of a damaged database of results: it is set aside under another name, and its rows are read elsewhere.

SQLite reads a table page by page and stops at the first one that is damaged. So rows are read from both ends; those
between two damaged places are lost, and computed again. Pages have no checksums: a row that reads well is taken as it
stands, as from a database that is whole. Where the database does not open at all, ``results.csv`` of the last complete
run has its rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, get_type_hints

from analognn.experiments.cells import CSV_FILE, SUMMARY_FILE, from_csv, typed
from analognn.experiments.parsing import Recipe

BESIDE = ("", "-wal", "-shm")
"""What SQLite appends to the name of a database for the files that belong to it."""


def set_aside(path: Path) -> Path:
    """Rename a damaged file, and what belongs to it, to ``NAME.corrupt``, or ``-2`` and so on where that is taken."""
    count, name = 1, f"{path.name}.corrupt"
    while path.with_name(name).exists():
        count += 1
        name = f"{path.name}.corrupt-{count}"
    for suffix in BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(path.with_name(name + suffix))
    return path.with_name(name)


def rows(damaged: Path, table: str, row: type[Any], scenario: Recipe) -> tuple[Any, ...]:
    """Rows that can still be read: of the database, if it says that ``scenario`` made them, else of ``results.csv``."""
    with suppress(sqlite3.Error, ValueError, TypeError), closing(sqlite3.connect(damaged)) as db:
        (text,) = db.execute("SELECT value FROM meta WHERE key = 'scenario'").fetchone()
        if type(scenario).from_dict(json.loads(text)).hash == scenario.hash:
            found = {place: kept for order in ("ASC", "DESC") for place, kept in _readable(db, table, row, order)}
            return tuple(found[place] for place in sorted(found))
    with suppress(OSError, ValueError, TypeError, KeyError):
        summary = json.loads((damaged.parent / SUMMARY_FILE).read_text(encoding="utf-8"))
        if summary["scenario_hash"] == scenario.hash:
            return from_csv(damaged.parent / CSV_FILE, row)
    return ()


def _readable(db: sqlite3.Connection, table: str, row: type[Any], order: str) -> Iterator[tuple[int, Any]]:
    hints = get_type_hints(row)
    with suppress(sqlite3.Error):
        found = db.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid {order}")
        names = [column[0] for column in found.description][1:]
        for place, *cells in found:
            with suppress(KeyError, TypeError, ValueError):
                yield place, typed(row, hints, zip(names, cells, strict=True))
