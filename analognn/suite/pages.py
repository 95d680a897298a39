"""Everything a benchmark folder holds as one page: scores, accuracy by point, federated trainings, theory, times."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analognn import compat
from analognn.experiments import Store, summarise
from analognn.experiments.feel import FeelStore, summarise_feel
from analognn.experiments.words import point_text
from analognn.report.page import Page, Part, Section, Table
from analognn.suite.board import leaderboard, published
from analognn.suite.tiers import PARTS

CLAIMS, TIMINGS = "claims.json", "timings.json"
CONTROLS = "controls"


def page(out: Path) -> Page:
    """All parts that lie in ``out``, in the order of the suite."""
    found = tuple(part for name in PARTS if name != CONTROLS for part in _parts(out / name))
    return Page("Scores", found, f"analognn {compat.installed('analognn')}")


def _parts(folder: Path) -> Iterator[Part]:
    if Store.is_in(folder):
        for part in leaderboard([published(folder)], separate=True).parts:
            yield dataclasses.replace(part, sections=(*part.sections, Section("By point", (_by_point(folder),))))
    elif FeelStore.is_in(folder):
        yield _federated(folder)
    elif (folder / CLAIMS).is_file():
        claims = json.loads((folder / CLAIMS).read_text(encoding="utf-8"))
        columns = ("where", "paper", "ours", "verdict")
        yield _table_part("theory", "Claims of the denoising paper", columns, claims)
    elif (folder / TIMINGS).is_file():
        timed = json.loads((folder / TIMINGS).read_text(encoding="utf-8"))["timings"]
        rows = [{key: _short(value) for key, value in each.items()} for each in timed]
        columns = ("kind", "name", "seconds", "per_million")
        yield _table_part("speed", "Seconds on one thread of this machine, and for a million weights", columns, rows)


def _by_point(folder: Path) -> Table:
    """Test accuracy at every point: a row a medium and point, a column a receiver."""
    summary = summarise(Store(folder))
    names = summary.scenario.denoiser.names
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for entry in summary.entries:
        rows.setdefault((entry.medium, point_text(entry.point)), {})[entry.denoiser] = entry.accuracy.percent()
    cells = tuple((*where, *(found.get(name, "") for name in names)) for where, found in rows.items())
    return Table("Test accuracy in percent with 95 % intervals (t)", ("medium", "point", *names), cells, len(names))


def _federated(folder: Path) -> Part:
    summary = summarise_feel(FeelStore(folder))
    rows = [
        {
            "base station": entry.station,
            "uplink": point_text(entry.point),
            "accuracy %": entry.accuracy.percent(),
            "over ML": entry.gain_over_ml.percent("+") if entry.gain_over_ml else "",
            "best by validation %": entry.best_by_validation.percent(),
        }
        for entry in summary.entries
    ]
    caption = f"{summary.scenario.seeds} trainings a point, test accuracy after the last round"
    return _table_part(f"feel: {summary.scenario.model}", caption, tuple(rows[0]) if rows else (), rows)


def _table_part(title: str, caption: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Part:
    cells = tuple(tuple(str(row[column]) for column in columns) for row in rows)
    return Part(title, (Section("Results", (Table(caption, columns, cells),)),))


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
