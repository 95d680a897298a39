"""One table a medium of every method in a set of records, sorted by what a method may know.

Records are put into one table only where they can be compared: same setting (model, media, draws, examples), data,
checkpoint and releases, as their fingerprints say. Which receivers ran is no part of that: one's own method, run in the
same scenario, joins those that were run before. Draws, and so gains over ML, are the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analognn import compat
from analognn.estimates import Estimate
from analognn.experiments import Record, Scenario, Store
from analognn.experiments.fingerprint import Fingerprint
from analognn.experiments.gains import BASELINE, SHARES, Gain
from analognn.experiments.reading import kind, read
from analognn.experiments.scenario import CLEAN
from analognn.experiments.words import knows
from analognn.report.page import Block, Page, Part, Section, Table
from analognn.suite.scoring import Score, scores

OVERVIEW = 0.8
"""Share of the clean accuracy of the first table."""
LEGEND = (
    "dB over ML: how much lower the effective WNR may be for the same accuracy, at three shares of the clean accuracy. "
    "Mean accuracy: over the sweep of WNR. In brackets 95 % intervals, paired bootstraps over noise draws. "
    '">=": some draw was at the target at the lowest WNR already. "not reached": some draw never was. "-": ML is at '
    "it from there on in some draw. Knows: side information beyond the normalisation layers, which every receiver "
    "gets. Uses: complex channel uses of one transmission. Seconds: of a trial, evaluation included, median, one busy "
    "thread."
)
COLUMNS = (
    "receiver", "budget", "knows", *(f"dB over ML at {share:.0%} of clean" for share in SHARES), "mean accuracy %",
    "over ML", "uses", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Published:
    """Rows that rest on one fingerprint.

    Args:
        folder: where they lie.
        scenario: that made them.
        fingerprint: what they rest on.
        records: the rows.
    """

    folder: Path
    scenario: Scenario
    fingerprint: Fingerprint
    records: tuple[Record, ...]


def published(folder: Path) -> list[Published]:
    """The rows of a run folder, or of its committed files, by fingerprint: one, if it was made with one release.

    Raises:
        ValueError: no run folder, or rows without a fingerprint.
    """
    if kind(folder) is not Store:
        raise ValueError(f"{str(folder)!r} holds federated trainings; the leaderboard takes folders of `analognn run`.")
    kept = read(Store, folder)
    rows: dict[str | None, list[Record]] = {}
    for record in kept.records():
        rows.setdefault(record.fingerprint, []).append(record)
    if not rows.keys() <= kept.fingerprints.keys():
        raise ValueError(f"{str(folder)!r} has rows without a fingerprint: they are older. Run the scenario again.")
    return [
        Published(folder, kept.scenario, kept.fingerprints[digest], tuple(own))
        for digest, own in rows.items()
        if digest is not None
    ]


def leaderboard(folders: Iterable[Sequence[Published]], *, separate: bool = False) -> Page:
    """All of them as a page: one part for all that can be compared.

    Args:
        folders: each from :func:`published`.
        separate: give what cannot be compared a part of its own.

    Raises:
        ValueError: records that cannot be compared, unless ``separate``; the message has the differences. Records that
            rest on the same and disagree.
    """
    groups = _comparable([each for folder in folders for each in folder])
    if len(groups) > 1 and not separate:
        first, other = groups[0][0], groups[1][0]
        raise ValueError(
            f"{str(first.folder)!r} and {str(other.folder)!r} cannot be compared; --separate lists them one after the "
            f"other. They differ in {'; '.join(first.fingerprint.apart(other.fingerprint))}."
        )
    return Page("Leaderboard", tuple(_part(group) for group in groups), f"analognn {compat.installed('analognn')}")


def markdown(page: Page) -> str:
    """The same page for the documentation."""
    lines = [f"# {page.title}", ""]
    for part in page.parts:
        lines += [f"## {part.title}", ""]
        for section in part.sections:
            lines += [f"### {section.title}", ""]
            for block in section.blocks:
                lines += [*_markdown(block), ""]
    return "\n".join(lines)


def _comparable(rows: Sequence[Published]) -> list[list[Published]]:
    groups: list[list[Published]] = []
    for each in rows:
        group = next((g for g in groups if not g[0].fingerprint.apart(each.fingerprint)), None)
        if group is None:
            groups.append(group := [])
        group.append(each)
    return groups


def _merged(group: Sequence[Published]) -> list[Record]:
    found: dict[tuple[str, str, int, str], Record] = {}
    for each in group:
        for record in each.records:
            first = found.setdefault(record.key, record)
            if (first.correct, first.wnr_db) != (record.correct, record.wnr_db):
                raise ValueError(
                    f"Two records of {record.medium} {record.point} draw {record.seed}, {record.denoiser!r}, disagree "
                    f"though they rest on the same: {first.correct} and {record.correct} right answers. Run one again."
                )
    return list(found.values())


def _part(group: Sequence[Published]) -> Part:
    scenario = group[0].scenario
    order = [CLEAN, *scenario.media]  # that of the scenario, whatever the files have
    records = sorted(_merged(group), key=lambda record: order.index(record.medium))
    found = scores(records)
    clean, config = next(record for record in records if record.medium == CLEAN), scenario.denoiser
    said = (
        f"{scenario.summary} {scenario.model}, {100 * clean.correct / clean.total:.2f} % without noise on "
        f"{clean.total} test examples; {config.kappa} labelled and {config.unlabelled} unlabelled ones."
    )
    media = list(dict.fromkeys(score.medium for score in found))
    tables = [(medium, (_table(medium, [s for s in found if s.medium == medium]),)) for medium in media]
    content: list[tuple[str, tuple[Block, ...]]] = [("Overview", (said, LEGEND, _overview(found, media))), *tables]
    sections = tuple(Section(title, blocks) for title, blocks in [*content, ("Provenance", tuple(_provenance(group)))])
    return Part(f"{scenario.name}: {scenario.model}", sections)


def _overview(found: Sequence[Score], media: Sequence[str]) -> Table:
    cells = {(s.receiver, s.medium): _gain(s, SHARES.index(OVERVIEW), interval=False) for s in found}
    names = {s.receiver: s.budget for s in found if s.receiver != BASELINE}
    rows = tuple((name, budget, *(cells.get((name, m), "") for m in media)) for name, budget in names.items())
    caption = f"dB over ML at {OVERVIEW:.0%} of the clean accuracy; intervals below"
    return Table(caption, ("receiver", "budget", *media), rows, numbers=len(media))


def _table(medium: str, found: Sequence[Score]) -> Table:
    ml = next((score for score in found if score.receiver == BASELINE), None)
    needs = ", ".join(_needs(gain) for gain in ml.gains) if ml else "not run"
    caption = f"{medium}, {found[0].draws} draws. WNR that ML needs for {_shares()} of clean: {needs}"
    return Table(caption, COLUMNS, tuple(tuple(_row(score)) for score in found), numbers=len(COLUMNS) - 3)


def _row(score: Score) -> Iterator[str]:
    yield from (score.receiver, score.budget, knows(score))
    yield from (_gain(score, index) if score.receiver != BASELINE else "" for index in range(len(SHARES)))
    yield _interval(score.area, 100)
    yield _interval(score.area_over_ml, 100, "+") if score.area_over_ml else ""
    yield "" if score.airtime is None else f"{score.airtime:,.0f}"
    yield f"{score.seconds:.2f}"


def _gain(score: Score, index: int, *, interval: bool = True) -> str:
    gain = score.gains[index]
    if gain.over_ml_db is None:
        return "not reached" if gain.crossing_db is None else "-"
    told = _interval(gain.over_ml_db, 1, "+") if interval else f"{gain.over_ml_db.mean:+z.1f}"
    return (">= " if gain.at_least else "") + told


def _needs(gain: Gain) -> str:
    if gain.crossing_db is None:
        return "beyond the sweep"
    return ("<= " if gain.at_least else "") + f"{gain.crossing_db.mean:z.1f} dB"


def _shares() -> str:
    return ", ".join(f"{100 * share:.0f}" for share in SHARES) + " %"


def _interval(value: Estimate, scale: float, sign: str = "") -> str:
    ends = "" if value.low is None or value.high is None else f" [{scale * value.low:z.1f}, {scale * value.high:z.1f}]"
    return f"{scale * value.mean:{sign}z.1f}{ends}"


def _provenance(group: Sequence[Published]) -> Iterator[Block]:
    yield "Records: " + ", ".join(dict.fromkeys(str(each.folder) for each in group)) + "."
    rows = {"fingerprint": ", ".join(each.fingerprint.digest for each in group), **group[0].fingerprint.comparable}
    yield Table("What these numbers rest on", ("what", "is"), tuple(rows.items()))


def _markdown(block: Block) -> Iterator[str]:
    if isinstance(block, Table):
        words = len(block.columns) - block.numbers
        yield from (f"{block.caption}.", "")
        yield _line(block.columns)
        yield "|" + "---|" * words + "---:|" * block.numbers
        yield from (_line(row) for row in block.rows)
    elif isinstance(block, str):
        yield block
    else:
        raise TypeError(f"`markdown` takes text and tables; got {type(block).__name__}.")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
