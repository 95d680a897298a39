"""Empirical Bayes without a family: the prior itself is estimated from the received values.

    p_hat = argmax_p  sum_i log int p(w) N(r_i; w, s_z,i^2) dw,     w_hat_i = E[w | r_i] under p_hat

Robbins' empirical Bayes by the nonparametric maximum likelihood estimate (:mod:`.cells`). See Jiang, Zhang, "General
maximum likelihood empirical Bayes estimation of normal means", Annals of Statistics 2009; Efron, "Bayes, oracle Bayes
and empirical Bayes", Statistical Science 2019 (g-modelling).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from analognn.channels import Received

from .base import Budget, Prior
from .cells import Cells, fit
from .histogram import BINS, BINS_PER_SIGMA, Histogram, histogram
from .pointwise import by_table, exactly


@dataclass(frozen=True)
class Npmle:
    """Posterior mean under the nonparametric maximum likelihood prior: the best shape for any weights, learned blind.

    It needs some hundred values; of the prior it uses only the mean, for values that were erased. It takes the stated
    noise at its word: where the variance depends on the weight (PCM, ReRAM) it deconvolves too much in one place and
    too little in another, and does worse than ML; :class:`StateDependent` is for those media.

    >>> g = torch.Generator().manual_seed(0)
    >>> w = torch.randint(2, (2000,), generator=g) * 2.0 - 1  # binary weights: shrinkage alone could not know
    >>> received = Received(w + 0.5 * torch.randn(2000, generator=g), noise_var=0.25, source="exact")
    >>> float((Npmle()(received, Prior.from_received(received)) - w).square().mean()) < 0.06
    True
    """

    budget: ClassVar[Budget] = "none"

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        data = histogram(received)
        if data is None:
            return exactly(lambda r, _: r, received, prior)
        return by_table(prior_of(data).mean, received, prior)


def prior_of(data: Histogram) -> Cells:
    """The estimated prior over the range of the received values."""
    low, high = data.span
    sigma = float(data.noise_var.min()) ** 0.5
    count = int(min(max((high - low) / sigma * BINS_PER_SIGMA, BINS[0]), BINS[1] // 2))
    return fit(torch.linspace(low, high, count + 1, dtype=torch.float64, device=data.values.device), data)
