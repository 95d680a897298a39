"""Posterior mean under a mixture of K Gaussians, fitted to the received values by EM with the noise known.

    r_i ~ sum_k pi_k N(mu_k, tau_k + s_z,i^2)
    E step  q_ik ~ pi_k N(r_i; mu_k, tau_k + s_z,i^2),   m_ik = mu_k + g_ik (r_i - mu_k)
            g_ik = tau_k / (tau_k + s_z,i^2)
    M step  pi_k = mean q_ik,   mu_k = E_k[m_ik],   tau_k = E_k[(m_ik - mu_k)^2 + g_ik s_z,i^2]
    w_hat_i = sum_k q_ik m_ik

Bovy, Hogg, Roweis, "Extreme deconvolution", Annals of Applied Statistics 2011, in one dimension.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from analognn.channels import Received, checks

from .base import Budget, EstimateWarning, Prior
from .histogram import Histogram, histogram
from .pointwise import by_table, exactly

GAIN = 1e-6, 1e-2
"""EM has converged when an iteration lifts the log-likelihood by less than the first per value, or the second in all
[nat]: from there on the posterior means hardly move, while the components may creep on for long."""
LEAST_VAR = 1e-6
"""Least tau_k, in units of the variance of the weights: a component may become a point, not a singularity."""


@dataclass(frozen=True)
class Mixture:
    """Posterior mean under a Gaussian mixture.

    Args:
        components: K, >= 1. One is MMSE with fitted mean and variance.
        iterations: of EM at most, >= 1. Where it has not converged by then the last mixture serves, which fits no worse
            than any before, and a warning says so.

    >>> received = Received(torch.randn(5000, generator=torch.Generator().manual_seed(0)), 0.5, "exact")
    >>> w_hat = Mixture(components=1)(received, Prior.from_received(received))
    >>> torch.allclose(w_hat, 0.5 * received.values, atol=0.05)
    True
    """

    budget: ClassVar[Budget] = "none"
    components: int = 3
    iterations: int = 2000

    def __post_init__(self) -> None:
        checks.integer("Mixture", "components", self.components, ge=1)
        checks.integer("Mixture", "iterations", self.iterations, ge=1)

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        data = histogram(received)
        if data is None or prior.var == 0:
            return exactly(lambda r, _: torch.full_like(r, prior.mean), received, prior)
        return by_table(fit(data, prior, self.components, self.iterations).mean, received, prior)


@dataclass(frozen=True)
class Components:
    """A Gaussian mixture.

    Args:
        share: [K], pi_k.
        centre: [K], mu_k.
        var: [K], tau_k.
    """

    share: Tensor
    centre: Tensor
    var: Tensor

    def posterior(self, r: Tensor, noise_var: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of r [R]: q, m and g, each [R, K], and log p(r) [R]."""
        total = self.var + noise_var[:, None]
        y = r[:, None] - self.centre
        joint = self.share.log() - 0.5 * (total.log() + y.square() / total + math.log(2 * math.pi))
        gain = self.var / total
        return joint.softmax(1), self.centre + gain * y, gain, joint.logsumexp(1)

    def mean(self, r: Tensor, noise_var: Tensor) -> Tensor:
        """E[w | r] of r [R] with noise variances [R]."""
        q, m, _, _ = self.posterior(r, noise_var)
        return (q * m).sum(1)


def fit(data: Histogram, prior: Prior, components: int, iterations: int) -> Components:
    """Maximum likelihood from components that differ in place and width."""
    mixture, before = _start(data, prior, components), -math.inf
    least = max(GAIN[0], GAIN[1] / data.count)
    for _ in range(iterations):
        q, m, gain, log_p = mixture.posterior(data.values, data.noise_var)
        score = float(data.share @ log_p)
        if score - before < least:
            return mixture
        before = score
        q = q * data.share[:, None]
        share = q.sum(0).clamp_min(1e-12)
        centre = (q * m).sum(0) / share
        spread = (q * ((m - centre).square() + gain * data.noise_var[:, None])).sum(0) / share
        mixture = Components(share / share.sum(), centre, spread.clamp_min(LEAST_VAR * prior.var))
    warnings.warn(
        f"Mixture(components={components}) has not converged after {iterations} iterations; the last fit is used. "
        "More iterations, or fewer components, would settle it.",
        EstimateWarning,
        stacklevel=3,
    )
    return mixture


def _start(data: Histogram, prior: Prior, components: int) -> Components:
    """Centres spread over half a standard deviation, widths over octaves, narrow ones in the middle."""
    place = torch.linspace(-1, 1, components + 2, dtype=torch.float64, device=data.values.device)[1:-1]
    scale = 4.0 ** (2 * place.abs() - 1)
    return Components(
        share=torch.full_like(place, 1 / components),
        centre=prior.mean + 0.5 * math.sqrt(prior.var) * place,
        var=prior.var * scale,
    )
