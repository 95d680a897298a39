"""Linear denoisers of noisy weights: ML, MMSE, MMSEp and MMSEpb.

    r = w + z,   z ~ N(0, s_z^2),   w ~ N(mu, s_w^2),   lambda' = 2 s_w^2 lambda

    w_hat = (s_w^2 r + s_z^2 (mu + s_w^2 beta)) / (s_w^2 + (1 - lambda') s_z^2)        Propositions 1 and 2 of [1]

MMSEpb minimises the squared error weighted by exp(lambda w^2 + beta w): lambda (population compensator) lifts the large
weights, of which there are few but which matter, beta (bias compensator) shifts them all. lambda' = beta = 0 is MMSE,
and lambda' = 1, beta = mu = 0 is ML. The paper sets mu = 0 in MMSEpb; here mu is what the prior says, 0 included.

[1] Shao, Liew, Gunduz, "Denoising Noisy Neural Networks: A Bayesian Approach With Compensation".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from analognn.channels import Received, checks

PriorSource = Literal["oracle", "side-information", "blind", "given"]


@dataclass(frozen=True)
class Prior:
    """Gaussian prior N(mean, var) of the weights, and where the receiver has it from.

    Args:
        mean: mu, finite.
        var: s_w^2, >= 0 and finite.
        source: "oracle" and "side-information" both come from the clean weights, the second sent over the reliable
            path; "blind" from the received values alone; "given" by the caller.

    >>> Prior(mean=0.0, var=0.25)
    Prior(mean=0.0, var=0.25, source='given')
    """

    mean: float
    var: float
    source: PriorSource = "given"

    def __post_init__(self) -> None:
        checks.real("Prior", "mean", self.mean)
        checks.real("Prior", "var", self.var, ge=0)

    @classmethod
    def from_weights(cls, weights: Tensor, *, source: PriorSource = "oracle") -> Prior:
        """Mean and variance of the clean weights [n]: an oracle, or 64 bits of side information."""
        checks.signal("Prior.from_weights", weights, name="weights")
        weights = weights.double()
        return cls(float(weights.mean()), float(weights.var(correction=0)), source)

    @classmethod
    def from_received(cls, received: Received) -> Prior:
        """Blind: mu = mean of r and s_w^2 = max(Var[r] - s_z^2, 0), over the values that were not erased.

        Values without noise (a reliable part) and noisy ones count alike, s_z^2 is the mean over them.

        Raises:
            ValueError: every value was erased.
        """
        noise_var = torch.as_tensor(received.noise_var, device=received.values.device).expand(received.values.shape)
        kept = torch.isfinite(noise_var)
        if not bool(kept.any()):
            raise ValueError(f"`Prior.from_received` needs values that arrived; all {noise_var.numel()} were erased.")
        values = received.values[kept].double()
        var = float(values.var(correction=0)) - float(noise_var[kept].double().mean())
        return cls(float(values.mean()), max(var, 0.0), "blind")


@runtime_checkable
class Denoiser(Protocol):
    """What is called ``denoiser(received, prior) -> w_hat [n]``: never the clean weights, never test data."""

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """Estimate of the weights, in the shape, dtype and device of ``received.values``."""
        ...


@dataclass(frozen=True)
class Ml:
    """Maximum likelihood: the received values as they are, eq. (4)."""

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        return received.values


@dataclass(frozen=True)
class MmsePb:
    """Bayes with population and bias compensators, eq. (13) with the prior mean kept.

    Args:
        lambda_prime: lambda' = 2 s_w^2 lambda, 0 <= lambda' < 1 + s_w^2 / s_z^2; the upper bound depends on the noise
            and is checked at the call.
        beta: bias compensator, in units of 1 / weight.

    >>> received = Received(torch.tensor([1.0, -1.0]), noise_var=1.0, source="exact")
    >>> MmsePb(lambda_prime=0.5, beta=0.0)(received, Prior(mean=0.0, var=0.5))
    tensor([ 0.5000, -0.5000])
    """

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
                f"`MmsePb(lambda_prime=...)` must be < 1 + s_w^2 / s_z^2 = {bound:.6g} for this noise; got "
                f"{self.lambda_prime!r}. Use a smaller lambda_prime, or a prior with a larger variance."
            )
        return affine(received, prior, self.lambda_prime, self.beta)


@dataclass(frozen=True)
class MmseP:
    """Bayes with the population compensator alone, eq. (10)."""

    lambda_prime: float

    def __post_init__(self) -> None:
        checks.real("MmseP", "lambda_prime", self.lambda_prime, ge=0)

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :meth:`MmsePb.__call__`."""
        return MmsePb(self.lambda_prime, 0.0)(received, prior)


@dataclass(frozen=True)
class Mmse:
    """Minimum mean squared error under the Gaussian prior, eq. (8)."""

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        return affine(received, prior, 0.0, 0.0)


def lambda_prime_bound(received: Received, prior: Prior) -> float:
    """1 + s_w^2 / max(s_z^2), which lambda' must stay below; inf without noise."""
    worst = float(torch.as_tensor(received.noise_var).max())
    return 1.0 + prior.var / worst if worst > 0 else float("inf")


def affine(received: Received, prior: Prior, lambda_prime: float, beta: float) -> Tensor:
    """Theta r + rho for values in the domain.

    With q = s_z^2 / (s_w^2 + s_z^2) and p = 1 - q the denoiser reads (p r + q (mu + s_w^2 beta)) / (1 - lambda' q),
    which holds without noise (q = 0, exactly r) and for an erased value (q = 1, the prior alone) as well.
    """
    q = _noise_share(received, prior)
    scale = 1.0 / (1.0 - lambda_prime * q)
    theta, rho = (1.0 - q) * scale, q * (prior.mean + prior.var * beta) * scale
    return theta.to(received.values) * received.values + rho.to(received.values)


def _noise_share(received: Received, prior: Prior) -> Tensor:
    """Q = s_z^2 / (s_w^2 + s_z^2) in double precision: 0 without noise, 1 for an erased value."""
    noise_var = torch.as_tensor(received.noise_var, dtype=torch.float64)
    share = torch.where(torch.isinf(noise_var), 1.0, noise_var / (prior.var + noise_var))
    return torch.where(noise_var == 0, 0.0, share)


DENOISERS: dict[str, type[Ml] | type[Mmse] | type[MmseP] | type[MmsePb]] = {
    "ml": Ml,
    "mmse": Mmse,
    "mmsep": MmseP,
    "mmsepb": MmsePb,
}
"""The denoisers by name, as scenarios and ``analognn list`` know them."""
