"""Progress bars for people who wait, with an estimate of the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]
"""Called with (done, in all) at the start and as things end."""


@contextmanager
def bar(title: str, unit: str) -> Iterator[Report]:
    """A bar on the terminal while the block runs; it says that it loads until the first report."""
    from rich.progress import (  # not before it is needed: `analognn --help` is instant
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()) as shown:
        task = shown.add_task(f"{title}: loading", total=None)
        yield lambda done, total: shown.update(task, description=title, completed=done, total=total)


def counted(total: int, report: Report) -> Iterator[int]:
    """0 to total - 1; each is done when the next is asked for."""
    for i in range(total):
        report(i, total)
        yield i
    report(total, total)
