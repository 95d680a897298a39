"""(lambda', beta) of MMSEpb by what the receiver's own examples say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from analognn.evaluate import Evaluator, Score
from analognn.receiver.delivery import Budget, Delivery, Labelled, Stage
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
        then: stages every candidate goes through before it is scored. In a chain these are the label-free stages that
            follow: the pair is chosen for the network that will be used, not for the one before re-calibration.
    """

    lambda_primes: tuple[float, ...] = LAMBDA_PRIMES
    betas: tuple[float, ...] = BETAS
    then: tuple[Stage, ...] = ()

    budget: ClassVar[Budget] = "labelled"

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        labelled: Labelled = delivery.needs(self, "labelled")
        result = grid_search(
            delivery.model,
            delivery.layout,
            delivery.estimate,
            delivery.prior,
            _Through(labelled, delivery, self.then) if self.then else labelled.evaluator,
            lambda_primes=self.lambda_primes,
            betas=self.betas,
        )
        chosen = {
            "lambda_prime": result.best.lambda_prime,
            "beta": result.best.beta,
            "validation_correct": result.best_score.correct,
            "validation_total": result.best_score.total,
        }
        bits = {"prior of each model": 2 * BITS_PER_VALUE} if delivery.prior.source == "side-information" else {}
        denoised = delivery.with_weights(result.best(delivery.estimate, delivery.prior))
        return replace(denoised, chosen={**delivery.chosen, **chosen}).spending(labelled=len(labelled), side_info=bits)


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
