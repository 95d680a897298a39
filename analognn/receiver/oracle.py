"""Upper bounds: what no receiver can do, because it takes the clean weights or the test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from analognn.denoise import Budget
from analognn.receiver.delivery import Delivery, Oracle, Stage
from analognn.receiver.searching import BETAS, LAMBDA_PRIMES, search


@dataclass(frozen=True)
class OracleSearch(Stage):
    """MMSEpb with the pair that classifies the test set best: an upper bound, not a receiver.

    Args:
        lambda_primes: grid of lambda'.
        betas: grid of beta [1 / weight].
    """

    lambda_primes: tuple[float, ...] = LAMBDA_PRIMES
    betas: tuple[float, ...] = BETAS

    budget: ClassVar[Budget] = "oracle"

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        oracle: Oracle = delivery.needs(self, "oracle")
        return search(delivery, oracle.test, self.lambda_primes, self.betas)


@dataclass(frozen=True)
class OracleLayers(Stage):
    """The affine estimate a r + b with the least squared error, tensor by tensor, from the clean weights: a bound.

    a = Cov(w, r) / Var(r),   b = mean(w) - a mean(r)
    """

    budget: ClassVar[Budget] = "oracle"

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        oracle: Oracle = delivery.needs(self, "oracle")
        received, clean = delivery.estimate.values, oracle.weights
        weights = torch.empty_like(received)
        for slot in delivery.layout.slots:
            part = slice(slot.start, slot.stop)
            r, w = received[part].double(), clean[part].double()
            spread = (r - r.mean()).square().mean()
            a = ((r - r.mean()) * (w - w.mean())).mean() / spread if spread > 0 else torch.zeros_like(spread)
            weights[part] = (w.mean() + a * (r - r.mean())).to(weights)
        return delivery.with_weights(weights)
