"""Noise that depends on the weight: a table of offset and variance, and the posterior mean under it.

    r = w + o(w) + z,   z ~ N(0, v(w)),      o, v linear between the levels of the table
    correct   w = r - o(w), noise v(w) / (1 + o'(w))^2          undoes the offset, for any denoiser after it
    estimate  w_hat = E[w | r],  the prior of w by nonparametric maximum likelihood under this noise (:mod:`.cells`)

Phase-change memory is noisier the larger the weight, filamentary ReRAM drifts towards smaller ones. With v(w) a large
received value is trusted less; the offset is removed by the same integral.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from analognn.channels import Received, checks

from .base import Budget, Prior
from .cells import fit
from .histogram import BINS, BINS_PER_SIGMA, histogram
from .pointwise import by_table, exactly

KNOTS = 17
PAIRS_PER_KNOT = 32
LEAST_VAR = 1e-2
"""Least variance of a level, in units of the mean variance: cells cannot resolve less."""


@dataclass(frozen=True)
class NoiseTable:
    """Offset and variance of the noise at some weights.

    Args:
        levels: weights, ascending, at least one; beyond the ends the last offset and variance hold.
        offset: E[r] - w at each.
        var: Var[r] at each, > 0.

    >>> NoiseTable(levels=(-1.0, 1.0), offset=(0.0, 0.0), var=(0.01, 0.04)).at(torch.tensor([0.0]))
    (tensor([0.]), tensor([0.0250]))
    """

    levels: tuple[float, ...]
    offset: tuple[float, ...]
    var: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.levels) == len(self.offset) == len(self.var) > 0:
            raise ValueError(
                "`NoiseTable` needs one offset and one variance per level, and a level; got "
                f"{len(self.levels)}, {len(self.offset)} and {len(self.var)} values."
            )
        for name in ("levels", "offset"):
            for value in getattr(self, name):
                checks.real("NoiseTable", name, value)
        for value in self.var:
            checks.real("NoiseTable", "var", value, gt=0)
        if any(b <= a for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError("`NoiseTable(levels=...)` must ascend.")

    @classmethod
    def from_pairs(cls, sent: Tensor, received: Received) -> NoiseTable:
        """Least squares on what was sent (a pattern both ends know) and what came back, in the same shape.

        An offset or a dependence of the variance that does not pay for its knots by the Bayesian information criterion
        is taken for chance and left out; with neither there is one level.

        Args:
            sent: finite.
            received: of the same shape; erased values are left out.

        Raises:
            ValueError: another shape, or nothing arrived, or it arrived without noise.
        """
        if sent.shape != received.values.shape:
            raise ValueError(
                f"`NoiseTable.from_pairs` needs one shape; got {list(sent.shape)} and {list(received.values.shape)}."
            )
        arrived = torch.isfinite(received.noise_var_per_value)
        w, error = sent[arrived].double(), (received.values[arrived] - sent[arrived]).double()
        if not bool((error != error[:1]).any()):
            raise ValueError("`NoiseTable.from_pairs` needs values that arrived with noise; got none.")
        knots = _knots(w)
        offset = _fit(knots, w, error)
        squares = (error - _linear(knots, offset, w)).square()
        if _chance(knots, w, (error.square().mean() / squares.mean()).log()):
            offset, squares = torch.zeros_like(knots), error.square()
        var = torch.maximum(_fit(knots, w, squares), LEAST_VAR * squares.mean())
        own = _linear(knots, var, w)
        if _chance(knots, w, squares.mean().log() + 1 - (own.log() + squares / own).mean()):
            var = squares.mean().expand(knots.shape)
        if not bool(offset.any()) and bool((var == var[0]).all()):
            knots, offset, var = knots[:1], offset[:1], var[:1]
        return cls(*(tuple(column.tolist()) for column in (knots, offset, var)))

    def at(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Offset and variance at the weights ``w``, in their shape and dtype."""
        knots, offset, var = (torch.tensor(column, dtype=torch.float64, device=w.device) for column in self._columns())
        return _linear(knots, offset, w.double()).to(w), _linear(knots, var, w.double()).to(w)

    def correct(self, received: Received) -> Received:
        """The received values with the offset taken off and each one's own noise variance, for any denoiser.

        The variance is that of the level that the received value points to, which is biased where the noise is large:
        :class:`StateDependent` weighs all levels instead. Noise-free and erased values stay.
        """
        noise_var = received.noise_var_per_value
        noisy = (noise_var > 0) & torch.isfinite(noise_var)
        knots, offset, var = (torch.tensor(c, dtype=torch.float64, device=noise_var.device) for c in self._columns())
        read = (knots + offset).cummax(0).values + 1e-12 * torch.arange(len(knots), device=noise_var.device)
        r = received.values.double()
        if len(knots) == 1:
            w, slope = r - offset, torch.ones_like(r)
        else:
            left = torch.searchsorted(read, r.contiguous(), right=True).clamp(1, len(knots) - 1) - 1
            slope = ((read[left + 1] - read[left]) / (knots[left + 1] - knots[left])).clamp_min(0.1)
            w = knots[left] + (r - read[left]) / slope
        values = torch.where(noisy, w.to(received.values), received.values)
        own = (_linear(knots, var, w) / slope.square()).to(noise_var)
        return replace(received, values=values, noise_var=torch.where(noisy, own, noise_var), source="estimated")

    def _columns(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        return self.levels, self.offset, self.var


@dataclass(frozen=True)
class StateDependent:
    """Posterior mean where offset and variance of the noise depend on the weight.

    The table stands in for ``received.noise_var`` except where that is 0 (delivered digitally) or inf (erased).

    Args:
        table: of this tensor, for example from a calibration pattern.
    """

    budget: ClassVar[Budget] = "side-information"
    table: NoiseTable

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        data = histogram(received)
        if data is None:
            return exactly(lambda r, _: r, received, prior)
        low, high = min(data.span[0], self.table.levels[0]), max(data.span[1], self.table.levels[-1])
        count = int(min(max((high - low) / min(self.table.var) ** 0.5 * BINS_PER_SIGMA, BINS[0]), BINS[1] // 2))
        edges = torch.linspace(low, high, count + 1, dtype=torch.float64, device=data.values.device)
        offset, variance = (row[None] for row in self.table.at((edges[1:] + edges[:-1]) / 2))
        width = (data.span[1] - data.span[0]) / BINS[0]
        prior_cells = fit(edges, data, variance.clamp_min(1e-4 * width**2), offset)
        return by_table(lambda r, _: prior_cells.mean(r, variance, offset), received, prior)


def _knots(w: Tensor) -> Tensor:
    """Quantiles of ``w``, its ends among them, as many as it has pairs for."""
    count = min(KNOTS, max(2, w.numel() // PAIRS_PER_KNOT))
    ordered = w.sort().values
    place = torch.linspace(0, w.numel() - 1, count, dtype=torch.float64, device=w.device).round().long()
    knots = ordered[place]
    return torch.cat([knots[:1], knots[1:][knots.diff() > 0]])


def _chance(knots: Tensor, w: Tensor, gain: Tensor) -> bool:
    """Whether ``gain``, twice the log-likelihood per value that K values add, is below K log n / n (Schwarz 1978)."""
    return len(knots) > 1 and bool(gain < len(knots) * math.log(w.numel()) / w.numel())


def _hat(knots: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Index of the knot to the left, and how far towards the next, in [0, 1]."""
    left = torch.searchsorted(knots, w.contiguous(), right=True).clamp(1, len(knots) - 1) - 1
    return left, ((w - knots[left]) / (knots[left + 1] - knots[left])).clamp(0, 1)


def _linear(knots: Tensor, values: Tensor, w: Tensor) -> Tensor:
    """Linear interpolation, constant beyond the ends."""
    if len(knots) == 1:
        return values.expand(w.shape)
    left, t = _hat(knots, w)
    return values[left] + t * (values[left + 1] - values[left])


def _fit(knots: Tensor, w: Tensor, target: Tensor) -> Tensor:
    """Least squares of ``target`` on the hat functions of the knots."""
    if len(knots) == 1:
        return target.mean().reshape(1)
    left, t = _hat(knots, w)
    count = len(knots)

    def total(values: Tensor) -> Tensor:
        return torch.bincount(left, weights=values, minlength=count)[:-1]

    normal, right = torch.zeros(count, count, dtype=w.dtype, device=w.device), torch.zeros_like(knots)
    index = torch.arange(count - 1, device=w.device)
    normal[index, index] += total((1 - t).square())
    normal[index + 1, index + 1] += total(t.square())
    normal[index, index + 1] += total(t * (1 - t))
    normal[index + 1, index] += total(t * (1 - t))
    right[:-1] += total((1 - t) * target)
    right[1:] += total(t * target)
    solution: Tensor = torch.linalg.solve(normal + 1e-9 * torch.diag(normal.diagonal()), right)
    return solution
