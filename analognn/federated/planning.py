"""A plan over the rounds without an example: shrink by the update's power, and learn from the next round by how much.

    theta_t = v_t / (v_t + d_t s_z^2),   v_t = Var[r_t] - s_z^2,   MMSEpb with lambda'_t = 1 - d_t
    d_t = d_(t-1) exp(-step cos_t),      cos_t = cosine between the updates behind r_t and r_(t-1)

**What is best.** For a quadratic loss with Hessian H the loss after one step is least at theta = v h / (v h + s_z^2 k),
h the mean curvature along the update (where the noise-free step has the right length), k = tr H / n the mean over all
directions. So d = k / h: well below 1, because updates lie along the few steep directions and noise along all. For a
single curvature greedy is optimal over the rounds as well, since the least loss that a round can reach grows with the
loss it starts from. MMSE (d = 1) is closest to the update, and takes too little of it.

**How d is learned.** The derivative of the loss after round t by theta_t is minus the inner product of what came in,
r_t, and what the devices then make of the new model, their update of round t + 1. That one arrives under new noise,
independent of r_t, so <r_(t+1), r_t> estimates it without bias: positive, the step was too short; negative, the
devices had to take back what was noise. This is the hypergradient of Almeida et al., "Parameter adaptation in
stochastic optimization" (1999), and Baydin et al., "Online learning rate adaptation with hypergradient descent" (2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from analognn.channels import checks
from analognn.denoise import affine, lambda_prime_bound
from analognn.denoise.blind import Moments, blind_moments
from analognn.federated.plans import Decision, Heard, Memory, Plan

LEAST = 1e-6
"""Smallest d: from there on theta is 1 for all that matters."""
VISIBLE = 2.0
"""Standard errors by which the tracked power must stand out before an agreement counts."""


@dataclass(frozen=True)
class FollowPower(Plan):
    """Shrink by the tracked power of the update, with a temperature that follows the agreement of successive updates.

    Where noise buries the update, one blind v_t has a larger standard error than value. An update is about proportional
    to the learning rate, which the base station knows: v_t = c_t rate_t^2. A scalar Kalman filter tracks c: it takes
    the blind estimate where that is well known, and averages over rounds where it is not. The cosine is shrunk by its
    own standard error, and d stays where the power cannot be told from 0.

    Args:
        lambda_prime: lambda' of the first round, 0 <= lambda' <= 1.
        step: of log d per unit of cosine, >= 0; 0 keeps lambda'.
        drift: relative change of c from round to round, >= 0.
    """

    lambda_prime: float = 0.99
    step: float = 0.5
    drift: float = 0.2

    def __post_init__(self) -> None:
        checks.real("FollowPower", "lambda_prime", self.lambda_prime, ge=0, le=1)
        checks.real("FollowPower", "step", self.step, ge=0)
        checks.real("FollowPower", "drift", self.drift, ge=0)

    def __call__(self, heard: Heard) -> Decision:
        """See :class:`Plan`."""
        values, blind = _arrived(heard)
        c, c_var = self.tracked(blind, heard)
        power = max(c, 0.0) * heard.rate**2
        d = self.adapted(values, power, heard.memory, visible=c > VISIBLE * math.sqrt(c_var))
        memory = _remembered(c=c, c_var=c_var, d=d, power=power) | {"r": values}
        prior = replace(heard.prior, var=power)
        if 1 - d >= lambda_prime_bound(heard.received, prior):  # only at lambda' = 1 without power
            return Decision(torch.zeros_like(values), 1 - d, 0.0, memory=memory)
        return Decision(affine(heard.received, prior, 1 - d, 0.0), 1 - d, 0.0, memory=memory)

    def tracked(self, blind: Moments, heard: Heard) -> tuple[float, float]:
        """The filter's estimate of c = v / rate^2 and its variance, after this round."""
        measured, error_var = blind.var / heard.rate**2, (blind.var_error / heard.rate**2) ** 2
        if not heard.memory:
            return measured, error_var
        c = float(heard.memory["c"])
        c_var = float(heard.memory["c_var"]) + (self.drift * c) ** 2
        trust = c_var / (c_var + error_var) if error_var > 0 else 1.0
        return c + trust * (measured - c), (1 - trust) * c_var

    def adapted(self, values: Tensor, power: float, memory: Memory, *, visible: bool) -> float:
        """D of this round, from the agreement of what arrived with what arrived a round ago."""
        if not memory:
            return max(1 - self.lambda_prime, LEAST)
        if not visible:
            return float(memory["d"])
        cosine = agreement(values, memory["r"], power=math.sqrt(power * float(memory["power"])))
        return min(max(float(memory["d"]) * math.exp(-self.step * cosine), LEAST), 1.0)


def agreement(r: Tensor, before: Tensor, *, power: float) -> float:
    """Cosine between the updates behind two received sums [n], shrunk by its standard error; in [-1, 1].

        q p / (p^2 + e^2),   q = mean of r_i r'_i,   e^2 = mean(r^2) mean(r'^2) / n its variance under noise

    Args:
        r: the sum of this round; 0 where it was erased.
        before: of the round before.
        power: p, geometric mean of the variances of the two updates.

    >>> agreement(torch.tensor([1.0, -1.0]).repeat(500), torch.tensor([2.0, -2.0]).repeat(500), power=2.0)
    0.99...
    """
    if power == 0:
        return 0.0
    r, before = r.double(), before.double()
    q = float((r * before).mean())
    error_var = float(r.square().mean() * before.square().mean()) / r.numel()
    return min(max(q * power / (power**2 + error_var), -1.0), 1.0)


def _arrived(heard: Heard) -> tuple[Tensor, Moments]:
    """The received sum, 0 where it was erased, and its blind moments."""
    noise_var = heard.received.noise_var_per_value.double()
    kept = noise_var.isfinite()
    blind = blind_moments(heard.received.values[kept].double(), noise_var[kept])
    return torch.where(kept, heard.received.values, 0.0), blind


def _remembered(**values: float) -> dict[str, Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
