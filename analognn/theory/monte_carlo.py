"""Means of simulated draws with standard errors, and of paired differences.

The draws come in batches; with B batch means m_b the standard error is std(m_b) / sqrt(B). All candidates see the same
draws, so the difference of two is known far better than either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analognn.channels import checks

Array = NDArray[np.float64]
BATCHES = 100


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a simulation found for K candidates.

    Args:
        batch_means: [B, K], mean of the draws of each batch.
    """

    batch_means: Array

    @property
    def mean(self) -> Array:
        """[K]."""
        return np.asarray(self.batch_means.mean(0), dtype=np.float64)

    @property
    def standard_error(self) -> Array:
        """[K], of ``mean``."""
        return np.asarray(self.batch_means.std(0, ddof=1) / math.sqrt(len(self.batch_means)), dtype=np.float64)

    def difference(self, first: int, second: int) -> tuple[float, float]:
        """Mean of candidate ``first`` minus ``second``, and its standard error."""
        paired = self.batch_means[:, first] - self.batch_means[:, second]
        return float(paired.mean()), float(paired.std(ddof=1)) / math.sqrt(len(paired))


def simulate(
    batch: Callable[[int, np.random.Generator], Array], *, draws: int, generator: np.random.Generator
) -> Simulation:
    """Call ``batch(draws of a batch, generator) -> means [K]`` a hundred times.

    Args:
        batch: draws once for all candidates.
        draws: in all, at least one a batch; rounded down to whole batches.
        generator: source of the draws.
    """
    checks.integer("simulate", "draws", draws, ge=BATCHES)
    return Simulation(np.stack([batch(draws // BATCHES, generator) for _ in range(BATCHES)]))
