"""How the base station turns the noisy sum of a round into an update: with a fixed denoiser, or a searched one.

    w_hat = theta (r + s_z^2 beta),   theta = s_w^2 / (s_w^2 + (1 - lambda') s_z^2)         MMSEpb with prior mean 0

of r = sum_m w~_m + z, M updates of variance s_w^2 together; the global model moves by w_hat / M. Shao, Liew, Gunduz,
"Denoising Noisy Neural Networks", sec. V-C. A plan over the rounds is in :mod:`analognn.federated.planning`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from analognn.channels import Received, checks
from analognn.denoise import Denoiser, MmsePb, Prior, affine, lambda_prime_bound
from analognn.evaluate import Evaluator, Score
from analognn.federated.layout import Summed
from analognn.search import fast_search

Memory = Mapping[str, Tensor]
"""What a plan keeps from one round to the next, by name; it is part of a checkpoint."""
TensorMoments = tuple[tuple[float, float], ...]
"""Mean and variance of each tensor."""


def mean_noise_var(received: Received) -> float:
    """Mean noise variance of the values that arrived."""
    variance = torch.as_tensor(received.noise_var, dtype=torch.float64)
    return float(variance[variance.isfinite()].mean())


@dataclass(frozen=True)
class Heard:
    """All that a plan may know of a round: never a clean update.

    Args:
        received: the noisy sum [n].
        prior: of the sum, mean 0.
        rate: learning rate of this round relative to the first, 0 to 1.
        layout: puts base + sum / M into ``model``.
        model: the reliable part of this round's result, to try candidates in.
        evaluator: on the base station's labelled examples; None without any.
        moments: of each tensor of the sum, from what each device reported; empty unless the plan asks for them.
        memory: what the plan kept from the round before; empty in the first.
    """

    received: Received
    prior: Prior
    rate: float
    layout: Summed
    model: nn.Module
    evaluator: Evaluator | None = None
    moments: TensorMoments = ()
    memory: Memory = field(default_factory=dict)

    @property
    def noise_var(self) -> float:
        """Mean noise variance of the values that arrived."""
        return mean_noise_var(self.received)


@dataclass(frozen=True)
class Decision:
    """What a plan made of it.

    Args:
        estimate: of the sum [n].
        lambda_prime: of MMSEpb, where it is one.
        beta: likewise [1 / weight].
        score: counts of the chosen candidate on the base station's examples, where there was a choice.
        memory: for the next round.
    """

    estimate: Tensor
    lambda_prime: float | None = None
    beta: float | None = None
    score: Score | None = None
    memory: Memory = field(default_factory=dict)


class Plan(ABC):
    """How a sum is denoised, round after round. Subclass as a frozen dataclass."""

    wants_moments: ClassVar[bool] = False
    wants_examples: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, heard: Heard) -> Decision:
        """Estimate the sum of this round."""


@dataclass(frozen=True)
class Fixed(Plan):
    """One denoiser for all rounds: ML, MMSE, MMSEpb with a fixed pair, or any other.

    A lambda' that this round's noise does not allow becomes 1, the received sum itself: the next value inside the
    domain whatever the noise.

    Args:
        denoiser: any that needs no examples.
    """

    denoiser: Denoiser

    def __call__(self, heard: Heard) -> Decision:
        """See :class:`Plan`."""
        denoiser = self.denoiser
        if not isinstance(denoiser, MmsePb):
            return Decision(denoiser(heard.received, heard.prior))
        if denoiser.lambda_prime >= lambda_prime_bound(heard.received, heard.prior):
            return Decision(heard.received.values, 1.0, 0.0)
        return Decision(denoiser(heard.received, heard.prior), denoiser.lambda_prime, denoiser.beta)


@dataclass(frozen=True)
class Lmmse(Plan):
    """Bayesian over-the-air averaging: linear MMSE, tensor by tensor, from moments that the devices report.

        mu = sum_m mu_m,   s_w^2 = sum_m s_m^2       of each tensor, the devices' updates taken as uncorrelated

    The moments are side information, 64 bits a tensor and device. Devices that start from one model agree more than
    that: the true variance of the sum is larger, and the estimate too small. Shao, Gunduz, Liew, "Bayesian Over-the-Air
    Computation" (2023), in the case of perfect alignment.
    """

    wants_moments: ClassVar[bool] = True

    def __call__(self, heard: Heard) -> Decision:
        """See :class:`Plan`."""
        received, estimate = heard.received, torch.empty_like(heard.received.values)
        for slot, (mean, var) in zip(heard.layout.slots, heard.moments, strict=True):
            part = slice(slot.start, slot.stop)
            noise_var = received.noise_var_per_value[part]
            piece = replace(received, values=received.values[part], noise_var=noise_var)
            estimate[part] = affine(piece, Prior(mean, var, "side-information"), 0.0, 0.0)
        return Decision(estimate)


@dataclass(frozen=True)
class Search(Plan):
    """MMSEpb with the pair that classifies the base station's examples best, searched anew each round.

    An update has no fixed scale: by default the grid is adapted to the round. Its lambda' give gains theta in equal
    ratios from that of MMSE (lambda' = 0) to that of ML (lambda' = 1), its beta offsets relative to the deviation of r.

    Args:
        lambda_primes: grid of lambda', or None for the adapted one.
        betas: grid of beta [1 / weight], or None for the adapted one.
        max_evaluations: passes over the examples a search may take, >= 1.
        num_gains: of the adapted grid.
        offsets: s_z^2 beta / sd(r) of the adapted grid.
    """

    lambda_primes: tuple[float, ...] | None = None
    betas: tuple[float, ...] | None = None
    max_evaluations: int = 12
    num_gains: int = 6
    offsets: tuple[float, ...] = (-0.02, 0.0, 0.02)

    wants_examples: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.integer("Search", "max_evaluations", self.max_evaluations, ge=1)
        checks.integer("Search", "num_gains", self.num_gains, ge=2)

    def __call__(self, heard: Heard) -> Decision:
        """See :class:`Plan`."""
        assert heard.evaluator is not None  # the base station saw to it
        lambda_primes, betas = self.grid(heard)
        result = fast_search(
            heard.model,
            heard.layout,
            heard.received,
            heard.prior,
            heard.evaluator,
            lambda_primes=lambda_primes,
            betas=betas,
            max_evaluations=self.max_evaluations,
            route="loop",
        )
        estimate = result.best(heard.received, heard.prior)
        return Decision(estimate, result.best.lambda_prime, result.best.beta, result.best_score)

    def grid(self, heard: Heard) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(lambda', beta) of this round."""
        var, noise_var = heard.prior.var, heard.noise_var
        lambda_primes, betas = self.lambda_primes, self.betas
        if lambda_primes is None:
            lambda_primes = _adapted(var, noise_var, self.num_gains)
        if betas is None:
            scale = math.sqrt(var + noise_var) / noise_var if noise_var > 0 else 0.0
            betas = tuple(sorted({offset * scale for offset in self.offsets}))
        return lambda_primes, betas


def _adapted(var: float, noise_var: float, count: int) -> tuple[float, ...]:
    """The lambda' of gains theta in equal ratios, from theta = s_w^2 / (s_w^2 + s_z^2) to 1."""
    if var == 0 or noise_var == 0:
        return (0.0,)  # all lambda' are the same
    wnr = var / noise_var
    smallest = wnr / (wnr + 1)
    gains = (smallest ** (1 - i / (count - 1)) for i in range(count))
    return tuple(min(max(1 - (1 / gain - 1) * wnr, 0.0), 1.0) for gain in gains)
