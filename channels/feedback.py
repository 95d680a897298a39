"""Quantised feedback of a channel, and the conditional mean that both ends make of it.

    Re h, Im h ~ N(0, 1/2), each in one of 2^bits cells of equal width over +-RANGE standard deviations, outermost open
    h_hat = E[h | cells],    err_var = Var[Re h | cell] + Var[Im h | cell]

Max, "Quantizing for minimum distortion", IRE Trans. IT 1960 (a cell is best represented by its centroid).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RANGE = 3.0
"""Of the cells, in standard deviations of a real part."""

MAX_BITS = 12
"""Beyond it the moments of a cell drown in rounding."""


def quantise(h: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """What of h ~ CN(0, 1) a uniform quantiser of each real part leaves: its conditional mean and variance.

    Args:
        h: [...], complex.
        bits: per real part; 2^bits cells of equal width over +-RANGE standard deviations, the outermost ones
            open.

    Returns:
        h_hat [...], complex, and err_var [...], real.
    """
    means, variances = (table.to(h.real) for table in cells(bits))
    width = 2 * RANGE / 2**bits
    parts = torch.view_as_real(h) * math.sqrt(2)  # of variance 1
    cell = ((parts + RANGE) / width).floor().clamp(0, 2**bits - 1).long()
    h_hat = torch.view_as_complex(means[cell] / math.sqrt(2))
    return h_hat, variances[cell].sum(-1) / 2


def cells(bits: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of N(0, 1) in each of the 2^bits cells, float64.

    With the standard density f and distribution F: P = F(b) - F(a), mean = (f(a) - f(b)) / P, variance =
    1 + (a f(a) - b f(b)) / P - mean^2.

    >>> cells(1)[0].round(decimals=4)
    tensor([-0.7979,  0.7979], dtype=torch.float64)
    """
    edges = torch.linspace(-RANGE, RANGE, 2**bits + 1, dtype=torch.float64)
    edges[0], edges[-1] = -math.inf, math.inf
    density = torch.exp(-edges.square() / 2) / math.sqrt(2 * math.pi)
    p = torch.special.ndtr(edges).diff()
    mean = -density.diff() / p
    tail = torch.where(edges.isinf(), 0, edges * density)
    return mean, 1 - tail.diff() / p - mean.square()
