"""A mean over independent draws, and how well it is known.

a = mean(a_i),   a +- t_{0.975, n-1} s / sqrt(n)          Student's t over n independent draws
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; low and high are None where one draw leaves nothing to estimate them from.

    >>> estimate([0.5, 0.7]).mean
    0.6
    """

    mean: float
    low: float | None
    high: float | None

    def percent(self, sign: str = "") -> str:
        """The mean of shares as text in percent with half the interval's width; ``sign`` "+" for differences.

        >>> Estimate(0.25, 0.2, 0.3).percent("+")
        '+25.0 ± 5.0'
        """
        half = f" ± {100 * (self.high - self.mean):.1f}" if self.high is not None else ""
        return f"{100 * self.mean:{sign}.1f}{half}"


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % interval of independent values; differences of paired values are independent too."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Estimate(mean, None, None)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)
