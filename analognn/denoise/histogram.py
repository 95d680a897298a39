"""Received values as counts by value and noise variance: what a prior is fitted to, however many weights there are.

Bins are a sixth of the noise's standard deviation wide, which adds (1/6)^2 / 12 = 0.2 % to its variance; that is
accounted for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from analognn.channels import Received

from .pointwise import LEVELS, chunks, nearest_level, noise_levels, span

BINS_PER_SIGMA = 6
BINS = (32, 1024)
"""Least and most bins; with noise that differs from value to value the most are shared by its levels."""
BINS_BY_LEVELS = 4096


@dataclass(frozen=True)
class Histogram:
    """Non-empty bins of received values, float64.

    Args:
        values: [B], centres.
        noise_var: [B], of the values in each, > 0, the width of the bin included.
        share: [B], of all values that arrived with noise; they sum to 1.
        count: how many those were.
        span: least and largest value.
    """

    values: Tensor
    noise_var: Tensor
    share: Tensor
    count: int
    span: tuple[float, float]


def histogram(received: Received) -> Histogram | None:
    """Of the values that arrived with noise; None where there are none."""
    levels = noise_levels(received)
    if levels.numel() == 0:
        return None
    r, noise_var = received.values.detach().reshape(-1), received.noise_var_per_value.reshape(-1)
    low, high = span(r, noise_var)
    most = BINS[1] if levels.numel() == 1 else BINS_BY_LEVELS // LEVELS
    bins = int(min(max((high - low) / float(levels[0]) ** 0.5 * BINS_PER_SIGMA, BINS[0]), most))
    width = (high - low) / bins
    counts = torch.zeros(levels.numel() * bins, dtype=torch.long, device=r.device)
    for part in chunks(r.numel()):
        variance = noise_var[part].double()
        noisy = (variance > 0) & torch.isfinite(variance)
        column = ((r[part][noisy].double() - low) / width).long().clamp_(0, bins - 1)
        counts += torch.bincount(nearest_level(variance[noisy], levels) * bins + column, minlength=counts.numel())
    filled = counts.nonzero().squeeze(1)
    total = int(counts.sum())
    return Histogram(
        values=low + (filled % bins + 0.5) * width,
        noise_var=levels[filled // bins] + width**2 / 12,
        share=counts[filled].double() / total,
        count=total,
        span=(low, high),
    )
