"""(lambda', beta) of MMSEpb by their accuracy on validation examples (Shao, Liew, Gunduz, sec. V-B.2, fig. 7)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from analognn.channels import Received, checks
from analognn.denoise import MmsePb, Prior, affine, lambda_prime_bound
from analognn.evaluate import Evaluator, Score
from analognn.packing import ParameterLayout


@dataclass(frozen=True)
class GridSearchResult:
    """The whole surface, and the pair at its top.

    Args:
        lambda_primes: L values of lambda'.
        betas: B values of beta.
        surface: [L, B], accuracy on the validation examples; NaN where lambda' is outside its domain.
        best: the denoiser at the maximum; among equal counts the one with the smaller loss, then the first.
        best_score: its counts on the validation examples.
    """

    lambda_primes: tuple[float, ...]
    betas: tuple[float, ...]
    surface: Tensor
    best: MmsePb
    best_score: Score


def grid_search(
    model: nn.Module,
    layout: ParameterLayout,
    received: Received,
    prior: Prior,
    evaluator: Evaluator,
    *,
    lambda_primes: Sequence[float],
    betas: Sequence[float],
) -> GridSearchResult:
    """Try every pair on the evaluator's examples.

    Args:
        model: whose reliable tensors the candidates keep; not changed.
        layout: of ``model``.
        received: the noisy weights [n].
        prior: of the weights.
        evaluator: on validation examples, never on test data.
        lambda_primes: values of lambda', each >= 0; those at or over 1 + s_w^2 / s_z^2 are left out as NaN.
        betas: values of beta, in 1 / weight.

    Raises:
        ValueError: an empty grid, a value that is negative or not finite, or no lambda' inside its domain.
    """
    _check_grid(lambda_primes, betas)
    bound = lambda_prime_bound(received, prior)
    inside = [value for value in lambda_primes if value < bound]
    if not inside:
        raise ValueError(
            f"`grid_search(lambda_primes=...)` must hold a value < 1 + s_w^2 / s_z^2 = {bound:.6g}; got "
            f"{min(lambda_primes)!r} at least."
        )
    candidate = copy.deepcopy(model).to(evaluator.device)
    received = replace(received, values=received.values.to(evaluator.device))
    surface = torch.full((len(lambda_primes), len(betas)), torch.nan, dtype=torch.float64)
    best: tuple[MmsePb, Score] | None = None
    for i, lambda_prime in enumerate(lambda_primes):
        for j, beta in enumerate(betas if lambda_prime < bound else ()):
            layout.write(affine(received, prior, lambda_prime, beta), candidate)
            score = evaluator(candidate)
            surface[i, j] = score.accuracy
            if best is None or _better(score, best[1]):
                best = MmsePb(lambda_prime, beta), score
    assert best is not None
    return GridSearchResult(tuple(lambda_primes), tuple(betas), surface, *best)


def _better(score: Score, than: Score) -> bool:
    return score.correct > than.correct or (score.correct == than.correct and score.loss_sum < than.loss_sum)


def _check_grid(lambda_primes: Sequence[float], betas: Sequence[float]) -> None:
    for name, values in (("lambda_primes", lambda_primes), ("betas", betas)):
        if len(values) == 0:
            raise ValueError(f"`grid_search({name}=...)` must hold at least one value; got none.")
    for value in lambda_primes:
        checks.real("grid_search", "lambda_primes", value, ge=0)
    for value in betas:
        checks.real("grid_search", "betas", value)
