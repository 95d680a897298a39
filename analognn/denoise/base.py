"""What every denoiser shares: the prior of the weights, the budget, and how it is called.

    w_hat = denoiser(received, prior),   r = w + z,   E[w] = mu,   Var[w] = s_w^2,   Var[z_i] = s_z,i^2

See :mod:`analognn.denoise.testing` for what a denoiser must keep.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

import torch
from torch import Tensor

from analognn.channels import Received, checks

from .blind import blind_moments

Budget = Literal["none", "side-information", "unlabelled", "labelled", "oracle"]
"""What an estimate needs beside the received values, from the least to what no receiver has: nothing; bits over the
reliable path; examples; examples with labels, to choose its parameters by; the clean weights or the test set."""
PriorSource = Literal["oracle", "side-information", "blind", "given"]


class EstimateWarning(UserWarning):
    """An estimate left its domain and was put at its edge, or a fit was used as far as it got."""


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
        checks.choice("Prior", "source", self.source, get_args(PriorSource))

    @classmethod
    def from_weights(cls, weights: Tensor, *, source: PriorSource = "oracle") -> Prior:
        """Mean and variance of the clean weights [n]: an oracle, or 64 bits of side information."""
        checks.signal("Prior.from_weights", weights, name="weights")
        weights = weights.double()
        return cls(float(weights.mean()), float(weights.var(correction=0)), source)

    @classmethod
    def from_received(cls, received: Received) -> Prior:
        """Blind: mu = mean of r and s_w^2 = max(Var[r] - s_z^2, 0), over the values that were not erased.

        Values without noise (a reliable part) and noisy ones count alike, s_z^2 is the mean over them, unless some are
        so noisy that nothing would be left of the others (an equalised link in a deep fade): then each counts by its
        precision (:func:`analognn.denoise.blind.blind_moments`). A variance below zero becomes 0 with an
        :class:`EstimateWarning`: Bayesian estimates are then the mean.

        Raises:
            ValueError: every value was erased.
        """
        values = received.values.detach().reshape(-1)
        noise_var = torch.as_tensor(received.noise_var, device=values.device).double()
        noise_var = noise_var.expand(received.values.shape).reshape(-1)  # of one variance for all, still a view
        kept = torch.isfinite(noise_var)
        if not bool(kept.any()):
            raise ValueError(f"`Prior.from_received` needs values that arrived; all {noise_var.numel()} were erased.")
        if not bool(kept.all()):
            values, noise_var = values[kept], noise_var[kept]
        found = blind_moments(values.double(), noise_var)
        if found.var < 0 and values.numel() > 1:  # one value has no variance, which is nobody's mistake
            _warn_negative(-found.var > 3 * found.var_error)
        return cls(found.mean, max(found.var, 0.0), "blind")


def _warn_negative(beyond_chance: bool) -> None:
    why = "the stated noise_var is too large" if beyond_chance else "too few values, or weights too small, to tell"
    warnings.warn(
        f"Var[r] is below noise_var: the blind Var[w] is taken as 0, so Bayesian estimates become the mean ({why}).",
        EstimateWarning,
        stacklevel=3,
    )


@runtime_checkable
class Denoiser(Protocol):
    """What is called ``denoiser(received, prior) -> w_hat``: never the clean weights, never test data.

    Implement it as a frozen dataclass, with ``budget: ClassVar[Budget]``.
    """

    budget: ClassVar[Budget]

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """Estimate of the weights, in the shape, dtype and device of ``received.values``."""
        ...
