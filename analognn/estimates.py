"""A mean over independent draws, and how well it is known.

a = mean(a_i),   a +- t_{0.975, n-1} s / sqrt(n)          Student's t over n independent draws

Where the values are nonlinear functions of what was drawn (a crossing in dB, an area), their spread is not symmetric.
There the interval is the expanded percentile bootstrap (Hesterberg, "What Teachers Should Know About the Bootstrap",
The American Statistician 2015, sec. 4): quantiles alpha and 1 - alpha of the means of resampled draws,

    alpha = Phi(-sqrt(n / (n - 1)) t_{0.975, n-1})        which takes back that n draws resampled spread too little
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 10_000
FEWEST = 5
"""Draws that a bootstrap needs: three resample to ten different sets, and cover 75 % where 95 % is asked for."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; low and high are None where one draw leaves nothing to estimate them from.

    >>> estimate([0.5, 0.7]).mean
    0.6
    """

    mean: float
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float | None:
        """The larger distance from the mean to an end of the interval; None without one."""
        return None if self.low is None or self.high is None else max(self.high - self.mean, self.mean - self.low)

    def text(self, sign: str = "", *, digits: int = 1) -> str:
        """The mean and, where there is one, the half-width; ``sign`` "+" for differences.

        >>> Estimate(2.5, 2.0, 3.25).text(), Estimate(2.5, None, None).text("+", digits=2)
        ('2.5 ± 0.8', '+2.50')
        """
        half = "" if self.half_width is None else f" ± {self.half_width:.{digits}f}"
        return f"{self.mean:{sign}z.{digits}f}{half}"

    def percent(self, sign: str = "") -> str:
        """The same of shares, in percent.

        >>> Estimate(0.25, 0.2, 0.3).percent("+")
        '+25.0 ± 5.0'
        """
        ends = (None if end is None else 100 * end for end in (self.low, self.high))
        return Estimate(100 * self.mean, *ends).text(sign)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % interval of independent values; differences of paired values are independent too.

    Values that are not all finite (a training that diverged) have no interval.
    """
    mean = statistics.fmean(values)
    if len(values) < 2 or not math.isfinite(mean):
        return Estimate(mean, None, None)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def bootstrap(values: Sequence[float]) -> Estimate:
    """Mean and 95 % interval of independent values that need not be symmetric.

    None from fewer than FEWEST, or from values that are not all finite.

    Of normal values it covers 92 % at 5 draws and 94 to 95 % from 10 on (plain percentiles: 84, 90, 92 % at 5, 10, 20);
    of lognormal ones (sigma 0.8) 84, 88 and 90 %, Student's t 87, 88 and 90 %. The resampling has a fixed seed.

    >>> bootstrap([1.0, 1.0, 1.0, 1.0, 2.0])
    Estimate(mean=1.2, low=1.0, high=1.8)
    """
    mean, n = statistics.fmean(values), len(values)
    if n < FEWEST or not math.isfinite(mean):
        return Estimate(mean, None, None)
    drawn = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    alpha = stats.norm.cdf(-math.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))
    low, high = np.quantile(np.asarray(values)[drawn].mean(axis=1), [alpha, 1 - alpha])
    return Estimate(mean, float(low), float(high))
