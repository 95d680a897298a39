"""Sums over the air: the level that all devices can reach, and what a sum is worth where a part of it is missing.

    rho = min_m G_m a^2 / (sigma_m^2 q_m)                             symbols s_m = (w_m - mu_m) / (sqrt(2) a)

Each device's average power is rho sigma_m^2 q_m / (a^2 G_m) <= 1, with q_m its mean inverse channel gain and G_m its
path gain. The device for which this is dearest sets rho: little path gain, a bad channel, or large weights.

Let the sum of the devices A that were active arrive with the mean gain g = exp(-V / 2) of imperfect synchronisation
(:mod:`analognn.channels.synchronisation`). With v = sum_m sigma_m^2, v_A the sum over A, beta = v_A / v, and the
weights of different devices uncorrelated, unit gain asks for the factor 1 / (beta g), and the error has the variance

    thermal noise_var / (beta g)^2   +   synchronisation (exp(V) - 1) v / beta   +   truncation (1 / beta - 1) v

For equal deviations that divides by the count of active devices. To add up what arrives and leave it there is the MMSE
estimate without thermal noise (times beta): a denoiser that gets the variance per element finds it by itself. Where the
weights of any two devices have the correlation c, the truncation is 1 - c of the above (equal deviations).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

MIN_GAIN = 1e-3
"""Least mean gain that is made up for; below, a sum is given up (its error would be 60 dB above it)."""


def common_level(inverse_gain: Tensor, sigma: Tensor, path_gain: Tensor) -> float:
    """rho, with a the largest ``sigma``.

    Args:
        inverse_gain: [k], q_m = mean_i(active_i / |h_m,i|^2); 0 for a device that is never active.
        sigma: [k], deviation of the weights, > 0.
        path_gain: [k], G_m > 0, linear.

    Returns:
        rho > 0; 1 where no device is ever active (nothing is sent).

    >>> common_level(torch.tensor([1.0, 1.0]), torch.tensor([0.1, 0.2]), torch.tensor([1.0, 0.5]))
    0.5
    """
    cost = inverse_gain * (sigma / sigma.max()).square() / path_gain
    dearest = float(cost.max())
    return 1 / dearest if dearest > 0 else 1.0


class Reading(NamedTuple):
    """How to read a sum: the factor to unit gain, and the parts of the variance that results, each [n].

    A sum that is given up has the factor 0 and infinite parts.
    """

    factor: Tensor
    thermal: Tensor
    csi: Tensor
    truncation: Tensor


def read(share: Tensor, phase_var: Tensor, *, var: float, noise_var: float) -> Reading:
    """Unit gain for sums with a part missing.

    Args:
        share: [n], beta = v_A / v, 0 to 1.
        phase_var: [n] or [1], V, variance of each device's phase [rad^2].
        var: v, variance of the full sum per real weight.
        noise_var: receiver noise per real weight, before the factor.

    >>> [float(part) for part in read(torch.tensor([0.5]), torch.tensor([0.0]), var=1.0, noise_var=0.1)]
    [2.0, 0.4..., 0.0, 1.0]
    """
    lost = (share == 0) | (phase_var > -2 * math.log(MIN_GAIN))
    inverse = share.reciprocal()
    spread = phase_var.exp()
    parts = (noise_var * inverse.square() * spread, var * inverse * (spread - 1), var * (inverse - 1))
    thermal, csi, truncation = (torch.where(lost, math.inf, part) for part in parts)
    return Reading(torch.where(lost, 0.0, inverse * spread.sqrt()), thermal, csi, truncation)
