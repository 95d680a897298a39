"""Linear denoisers of noisy weights: ML, MMSE, MMSEp and MMSEpb.

    r = w + z,   z ~ N(0, s_z^2),   w ~ N(mu, s_w^2),   lambda' = 2 s_w^2 lambda

    w_hat = (s_w^2 r + s_z^2 (mu + s_w^2 beta)) / (s_w^2 + (1 - lambda') s_z^2)        Propositions 1 and 2 of [1]

MMSEpb minimises the squared error weighted by exp(lambda w^2 + beta w): lambda (population compensator) lifts the large
weights, of which there are few but which matter, beta (bias compensator) shifts them all. lambda' = beta = 0 is MMSE,
and lambda' = 1, beta = mu = 0 is ML. The paper sets mu = 0 in MMSEpb; here mu is what the prior says, 0 included.

[1] Shao, Liew, Gunduz, "Denoising Noisy Neural Networks: A Bayesian Approach With Compensation".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from analognn.channels import Received, checks

from .base import Budget, Prior


@dataclass(frozen=True)
class Ml:
    """Maximum likelihood: the received values as they are, eq. (4)."""

    budget: ClassVar[Budget] = "none"

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        return received.values


@dataclass(frozen=True)
class MmsePb:
    """Bayes with population and bias compensators, eq. (13) with the prior mean kept.

    Args:
        lambda_prime: lambda' = 2 s_w^2 lambda, 0 <= lambda' < 1 + s_w^2 / s_z^2; the upper bound depends on the noise
            and is checked at the call. With noise by value the noisiest one decides, so on an equalised link it is
            hardly above 1. Erased values have no say: they become the prior's mean, whatever the compensators.
        beta: bias compensator, in units of 1 / weight.

    >>> received = Received(torch.tensor([1.0, -1.0]), noise_var=1.0, source="exact")
    >>> MmsePb(lambda_prime=0.5, beta=0.0)(received, Prior(mean=0.0, var=0.5))
    tensor([ 0.5000, -0.5000])
    """

    budget: ClassVar[Budget] = "labelled"
    lambda_prime: float
    beta: float

    def __post_init__(self) -> None:
        checks.real("MmsePb", "lambda_prime", self.lambda_prime, ge=0)
        checks.real("MmsePb", "beta", self.beta)

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`.

        Raises:
            ValueError: lambda' is not below 1 + s_w^2 / s_z^2 for the noisiest value.
        """
        bound = lambda_prime_bound(received, prior)
        if not self.lambda_prime < bound:
            raise ValueError(
                f"`MmsePb(lambda_prime=...)` must be < 1 + s_w^2 / s_z^2 = {bound:.6g} for the noisiest value; got "
                f"{self.lambda_prime!r}. Use a smaller lambda_prime, or a prior with a larger variance."
            )
        return affine(received, prior, self.lambda_prime, self.beta)


@dataclass(frozen=True)
class MmseP:
    """Bayes with the population compensator alone, eq. (10)."""

    budget: ClassVar[Budget] = "labelled"
    lambda_prime: float

    def __post_init__(self) -> None:
        checks.real("MmseP", "lambda_prime", self.lambda_prime, ge=0)

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :meth:`MmsePb.__call__`."""
        return MmsePb(self.lambda_prime, 0.0)(received, prior)


@dataclass(frozen=True)
class Mmse:
    """Minimum mean squared error under the Gaussian prior, eq. (8)."""

    budget: ClassVar[Budget] = "none"

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        return affine(received, prior, 0.0, 0.0)


def lambda_prime_bound(received: Received, prior: Prior) -> float:
    """1 + s_w^2 / max(s_z^2) over the values that arrived, which lambda' must stay below; inf without noise."""
    noise_var = torch.as_tensor(received.noise_var)
    arrived = noise_var[torch.isfinite(noise_var)]
    worst = float(arrived.max()) if arrived.numel() else 0.0
    return 1.0 + prior.var / worst if worst > 0 else math.inf


def affine(received: Received, prior: Prior, lambda_prime: float, beta: float) -> Tensor:
    """Theta r + rho for values in the domain.

    With q = s_z^2 / (s_w^2 + s_z^2) and p = 1 - q the denoiser reads (p r + q (mu + s_w^2 beta)) / (1 - lambda' q),
    which holds without noise (q = 0, exactly r) as well. An erased value is the prior's mean: from lambda' = 1 on the
    compensated error has no minimum there, and below it there is nothing received that the compensators could lift.
    """
    q, arrived = _noise_share(received, prior), torch.isfinite(torch.as_tensor(received.noise_var)).double()
    scale = 1.0 / (1.0 - lambda_prime * arrived * q)
    theta, rho = (1.0 - q) * scale, q * (prior.mean + prior.var * beta * arrived) * scale
    return (theta.to(received.values) * received.values).add_(rho.to(received.values))


def _noise_share(received: Received, prior: Prior) -> Tensor:
    """Q = s_z^2 / (s_w^2 + s_z^2) in double precision: 0 without noise, 1 for an erased value."""
    noise_var = torch.as_tensor(received.noise_var, dtype=torch.float64)
    share = torch.where(torch.isinf(noise_var), 1.0, noise_var / (prior.var + noise_var))
    return torch.where(noise_var == 0, 0.0, share)
