"""Rows of results in one SQLite file, each committed as it comes: a killed run loses what is under way and no more.

The file is in WAL mode, so that worker processes write to it side by side. It also holds the scenario that made it,
and takes no other. One that is damaged is set aside when a run goes on: what can be read of it is kept, the rest is
computed again.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import sqlite3
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, get_type_hints

from analognn.experiments import salvage
from analognn.experiments.cells import CSV_FILE, SUMMARY_FILE, typed, unreadable
from analognn.experiments.database import DamagedError, check, connection, tables
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
        ValueError: a database that cannot be read. This, and UnwritableError for one that cannot be written, is raised
            by every method.
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
        with connection(folder / FILE) as db:
            return cls.TABLE in tables(db)

    @classmethod
    def create(cls, folder: Path, scenario: Asked) -> Self:
        """Open the folder's results, or start them.

        Raises:
            ValueError: the folder holds the results of another scenario; the message has the difference.
        """
        folder.mkdir(parents=True, exist_ok=True)
        store = cls._open(folder, scenario)
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
        with connection(self.path) as db:
            (text,) = db.execute("SELECT value FROM meta WHERE key = 'scenario'").fetchone() or ("",)
        try:
            scenario: Asked = self.SCENARIO.from_dict(json.loads(text))  # type: ignore[assignment]  # SCENARIO is Asked
        except (ValueError, TypeError) as error:
            raise unreadable(self.path, error) from None
        return scenario

    def keep(self, fingerprint: Fingerprint) -> None:
        """Remember what rows rest on that go by its digest."""
        with connection(self.path) as db:
            key, value = f"{_FINGERPRINT}{fingerprint.digest}", json.dumps(dataclasses.asdict(fingerprint))
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))

    def fingerprints(self) -> dict[str, dict[str, Any]]:
        """Digest -> fields of what the rows rest on; more than one where a run went on with other releases."""
        with connection(self.path) as db:
            found = db.execute("SELECT key, value FROM meta WHERE key LIKE ? ORDER BY rowid", (f"{_FINGERPRINT}%",))
            return {key.removeprefix(_FINGERPRINT): json.loads(value) for key, value in found}

    def put(self, *records: Row) -> None:
        """Commit rows; one that is already there stays."""
        names = self._columns()
        columns, places = ", ".join(names), ", ".join("?" * len(names))
        with connection(self.path) as db:
            db.executemany(
                f"INSERT OR IGNORE INTO {self.TABLE} ({columns}) VALUES ({places})",
                (dataclasses.astuple(record) for record in records),  # type: ignore[call-overload]  # see ROW
            )

    def commit(self, result: Any) -> None:
        """Keep what a job of a run yields: a row, unless a subclass says otherwise."""
        self.put(result)

    def state(self, job: Any) -> Any:
        """What a job goes on from; None where it has not begun, or has nothing but its rows."""

    def records(self, *, after: int = 0) -> list[Row]:
        """Every row but the first ``after``, in the order of commits; columns younger than the file have defaults."""
        with connection(self.path) as db:
            rows = db.execute(f"SELECT * FROM {self.TABLE} ORDER BY rowid LIMIT -1 OFFSET ?", (after,))
            names, hints = [column[0] for column in rows.description], get_type_hints(self.ROW)
            try:
                return [typed(self.ROW, hints, zip(names, row, strict=True)) for row in rows]
            except (KeyError, TypeError, ValueError) as error:
                raise unreadable(self.path, f"row of {self.TABLE}: {error}") from None

    def export_csv(self) -> Path:
        """Write ``results.csv`` beside the database, sorted by key."""
        rows = sorted(self.records(), key=lambda row: tuple(getattr(row, name) for name in self.KEY))
        with replacing(self.folder / CSV_FILE) as part, part.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self._columns())
            writer.writerows(dataclasses.astuple(row) for row in rows)  # type: ignore[call-overload]
        return self.folder / CSV_FILE

    def write_summary(self, tables: Mapping[str, Any]) -> None:
        """Write ``summary.json`` beside the database, whole or not at all."""
        text = json.dumps(tables, indent=2, allow_nan=False)
        with replacing(self.folder / SUMMARY_FILE) as part:
            part.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def _open(cls, folder: Path, scenario: Asked) -> Self:
        """The folder's results; damaged ones are set aside and begun anew with the rows that are left of them."""
        try:
            cls._begin(folder, scenario)
            return cls(folder)
        except DamagedError as error:
            damaged = salvage.set_aside(folder / FILE)
            kept = salvage.rows(damaged, cls.TABLE, cls.ROW, scenario)
            cls._begin(folder, scenario)
            store = cls(folder)
            store.put(*kept)
            warnings.warn(
                f"{error} It is kept as {damaged.name}; {len(kept)} rows could be read, the rest is computed again.",
                stacklevel=3,
            )
            return store

    @classmethod
    def _begin(cls, folder: Path, scenario: Asked) -> None:
        """Make the tables that are not there."""
        with connection(folder / FILE) as db:
            check(db, folder / FILE)
            cls._refuse_foreign(db, folder)
            db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            db.execute(cls._create_table())
            cls._add_younger_columns(db)
            db.execute("INSERT OR IGNORE INTO meta VALUES ('scenario', ?)", (json.dumps(scenario.to_dict()),))
            db.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (str(_FORMAT),))

    @classmethod
    def _refuse_foreign(cls, db: sqlite3.Connection, folder: Path) -> None:
        there = tables(db) - {"meta"}
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


def _sql_type(hint: Any) -> str:
    optional = getattr(hint, "__args__", ())
    return _SQL_TYPE[optional[0]] if optional else f"{_SQL_TYPE[hint]} NOT NULL"
