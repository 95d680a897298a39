"""Rows of results in one SQLite file, each committed as it comes: a killed run loses what is under way and no more.

The file is in WAL mode, so that worker processes write to it side by side. It also holds the scenario that made it,
and takes no other.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, get_type_hints

from analognn.experiments.fingerprint import Fingerprint
from analognn.experiments.parsing import Recipe
from analognn.files import replacing

FILE = "results.sqlite"
_FORMAT = 1
_FINGERPRINT = "fingerprint "
_SQL_TYPE = {int: "INTEGER", float: "REAL", str: "TEXT"}

Asked = TypeVar("Asked", bound=Recipe)
Row = TypeVar("Row")
Asked_co = TypeVar("Asked_co", bound=Recipe, covariant=True)
Row_co = TypeVar("Row_co", covariant=True)


class Results(Protocol[Asked_co, Row_co]):
    """Rows and the scenario that made them: a store, or the files of a folder."""

    @property
    def scenario(self) -> Asked_co:
        """What made the rows."""

    def records(self) -> Sequence[Row_co]:
        """Every row."""


class RowStore(Generic[Asked, Row]):
    """The rows of one run folder. A subclass says what a row is.

    Args:
        folder: the run folder; :meth:`create` makes it, this opens one that is there.

    Raises:
        FileNotFoundError: no results in that folder.
    """

    TABLE: ClassVar[str]
    """Name of the table."""
    KEY: ClassVar[tuple[str, ...]]
    """Columns that tell a row from all others."""
    ROW: ClassVar[type[Any]]
    """The dataclass of a row: fields of type int, float or str, or one of these and None."""
    SCENARIO: ClassVar[type[Recipe]]
    """What makes these rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / FILE
        if not self.is_in(folder):
            raise FileNotFoundError(
                f"No results in {str(folder)!r}: {FILE} with the table {self.TABLE!r} is not there. "
                f"`{self.SCENARIO.COMMAND}` makes it."
            )

    @classmethod
    def is_in(cls, folder: Path) -> bool:
        """Whether there are such results in ``folder``."""
        if not (folder / FILE).is_file():
            return False
        with _connect(folder / FILE) as db:
            return cls.TABLE in _tables(db)

    @classmethod
    def create(cls, folder: Path, scenario: Asked) -> Self:
        """Open the folder's results, or start them.

        Raises:
            ValueError: the folder holds the results of another scenario; the message has the difference.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with _connect(folder / FILE) as db:
            cls._refuse_foreign(db, folder)
            db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            db.execute(cls._create_table())
            cls._add_younger_columns(db)
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
    def scenario(self) -> Asked:
        """The scenario whose results these are."""
        with _connect(self.path) as db:
            (text,) = db.execute("SELECT value FROM meta WHERE key = 'scenario'").fetchone()
        scenario: Asked = self.SCENARIO.from_dict(json.loads(text))  # type: ignore[assignment]  # SCENARIO is Asked
        return scenario

    def keep(self, fingerprint: Fingerprint) -> None:
        """Remember what rows rest on that go by its digest."""
        with _connect(self.path) as db:
            key, value = f"{_FINGERPRINT}{fingerprint.digest}", json.dumps(dataclasses.asdict(fingerprint))
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))

    def fingerprints(self) -> dict[str, dict[str, Any]]:
        """Digest -> fields of what the rows rest on; more than one where a run went on with other releases."""
        with _connect(self.path) as db:
            found = db.execute("SELECT key, value FROM meta WHERE key LIKE ? ORDER BY rowid", (f"{_FINGERPRINT}%",))
            return {key.removeprefix(_FINGERPRINT): json.loads(value) for key, value in found}

    def put(self, record: Row) -> None:
        """Commit one row; one that is already there stays."""
        values = dataclasses.astuple(record)  # type: ignore[call-overload]  # a dataclass, see ROW
        with _connect(self.path) as db:
            places = ", ".join("?" * len(values))
            columns = ", ".join(self._columns())
            db.execute(f"INSERT OR IGNORE INTO {self.TABLE} ({columns}) VALUES ({places})", values)

    def records(self, *, after: int = 0) -> list[Row]:
        """Every row but the first ``after``, in the order of commits; columns younger than the file have defaults."""
        with _connect(self.path) as db:
            rows = db.execute(f"SELECT * FROM {self.TABLE} ORDER BY rowid LIMIT -1 OFFSET ?", (after,))
            names = [column[0] for column in rows.description]
            return [self.ROW(**dict(zip(names, row, strict=True))) for row in rows]

    def export_csv(self) -> Path:
        """Write ``results.csv`` beside the database, sorted by key."""
        rows = sorted(self.records(), key=lambda row: tuple(getattr(row, name) for name in self.KEY))
        with replacing(self.folder / "results.csv") as part, part.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self._columns())
            writer.writerows(dataclasses.astuple(row) for row in rows)  # type: ignore[call-overload]
        return self.folder / "results.csv"

    @classmethod
    def _refuse_foreign(cls, db: sqlite3.Connection, folder: Path) -> None:
        there = _tables(db) - {"meta"}
        if there - {cls.TABLE}:
            raise ValueError(
                f"{str(folder)!r} holds the results of another command ({', '.join(sorted(there))}); choose another "
                "--out, or remove the folder."
            )

    @classmethod
    def _columns(cls) -> list[str]:
        return [field.name for field in dataclasses.fields(cls.ROW)]

    @classmethod
    def _create_table(cls) -> str:
        hints = get_type_hints(cls.ROW)
        columns = [f"{name} {_sql_type(hints[name])}" for name in cls._columns()]
        return f"CREATE TABLE IF NOT EXISTS {cls.TABLE} ({', '.join(columns)}, PRIMARY KEY ({', '.join(cls.KEY)}))"

    @classmethod
    def _add_younger_columns(cls, db: sqlite3.Connection) -> None:
        """Bring a table made before a column was there up to date."""
        hints = get_type_hints(cls.ROW)
        there = {row[1] for row in db.execute(f"PRAGMA table_info({cls.TABLE})")}
        for name in cls._columns():
            if name not in there:
                db.execute(f"ALTER TABLE {cls.TABLE} ADD COLUMN {name} {_sql_type(hints[name])}")


@contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that commits at the end of the block and waits for other writers."""
    with closing(sqlite3.connect(path, timeout=60)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        with db:
            yield db


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _sql_type(hint: Any) -> str:
    optional = getattr(hint, "__args__", ())
    return _SQL_TYPE[optional[0]] if optional else f"{_SQL_TYPE[hint]} NOT NULL"
