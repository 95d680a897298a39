"""Shrinkage of singular values: what rows and columns of a matrix share stands out from the noise.

    R = mu + sum_i y_i u_i v_i^T  [m, n], m <= n,  noise variance s^2,  beta = m / n,  x = y / (s sqrt n)
    W_hat = mu + sum_i f(y_i) u_i v_i^T

    shrink     f = s sqrt(n) sqrt((x^2 - beta - 1)^2 - 4 beta) / x  for x > 1 + sqrt(beta), else 0              [1]
    hard       f = y  for x > sqrt(2 (beta + 1) + 8 beta / (beta + 1 + sqrt(beta^2 + 14 beta + 1))), else 0      [2]
    invariant  f = y_i - s^2 ((n - m) / y_i + sum_{j != i} 1 / (y_i - y_j) + 1 / (y_i + y_j))                 [3, 4]

The first two are optimal in squared error for weights of low rank; the third for any singular values, a full spectrum
included, where it becomes the linear MMSE estimate. It is what minimises Stein's unbiased risk estimate value by value;
its pole is widened to the scale on which singular values repel, s. A vector is one row: James-Stein shrinkage.

[1] Gavish, Donoho, "Optimal shrinkage of singular values", 2017, eq. 7.  [2] the same, "The optimal hard threshold for
singular values is 4 / sqrt 3", 2014, eq. 11.  [3] Candes, Sing-Long, Trzasko, "Unbiased risk estimates for singular
value thresholding", 2013, eq. 9.  [4] Troiani et al., "Optimal denoising of rotationally invariant rectangular
matrices", 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from analognn.channels import Received

from .base import Budget, Prior
from .pointwise import exactly

Rule = Callable[[Tensor, float, int], Tensor]
"""f(y) [m] from y [m], s > 0 and n."""


@dataclass(frozen=True)
class Svd:
    """Optimal singular-value shrinkage for low rank (Gavish and Donoho).

    A tensor [out, ...] is the matrix [out, rest]. Noise that differs from value to value counts by its mean.

    >>> g = torch.Generator().manual_seed(0)
    >>> w = torch.randn(50, 1, generator=g) @ torch.randn(1, 80, generator=g)
    >>> received = Received(w + torch.randn(50, 80, generator=g), noise_var=1.0, source="exact")
    >>> 10 * (Svd()(received, Prior(mean=0.0, var=1.0)) - w).square().mean() < 1.0
    tensor(True)
    """

    budget: ClassVar[Budget] = "none"

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        return spectral(received, prior, shrink)


@dataclass(frozen=True)
class SvdHard:
    """Optimal hard threshold of singular values for low rank."""

    budget: ClassVar[Budget] = "none"

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        return spectral(received, prior, hard)


@dataclass(frozen=True)
class SvdInvariant:
    """Singular-value shrinkage for any spectrum (rotationally invariant estimator)."""

    budget: ClassVar[Budget] = "none"

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        return spectral(received, prior, invariant)


def spectral(received: Received, prior: Prior, rule: Rule) -> Tensor:
    """Apply ``rule`` to the singular values of the received matrix about the prior's mean."""
    centred, sigma = centred_matrix(received, prior)
    if sigma == 0:
        return exactly(lambda r, _: r, received, prior)
    wide = centred if centred.shape[0] <= centred.shape[1] else centred.T
    squares, u = torch.linalg.eigh(wide @ wide.T)
    y = squares.clamp_min(0).sqrt()
    f = rule(y, sigma, wide.shape[1]).clamp_min(0).minimum(y)
    estimate = (u * (f / y.clamp_min(torch.finfo(y.dtype).tiny))) @ (u.T @ wide)
    estimate = estimate if wide is centred else estimate.T
    return replace_noisy(received, prior, prior.mean + estimate)


def centred_matrix(received: Received, prior: Prior) -> tuple[Tensor, float]:
    """R - mu as a matrix [out, rest] in float64, 0 where a value was erased, and s, of the mean noise variance."""
    values, noise_var = received.values, received.noise_var_per_value
    arrived = torch.isfinite(noise_var)
    centred = torch.where(arrived, values.double() - prior.mean, 0.0)
    matrix = centred.reshape(1, -1) if values.ndim < 2 else centred.reshape(values.shape[0], -1)
    return matrix, math.sqrt(float(noise_var[arrived].double().mean())) if bool(arrived.any()) else 0.0


def replace_noisy(received: Received, prior: Prior, estimate: Tensor) -> Tensor:
    """The estimate where a value came with noise, r where without, the prior's mean where it did not come."""
    noise_var = received.noise_var_per_value
    out = torch.where(noise_var == 0, received.values, estimate.reshape(received.values.shape).to(received.values))
    return out.masked_fill_(torch.isinf(noise_var), prior.mean)


def shrink(y: Tensor, sigma: float, n: int) -> Tensor:
    """Rule [1]."""
    beta, x = y.numel() / n, y / (sigma * math.sqrt(n))
    root = ((x.square() - beta - 1).square() - 4 * beta).clamp_min(0).sqrt()
    return torch.where(x > 1 + math.sqrt(beta), sigma * math.sqrt(n) * root / x.clamp_min(1.0), 0.0)


def hard(y: Tensor, sigma: float, n: int) -> Tensor:
    """Rule [2]."""
    beta = y.numel() / n
    threshold = math.sqrt(2 * (beta + 1) + 8 * beta / (beta + 1 + math.sqrt(beta**2 + 14 * beta + 1)))
    return torch.where(y > threshold * sigma * math.sqrt(n), y, 0.0)


def invariant(y: Tensor, sigma: float, n: int) -> Tensor:
    """Rule [3, 4]."""
    apart, m = y[:, None] - y, y.numel()
    repulsion = (apart / (apart.square() + sigma**2)).sum(1)
    y = y.clamp_min(1e-6 * sigma)
    mirror = (1 / (y[:, None] + y)).sum(1) - 0.5 / y
    return y - sigma**2 * ((n - m) / y + repulsion + mirror)
