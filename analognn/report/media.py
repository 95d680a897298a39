"""The report of a run: what its media did to the weights, what the receivers knew and chose, and what all that took."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from analognn import plots_search
from analognn.estimates import Estimate, estimate
from analognn.experiments import Record, Scenario, Summary, stopping, summarise
from analognn.experiments.reading import Kept
from analognn.experiments.record import receptions
from analognn.experiments.scenario import CLEAN
from analognn.experiments.words import point_text
from analognn.report.page import MAX_PICTURES, Block, Pictures, Table, count, figure


@dataclass(frozen=True)
class Run:
    """A run, read once.

    Args:
        kept: its folder.
        summary: of all records.
        trials: records but that of the clean model, in the order of the scenario.
    """

    kept: Kept[Scenario, Record]
    summary: Summary
    trials: tuple[Record, ...]

    @classmethod
    def of(cls, kept: Kept[Scenario, Record]) -> Run:
        """Summarised and sorted."""
        asked = receptions(kept.scenario, stopping.draws(kept.scenario, kept.rows))
        order = {(r.medium, r.point, r.seed): index for index, r in enumerate(asked)}
        trials = [record for record in kept.rows if record.medium != CLEAN]
        trials.sort(key=lambda record: order[record.medium, record.point, record.seed])
        return cls(kept, summarise(kept), tuple(trials))

    @property
    def scenario(self) -> Scenario:
        """What was run."""
        return self.kept.scenario


def noise(run: Run) -> Iterator[Block]:
    """What arrived against what was sent, by medium and point."""
    draws: defaultdict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
    for record in run.trials:
        if record.noise_var is not None and record.gain is not None:
            draws[record.medium, record.point].setdefault(record.seed, record)
    if not draws:
        return
    yield (
        "What arrived against what was sent, over all weights at once: r = gain · w + offset + z. AWGN has gain 1, "
        "excess kurtosis 0, and noise that does not follow |w|; the third column names what differs from that by more "
        "than its 95 % interval over the draws; one test in twenty does so by chance. The last is the noise variance "
        "that the receiver was told, over the one that was measured."
    )
    yield Table(
        "Effective noise",
        (
            "medium", "point", "unlike AWGN in", "WNR dB", "gain", "kurtosis", "KS", "corr |z|, |w|",
            "told / measured",
        ),
        tuple(
            (medium, point_text(json.loads(point)), *_noise_row(list(found.values())))
            for (medium, point), found in draws.items()
        ),
        numbers=6,
    )  # fmt: skip


def _noise_row(draws: list[Record]) -> tuple[str, ...]:
    found = {name: _over(draws, name) for name in ("gain", "excess_kurtosis", "ks_distance", "magnitude_corr")}
    ratios = [d.reported_noise_var / d.noise_var for d in draws if d.reported_noise_var and d.noise_var]
    unlike = {"gain": 1.0, "excess_kurtosis": 0.0, "magnitude_corr": 0.0}
    names = {"excess_kurtosis": "kurtosis", "magnitude_corr": "|w|"}
    told = [names.get(name, name) for name, value in unlike.items() if not _covers(found[name], value)]
    cells = ["-" if a is None else a.text(digits=3) for a in found.values()]
    return (", ".join(told) or "nothing", _wnr(draws), *cells, f"{statistics.fmean(ratios):.2f}" if ratios else "-")


def _over(draws: list[Record], name: str) -> Estimate | None:
    """Of the draws that have such a number: without noise there is no shape of it."""
    there = [value for draw in draws if (value := getattr(draw, name)) is not None]
    return estimate(there) if there else None


def _wnr(draws: list[Record]) -> str:
    """The mean [dB], "inf" without noise; draws in which nothing arrived do not count."""
    there = [draw.wnr_db for draw in draws if draw.wnr_db is not None and draw.wnr_db > -math.inf]
    return f"{statistics.fmean(there):z.1f}" if there else "lost"


def _covers(a: Estimate | None, value: float) -> bool:
    """Of no draw or one nothing can be told."""
    return a is None or a.low is None or a.high is None or a.low <= value <= a.high


def pairs(run: Run) -> Iterator[Block]:
    """(lambda', beta) as the draws chose them."""
    chosen: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in run.trials:
        if record.lambda_prime is not None and record.beta is not None:
            chosen[record.medium, record.denoiser].append(record)
    if not chosen:
        return
    config = run.scenario.denoiser
    yield (
        f"Each draw chose its (λ', β) on {config.kappa} validation examples, out of {len(config.lambda_primes)} by "
        f"{len(config.betas)} pairs. A bubble says how many draws, of all points together, chose the pair."
    )
    drawn = []
    for (medium, name), records in itertools.islice(chosen.items(), MAX_PICTURES):
        pairs = [(record.lambda_prime or 0.0, record.beta or 0.0) for record in records]
        caption = f"{medium}, {name}: the pairs chosen in {len(records)} draws."
        drawn.append(
            figure(
                plots_search.chosen_pairs(pairs, config.lambda_primes, config.betas),
                alt=f"{caption} {_most_chosen(pairs)}", caption=caption,
            )
        )  # fmt: skip
    yield Pictures(tuple(drawn))


def _most_chosen(pairs: list[tuple[float, float]]) -> str:
    ((lam, beta), times), *_ = Counter(pairs).most_common(1)
    return f"Chosen most often: lambda' {lam:g} with beta {beta:g}, {count(times, 'time')}."


def budget(run: Run) -> Iterator[Block]:
    """What each receiver used."""
    entries = {entry.denoiser: entry for entry in run.summary.entries}
    yield "Beyond the values that arrived and the noise variance that the medium told."
    yield Table(
        "Information budget",
        (
            "receiver", "dearest need", "inputs without labels", "labelled examples", "side information kbit",
            "values of a pattern",
        ),
        tuple(
            (name, e.budget, str(e.unlabelled), str(e.labelled), f"{e.receiver_bits / 1000:.1f}", str(e.pattern))
            for name, e in entries.items()
        ),
        numbers=4,
    )  # fmt: skip


def cost(run: Run) -> Iterator[Block]:
    """Airtime, energy, side information and time."""
    groups: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in run.trials:
        groups[record.medium, record.point].append(record)
    if not groups:
        return
    yield Table(
        "What the medium took, means over draws",
        ("medium", "point", "channel uses", "energy", "lost %", "tiles", "side information kbit", "s a trial, median"),
        tuple((medium, point_text(json.loads(point)), *_usage(found)) for (medium, point), found in groups.items()),
        numbers=6,
    )
    yield from _reliable(run)


def _reliable(run: Run) -> Iterator[Block]:
    reliable = {(e.medium, point_text(e.point)): e.reliable for e in run.summary.entries if e.reliable}
    if reliable:
        yield (
            "The reliable path carries the normalisation layers and the medium's side information; its share is of the "
            "analog payload. It is ideal, and free, unless the scenario has a [reliable] table."
        )
        yield Table(
            "Cost of the reliable path, means over draws",
            ("medium", "point", "kbit", "channel uses", "% of the payload's", "% of its energy", "blocks sent again"),
            tuple(
                (*key, f"{r.bits / 1000:.1f}", f"{r.channel_uses:.0f}", _or_dash(r.uses_percent),
                 _or_dash(r.energy_percent), f"{r.retransmissions:.1f}")
                for key, r in reliable.items()
            ),
            numbers=5,
        )  # fmt: skip


def _usage(records: list[Record]) -> tuple[str, ...]:
    def mean(name: str, scale: float = 1.0) -> float | None:
        there = [value for record in records if (value := getattr(record, name)) is not None]
        return scale * statistics.fmean(there) if there else None

    seconds = [record.wall_s for record in records if record.wall_s is not None]
    numbers = (("channel_uses", 1.0, 0), ("energy", 1.0, 0), ("outage", 100.0, 1), ("tiles", 1.0, 0))
    cells = [_or_dash(mean(name, scale), digits) for name, scale, digits in numbers]
    return *cells, _or_dash(mean("side_info_bits", 1e-3)), _or_dash(statistics.median(seconds) if seconds else None, 2)


def _or_dash(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
