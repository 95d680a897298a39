"""MMSEp and MMSEpb as minimisers of a weighted squared error: Propositions 1 and 2 and Figure 2 of [1].

    r = w + z,   w ~ N(mu, s_w^2),   z ~ N(0, s_z^2),   lambda' = 2 s_w^2 lambda

    w_hat = argmin E[(w_hat - w)^2 exp(lambda w^2 + beta w) | r] = theta r + rho                        (9), (12)

    theta = s_w^2 / (s_w^2 + (1 - lambda') s_z^2)
    rho   = s_z^2 (mu + s_w^2 beta) / (s_w^2 + (1 - lambda') s_z^2)                                    (10), (13)

Why: the weight times the posterior is exp(-(w - m)^2 / (2 v)) with 1/v = 1/s_w^2 + 1/s_z^2 - 2 lambda and
m / v = r / s_z^2 + mu / s_w^2 + beta, a Gaussian as long as v > 0, that is lambda' < 1 + s_w^2 / s_z^2; and the mean m
of a density minimises the squared error under it. So MMSEpb is the MMSE estimator of another prior: `effective_prior`.

Against print: (13) drops mu without a word in the proposition (its proof sets mu = 0), here it stays. ML is lambda' = 1
only for mu = 0 (`ml` has the general form). lambda >= 0 is not needed for v > 0, and the best lambda of Theorem 5's
network is negative. The MAP estimate maximises p(r|w) p(w); the unnumbered formula before (7) prints arg min.

[1] Shao, Liew, Gunduz, "Denoising Noisy Neural Networks: A Bayesian Approach With Compensation".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from analognn.channels import checks

Compensation = Literal["zero (MMSE)", "under", "exact (ML)", "over", "negative"]


@dataclass(frozen=True)
class NoisyWeights:
    """Gaussian weights in Gaussian noise.

    Args:
        weight_var: s_w^2 > 0.
        noise_var: s_z^2 > 0, per real weight.
        mean: mu.
    """

    weight_var: float
    noise_var: float
    mean: float = 0.0

    def __post_init__(self) -> None:
        checks.real("NoisyWeights", "weight_var", self.weight_var, gt=0)
        checks.real("NoisyWeights", "noise_var", self.noise_var, gt=0)
        checks.real("NoisyWeights", "mean", self.mean)

    @property
    def received_var(self) -> float:
        """s_w^2 + s_z^2."""
        return self.weight_var + self.noise_var

    @property
    def wnr(self) -> float:
        """s_w^2 / s_z^2, linear."""
        return self.weight_var / self.noise_var

    @property
    def lambda_prime_bound(self) -> float:
        """What lambda' stays below: 1 + s_w^2 / s_z^2."""
        return 1.0 + self.wnr


@dataclass(frozen=True)
class Temperatures:
    """The compensators' strengths: lambda' = 2 s_w^2 lambda (population) and beta (bias, in 1 / weight)."""

    lambda_prime: float
    beta: float = 0.0


@dataclass(frozen=True)
class Affine:
    """The denoiser w_hat = theta r + rho."""

    theta: float
    rho: float = 0.0


ML = Affine(1.0, 0.0)
"""The received value as it is, (4)."""


def affine(weights: NoisyWeights, temperatures: Temperatures) -> Affine:
    """Theta and rho of MMSEpb, (13) with the prior mean kept.

    Raises:
        ValueError: lambda' is not below 1 + s_w^2 / s_z^2.

    >>> affine(NoisyWeights(2.25, 0.75), Temperatures(lambda_prime=0.0))
    Affine(theta=0.75, rho=0.0)
    """
    if not temperatures.lambda_prime < weights.lambda_prime_bound:
        raise ValueError(
            f"`Temperatures(lambda_prime=...)` must be < 1 + s_w^2 / s_z^2 = {weights.lambda_prime_bound:.6g} for this "
            f"noise; got {temperatures.lambda_prime!r}. Beyond it the weighted error has no minimum."
        )
    scale = weights.weight_var + (1.0 - temperatures.lambda_prime) * weights.noise_var
    tilted = weights.mean + weights.weight_var * temperatures.beta
    return Affine(weights.weight_var / scale, weights.noise_var * tilted / scale)


def temperatures(weights: NoisyWeights, estimator: Affine) -> Temperatures:
    """The (lambda', beta) whose MMSEpb is ``estimator``: the inverse of :func:`affine`.

    lambda' = 1 + (s_w^2 / s_z^2) (1 - 1 / theta),   beta = rho / (theta s_z^2) - mu / s_w^2

    Raises:
        ValueError: theta is not > 0: no lambda' leads there.

    >>> temperatures(NoisyWeights(2.25, 0.75), Affine(theta=1.0))
    Temperatures(lambda_prime=1.0, beta=0.0)
    """
    checks.real("Affine", "theta", estimator.theta, gt=0)
    return Temperatures(
        1.0 + weights.wnr * (1.0 - 1.0 / estimator.theta),
        estimator.rho / (estimator.theta * weights.noise_var) - weights.mean / weights.weight_var,
    )


def mmse(weights: NoisyWeights) -> Affine:
    """MMSE, (8): no compensation."""
    return affine(weights, Temperatures(0.0, 0.0))


def ml(weights: NoisyWeights) -> Temperatures:
    """Where ML lies on the map: lambda' = 1 and beta = -mu / s_w^2 (Figure 2 has mu = 0).

    >>> affine(NoisyWeights(2.0, 1.0, mean=0.5), ml(NoisyWeights(2.0, 1.0, mean=0.5)))
    Affine(theta=1.0, rho=0.0)
    """
    return temperatures(weights, ML)


def compensation(lambda_prime: float) -> Compensation:
    """The region of Figure 2 that lambda' lies in; "negative" lies left of the figure.

    >>> [compensation(value) for value in (0.0, 0.5, 1.0, 1.5)]
    ['zero (MMSE)', 'under', 'exact (ML)', 'over']
    """
    if lambda_prime in (0.0, 1.0):
        return "zero (MMSE)" if lambda_prime == 0.0 else "exact (ML)"
    if lambda_prime < 0:
        return "negative"
    return "under" if lambda_prime < 1.0 else "over"


def effective_prior(weights: NoisyWeights, temperatures: Temperatures) -> tuple[float, float]:
    """Mean and variance of the Gaussian prior under which MMSE is this MMSEpb.

    N(mu, s_w^2) exp(lambda w^2 + beta w) ~ N((mu + s_w^2 beta) / (1 - lambda'), s_w^2 / (1 - lambda')): wider under
    compensation, flat (infinite variance) at lambda' = 1, and beyond it of negative variance, no density any more.

    >>> effective_prior(NoisyWeights(1.0, 0.5), Temperatures(lambda_prime=0.5, beta=0.25))
    (0.5, 2.0)
    """
    tilted = weights.mean + weights.weight_var * temperatures.beta
    rest = 1.0 - temperatures.lambda_prime
    if rest == 0:
        return (math.copysign(math.inf, tilted) if tilted else 0.0, math.inf)
    return tilted / rest, weights.weight_var / rest


@dataclass(frozen=True)
class Optimum:
    """A denoiser of a small network, and what it reaches.

    Args:
        temperatures: (lambda', beta).
        estimator: the same as (theta, rho).
        error: expected squared output error D.
        gain: 1 - D / D_ML.
    """

    temperatures: Temperatures
    estimator: Affine
    error: float
    gain: float
