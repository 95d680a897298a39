"""Soft threshold: everything nearer to the mean than t standard deviations of its noise becomes the mean.

    w_hat = mu + sign(y) max(abs(y) - t s_z, 0),    y = r - mu
    universal  t = sqrt(2 log n)                                                            VisuShrink [1]
    sure       t minimises  sum s_z,i^2 (1 - 2 [abs(y_i) <= t s_z,i] + min(y_i / s_z,i, t)^2)   SureShrink [2]

The second is Stein's unbiased estimate of the squared error, weighted so that it holds for different noise per value.
For sparse weights; on dense ones the universal threshold costs more than the noise.

[1] Donoho, Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994.
[2] Donoho, Johnstone, "Adapting to unknown smoothness via wavelet shrinkage", JASA 1995.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from analognn.channels import Received, checks

from .base import Budget, Prior
from .pointwise import chunks, exactly

Rule = Literal["sure", "universal"]
BINS = 4096
"""Thresholds that the SURE rule tries, from 0 to the universal one."""


@dataclass(frozen=True)
class Soft:
    """Soft threshold about the prior's mean.

    Args:
        rule: "sure" adapts to the weights, down to no threshold at all; "universal" removes every value that noise
            alone explains.

    >>> received = Received(torch.tensor([0.1, -2.0, 0.0, 0.3]), noise_var=0.01, source="exact")
    >>> Soft("universal")(received, Prior(mean=0.0, var=1.0))
    tensor([ 0.0000, -1.8335,  0.0000,  0.1335])
    """

    budget: ClassVar[Budget] = "none"
    rule: Rule = "sure"

    def __post_init__(self) -> None:
        checks.choice("Soft", "rule", self.rule, get_args(Rule))

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        t = threshold(received, prior, self.rule)

        def mean(r: Tensor, noise_var: Tensor) -> Tensor:
            y = r - prior.mean
            return prior.mean + y.sign() * (y.abs() - t * noise_var.sqrt()).clamp_min(0)

        return exactly(mean, received, prior)


def threshold(received: Received, prior: Prior, rule: Rule) -> float:
    """T in standard deviations of the noise, over the values that arrived with noise."""
    r, noise_var = received.values.detach().reshape(-1), received.noise_var_per_value.reshape(-1)
    largest = math.sqrt(2 * math.log(max(r.numel(), 2)))
    if rule == "universal":
        return largest
    # Sums of s_z^2 and y^2 by the least threshold that removes a value; the last entry is beyond all of them.
    sums = torch.zeros(2, BINS + 2, dtype=torch.float64, device=r.device)
    for part in chunks(r.numel()):
        variance = noise_var[part].double()
        noisy = (variance > 0) & torch.isfinite(variance)
        variance, y = variance[noisy], (r[part][noisy].double() - prior.mean).abs()
        place = (y / variance.sqrt() * (BINS / largest)).ceil().clamp_max(BINS + 1).long()
        for row, weights in zip(sums, (variance, y.square()), strict=True):
            row += torch.bincount(place, weights=weights, minlength=BINS + 2)
    t = torch.linspace(0, largest, BINS + 1, dtype=torch.float64, device=r.device)
    removed, energy = sums[:, :-1].cumsum(1)
    risk = energy - 2 * removed + (sums[0].sum() - removed) * t.square()
    return float(t[risk.argmin()])
