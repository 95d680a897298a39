"""Figure 7 as numbers: which test and validation examples every pair of a grid answers right, and what follows.

    best on kappa examples:    argmax over pairs of #right among them; among equals the smaller loss
    achieved = its accuracy on the test examples,    promised = its accuracy on the kappa

With every answer kept, kappa examples can be drawn again and again at no cost: the paper shows one draw of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from inference import validation
from presets import Preset, beta
from recipes import Recipe
from torch import Tensor
from torch.nn import functional as F

from analognn import ChannelBackend, ParameterLayout, data, models
from analognn.candidates import Candidates, Grid
from analognn.channels import Awgn
from analognn.denoise import Prior
from analognn.evaluate import Evaluator
from analognn.receiver.inputs import Labelled
from analognn.seeds import seeded

KAPPAS = (10, 20, 40, 80)
POOL = 320
"""Validation examples that kappa are drawn from; of augmented ones the first 80 in four crops."""
REDRAWS = 1_000


@dataclass(frozen=True)
class Answers:
    """What G pairs answer to n examples.

    Args:
        right: [G, n], bool.
        loss: [G, n], cross-entropy [nat].
    """

    right: np.ndarray
    loss: np.ndarray

    def of(self, places: np.ndarray) -> Answers:
        """At the examples ``places``: [k] for all pairs alike, or [G, k]."""
        rows = np.arange(len(self.right))[:, None]
        return Answers(self.right[rows, places], self.loss[rows, places])

    @property
    def best(self) -> int:
        """The pair with most right answers; among equals the one with the smaller loss."""
        counts = self.right.sum(1)
        return int(np.where(counts == counts.max(), self.loss.sum(1), np.inf).argmin())


@dataclass(frozen=True)
class Surface:
    """One noise draw.

    Args:
        pairs: (lambda', beta as stated) of each candidate.
        test: on the reported test examples.
        pool: on the validation examples; of augmented ones, crop after crop of the first 80.
        crops: how many crops of each.
    """

    pairs: list[tuple[float, float]]
    test: Answers
    pool: Answers
    crops: int

    def index(self, lambda_prime: float, beta: float) -> int:
        """Which candidate that is."""
        return self.pairs.index((lambda_prime, beta))

    def drawn(self, kappa: int, rng: np.random.Generator) -> Answers:
        """On ``kappa`` validation examples; augmented ones are the first, and every pair sees other crops of them."""
        pairs, n = self.pool.right.shape
        if self.crops == 1:
            return self.pool.of(rng.permutation(n)[:kappa])
        crop = rng.integers(self.crops, size=(pairs, kappa))
        return self.pool.of(crop * (n // self.crops) + np.arange(kappa))


@dataclass(frozen=True)
class Selection:
    """What kappa examples select, over redraws of them and noise draws.

    Args:
        kappa: how many.
        achieved: mean test accuracy of what they select.
        promised: mean accuracy of it on the kappa examples themselves.
        lost: mean of what it lacks to the best pair on the test examples, in accuracy.
        low: 5th percentile of that over redraws and noise draws.
        high: 95th.
        below_ml: share of the redraws in which it is worse than ML on the test examples.
    """

    kappa: int
    achieved: float
    promised: float
    lost: float
    low: float
    high: float
    below_ml: float


def surfaces(recipe: Recipe, preset: Preset, data_dir: Path | None, device: str) -> Iterator[Surface]:
    """One surface a noise draw; draws are the same for every preset."""
    spec, model = models.spec(recipe.model), models.load(recipe.model, data_dir=data_dir)
    layout = ParameterLayout.from_model(model)
    packed = layout.pack(model)
    weights = Prior.from_weights(packed.vector)
    kept = data.load(spec.dataset, data_dir=data_dir).test.take(slice(recipe.test_examples))
    test = Evaluator(*spec.prepare(kept, data_dir=data_dir), device=device)
    pool = _pool(validation(recipe, preset, data_dir, device=str(test.device)))
    crops = 1 if type(pool.evaluator) is Evaluator else POOL // max(KAPPAS)
    for draw in range(recipe.surface_draws):
        received = ChannelBackend(Awgn(wnr_db=recipe.surface_db)).receive(packed, generator=seeded("surface", draw))
        prior = Prior.from_received(received) if preset.prior == "blind" else weights
        betas = [beta(value, prior) for value in recipe.fine.betas]
        grid = Grid.inside("surfaces", received, prior, recipe.fine.lambda_primes, betas)
        pairs = [(recipe.fine.lambda_primes[i], recipe.fine.betas[j]) for i, j in grid.cells]
        ask = [Candidates.of(model, layout, received, prior, e, grid, "auto") for e in (test, pool.evaluator)]
        yield Surface(pairs, _answers(ask[0], 1), _answers(ask[1], crops), crops)


def selections(found: list[Surface]) -> list[Selection]:
    """What 10, 20, 40 and 80 examples select."""
    return [_selection(found, kappa) for kappa in KAPPAS]


def _selection(found: list[Surface], kappa: int) -> Selection:
    achieved, promised, lost, worse = [], [], [], []
    for draw, surface in enumerate(found):
        rng = np.random.default_rng([kappa, draw])
        accuracy, ml = surface.test.right.mean(1), surface.index(1.0, 0.0)
        for _ in range(REDRAWS):
            seen = surface.drawn(kappa, rng)
            best = seen.best
            achieved.append(accuracy[best])
            promised.append(seen.right[best].mean())
            lost.append(accuracy.max() - accuracy[best])
            worse.append(accuracy[best] < accuracy[ml])
    means = (np.mean(achieved), np.mean(promised), np.mean(lost), *np.percentile(lost, [5, 95]), np.mean(worse))
    return Selection(kappa, *map(float, means))


def _pool(examples: Labelled) -> Labelled:
    size = min(POOL, len(examples)) if type(examples) is Labelled else max(KAPPAS)
    order = torch.randperm(len(examples), generator=seeded("pool of the surface"))[:size]
    return examples.take(order.sort().values if size == max(KAPPAS) else order)


def _answers(candidates: Candidates, crops: int) -> Answers:
    labels = candidates.evaluator.labels
    logits = torch.cat([candidates.logits(range(len(candidates.pairs))) for _ in range(crops)], dim=1).cpu()
    truth: Tensor = labels.cpu().repeat(crops).expand(len(logits), -1)
    right = logits.argmax(-1) == truth
    loss = F.cross_entropy(logits.movedim(-1, 1), truth, reduction="none").nan_to_num(torch.inf)
    return Answers(right.numpy(), loss.numpy())
