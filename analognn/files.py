"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class UnwritableError(OSError):
    """A file that cannot be written, by name: the disk is full, or nobody may write there."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to that takes the name ``path`` when the block ends well, and vanishes when it does not.

    Raises:
        UnwritableError: with the name ``path``.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise UnwritableError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # a folder that nobody may write to any more has said so above
            part.unlink(missing_ok=True)
