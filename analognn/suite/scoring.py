"""What each receiver scores on each medium: gain, mean accuracy, and what both cost.

    gain(q)  = x(q a_0; ML) - x(q a_0)  [dB],  q = 60, 80, 90 %,  a_0 the clean accuracy    (analognn.experiments.gains)
    area     = mean accuracy over the sweep,  and its difference to ML's on the same draws
    cost     = information (bits, inputs, labels), airtime (complex channel uses), time

Intervals are paired bootstraps over draws.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analognn.estimates import Estimate, bootstrap
from analognn.experiments.gains import BASELINE, SHARES, Curve, Gain, area, curves, gains
from analognn.experiments.record import Record
from analognn.experiments.scenario import CLEAN
from analognn.receiver import BUDGETS


@dataclass(frozen=True)
class Score:
    """One receiver on one medium.

    Args:
        medium: label in the scenario.
        receiver: its name.
        budget: the dearest thing it needs.
        draws: noise draws a point.
        gains: at each of SHARES of the clean accuracy.
        area: mean accuracy over the sweep of effective WNR.
        area_over_ml: paired difference; None for ML itself, or without it.
        unlabelled: inputs it used.
        labelled: examples with labels it used.
        receiver_bits: side information that it asked for.
        airtime: complex channel uses of payload and reliable path, mean; None for media without.
        seconds: of a trial, evaluation included, median.
    """

    medium: str
    receiver: str
    budget: str
    draws: int
    gains: tuple[Gain, ...]
    area: Estimate
    area_over_ml: Estimate | None
    unlabelled: int
    labelled: int
    receiver_bits: int
    airtime: float | None
    seconds: float


def scores(records: Iterable[Record]) -> list[Score]:
    """Every receiver on every medium whose records have a finite WNR: by medium, budget, falling area.

    Raises:
        ValueError: the clean model is not among the records.
    """
    rows = list(records)
    found, clean = curves(rows), _clean(rows)
    by_target = [{(g.medium, g.denoiser): g for g in gains(rows, share * clean)} for share in SHARES]
    own: dict[tuple[str, str], list[Record]] = {key: [] for key in found}
    for record in rows:
        own.get((record.medium, record.denoiser), []).append(record)
    made = [
        _score(own[key], tuple(at[key] for at in by_target), draws, found.get((key[0], BASELINE), {}))
        for key, draws in found.items()
    ]
    media = list(dict.fromkeys(medium for medium, _ in found))
    return sorted(made, key=lambda s: (media.index(s.medium), BUDGETS.index(s.budget), -s.area.mean, s.receiver))


def _score(records: Sequence[Record], at: tuple[Gain, ...], draws: dict[int, Curve], ml: dict[int, Curve]) -> Score:
    areas, of_ml = ({seed: area(curve) for seed, curve in each.items()} for each in (draws, ml))
    first = records[0]
    paired = [areas[seed] - of_ml[seed] for seed in areas if seed in of_ml]
    return Score(
        medium=first.medium,
        receiver=first.denoiser,
        budget=max((record.budget or "none" for record in records), key=BUDGETS.index),
        draws=len(draws),
        gains=at,
        area=bootstrap(list(areas.values())),
        area_over_ml=bootstrap(paired) if paired and first.denoiser != BASELINE else None,
        unlabelled=max(record.unlabelled or 0 for record in records),  # where nothing arrived nothing was used
        labelled=max(record.labelled or 0 for record in records),
        receiver_bits=max(record.receiver_bits or 0 for record in records),
        airtime=_airtime(records),
        seconds=statistics.median(record.wall_s or 0.0 for record in records),
    )


def _airtime(records: Sequence[Record]) -> float | None:
    uses = [record.channel_uses + (record.reliable_uses or 0) for record in records if record.channel_uses]
    return statistics.fmean(uses) if uses else None


def _clean(records: Sequence[Record]) -> float:
    for record in records:
        if record.medium == CLEAN:
            return record.accuracy
    raise ValueError("The records lack the clean model, against which scores are told: let its run end.")
