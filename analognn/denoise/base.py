"""What every denoiser shares: the prior of the weights, the budget, and how it is called.

    w_hat = denoiser(received, prior),   r = w + z,   E[w] = mu,   Var[w] = s_w^2,   Var[z_i] = s_z,i^2

See :mod:`analognn.denoise.testing` for what a denoiser must keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from analognn.channels import Received, checks

Budget = Literal["none", "side-information", "unlabelled", "labelled", "oracle"]
"""What an estimate needs beside the received values, from the least to what no receiver has: nothing; bits over the
reliable path; examples; examples with labels, to choose its parameters by; the clean weights or the test set."""
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
    """What is called ``denoiser(received, prior) -> w_hat``: never the clean weights, never test data.

    Implement it as a frozen dataclass, with ``budget: ClassVar[Budget]``.
    """

    budget: ClassVar[Budget]

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """Estimate of the weights, in the shape, dtype and device of ``received.values``."""
        ...
