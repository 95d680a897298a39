"""An estimate that is a function of each received value and its noise variance, over many values.

    w_hat_i = f(r_i, s_z,i^2),    f(r, 0) = r,    f(r, inf) = mu

In double precision, a chunk at a time, so that memory stays bounded. A costly f is tabulated: its correction f(r) - r
on a grid of r (and of log s_z^2 where that differs from value to value), linear in between. The correction is smooth on
the scale of s_z, so steps of s_z / 8 leave about s_z / 500.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from analognn.channels import Received

from .base import Prior

Estimate = Callable[[Tensor, Tensor], Tensor]
"""E[w | r] from r and s_z^2 > 0, both float64, of shapes that broadcast."""
CHUNK = 1 << 17
STEPS_PER_SIGMA = 8
NODES = (64, 2048)
"""Least and most nodes of a table in r."""
LEVELS = 16
"""Noise variances of a table, geometrically spaced, where they differ from value to value."""


def exactly(estimate: Estimate, received: Received, prior: Prior) -> Tensor:
    """``estimate`` of every value, in the shape, dtype and device of ``received.values``."""
    if (constant := _constant(received, prior)) is not None:
        return constant
    r = received.values.reshape(-1)
    noise_var = received.noise_var_per_value.reshape(-1)
    out = torch.empty_like(r)
    for part in chunks(r.numel()):
        variance = noise_var[part].double()
        usable = torch.where((variance > 0) & torch.isfinite(variance), variance, 1.0)
        out[part] = _limits(estimate(r[part].double(), usable).to(r), r[part], variance, prior)
    return out.reshape(received.values.shape)


def by_table(estimate: Estimate, received: Received, prior: Prior) -> Tensor:
    """The same through a table of the correction, at a cost that depends on ``estimate`` no more."""
    levels = noise_levels(received)
    if levels.numel() == 0:
        return exactly(estimate, received, prior)  # nothing to estimate: every value is noise-free or erased
    r = received.values.reshape(-1)
    noise_var = received.noise_var_per_value.reshape(-1)
    low, step, nodes = _grid(r, noise_var, levels)
    table = torch.stack([estimate(nodes, level.expand(nodes.shape)) - nodes for level in levels]).to(r)
    out = torch.empty_like(r)
    for part in chunks(r.numel()):
        values = r[part]
        place = ((values - low) / step).clamp_(0, nodes.numel() - 1.001)
        if levels.numel() == 1:
            out[part] = values + _lerp(table[0], place)
        else:
            out[part] = values + _between_levels(table, place, noise_var[part].double(), levels)
        if isinstance(received.noise_var, Tensor):
            out[part] = _limits(out[part], values, noise_var[part], prior)
    return out.reshape(received.values.shape)


def noise_levels(received: Received) -> Tensor:
    """The positive, finite noise variances [1 or 16] that stand for all; empty where there is none, or no value."""
    noise_var = torch.as_tensor(received.noise_var, device=received.values.device).double().reshape(-1)
    noisy = noise_var[(noise_var > 0) & torch.isfinite(noise_var)]
    if noisy.numel() == 0 or received.values.numel() == 0:
        return noisy[:0]
    low, high = noisy.aminmax()
    if bool(high <= low * (1 + 1e-6)):
        return noisy.mean().reshape(1)
    steps = torch.linspace(0, 1, LEVELS, dtype=torch.float64, device=noisy.device)
    return low * (high / low) ** steps


def nearest_level(noise_var: Tensor, levels: Tensor) -> Tensor:
    """Index of the level nearest to each variance."""
    return _level_place(noise_var, levels).round().long()


def chunks(n: int) -> list[slice]:
    """Parts of ``n`` values that together are all of them."""
    return [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]


def _constant(received: Received, prior: Prior) -> Tensor | None:
    """What one noise variance for all decides without an estimate: no noise, or nothing that arrived."""
    if isinstance(received.noise_var, Tensor) or 0 < received.noise_var < float("inf"):
        return None
    return received.values.clone() if received.noise_var == 0 else torch.full_like(received.values, prior.mean)


def _limits(estimate: Tensor, r: Tensor, noise_var: Tensor, prior: Prior) -> Tensor:
    estimate = torch.where(noise_var == 0, r, estimate)
    return estimate.masked_fill_(torch.isinf(noise_var), prior.mean)


def _grid(r: Tensor, noise_var: Tensor, levels: Tensor) -> tuple[float, float, Tensor]:
    """First node, step, and the nodes [R] of a table over all values that arrived."""
    low, high = span(r, noise_var)
    steps = (high - low) / float(levels[0]) ** 0.5 * STEPS_PER_SIGMA
    count = int(min(max(steps, NODES[0]), NODES[1]))
    nodes = torch.linspace(low, high, count, dtype=torch.float64, device=r.device)
    return low, (high - low) / (count - 1), nodes


def span(r: Tensor, noise_var: Tensor) -> tuple[float, float]:
    """Least and largest value that arrived, apart by something even if all are equal."""
    arrived = r if not bool(torch.isinf(noise_var).any()) else r[torch.isfinite(noise_var)]
    low, high = (float(end) for end in arrived.detach().aminmax())
    pad = 1e-3 * (high - low) or 1e-6 * max(abs(low), 1e-6)
    return low - pad, high + pad


def _lerp(row: Tensor, place: Tensor) -> Tensor:
    left = place.long()
    start = row[left]
    return start + (place - left) * (row[left + 1] - start)


def _level_place(noise_var: Tensor, levels: Tensor) -> Tensor:
    if levels.numel() == 1:
        return torch.zeros_like(noise_var)
    step = (levels[-1] / levels[0]).log() / (levels.numel() - 1)
    return ((noise_var / levels[0]).log() / step).clamp_(0, levels.numel() - 1)


def _between_levels(table: Tensor, place: Tensor, noise_var: Tensor, levels: Tensor) -> Tensor:
    """Linear in log s_z^2 too."""
    level = _level_place(noise_var, levels)
    below = level.long().clamp_max_(levels.numel() - 2)
    flat, start = table.reshape(-1), below * table.shape[1]
    low, high = _lerp(flat, start + place.double()), _lerp(flat, start + table.shape[1] + place.double())
    return (low + (level - below) * (high - low)).to(place)
