"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class UnwritableError(OSError):
    """A file that cannot be written, by name: the disk is full, or nobody may write there."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to that takes the name ``path`` when the block ends well, and vanishes when it does not.

    What a process that was killed here left of it vanishes too.

    Raises:
        UnwritableError: with the name ``path``.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _remove_leftovers(path)
        yield part
        part.replace(path)
    except OSError as error:
        raise UnwritableError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # a folder that nobody may write to any more has said so above
            part.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    for part in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        writer = part.name.split(".")[-2]
        if writer.isdecimal() and not _is_running(int(writer)):
            part.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        pass
    return True
