"""Several runs side by side: what they are, where they differ, and the accuracy at the points that they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analognn import plots
from analognn.estimates import Estimate
from analognn.experiments import Entry
from analognn.experiments.reading import Kept
from analognn.experiments.words import point_text
from analognn.report.folders import flat, rests_on
from analognn.report.media import Run
from analognn.report.page import MAX_PICTURES, Block, Part, Picture, Pictures, Table, figure, sections
from analognn.report.rounds import Feel, where

TITLE = "The runs compared"
Place = tuple[str, ...]
"""What tells the numbers of one run apart, in words."""


def of_runs(runs: Mapping[str, Run]) -> Part:
    """Runs of ``analognn run``."""
    overview = Table(
        "The runs",
        ("run", "model", "media", "receivers", "draws a point", "rows", "without noise %"),
        tuple(_row(title, run) for title, run in runs.items()),
        numbers=3,
    )
    cells = {title: {_place(e): e.accuracy for e in run.summary.entries} for title, run in runs.items()}
    return Part(
        TITLE,
        sections(
            (
                ("Overview", [overview, *_differences({title: run.kept for title, run in runs.items()})]),
                ("Accuracy side by side", [*_pictures(runs), *_shared(("medium", "point", "receiver"), cells)]),
            )
        ),
    )


def of_feel(folders: Mapping[str, Feel]) -> Part:
    """Folders of ``analognn feel``."""
    overview = Table(
        "The folders",
        ("folder", "model", "uplink", "base stations", "seeds", "rounds kept"),
        tuple(
            (title, f.scenario.model, f.scenario.uplink.backend, ", ".join(f.scenario.station), str(f.scenario.seeds),
             f"{len(f.kept.rows):,}")
            for title, f in folders.items()
        ),
        numbers=2,
    )  # fmt: skip
    cells: dict[str, dict[Place, Estimate]] = {
        title: {(where(e), e.station): e.accuracy for e in feel.summary.entries} for title, feel in folders.items()
    }
    return Part(
        TITLE,
        sections(
            (
                ("Overview", [overview, *_differences({title: feel.kept for title, feel in folders.items()})]),
                ("Accuracy side by side", _shared(("point", "base station"), cells)),
            )
        ),
    )


def _row(title: str, run: Run) -> tuple[str, ...]:
    scenario, clean = run.scenario, run.summary.clean
    return (
        title,
        scenario.model,
        ", ".join(scenario.media),
        ", ".join(scenario.denoiser.names),
        str(scenario.seeds),
        f"{len(run.kept.rows):,}",
        "-" if clean is None else f"{100 * clean:.2f}",
    )


def _differences(folders: Mapping[str, Kept[Any, Any]]) -> Iterator[Block | None]:
    """Where the scenarios differ, and where what their numbers rest on does."""
    scenarios = {title: flat(kept.scenario.identity()) for title, kept in folders.items()}
    yield _differing("Keys in which the scenarios differ", scenarios) or "The scenarios are the same."
    yield _differing("What else differs", {title: rests_on(kept) for title, kept in folders.items()})


def _differing(caption: str, tables: Mapping[str, Mapping[str, object]]) -> Table | None:
    """The keys that have not the same value in all tables; None if all have."""
    keys = dict.fromkeys(key for table in tables.values() for key in table)
    absent = object()
    differing = [
        key
        for key in keys
        if any(t.get(key, absent) != next(iter(tables.values())).get(key, absent) for t in tables.values())
    ]
    if not differing:
        return None
    rows = ((key, *(_text(table.get(key, "-")) for table in tables.values())) for key in differing)
    return Table(caption, ("key", *tables), tuple(rows), folded=len(differing) > 12)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _shared(names: tuple[str, ...], cells: Mapping[str, Mapping[Place, Estimate]]) -> Iterator[Block]:
    """Accuracies at the places that two runs or more have."""
    places = dict.fromkeys(place for found in cells.values() for place in found)
    shared = [place for place in places if sum(place in found for found in cells.values()) > 1]
    if not shared:
        yield "No two of them share a point and a receiver: their numbers are in the parts below."
        return
    rows = ((*p, *(f[p].percent() if p in f else "" for f in cells.values())) for p in shared)
    yield Table(
        "Test accuracy in % with 95 % intervals, where two runs or more have it",
        (*names, *cells),
        tuple(rows),
        numbers=len(cells),
        folded=len(shared) > 60,
    )


def _pictures(runs: Mapping[str, Run]) -> Iterator[Block]:
    """One picture a medium and receiver that two runs or more share, one line a run."""
    drawn: list[Picture] = []
    for medium, name in dict.fromkeys((e.medium, e.denoiser) for run in runs.values() for e in run.summary.entries):
        own = {title: _of(run.summary.entries, medium, name) for title, run in runs.items()}
        lines = {title: entries for title, entries in own.items() if entries}
        if len(lines) > 1 and len(drawn) < MAX_PICTURES:
            caption = f"{medium}, {name}: test accuracy against effective WNR, one line a run."
            told = "; ".join(
                f"{title}: {found[0].accuracy.mean:.0%} to {found[-1].accuracy.mean:.0%}"
                for title, found in lines.items()
            )
            drawn.append(figure(plots.accuracy_of_runs(lines), alt=f"{caption} {told}.", caption=caption))
    if drawn:
        yield Pictures(tuple(drawn))


def _of(entries: Sequence[Entry], medium: str, name: str) -> list[Entry]:
    """By rising WNR."""
    found = [e for e in entries if (e.medium, e.denoiser) == (medium, name) and e.wnr_db is not None]
    return sorted(found, key=lambda entry: entry.wnr_db or 0.0)


def _place(entry: Entry) -> Place:
    return entry.medium, point_text(entry.point), entry.denoiser
