"""How every command answers what it cannot work with: one line on standard error.

Exit code 2 for bad input, a folder that cannot be written included; 1 for a full disk, as for all that the same command
goes on with once there is room.
"""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

P = ParamSpec("P")


NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""How a system says that a file cannot grow: disk full, quota reached, limit on the size of a file."""


def refuses_bad_input(command: Callable[P, None]) -> Callable[P, None]:
    """Bad input and a full disk become one line on standard error and an exit code; so do warnings, without one."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        with warnings.catch_warnings():
            warnings.showwarning = _one_line
            try:
                command(*args, **kwargs)
            except OSError as error:
                _end(error, 1 if error.errno in NO_ROOM else 2)
            except (ValueError, TypeError, ModuleNotFoundError) as error:
                _end(error, 2)

    return wrapped


def _end(error: Exception, code: int) -> None:
    told = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
    click.echo(f"Error: {told}", err=True)
    raise SystemExit(code) from None


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"Warning: {message}", err=True)
