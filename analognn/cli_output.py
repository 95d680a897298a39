"""How commands check where they are to write, print tables and end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table


def check_out(path: Path, suffix: str) -> None:
    """Refuse a file that cannot be written before any work is done.

    Raises:
        ValueError: another suffix, or the folder is not there.
    """
    if path.suffix != suffix or not path.parent.is_dir():
        raise ValueError(f"`--out` must be a {suffix} file in a folder that is there; got {str(path)!r}.")


def print_table(table: Table, *, width: int = 100) -> None:
    """As wide as the terminal, or ``width`` characters where the output is none."""
    from rich.console import Console

    console = Console()
    Console(width=None if console.is_terminal else width).print(table)


def end_if_failed(failures: Sequence[str], advice: str) -> None:
    """Name the failures and end with exit code 1, if there are any; ``advice`` follows their number."""
    for failure in failures:
        click.echo(f"Failed: {failure}", err=True)
    if failures:
        click.echo(f"{len(failures)} {advice}", err=True)
        raise SystemExit(1)
