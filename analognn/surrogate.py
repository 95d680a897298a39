"""Correct counts of candidates nobody has evaluated yet: a Gaussian process through each example's margin.

    correct(c) = sum_i [m_i(c) > 0],    m_i = (logit of the label - largest other logit) / norm of the centred logits
    m_i ~ GP(mean_i, s^2 k),    k Matern 5/2 over the candidates' coordinates,    P[right] = Phi(E[m_i] / sd[m_i])

The count jumps with the candidate but every margin moves smoothly, so the margins are interpolated and the indicator
is taken afterwards (Rasmussen, Williams, "Gaussian Processes for Machine Learning", eqs. 2.23-2.25; leave-one-out:
eqs. 5.12). All examples share the kernel, whose length scales have the largest likelihood of a fixed set, so the cost
is that of one small Cholesky factor per set.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

JITTER = 1e-4  # of the prior variance: what the kernel does not explain
LENGTH_SCALES = torch.tensor(
    list(itertools.product((0.3, 0.6, 1.2, 2.4), (0.03, 0.05, 0.08, 0.13, 0.2, 0.35))), dtype=torch.float64
)
"""[24, 2], in units of the coordinates, which lie in [0, 1]: the gain acts slowly, the offset fast."""


@dataclass(frozen=True)
class Forecast:
    """What is expected of every candidate.

    Args:
        right: [G, k], the probability that candidate c answers example i right.
        correct: [G], expected count.
        sd: [G], standard deviation of the count; calibrated on the candidates left out one at a time, since the
            errors of one candidate are not independent.
    """

    right: Tensor
    correct: Tensor
    sd: Tensor


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """[..., k, classes] and [k] to [..., k] in [-2, 2]; NaN and infinite logits count as -1, wrong.

    >>> margins(torch.tensor([[3.0, 1.0], [0.0, 2.0]]), torch.tensor([0, 0]))
    tensor([ 1.4142, -1.4142], dtype=torch.float64)
    """
    centred = logits.double() - logits.double().mean(-1, keepdim=True)
    centred = centred / centred.norm(dim=-1, keepdim=True).clamp_min(1e-300)
    index = labels.expand(logits.shape[:-1]).unsqueeze(-1)
    own = centred.gather(-1, index).squeeze(-1)
    other = centred.scatter(-1, index, -torch.inf).amax(-1)
    gap: Tensor = own - other
    return gap.nan_to_num(nan=-1.0)


def forecast(candidates: Tensor, evaluated: Tensor, seen: Tensor) -> Forecast:
    """The process given what was evaluated.

    Args:
        candidates: [G, 2], coordinates in [0, 1].
        evaluated: [N], indices of the evaluated ones.
        seen: [N, k], their margins.
    """
    points = candidates[evaluated]
    prior = seen.mean(0)
    scale, factor, alpha, variance = _fit(points, seen - prior)
    half = torch.linalg.solve_triangular(factor, _matern(points, candidates, scale), upper=False)
    sd = (variance * (1 - half.pow(2).sum(0)).clamp_min(JITTER)).sqrt()
    right = torch.special.ndtr((prior + half.T @ alpha) / sd[:, None])
    spread = _calibration(factor, alpha, variance, seen)
    return Forecast(right, right.sum(1), spread * _sd_of_count(right))


def _fit(points: Tensor, residuals: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Length scales, Cholesky factor L of the kernel, L^-1 residuals, and prior variance of the largest likelihood."""
    count = points.shape[0]
    kernels = _matern(points, points, LENGTH_SCALES.to(points))
    factors = torch.linalg.cholesky(kernels + JITTER * torch.eye(count).to(points))
    alphas = torch.linalg.solve_triangular(factors, residuals.expand(len(factors), -1, -1), upper=False)
    variances = alphas.pow(2).mean((1, 2)).clamp_min(1e-12)
    log_likelihood = -0.5 * count * variances.log() - factors.diagonal(dim1=1, dim2=2).log().sum(1)
    best = int(log_likelihood.argmax())
    return LENGTH_SCALES.to(points)[best], factors[best], alphas[best], variances[best]


def _calibration(factor: Tensor, alpha: Tensor, variance: Tensor, seen: Tensor) -> float:
    """Rms error of the leave-one-out counts in units of their standard deviation, at least one half."""
    inverse = torch.cholesky_inverse(factor)
    weights = torch.linalg.solve_triangular(factor.T, alpha, upper=True)
    diagonal = inverse.diagonal()[:, None]
    right = torch.special.ndtr((seen - weights / diagonal) / (variance / diagonal).sqrt())
    error = (seen > 0).sum(1) - right.sum(1)
    ratio = error / (_sd_of_count(right).pow(2) + 0.25).sqrt()  # a count is rounded: half a unit of its own
    return max(0.5, float(ratio.pow(2).mean().sqrt()))


def _sd_of_count(right: Tensor) -> Tensor:
    return (right * (1 - right)).sum(1).sqrt()


def _matern(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """[..., N, M] of [N, 2], [M, 2] and length scales [..., 2]."""
    a, b = a / scale.unsqueeze(-2), b / scale.unsqueeze(-2)
    distance = math.sqrt(5.0) * torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return (1 + distance + distance.pow(2) / 3) * torch.exp(-distance)
