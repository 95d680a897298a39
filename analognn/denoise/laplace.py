"""Posterior mean under a Laplace prior: small weights shrink, large ones are moved by a constant.

    w ~ Laplace(mu, b),  b^2 = s_w^2 / 2,    y = abs(r - mu),   E = exp(x^2) erfc(x)
    rho   = E((s_z / b + y / s_z) / sqrt 2) / E((s_z / b - y / s_z) / sqrt 2)
    w_hat = mu + sign(r - mu) (y - s_z^2 / b  (1 - rho) / (1 + rho))

From the two truncated Gaussians of exp(-abs(w - mu) / b) N(r; w, s_z^2); erfcx keeps their ratio exact where both
underflow. Compare Mitchell, "A note on a Bayesian approach to soft thresholding", and Hyvarinen, "Sparse code
shrinkage", Neural Computation 1999, eq. 13-14.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from analognn.channels import Received

from .base import Budget, Prior
from .pointwise import exactly


@dataclass(frozen=True)
class Laplace:
    """Posterior mean under a Laplace prior of the prior's mean and variance.

    >>> received = Received(torch.tensor([0.1, -2.0], dtype=torch.float64), noise_var=0.25, source="exact")
    >>> Laplace()(received, Prior(mean=0.0, var=0.5)).round(decimals=3)
    tensor([ 0.0480, -1.5010], dtype=torch.float64)
    """

    budget: ClassVar[Budget] = "none"

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        b = math.sqrt(prior.var / 2)

        def mean(r: Tensor, noise_var: Tensor) -> Tensor:
            return prior.mean + shrink(r - prior.mean, noise_var, b) if b > 0 else torch.full_like(r, prior.mean)

        return exactly(mean, received, prior)


def shrink(y: Tensor, noise_var: Tensor, b: float) -> Tensor:
    """E[w | w + z = y] for w ~ Laplace(0, b) and z ~ N(0, noise_var), float64."""
    sigma = noise_var.sqrt()
    size, ratio = y.abs() / sigma, sigma / b
    erfcx = torch.special.erfcx
    rho = erfcx((ratio + size) / math.sqrt(2)) / erfcx((ratio - size) / math.sqrt(2))  # x / inf = 0: far from zero
    kept = size - ratio * (1 - rho) / (1 + rho)
    shrunk: Tensor = y.sign() * sigma * kept.clamp_min(0)  # rounding, where the noise is far above b
    return shrunk
