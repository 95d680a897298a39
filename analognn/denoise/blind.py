"""Mean and variance of weights that are seen only under noise of unequal variance.

    r_i = w_i + z_i,   Var[z_i] = v_i:      mu = sum a_i r_i / sum a_i
                                            s_w^2 = sum b_i ((r_i - mu)^2 - v_i) / sum b_i

E[(r_i - mu)^2 - v_i] = s_w^2 for every i, so any weights b are unbiased. Two choices:

    plain      a_i = b_i = 1                                  standard error^2  2 mean((s_w^2 + v_i)^2) / n
    weighted   a_i = 1 / (s_w^2 + v_i),  b_i = a_i^2          standard error^2  2 / sum b_i

The plain moments ask nothing of the weights. One value in a deep fade drowns them. The weighted ones solve the
likelihood equations of a Gaussian model, as meta-analysis does for studies of unequal precision (Paule, Mandel,
"Consensus values and weighting factors", 1982; DerSimonian, Laird 1986; iterated as in Hardy, Thompson, "A likelihood
approach to meta-analysis with random effects", 1996), but they take for granted that the noise has nothing to do with
the weight. That holds for a radio link and not for a crossbar, where large weights are the noisier ones.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

ACCURATE = 0.1
"""Relative standard error at which the plain variance is good enough."""
GAIN = 3.0
"""Factor by which the weighted standard error must be smaller to be worth its assumption."""
ITERATIONS, TOLERANCE = 50, 1e-4


class Moments(NamedTuple):
    """Mean, variance (below zero where noise outweighs it) and the standard error of the variance."""

    mean: float
    var: float
    var_error: float


def blind_moments(values: Tensor, noise_var: Tensor) -> Moments:
    """Plain moments, or weighted ones where unequal noise has drowned the plain ones.

    Args:
        values: r [n], float64, n >= 1.
        noise_var: v [n], float64, finite; one number for all may be an expanded view, of which no copy is made.

    >>> import torch
    >>> v = torch.tensor([0.1, 0.1, 0.1, 1e6], dtype=torch.float64)
    >>> r = torch.tensor([-1.0, 0.0, 1.0, 3e3], dtype=torch.float64)
    >>> plain, blind = plain_moments(r, v), blind_moments(r, v)
    >>> round(plain.var), round(blind.mean, 3), round(blind.var, 2)
    (1437500, 0.001, 0.57)
    """
    plain = plain_moments(values, noise_var)
    if _alike(noise_var):
        return plain
    weighted = weighted_moments(values, noise_var)
    known = max(weighted.var, 0.0)
    plain_error = _plain_error(noise_var, known)
    return weighted if plain_error > max(ACCURATE * known, GAIN * weighted.var_error) else plain


def plain_moments(values: Tensor, noise_var: Tensor) -> Moments:
    """Every value counts alike; see :func:`blind_moments`."""
    var = float(values.var(correction=0)) - float(noise_var.mean())
    return Moments(float(values.mean()), var, _plain_error(noise_var, max(var, 0.0)))


def weighted_moments(values: Tensor, noise_var: Tensor) -> Moments:
    """Every value counts by its precision; see :func:`blind_moments`.

    The iteration starts from the median square, which a minority of noisy values leaves alone, and settles within a few
    steps, as the right side of the equation hardly depends on the s_w^2 in the weights. Stopped early it is unbiased
    all the same.
    """
    middle = float((values - values.median()).square().median())
    start = middle or float(values.var(correction=0)) or 1.0
    floor, guess = 1e-9 * start, start  # keeps noise-free values from a weight of 1 / 0
    for _ in range(ITERATIONS):
        precision = 1 / (guess + noise_var)
        mean = float((precision * values).sum() / precision.sum())
        b = precision.square()
        var = float((b * ((values - mean).square() - noise_var)).sum() / b.sum())
        settled = abs(max(var, floor) - guess) <= TOLERANCE * guess
        guess = max(var, floor)
        if settled:
            break
    return Moments(mean, var, math.sqrt(2 / float(b.sum())))


def _plain_error(noise_var: Tensor, var: float) -> float:
    some = noise_var[:1] if _alike(noise_var) else noise_var
    return math.sqrt(2 * float((var + some).square().mean()) / noise_var.numel())


def _alike(noise_var: Tensor) -> bool:
    least, largest = noise_var.aminmax()
    return bool(least == largest)
