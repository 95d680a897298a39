"""Records in one SQLite file, each committed as its trial ends: a killed run loses the trial under way and no other.

The file is in WAL mode, so that worker processes write to it side by side. It also holds the scenario that made it,
and takes no other.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, get_type_hints

from analognn.experiments.scenario import Scenario
from analognn.experiments.trial import Record
from analognn.files import replacing

FILE = "results.sqlite"
_FORMAT = 1
_SQL_TYPE = {int: "INTEGER", float: "REAL", str: "TEXT"}


class Store:
    """The records of one run folder.

    Args:
        folder: the run folder; :meth:`create` makes it, this opens one that is there.

    Raises:
        FileNotFoundError: no results in that folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE
        if not self.path.is_file():
            raise FileNotFoundError(f"No results in {str(folder)!r}: {FILE} is not there. `analognn run` makes it.")

    @classmethod
    def create(cls, folder: Path, scenario: Scenario) -> Store:
        """Open the folder's results, or start them.

        Raises:
            ValueError: the folder holds the results of another scenario; the message has the difference.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with _connect(folder / FILE) as db:
            db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            db.execute(_create_trials())
            _add_younger_columns(db)
            db.execute("INSERT OR IGNORE INTO meta VALUES ('scenario', ?)", (json.dumps(scenario.to_dict()),))
            db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (str(_FORMAT),))
        store = cls(folder)
        there = store.scenario
        if there.hash != scenario.hash:
            raise ValueError(
                f"{str(folder)!r} holds the results of another scenario; choose another --out, or remove the folder.\n"
                f"{there.diff(scenario)}"
            )
        return store

    @property
    def scenario(self) -> Scenario:
        """The scenario whose results these are."""
        with _connect(self.path) as db:
            (text,) = db.execute("SELECT value FROM meta WHERE key = 'scenario'").fetchone()
        return Scenario.from_dict(json.loads(text))

    def put(self, record: Record) -> None:
        """Commit one record; one that is already there stays."""
        values = dataclasses.astuple(record)
        with _connect(self.path) as db:
            places = ", ".join("?" * len(values))
            db.execute(f"INSERT OR IGNORE INTO trials ({', '.join(_columns())}) VALUES ({places})", values)

    def records(self) -> list[Record]:
        """Every record, in the order in which the trials ended; a column younger than the file has its default."""
        with _connect(self.path) as db:
            rows = db.execute("SELECT * FROM trials ORDER BY rowid")
            names = [column[0] for column in rows.description]
            return [Record(**dict(zip(names, row, strict=True))) for row in rows]

    def export_csv(self) -> Path:
        """Write ``results.csv`` beside the database, sorted by trial."""
        rows = sorted(self.records(), key=lambda record: record.key)
        with replacing(self.folder / "results.csv") as part, part.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_columns())
            writer.writerows(dataclasses.astuple(row) for row in rows)
        return self.folder / "results.csv"


@contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that commits at the end of the block and waits for other writers."""
    with closing(sqlite3.connect(path, timeout=60)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        with db:
            yield db


def _columns() -> list[str]:
    return [field.name for field in dataclasses.fields(Record)]


def _create_trials() -> str:
    hints = get_type_hints(Record)
    columns = [f"{name} {_sql_type(hints[name])}" for name in _columns()]
    return f"CREATE TABLE IF NOT EXISTS trials ({', '.join(columns)}, PRIMARY KEY (medium, point, seed, denoiser))"


def _add_younger_columns(db: sqlite3.Connection) -> None:
    """Bring a table made before a column was there up to date."""
    hints = get_type_hints(Record)
    there = {row[1] for row in db.execute("PRAGMA table_info(trials)")}
    for name in _columns():
        if name not in there:
            db.execute(f"ALTER TABLE trials ADD COLUMN {name} {_sql_type(hints[name])}")


def _sql_type(hint: Any) -> str:
    optional = getattr(hint, "__args__", ())
    return _SQL_TYPE[optional[0]] if optional else f"{_SQL_TYPE[hint]} NOT NULL"
