"""Posterior mean under a generalised Gaussian prior whose shape comes from the kurtosis of what was received.

    p(w) ~ exp(-(abs(w - mu) / alpha)^beta),    s_w^2 = alpha^2 G(3/beta) / G(1/beta)        G the gamma function
    kurtosis  G(5/beta) G(1/beta) / G(3/beta)^2 = (E[y^4] - 6 s_w^2 E[s_z^2] - 3 E[s_z^4]) / s_w^4,    y = r - mu

beta = 2 is Gaussian, 1 Laplace; below 1 sparse, above 2 flat. Gaussian noise has no fourth cumulant, so the kurtosis of
the weights can be read through it. See Varanasi, Aazhang, "Parametric generalized Gaussian density estimation", 1989;
the integral is over cells that are finest about the peak (:mod:`.cells`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from analognn.channels import Received, checks

from .base import Budget, Prior
from .cells import Cells
from .pointwise import by_table, chunks, exactly, noise_levels

SHAPES = (0.3, 10.0)
"""Least and largest beta: kurtosis 69.6 (beyond it the estimate is an outlier's) and 1.9 (all but uniform)."""
CELLS = 512
REACH = 40.0
"""The prior is followed this many of its standard deviations to either side."""


@dataclass(frozen=True)
class GeneralisedGaussian:
    """Posterior mean under a generalised Gaussian prior.

    Args:
        shape: beta, from 0.3 to 10; None estimates it from the received values.

    >>> received = Received(torch.tensor([0.1, -2.0], dtype=torch.float64), noise_var=0.25, source="exact")
    >>> GeneralisedGaussian(shape=1.0)(received, Prior(mean=0.0, var=0.5)).round(decimals=3)  # Laplace
    tensor([ 0.0480, -1.5010], dtype=torch.float64)
    """

    budget: ClassVar[Budget] = "none"
    shape: float | None = None

    def __post_init__(self) -> None:
        if self.shape is not None:
            checks.real("GeneralisedGaussian", "shape", self.shape, ge=SHAPES[0], le=SHAPES[1])

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        if prior.var == 0:
            return exactly(lambda r, _: torch.full_like(r, prior.mean), received, prior)
        shape = estimate_shape(received, prior) if self.shape is None else self.shape
        device = received.values.device
        return by_table(density(prior, shape, device).mean, received, prior)


def density(prior: Prior, shape: float, device: torch.device) -> Cells:
    """The generalised Gaussian of the prior's mean and variance, in cells that widen from its peak."""
    alpha = math.sqrt(prior.var) * math.exp(0.5 * (math.lgamma(1 / shape) - math.lgamma(3 / shape)))
    end = math.asinh(REACH * math.sqrt(prior.var) / alpha)
    edges = torch.linspace(-end, end, CELLS + 1, dtype=torch.float64, device=device).sinh()
    centre = (edges[1:] + edges[:-1]) / 2
    return Cells(prior.mean + alpha * edges, -(centre.abs() ** shape) + edges.diff().log())


def estimate_shape(received: Received, prior: Prior) -> float:
    """Beta by moments over the values that arrived; 2 where there is nothing to estimate it from."""
    if noise_levels(received).numel() == 0 and not isinstance(received.noise_var, Tensor) and received.noise_var > 0:
        return 2.0
    r, noise_var = received.values.detach().reshape(-1), received.noise_var_per_value.reshape(-1)
    sums = torch.zeros(4, dtype=torch.float64, device=r.device)
    for part in chunks(r.numel()):
        arrived = torch.isfinite(noise_var[part])
        squares = (r[part][arrived].double() - prior.mean).square()
        variance = noise_var[part][arrived].double()
        sums += torch.stack([arrived.sum(), squares.square().sum(), variance.sum(), variance.square().sum()])
    if sums[0] == 0:
        return 2.0
    fourth, second_z, fourth_z = (sums[1:] / sums[0]).tolist()
    return shape_of_kurtosis((fourth - 6 * prior.var * second_z - 3 * fourth_z) / prior.var**2)


def shape_of_kurtosis(kurtosis: float) -> float:
    """Beta of a generalised Gaussian, by bisection, at the nearest end where none has this kurtosis.

    >>> shape_of_kurtosis(3.0), round(shape_of_kurtosis(6.0), 6)
    (2.0, 1.0)
    """

    def of(shape: float) -> float:
        return math.exp(math.lgamma(5 / shape) + math.lgamma(1 / shape) - 2 * math.lgamma(3 / shape))

    low, high = SHAPES
    for _ in range(50):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if of(middle) > kurtosis else (low, middle)
    return round(math.sqrt(low * high), 9)
