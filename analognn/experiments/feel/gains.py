"""What a base station gains, in dB: how much more noise a training stands for the same accuracy at its end.

    x_i(a) = the swept WNR [dB] from which on the test accuracy of training i stays at a or above, linear in between
    gain   = mean(x_i(a; baseline) - x_i(a)) +- t_{0.975, n-1} s / sqrt(n)     paired: data, weights, noise are shared

A training at the target at every point crosses below the first one, one that ends below it crosses above the last. Both
count as if they crossed there, and the gain says so: it is a bound where only one of the two curves is cut.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from analognn.estimates import Estimate, estimate
from analognn.experiments.feel.summary import Trainings, finished, reported
from analognn.experiments.gains import Curve, crossing_db

Curves = dict[str, dict[int, Curve]]
"""Base station -> number of the training -> its curve."""


@dataclass(frozen=True)
class Crossing:
    """Where the curves of a base station cross a target.

    Args:
        db: WNR [dB] of each training.
        below: how many are at the target at the first point already: the value is too high.
        above: how many end below it: the value is too low.
    """

    db: dict[int, float]
    below: int
    above: int

    @property
    def mean(self) -> Estimate:
        """Over the trainings."""
        return estimate(list(self.db.values()))

    def text(self) -> str:
        """The mean in dB, with "<=" or ">=" where it is a bound."""
        sign = "<= " if self.below > self.above else ">= " if self.above else ""
        return sign + self.mean.text()

    def gain(self, other: Crossing) -> Estimate:
        """How much less this one needs than ``other`` [dB], paired."""
        return estimate([other.db[seed] - self.db[seed] for seed in self.db if seed in other.db])

    def over(self, other: Crossing) -> str:
        """The same as text, with "<=" or ">=" where it is a bound."""
        too_small = self.below + other.above > self.above + other.below
        too_large = self.below + other.above < self.above + other.below
        sign = ">= " if too_small else "<= " if too_large else ""
        return sign + self.gain(other).text("+")


def accuracy_curves(results: Trainings, key: str = "wnr_db") -> Curves:
    """Test accuracy of the reported round against the uplink's ``key``, of trainings that are over at all points."""
    scenario = results.scenario
    count = scenario.uplink.num_points
    points: defaultdict[str, defaultdict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for run, rounds in finished(results).items():
        if key in (point := json.loads(run.point)):
            points[run.station][run.seed].append((float(point[key]), reported(scenario, run.station, rounds).test))
    return {
        label: {seed: sorted(curve) for seed, curve in trainings.items() if len(curve) == count}
        for label, trainings in points.items()
    }


def crossing(curves: dict[int, Curve], target: float) -> Crossing:
    """Where the trainings of one base station cross ``target``.

    >>> found = crossing({0: [(-10.0, 0.25), (0.0, 0.75)], 1: [(-10.0, 0.25), (0.0, 0.375)]}, 0.5)
    >>> found.db, found.above
    ({0: -5.0, 1: 0.0}, 1)
    """
    found = {seed: crossing_db(curve, target) for seed, curve in curves.items()}
    return Crossing(
        {seed: curves[seed][-1][0] if x is None else x for seed, x in found.items()},
        below=sum(x is not None and x <= curves[seed][0][0] for seed, x in found.items()),
        above=sum(x is None for x in found.values()),
    )
