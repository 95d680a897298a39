"""One HTML file about one run or several, that loads nothing: to read, to send, to keep beside the records.

It reads folders of ``analognn run`` and ``analognn feel``, with the database or with the committed files alone, and
runs nothing. The same folders give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from analognn import compat
from analognn.experiments.feel import FeelStore
from analognn.experiments.reading import kind, read
from analognn.experiments.store import Store
from analognn.files import replacing
from analognn.report import comparison, rounds, trials
from analognn.report.media import Run
from analognn.report.page import Page, Part
from analognn.report.rounds import Feel

__all__ = ["check", "report", "write"]


def write(folders: Sequence[Path], out: Path) -> Path:
    """Write the report of ``folders`` to ``out``.

    Raises:
        ValueError: a folder without results or with an unreadable file, folders of different kinds, or an ``out`` that
            cannot be written.
    """
    check(folders, out)
    page = report(folders).html()
    try:
        with replacing(out) as part:
            part.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ValueError(f"`--out` {str(out)!r} cannot be written: {error.strerror}.") from None
    return out


def check(folders: Sequence[Path], out: Path) -> None:
    """Whether these folders can be reported on, and there, before any work is done.

    Raises:
        ValueError: they cannot.
    """
    _kinds(folders)
    if out.suffix != ".html" or not out.parent.is_dir() or out.is_dir():
        raise ValueError(f"`--out` must be a .html file in a folder that is there; got {str(out)!r}.")
    if not os.access(out.parent, os.W_OK):
        raise ValueError(f"`--out` {str(out)!r} cannot be written: its folder is read-only.")


def report(folders: Sequence[Path]) -> Page:
    """The report of run folders: compared first, then one part each.

    Raises:
        ValueError: see :func:`write`.
    """
    kinds = _kinds(folders)
    titles = _titles(list(kinds))
    parts = _of_feel(titles) if FeelStore in kinds.values() else _of_runs(titles)
    name = next(iter(titles.values())) if len(titles) == 1 else f"{len(titles)} runs compared"
    return Page(f"Report: {name}", tuple(parts), f"analognn {compat.installed('analognn')}")


def _kinds(folders: Sequence[Path]) -> dict[Path, type[Store] | type[FeelStore]]:
    kinds = {folder: kind(folder) for folder in folders}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{str(folder)!r} of `{store.SCENARIO.COMMAND}`" for folder, store in kinds.items())
        raise ValueError(f"`analognn report` takes folders of one command at a time; got {told}.")
    return kinds


def _of_runs(titles: dict[Path, str]) -> list[Part]:
    runs = {title: Run.of(read(Store, folder)) for folder, title in titles.items()}
    parts = [trials.part(run, title) for title, run in runs.items()]
    return [comparison.of_runs(runs), *parts] if len(runs) > 1 else parts


def _of_feel(titles: dict[Path, str]) -> list[Part]:
    found = {title: Feel.of(read(FeelStore, folder)) for folder, title in titles.items()}
    parts = [rounds.part(feel, title) for title, feel in found.items()]
    return [comparison.of_feel(found), *parts] if len(found) > 1 else parts


def _titles(folders: list[Path]) -> dict[Path, str]:
    """The names of the folders, with as many of their parents as tell them apart."""
    paths = [folder.resolve() for folder in folders]
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(set(paths)):
        depth += 1
    return {folder: "/".join(path.parts[-depth:]) for folder, path in zip(folders, paths, strict=True)}
