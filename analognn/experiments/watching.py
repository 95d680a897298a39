"""Rows told as they appear in a store, whoever commits them: this process, a worker, a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from analognn.experiments.rows import Row, RowStore
from analognn.files import UnwritableError

POLL = 0.3
"""Seconds between two looks at what was committed."""


@contextmanager
def watched(store: RowStore[Any, Row], told: Callable[[Row, int], None]) -> Iterator[None]:
    """Call ``told``, from a thread of its own, with each row that is committed while the block runs and its number."""
    done, ended = len(store.records()), threading.Event()

    def look() -> None:
        nonlocal done
        for row in store.records(after=done):
            done += 1
            told(row, done)

    def watch() -> None:
        while not ended.wait(POLL):
            with suppress(UnwritableError):  # of a full disk; who writes says it
                look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        look()
