"""The report of federated trainings over the air: accuracy round by round, what the sum went through, what it took."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analognn import plots_feel
from analognn.estimates import Estimate
from analognn.experiments.feel import FeelEntry, FeelScenario, FeelSummary, RoundRow, Run, summarise_feel
from analognn.experiments.feel.rounds import runs
from analognn.experiments.feel.scenario import NOISELESS
from analognn.experiments.feel.summary import finished
from analognn.experiments.reading import Kept
from analognn.experiments.scenario import canonical
from analognn.experiments.words import point_text
from analognn.report import folders
from analognn.report.page import Block, Part, Picture, Pictures, Table, count, figure, sections

IDEAL = "no noise"
"""The point of the noiseless trainings in tables."""


@dataclass(frozen=True)
class Feel:
    """A folder of trainings, read once."""

    kept: Kept[FeelScenario, RoundRow]
    summary: FeelSummary

    @classmethod
    def of(cls, kept: Kept[FeelScenario, RoundRow]) -> Feel:
        """Summarised."""
        return cls(kept, summarise_feel(kept))

    @property
    def scenario(self) -> FeelScenario:
        """What was run."""
        return self.kept.scenario


def part(feel: Feel, title: str) -> Part:
    """All sections of one folder of trainings."""
    return Part(
        title,
        sections(
            (
                ("Summary", _summary(feel)),
                ("Accuracy", _accuracy(feel)),
                ("What the sum of the updates went through", _air(feel)),
                ("What it cost", _cost(feel)),
                ("Other pictures", folders.pictures(feel.kept.folder)),
                *folders.origin(feel.kept),
            )
        ),
    )


def where(entry: FeelEntry) -> str:
    """The point of the uplink in words."""
    return IDEAL if entry.station == NOISELESS else point_text(entry.point) or "as fixed"


def _summary(feel: Feel) -> Iterator[Block]:
    scenario, entries = feel.scenario, feel.summary.entries
    federation = scenario.served(next(iter(scenario.station)))
    trainings, over = len(runs(scenario)), sum(entry.seeds for entry in entries)
    examples = max((row.test_total for row in feel.kept.rows), default=0)
    if scenario.summary:
        yield scenario.summary
    yield (
        f"{federation.num_devices} devices, {federation.num_active} of them in a round, trained {scenario.model} over "
        f"{count(federation.num_rounds, 'round')} on one shared channel ({scenario.uplink.backend}) at "
        f"{count(len(list(scenario.uplink.points())), 'point')}, with "
        f"{count(len(scenario.station), 'base station')} and {count(scenario.seeds, 'seed')} each. Accuracy is on "
        f"{examples:,} test examples, of the round that the rules report. {over} of {trainings} trainings are over."
    )
    yield from (_in_words(entries, entry) for entry in entries if entry.station == NOISELESS)
    settings = {"uplink": scenario.uplink.backend, **scenario.uplink.parameters, **vars(federation.rules)}
    yield Table("Uplink and rules", ("key", "value"), tuple((key, str(value)) for key, value in settings.items()))


def _in_words(entries: Sequence[FeelEntry], ideal: FeelEntry) -> str:
    noisy = [entry for entry in entries if entry.station != NOISELESS]
    said = f"Without noise a training ends at {ideal.accuracy.percent()} %."
    if not noisy:
        return said
    best, worst = (choose(noisy, key=lambda entry: entry.accuracy.mean) for choose in (max, min))
    return (
        f"{said} Over the air the highest mean is {best.accuracy.percent()} % ({best.station}, {where(best)}), the "
        f"lowest {worst.accuracy.percent()} % ({worst.station}, {where(worst)})."
    )


def _accuracy(feel: Feel) -> Iterator[Block]:
    trainings = finished(feel.kept)
    if not trainings:
        return
    yield Pictures(tuple(_pictures(feel, trainings)))
    yield "Bands and bars are 95 % intervals (Student's t) over trainings; gains over ML are paired."
    yield Table(
        "Test accuracy by point and base station, %",
        (
            "point", "base station", "WNR dB", "reported round", "over ML, points", "last round", "best by validation",
            "best on test", "trainings", "diverged",
        ),
        tuple((where(entry), entry.station, *_numbers(entry)) for entry in feel.summary.entries),
        numbers=8,
    )  # fmt: skip
    yield "No experiment may choose its round on test data: that column is there because released code does."


def _pictures(feel: Feel, trainings: dict[Run, list[RoundRow]]) -> Iterator[Picture]:
    scenario, summary = feel.scenario, feel.summary
    for point in scenario.uplink.points():
        entries = [entry for entry in summary.entries if entry.station != NOISELESS and entry.point == point]
        caption = f"{point_text(point) or 'Accuracy'}: validation accuracy after each round."
        picture = plots_feel.accuracy_per_round(scenario, trainings, [point], titled=False)
        yield figure(picture, alt=f"{caption} {_ends(entries)}", caption=caption)
    caption = "Test accuracy of the reported round against the noise."
    picture = plots_feel.accuracy_vs_noise(summary, titled=False)
    yield figure(picture, alt=f"{caption} {_ends(summary.entries)}", caption=caption)


def _ends(entries: Sequence[FeelEntry]) -> str:
    told = (f"{entry.station}, {where(entry)}: {entry.accuracy.mean:.0%} on test data" for entry in entries)
    return "; ".join(told) + "."


def _numbers(entry: FeelEntry) -> tuple[str, ...]:
    estimates: tuple[Estimate, ...] = (entry.last, entry.best_by_validation, entry.best_on_test)
    return (
        "-" if entry.wnr_db is None else f"{entry.wnr_db:.1f}",
        entry.accuracy.percent(),
        entry.gain_over_ml.percent("+") if entry.gain_over_ml else "",
        *(estimate.percent() for estimate in estimates),
        str(entry.seeds),
        str(entry.diverged),
    )


def _air(feel: Feel) -> Iterator[Block]:
    groups: defaultdict[tuple[str, str], list[RoundRow]] = defaultdict(list)
    for row in feel.kept.rows:
        if row.station != NOISELESS:
            groups[row.point, row.station].append(row)
    if not groups:
        return
    yield Table(
        "Means over rounds and trainings",
        ("point", "base station", "update power", "noise variance", "WNR dB", "gain", "λ'", "β", "lost %"),
        tuple((point_text(json.loads(point)), station, *_means(rows)) for (point, station), rows in groups.items()),
        numbers=7,
    )
    notes = sorted({row.note for row in feel.kept.rows if row.note})
    if notes:
        yield f"Notes of rounds: {'; '.join(notes[:5])}{'; ...' if len(notes) > 5 else ''}"


def _means(rows: list[RoundRow]) -> tuple[str, ...]:
    texts = []
    for name, form in (
        ("update_power", ".3g"), ("noise_var", ".3g"), ("effective_wnr_db", ".1f"), ("gain", ".3f"),
        ("lambda_prime", ".3f"), ("beta", ".3g"),
    ):  # fmt: skip
        there = [value for row in rows if (value := getattr(row, name)) is not None]
        texts.append(f"{statistics.fmean(there):{form}}" if there else "-")
    return *texts, f"{100 * statistics.fmean(row.outage for row in rows):.1f}"


def _cost(feel: Feel) -> Iterator[Block]:
    uses: defaultdict[tuple[str, str], list[RoundRow]] = defaultdict(list)
    for row in feel.kept.rows:
        uses[row.station, row.point].append(row)
    entries = [e for e in feel.summary.entries if (e.station, canonical(e.point)) in uses]
    rows = []
    for entry in entries:
        own = uses[entry.station, canonical(entry.point)]
        mean_uses, mean_bits = (
            statistics.fmean(getattr(r, name) for r in own) for name in ("channel_uses", "side_info_bits")
        )
        cells = f"{mean_uses:,.0f}", f"{mean_bits:,.0f}", f"{entry.round_seconds:.2f}", f"{100 * entry.overhead:.1f}"
        rows.append((where(entry), entry.station, *cells))
    if rows:
        yield Table(
            "A round, on average",
            ("point", "base station", "channel uses", "reliable side information bit", "s", "beyond local training %"),
            tuple(rows),
            numbers=4,
        )
