"""How every command answers bad input: one line on standard error and exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

P = ParamSpec("P")


def refuses_bad_input(command: Callable[P, None]) -> Callable[P, None]:
    """Bad input becomes one line on standard error and exit code 2."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError) as error:
            click.echo(f"Error: {error}", err=True)
            raise SystemExit(2) from None

    return wrapped
