"""Truncated channel inversion: the transmitter undoes the channel where it is strong enough, and is silent elsewhere.

    active_i: |h_i|^2 >= threshold E|h|^2           p_i = sqrt(rho) conj(h_i) / |h_i|^2,   0 where not active
    rho = P / mean_i(active_i / |h_i|^2)            mean over all positions, silent ones included: average power P
    y_i = h_i p_i s_i + n_i = sqrt(rho) s_i + n_i   on active positions: AWGN with Es/N0 = rho / no

Goldsmith, Varaiya, "Capacity of Fading Channels with Channel Side Information", IEEE Trans. IT 1997 (the policy); Zhu,
Wang, Huang, "Broadband Analog Aggregation for Low-Latency Federated Edge Learning", IEEE TWC 2020 (analog symbols).
With Rayleigh fading the outage is 1 - exp(-threshold) and rho / (P E|h|^2) -> 1 / E1(threshold), E1 the exponential
integral. Threshold 0 is full inversion: with Rayleigh fading E1(0) is infinite, so there is no mean power to meet, and
rho wanders from one realisation to the next with no limit; choose a threshold > 0 for a repeatable result.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def active_positions(h: Tensor, *, threshold: float, mean_power: float = 1.0) -> Tensor:
    """Where the channel is strong enough to be inverted.

    Args:
        h: [...], complex channel gains.
        threshold: least |h|^2 relative to ``mean_power``, >= 0 (linear). 0 inverts every channel that is not 0.
        mean_power: E|h|^2 of the channel model (not of this realisation, so that the decision on one position does not
            depend on the others).

    Returns:
        [...], bool.

    >>> active_positions(torch.tensor([0.1 + 0j, 1 + 1j]), threshold=0.1)
    tensor([False,  True])
    """
    power = _power(h)
    return (power >= threshold * mean_power) & (power > 0)


def inverse(h: Tensor, active: Tensor) -> Tensor:
    """conj(h) / |h|^2 on active positions, 0 elsewhere: the precoder before its power is set.

    Args:
        h: [...], complex channel gains.
        active: [...], bool.

    >>> inverse(torch.tensor([2j, 0j]), torch.tensor([True, False])).tolist()
    [-0.5j, 0j]
    """
    return torch.where(active, h.reciprocal(), 0)


def power_scale(precoder: Tensor, *, power: float = 1.0) -> float:
    """rho: the factor on |precoder|^2 that makes the average power over all positions equal to ``power``.

    Args:
        precoder: [...], complex, as :func:`inverse` returns it: every position counts, silent ones too.
        power: P, per position, in units of the average energy of a symbol.

    Returns:
        rho >= 0; inf where every position is silent.

    >>> power_scale(torch.tensor([2 + 0j, 0j]))
    0.5
    """
    mean = float(_power(precoder).mean(dtype=torch.float64))
    return power / mean if mean > 0 else math.inf


def _power(z: Tensor) -> Tensor:
    return z.real.square() + z.imag.square()
