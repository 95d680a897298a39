"""Pictures of (lambda', beta): the pairs that the draws of a run chose, and the surface they chose on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analognn.plots import STYLES, tidy

Pair = tuple[float, float]
"""(lambda', beta)."""
_BLUE, _RED = STYLES[0][0], STYLES[5][0]
_LARGEST = 600.0
"""Area of the largest bubble [points^2]."""


def chosen_pairs(pairs: Sequence[Pair], lambda_primes: Sequence[float], betas: Sequence[float]) -> Figure:
    """How often each pair was chosen, as bubbles over the grid."""
    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    panel = figure.subplots()
    grid = np.array([(beta, lam) for lam in lambda_primes for beta in betas])
    panel.scatter(grid[:, 0], grid[:, 1], s=9, color="0.65")
    counts = Counter(pairs)
    most = max(counts.values())
    for (lam, beta), count in counts.items():
        panel.scatter(beta, lam, s=_LARGEST * count / most, color=_BLUE, alpha=0.45, linewidths=0)
        panel.annotate(str(count), (beta, lam), ha="center", va="center", fontsize=9)
    panel.margins(0.12)
    panel.set_xlabel("β [1 / weight]")
    panel.set_ylabel("λ'")
    tidy(panel)
    return figure


def surface(
    accuracy: Sequence[Sequence[float | None]], lambda_primes: Sequence[float], betas: Sequence[float], best: Pair
) -> Figure:
    """Accuracy on the validation examples over the grid with a ring at ``best``; None, outside the domain, is white."""
    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    panel = figure.subplots()
    heights = np.ma.masked_invalid(np.array(accuracy, dtype=np.float64))
    shown = panel.imshow(heights, origin="lower", aspect="auto", cmap="cividis")
    panel.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
    panel.set_yticks(range(len(lambda_primes)), [f"{lam:g}" for lam in lambda_primes])
    place = betas.index(best[1]), lambda_primes.index(best[0])
    panel.scatter(*place, marker="o", s=120, facecolors="none", edgecolors=_RED, linewidths=2.5)
    panel.set_xlabel("β [1 / weight]")
    panel.set_ylabel("λ'")
    figure.colorbar(shown, ax=panel, format=PercentFormatter(1.0, decimals=0), label="validation accuracy")
    return figure
