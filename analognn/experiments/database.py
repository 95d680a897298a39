"""Connections to the SQLite file of a run folder, and what goes wrong with it in the words of the system."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from analognn.experiments.cells import unreadable
from analognn.files import UnwritableError

_SYSTEM = {
    sqlite3.SQLITE_FULL: (errno.ENOSPC, "No space left on device"),
    sqlite3.SQLITE_IOERR: (errno.EIO, "Input/output error"),
    sqlite3.SQLITE_BUSY: (errno.EBUSY, "Another program has locked it for a minute"),
    sqlite3.SQLITE_READONLY: (errno.EROFS, "It cannot be written"),
    sqlite3.SQLITE_CANTOPEN: (errno.EACCES, "It cannot be opened for writing"),
    sqlite3.SQLITE_PERM: (errno.EACCES, "It cannot be written"),
}
"""What SQLite says that is not about the file's content -> what a system says."""


class DamagedError(ValueError):
    """A database that cannot be read, because it is none or pages of it are damaged."""

    def __init__(self, path: Path, why: object) -> None:
        super().__init__(f"{path} is damaged: {why}.")


@contextmanager
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that commits at the end of the block and waits for other writers.

    Raises:
        UnwritableError: the disk is full, or nobody may write there.
        DamagedError: no database, or pages of it are damaged.
        ValueError: a database, but not of results.
    """
    try:
        with closing(_opened(path)) as db, db:
            yield db
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _SYSTEM:
            raise UnwritableError(*_SYSTEM[code], str(path)) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedError(path, error) from error
        raise unreadable(path, error) from error


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _in_wal_mode(sqlite3.connect(path, timeout=60))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    # A folder that cannot be written: reading needs no files beside the database then, for nobody changes it.
    return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)


def _in_wal_mode(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error:
        db.close()
        raise
    return db


def check(db: sqlite3.Connection, path: Path) -> None:
    """Raise :class:`DamagedError` if some page of the database is not sound; 10,000 trials take some 10 ms."""
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise DamagedError(path, found.splitlines()[-1])


def tables(db: sqlite3.Connection) -> set[str]:
    """Their names."""
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
