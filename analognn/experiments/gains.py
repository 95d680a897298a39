"""What a receiver gains, in dB: how much more noise it stands for the same accuracy.

    x_i(a) = the effective WNR [dB] from which on the accuracy of draw i stays at a or above, linear between points
    gain   = mean(x_i(a; ML) - x_i(a))                                paired: both saw the same draws
    area   = integral of the accuracy over the WNR [dB] / its range   mean accuracy over the sweep

Neither is linear in the accuracies: their intervals are bootstraps over draws (:func:`analognn.estimates.bootstrap`).
Draw i of a medium is its i-th noise draw at every point. A curve that is at the target from the first point on crosses
somewhere below it: the first point stands for it, and the gain is a lower bound. Start a sweep where ML fails.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analognn.estimates import Estimate, bootstrap
from analognn.experiments.record import Record

BASELINE = "ml"
SHARES = (0.6, 0.8, 0.9)
"""Of the clean accuracy, at which gains are told."""
Curve = Sequence[tuple[float, float]]
"""(WNR [dB], accuracy) by rising WNR."""


@dataclass(frozen=True)
class Gain:
    """One receiver on one medium at one target accuracy.

    Args:
        medium: label in the scenario.
        denoiser: name of the receiver.
        target: accuracy, 0 to 1.
        draws: how many.
        crossing_db: WNR [dB] that the target needs; None where some draw does not reach it.
        over_ml_db: the same for ML, less this [dB]; None where either does not reach it, or ML starts there.
        at_least: whether a draw was at the target at the first point already: the crossing lies lower, the gain higher.
    """

    medium: str
    denoiser: str
    target: float
    draws: int
    crossing_db: Estimate | None
    over_ml_db: Estimate | None
    at_least: bool


def crossing_db(curve: Curve, target: float) -> float | None:
    """The WNR [dB] from which on the curve stays at the target or above, None where it ends below.

    >>> crossing_db([(0.0, 0.2), (2.0, 0.4), (4.0, 0.8)], 0.6)
    3.0
    """
    if curve[-1][1] < target:
        return None
    for (x0, y0), (x1, y1) in zip(reversed(curve[:-1]), reversed(curve), strict=False):
        if y0 < target:
            return x0 + (x1 - x0) * (target - y0) / (y1 - y0)
    return curve[0][0]


def area(curve: Curve) -> float:
    """Mean accuracy over the WNR range of the curve; over the points where they are all at one WNR.

    >>> area([(0.0, 0.0), (1.0, 1.0)]), area([(3.0, 0.25), (3.0, 0.75)])
    (0.5, 0.5)
    """
    x, y = np.array(curve).T
    return float(np.trapezoid(y, x) / (x[-1] - x[0])) if x[-1] > x[0] else float(y.mean())


def curves(records: Iterable[Record]) -> dict[tuple[str, str], dict[int, Curve]]:
    """(medium, receiver) -> draw, in their order -> its curve; records without a finite WNR stay out."""
    points: defaultdict[tuple[str, str], defaultdict[int, list[tuple[float, float]]]]
    points = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record.wnr_db is not None and math.isfinite(record.wnr_db):
            points[record.medium, record.denoiser][record.seed].append((record.wnr_db, record.accuracy))
    return {key: {seed: sorted(draws[seed]) for seed in sorted(draws)} for key, draws in points.items()}


def gains(records: Iterable[Record], target: float) -> list[Gain]:
    """Every receiver on every medium at a target accuracy, in the order of the records.

    Raises:
        ValueError: the target is not between 0 and 1.
    """
    if not 0 < target < 1:
        raise ValueError(f"`gains(target=...)` must be between 0 and 1; got {target!r}.")
    found = curves(records)
    return [
        _gain(medium, denoiser, target, draws, found.get((medium, BASELINE), {}))
        for (medium, denoiser), draws in found.items()
    ]


def _gain(medium: str, denoiser: str, target: float, draws: dict[int, Curve], ml: dict[int, Curve]) -> Gain:
    own = {seed: crossing_db(curve, target) for seed, curve in draws.items()}
    base = {seed: crossing_db(curve, target) for seed, curve in ml.items() if curve[0][1] < target}
    reached = [x for x in own.values() if x is not None]
    paired = [b - x for seed, x in own.items() if x is not None and (b := base.get(seed)) is not None]
    return Gain(
        medium,
        denoiser,
        target,
        len(own),
        crossing_db=bootstrap(reached) if len(reached) == len(own) else None,
        over_ml_db=bootstrap(paired) if len(paired) == len(own) else None,
        at_least=any(curve[0][1] >= target for curve in draws.values()),
    )
