"""One pair (lambda', beta) for a whole training, tuned end to end: what the search of each round cannot see.

    best = argmax over (lambda', beta) of correct(global model after the last round)

A search in each round takes the pair that is best for this round's model; which one leads to the best last model is
another question (Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", sec. V-C.3, who chose it on test data). Here
the base station's examples decide, and every candidate costs one training.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from analognn.denoise import MmsePb
from analognn.evaluate import Score
from analognn.federated.plans import Fixed
from analognn.federated.rounds import play
from analognn.federated.setup import Cell, Setup
from analognn.federated.state import State
from analognn.federated.station import BaseStation
from analognn.receiver import Labelled

Pair = tuple[float, float]


@dataclass(frozen=True)
class Tuned:
    """The pair that ended best.

    Args:
        best: the plan with it.
        scores: of each pair's last model on the base station's examples; None where the training diverged.
    """

    best: Fixed
    scores: dict[Pair, Score | None]


def tune_pair(
    model: nn.Module, devices: Sequence[Labelled], cell: Cell, setup: Setup, *, pairs: Sequence[Pair]
) -> Tuned:
    """Train once with each of ``pairs``, fixed over all rounds, and take the one whose last model answers best.

    All candidates see the same devices, batches and noise.

    Args:
        model: to start from.
        devices: the examples of each.
        cell: the base station, with examples.
        setup: its plan is replaced.
        pairs: (lambda', beta); among equals the first of the smallest loss is taken.

    Raises:
        ValueError: no pairs, no examples, or every training diverged.
    """
    if not pairs or cell.examples is None:
        raise ValueError(
            f"`tune_pair` needs pairs and examples at the base station; got {len(pairs)} pairs and "
            f"{'no' if cell.examples is None else len(cell.examples)} examples."
        )
    scores = {pair: _end_to_end(model, devices, cell, setup, pair) for pair in pairs}
    ended = {pair: score for pair, score in scores.items() if score is not None}
    if not ended:
        raise ValueError(f"`tune_pair(pairs=...)`: the training diverged with each of {list(pairs)}; try smaller ones.")
    best = max(ended, key=lambda pair: (ended[pair].correct, -ended[pair].loss_sum))
    return Tuned(Fixed(MmsePb(*best)), scores)


def _end_to_end(model: nn.Module, devices: Sequence[Labelled], cell: Cell, setup: Setup, pair: Pair) -> Score | None:
    station = BaseStation(Fixed(MmsePb(*pair)), setup.station.recalibrate)
    rounds = play(State.start(model), devices, cell, replace(setup, station=station))
    ((end, _),) = deque(rounds, maxlen=1)
    assert cell.examples is not None  # see `tune_pair`
    return None if end.diverged else cell.examples.evaluator(cell.at(end))
