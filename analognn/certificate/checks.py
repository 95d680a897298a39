"""The properties of AWGN held against what was measured, each with the bound that sampling sets.

    abs(value - expected) <= 5 standard errors of independent Gaussian noise

Two are errors of the receiver (gain and offset, the variance it was told), the others are of shape. Nothing real passes
all of them with enough samples: how much it matters is what the accuracy gap says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from analognn.channels import Received
from analognn.effective import EffectiveNoise
from analognn.packing import PackedWeights

from .shape import Autocorrelation, NoiseShape

STANDARD_ERRORS = 5.0
"""Bound of every check; AWGN exceeds it about once in a million."""
KOLMOGOROV = 2.74
"""The same for sqrt(n) times the Kolmogorov-Smirnov distance of n samples."""


@dataclass(frozen=True)
class Check:
    """One property of AWGN held against what was measured.

    Args:
        name: of the property.
        value: measured.
        expected: for AWGN.
        bound: abs(value - expected) that sampling explains.
    """

    name: str
    value: float
    expected: float
    bound: float

    @property
    def ok(self) -> bool:
        """Whether sampling explains the difference; False for NaN."""
        return abs(self.value - self.expected) <= self.bound


class SquaredRatio(NamedTuple):
    """(r - w)^2 / noise_var over the weights that the receiver was told a variance of: number, sum, sum of squares."""

    weights: int
    total: float
    squares: float


def squared_ratio(packed: PackedWeights, received: Received) -> SquaredRatio:
    """Of one draw."""
    noise_var = torch.as_tensor(received.noise_var, dtype=torch.float64, device=packed.vector.device)
    noise_var = noise_var.expand(packed.vector.shape)
    told = (noise_var > 0) & torch.isfinite(noise_var)
    ratio = (received.values[told].double() - packed.vector[told].double()).square() / noise_var[told]
    return SquaredRatio(ratio.numel(), float(ratio.sum()), float(ratio.square().sum()))


def checks(
    packed: PackedWeights, whole: EffectiveNoise, shape: NoiseShape | None, ratios: Sequence[SquaredRatio]
) -> tuple[Check, ...]:
    """All of them, none without noise. ``ratios``: one a draw.

    Standard errors are those of independent Gaussian noise, but where the samples themselves say more.
    """
    if shape is None:
        return ()
    w, n = packed.vector.double(), whole.count
    var, mean = float(w.var(correction=0)), float(w.mean())
    spread = STANDARD_ERRORS * math.sqrt(whole.noise_var / n)
    bound = STANDARD_ERRORS / math.sqrt(shape.count)
    return (
        Check("gain", whole.gain, 1.0, spread / math.sqrt(var) if var > 0 else math.inf),
        Check("offset", whole.offset, 0.0, spread * math.sqrt(1 + mean**2 / var) if var > 0 else spread),
        _reported_check(ratios),
        Check("excess kurtosis", shape.excess_kurtosis, 0.0, math.sqrt(24) * bound),
        Check("Kolmogorov-Smirnov distance", shape.ks_distance, 0.0, KOLMOGOROV / math.sqrt(shape.count)),
        Check("correlation of |z| with |w|", shape.magnitude_corr, 0.0, bound),
        _curve_check(shape),
        _lag_check("along rows", shape.along_rows),
        _lag_check("along columns", shape.along_columns),
        _lag_check("in packing order", shape.in_order),
        Check("correlation within a symbol", shape.symbol_corr, 0.0, math.sqrt(2) * bound),
        Check("correlation of |z| within a symbol", shape.symbol_magnitude_corr, 0.0, math.sqrt(2) * bound),
        Check("variance of row sums", shape.row_sum_var, 1.0, STANDARD_ERRORS * shape.row_sum_var_se),
    )


def _reported_check(ratios: Sequence[SquaredRatio]) -> Check:
    """The mean is 1 where gain, offset and variance are what the receiver takes them for."""
    count, total, squares = (sum(column) for column in zip(*ratios, strict=True))
    if not count:
        return Check("squared error / reported variance", math.nan, 1.0, 0.0)
    mean = total / count
    error = math.sqrt(max(squares / count - mean**2, 0.0) / count)
    return Check("squared error / reported variance", mean, 1.0, STANDARD_ERRORS * error)


def _curve_check(shape: NoiseShape) -> Check:
    """The bin furthest from 1, in its standard errors."""
    curve = shape.curve
    deviations = [(v - 1) / e for v, e in zip(curve.variance, curve.standard_error, strict=True) if e > 0]
    return Check("variance against |w| (standard errors)", max(deviations, key=abs, default=0.0), 0.0, STANDARD_ERRORS)


def _lag_check(direction: str, found: Autocorrelation) -> Check:
    """The lag furthest from 0, in its standard errors."""
    deviations = [r / e for r, e in zip(found.rho, found.standard_error, strict=True)]
    worst = max(deviations, key=abs, default=0.0)
    return Check(f"autocorrelation {direction} (standard errors)", worst, 0.0, STANDARD_ERRORS)
