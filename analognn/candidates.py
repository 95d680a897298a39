"""The candidates of a (lambda', beta) grid and the two routes by which they are evaluated."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from analognn.affine import AffineFamily, affine_logits, is_affine
from analognn.channels import Received
from analognn.denoise import Prior, affine, lambda_prime_bound
from analognn.evaluate import Evaluator, Score
from analognn.packing import ParameterLayout

Route = Literal["auto", "loop", "affine"]
"""How candidates are evaluated: "loop" rewrites the weights for each; "affine" runs them as one batch through shared
weights (:mod:`analognn.affine`); "auto" is the loop on a CPU, where it was the faster one in every measurement
(benchmarks/records/speed), and the batch on a GPU that one candidate's examples do not fill."""

COARSE = 3, 8  # rows of lambda' and columns of beta of a coarse grid


@dataclass(frozen=True)
class Grid:
    """The pairs of a grid whose lambda' lies in its domain, row by row.

    Args:
        lambda_primes: L values of lambda'.
        betas: B values of beta.
        cells: (i, j) of every pair inside.
    """

    lambda_primes: tuple[float, ...]
    betas: tuple[float, ...]
    cells: tuple[tuple[int, int], ...]

    @classmethod
    def inside(
        cls, caller: str, received: Received, prior: Prior, lambda_primes: Sequence[float], betas: Sequence[float]
    ) -> Grid:
        """The pairs below lambda's bound for this noise.

        Raises:
            ValueError: there is none.
        """
        bound = lambda_prime_bound(received, prior)
        cells = [(i, j) for i, value in enumerate(lambda_primes) if value < bound for j in range(len(betas))]
        if not cells:
            raise ValueError(
                f"`{caller}(lambda_primes=...)` must hold a value < 1 + s_w^2 / s_z^2 = {bound:.6g}; got "
                f"{min(lambda_primes)!r} at least."
            )
        return cls(tuple(lambda_primes), tuple(betas), tuple(cells))

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(lambda', beta) of every cell."""
        return [(self.lambda_primes[i], self.betas[j]) for i, j in self.cells]

    def design(self, limit: int) -> list[int]:
        """Indices of a coarse grid whose columns are shifted from row to row; at most ``limit`` of them."""
        rows = sorted({i for i, _ in self.cells}, key=lambda i: self.lambda_primes[i])
        columns = sorted(range(len(self.betas)), key=lambda j: self.betas[j])
        where = {cell: index for index, cell in enumerate(self.cells)}
        chosen = {
            where[rows[int((r + 0.5) * len(rows) / COARSE[0])], columns[int((c + shift) * len(columns) / COARSE[1])]]
            for r, shift in zip(range(COARSE[0]), (0.75, 0.25, 0.75), strict=True)
            for c in range(COARSE[1])
        }
        return sorted(chosen)[:: -(-len(chosen) // limit)]


@dataclass(frozen=True)
class Candidates:
    """What evaluates the pairs of a grid.

    Args:
        model: a copy, whose analog weights are written over.
        layout: of ``model``.
        received: the noisy weights, on the evaluator's device.
        prior: of the weights.
        evaluator: on the examples.
        pairs: (lambda', beta) by index.
        batched: many at a time through shared weights.
    """

    model: nn.Module
    layout: ParameterLayout
    received: Received
    prior: Prior
    evaluator: Evaluator
    pairs: list[tuple[float, float]]
    batched: bool

    @classmethod
    def of(
        cls,
        model: nn.Module,
        layout: ParameterLayout,
        received: Received,
        prior: Prior,
        evaluator: Evaluator,
        grid: Grid,
        route: Route,
    ) -> Candidates:
        """Of this grid by this route; nothing given is changed."""
        small = evaluator.device.type == "cuda" and len(evaluator) <= evaluator.batch_size
        plain = type(evaluator) is Evaluator  # the batch asks for its data, not for its scores
        batched = route == "affine" or (route == "auto" and small and plain and is_affine(received))
        received = replace(received, values=received.values.to(evaluator.device))
        copied = copy.deepcopy(model).to(evaluator.device)
        return cls(copied, layout, received, prior, evaluator, grid.pairs, batched)

    def scores(self, which: Iterable[int]) -> list[Score]:
        """Counts on all examples."""
        if self.batched:
            return [self.evaluator.score(logits) for logits in self.logits(list(which))]
        return [self.evaluator(self.written(index)) for index in which]

    def logits(self, which: Sequence[int]) -> Tensor:
        """[m, k, classes]."""
        if self.batched and len(which) > 1:
            family = AffineFamily.mmsepb(self.received, self.prior, [self.pairs[index] for index in which])
            return affine_logits(self.model, self.layout, family, self.evaluator)
        return torch.stack([self.evaluator.logits(self.written(index)) for index in which])

    def written(self, index: int) -> nn.Module:
        """The model with this candidate's weights, until the next one is written."""
        self.layout.write(affine(self.received, self.prior, *self.pairs[index]), self.model)
        return self.model
