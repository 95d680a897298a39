"""(lambda', beta) of MMSEpb by their accuracy on validation examples (Shao, Liew, Gunduz, sec. V-B.2, fig. 7).

    best = argmax over (lambda', beta) of correct(theta r + rho),    theta = p / (1 - lambda' q)
                                                                     rho = q (mu + s_w^2 beta) / (1 - lambda' q)

:func:`grid_search` evaluates the whole surface. :func:`fast_search` evaluates a coarse grid, forecasts the counts of
all other points (:mod:`analognn.surrogate`), and follows the forecast until no point has a fair chance to be better; on
request it then rules out the rest one by one, by counts alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor, nn

from analognn.candidates import Candidates, Grid, Route
from analognn.channels import Received, checks
from analognn.denoise import MmsePb, Prior
from analognn.evaluate import Evaluator, Score
from analognn.packing import ParameterLayout
from analognn.surrogate import forecast, margins

OPTIMISM = 8.0  # standard deviations by which a forecast may be too low; with 4, 3 tops of 66 were missed
COHERENCE = 10.0  # an offset adds up over a window, noise does not: sqrt(fan-in), in round figures


@dataclass(frozen=True)
class GridSearchResult:
    """The surface as far as it was evaluated, and the pair at its top.

    Args:
        lambda_primes: L values of lambda'.
        betas: B values of beta.
        surface: [L, B], accuracy on the validation examples; NaN where lambda' is outside its domain or the pair was
            not evaluated on all of them.
        best: the denoiser at the maximum; among equal counts the one with the smaller loss, then the first.
        best_score: its counts on the validation examples.
        evaluations: passes over the validation examples, parts of a pass included.
    """

    lambda_primes: tuple[float, ...]
    betas: tuple[float, ...]
    surface: Tensor
    best: MmsePb
    best_score: Score
    evaluations: float


def grid_search(
    model: nn.Module,
    layout: ParameterLayout,
    received: Received,
    prior: Prior,
    evaluator: Evaluator,
    *,
    lambda_primes: Sequence[float],
    betas: Sequence[float],
    route: Route = "auto",
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
        route: see :data:`Route`.

    Raises:
        ValueError: an empty grid, a value that is negative or not finite, or no lambda' inside its domain.
    """
    _check_grid("grid_search", lambda_primes, betas, route)
    grid = Grid.inside("grid_search", received, prior, lambda_primes, betas)
    candidates = Candidates.of(model, layout, received, prior, evaluator, grid, route)
    scores = dict(enumerate(candidates.scores(range(len(grid.pairs)))))
    return _result(grid, scores, evaluations=len(scores))


def fast_search(
    model: nn.Module,
    layout: ParameterLayout,
    received: Received,
    prior: Prior,
    evaluator: Evaluator,
    *,
    lambda_primes: Sequence[float],
    betas: Sequence[float],
    max_evaluations: int | None = None,
    exact: bool = False,
    route: Route = "auto",
) -> GridSearchResult:
    """Find the top of the grid with few evaluations.

    The forecast is a model of the surface, so what it finds is the grid's maximum nearly always, not by proof;
    ``exact=True`` adds the proof. It pays where few answers are wrong: to rule out a pair takes at least
    1 - (best accuracy) of a pass.

    Args:
        model: as the next six, see :func:`grid_search`.
        layout: of ``model``.
        received: the noisy weights [n].
        prior: of the weights.
        evaluator: on validation examples, never on test data.
        lambda_primes: values of lambda'.
        betas: values of beta, in 1 / weight.
        max_evaluations: the forecast stops asking after so many; a fifth of the grid, and at least 25, by default.
        exact: go on until no pair that is left can be better, whatever it answers on the examples not yet seen; the
            result is that of :func:`grid_search`, ties included.
        route: see :data:`Route`.

    Raises:
        ValueError: see :func:`grid_search`; ``max_evaluations`` < 1.
        TypeError: an evaluator that overrides ``__call__``.
    """
    _check_grid("fast_search", lambda_primes, betas, route)
    if type(evaluator).__call__ is not Evaluator.__call__:
        raise TypeError(
            "`fast_search(evaluator=...)` is asked for logits, not for scores; let "
            f"{type(evaluator).__name__} override `logits` instead of `__call__`."
        )
    grid = Grid.inside("fast_search", received, prior, lambda_primes, betas)
    limit = max(25, len(grid.pairs) // 5) if max_evaluations is None else max_evaluations
    checks.integer("fast_search", "max_evaluations", limit, ge=1)
    candidates = Candidates.of(model, layout, received, prior, evaluator, grid, route)
    design = grid.design(limit)
    seen = dict(zip(design, candidates.logits(design), strict=True))
    coordinates = _coordinates(grid, received, prior)
    while len(seen) < limit and (index := _most_promising(coordinates, seen, evaluator)) is not None:
        seen[index] = candidates.logits([index])[0]
    scores = {index: evaluator.score(logits) for index, logits in seen.items()}
    evaluations = float(len(seen))
    if exact:
        evaluations += _rule_out_the_rest(candidates, coordinates, seen, scores)
    return _result(grid, scores, evaluations=evaluations)


def _result(grid: Grid, scores: dict[int, Score], *, evaluations: float) -> GridSearchResult:
    surface = torch.full((len(grid.lambda_primes), len(grid.betas)), torch.nan, dtype=torch.float64)
    for index, score in scores.items():
        surface[grid.cells[index]] = score.accuracy
    best = _best(scores)
    return GridSearchResult(
        grid.lambda_primes, grid.betas, surface, MmsePb(*grid.pairs[best]), scores[best], evaluations
    )


def _coordinates(grid: Grid, received: Received, prior: Prior) -> Tensor:
    """[G, 2] in [0, 1]: log gain of lambda', and asinh of the offset of beta relative to the spread of r."""
    variance = torch.as_tensor(received.noise_var, dtype=torch.float64)
    noise_var = float(variance[torch.isfinite(variance)].mean().nan_to_num())
    q = noise_var / max(prior.var + noise_var, 1e-300)
    lambda_primes, betas = torch.tensor(grid.pairs, dtype=torch.float64).T
    gain = -torch.log1p(-lambda_primes * q)
    offset = torch.asinh(COHERENCE * q * (prior.var / max(1 - q, 1e-9)) ** 0.5 * betas)
    axes = [(axis - axis.min()) / (axis.max() - axis.min()).clamp_min(1e-300) for axis in (gain, offset)]
    return torch.stack(axes, dim=1)


def _most_promising(coordinates: Tensor, seen: dict[int, Tensor], evaluator: Evaluator) -> int | None:
    """The pair with the highest optimistic count, if that is better than the best one seen."""
    evaluated = torch.tensor(list(seen))
    known = margins(torch.stack(list(seen.values())), evaluator.labels).cpu()
    ahead = forecast(coordinates, evaluated, known)
    hope = (ahead.correct + OPTIMISM * ahead.sd).clamp_max(len(evaluator))
    hope[evaluated] = -1.0
    best = max(int((rows > 0).sum()) for rows in known)
    index = int(hope.argmax())
    return index if hope[index] >= best + 0.5 else None


def _rule_out_the_rest(
    candidates: Candidates, coordinates: Tensor, seen: dict[int, Tensor], scores: dict[int, Score]
) -> float:
    """Evaluate every other pair until it cannot be the best any more; adds those that got through, returns the cost.

    What each pair will most likely answer wrong comes first: as many examples as it may yet miss, or has had.
    """
    evaluator, count = candidates.evaluator, len(candidates.evaluator)
    known = margins(torch.stack(list(seen.values())), evaluator.labels).cpu()
    ahead = forecast(coordinates, torch.tensor(list(seen)), known)
    used = 0
    for index in ahead.correct.argsort(descending=True, stable=True).tolist():
        if index in scores:
            continue
        best = _best(scores)
        order, logits = ahead.right[index].argsort(stable=True), []
        partial = Score(0, 0, 0.0)
        while partial.total < count and _may_win(index, partial, best, scores[best]):
            spare = partial.correct + count - partial.total - scores[best].correct
            part = evaluator.subset(order[partial.total : partial.total + max(spare + 1, 4, partial.total)])
            logits.append(part.logits(candidates.written(index)))
            partial += part.score(logits[-1])
        used += partial.total
        if partial.total == count:
            scores[index] = evaluator.score(torch.cat(logits)[order.argsort()])
    return used / count


def _may_win(index: int, partial: Score, best: int, best_score: Score) -> bool:
    """Whether right answers on all examples not seen, at no loss, would put this pair first."""
    count = best_score.total
    ideal = Score(partial.correct + count - partial.total, count, partial.loss_sum)
    return _better(ideal, best_score) or (index < best and not _better(best_score, ideal))


def _best(scores: dict[int, Score]) -> int:
    first, *rest = sorted(scores)
    for index in rest:
        first = index if _better(scores[index], scores[first]) else first
    return first


def _better(score: Score, than: Score) -> bool:
    return score.correct > than.correct or (score.correct == than.correct and score.loss_sum < than.loss_sum)


def _check_grid(caller: str, lambda_primes: Sequence[float], betas: Sequence[float], route: Route) -> None:
    checks.choice(caller, "route", route, get_args(Route))
    for name, values in (("lambda_primes", lambda_primes), ("betas", betas)):
        if len(values) == 0:
            raise ValueError(f"`{caller}({name}=...)` must hold at least one value; got none.")
    for value in lambda_primes:
        checks.real(caller, "lambda_primes", value, ge=0)
    for value in betas:
        checks.real(caller, "betas", value)
