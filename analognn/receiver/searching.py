"""(lambda', beta) of MMSEpb by what the receiver's labelled examples say: one pair, or a lambda' for each tensor.

A search can put its candidates through the stages that follow before it scores them. In a chain these are the
label-free ones up to the next that needs labels: the pair is chosen for the network that will be used, not for the one
before re-calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from analognn.denoise import Budget, affine, lambda_prime_bound
from analognn.evaluate import Evaluator, Score
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.inputs import Labelled
from analognn.receiver.side import BITS_PER_VALUE
from analognn.search import grid_search

LAMBDA_PRIMES = (0.8, 0.9, 0.95, 1.0, 1.05, 1.1)
BETAS = (-2.0, -1.0, 0.0, 1.0, 2.0)


@dataclass(frozen=True)
class Search(Stage):
    """MMSEpb with the pair that classifies the labelled examples best; MMSEp with beta = 0 alone.

    Args:
        lambda_primes: grid of lambda'.
        betas: grid of beta [1 / weight].
        then: stages every candidate goes through before it is scored.
    """

    lambda_primes: tuple[float, ...] = LAMBDA_PRIMES
    betas: tuple[float, ...] = BETAS
    then: tuple[Stage, ...] = ()

    budget: ClassVar[Budget] = "labelled"

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        labelled: Labelled = delivery.needs(self, "labelled")
        return search(delivery, _scored(delivery, labelled, self.then), self.lambda_primes, self.betas).spending(
            labelled=len(labelled)
        )


@dataclass(frozen=True)
class SearchLayers(Stage):
    """MMSEp with a lambda' of its own for each tensor, found one tensor after the other on the labelled examples.

    Args:
        lambda_primes: values tried at each tensor, from lambda' = 1 (the received values) at all.
        then: stages every candidate goes through before it is scored.
    """

    lambda_primes: tuple[float, ...] = LAMBDA_PRIMES
    then: tuple[Stage, ...] = ()

    budget: ClassVar[Budget] = "labelled"

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        labelled: Labelled = delivery.needs(self, "labelled")
        score = _scored(delivery, labelled, self.then)
        received, model = delivery.estimate, delivery.copied_model(score.device)
        weights = received.values.clone()
        best = score(model)
        bound = lambda_prime_bound(received, delivery.prior)
        candidates = [affine(received, delivery.prior, value, 0.0) for value in self.lambda_primes if value < bound]
        for slot in delivery.layout.slots:
            part = slice(slot.start, slot.stop)
            for candidate in candidates:
                tried = weights.clone()
                tried[part] = candidate[part]
                delivery.layout.write(tried, model)
                found = score(model)
                if (found.correct, -found.loss_sum) > (best.correct, -best.loss_sum):
                    best, weights = found, tried
        columns = {"validation_correct": best.correct, "validation_total": best.total}
        denoised = delivery.with_weights(weights)
        return denoised.with_model(denoised.model, **columns).spending(
            labelled=len(labelled), side_info=prior_bits(delivery)
        )


def search(
    delivery: Delivery, evaluator: Evaluator, lambda_primes: Sequence[float], betas: Sequence[float]
) -> Delivery:
    """MMSEpb with the pair of the grid that scores best."""
    result = grid_search(
        delivery.model,
        delivery.layout,
        delivery.estimate,
        delivery.prior,
        evaluator,
        lambda_primes=lambda_primes,
        betas=betas,
    )
    denoised = delivery.with_weights(result.best(delivery.estimate, delivery.prior))
    return denoised.with_model(
        denoised.model,
        lambda_prime=result.best.lambda_prime,
        beta=result.best.beta,
        validation_correct=result.best_score.correct,
        validation_total=result.best_score.total,
    ).spending(side_info=prior_bits(delivery))


def prior_bits(delivery: Delivery) -> dict[str, int]:
    """What the whole vector's prior costs: nothing where it is blind."""
    return {"prior of each model": 2 * BITS_PER_VALUE} if delivery.prior.source == "side-information" else {}


def _scored(delivery: Delivery, labelled: Labelled, then: Sequence[Stage]) -> Evaluator:
    return _Through(labelled, delivery, then) if then else labelled.evaluator


class _Through(Evaluator):
    """Scores what further stages make of a model."""

    def __init__(self, labelled: Labelled, delivery: Delivery, stages: Sequence[Stage]) -> None:
        super().__init__(labelled.inputs, labelled.labels, device=str(labelled.labels.device))
        self._delivery, self._stages = delivery, stages

    def __call__(self, model: nn.Module) -> Score:
        delivery = replace(self._delivery, model=model)
        for stage in self._stages:
            delivery = stage(delivery)
        return super().__call__(delivery.model)
