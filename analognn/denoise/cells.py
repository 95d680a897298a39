"""A prior of any shape, as a density that is constant in each of J cells, and its posterior mean under Gaussian noise.

    p(w) = p_j / (e_{j+1} - e_j)  in cell j,   r = w + o_j + z,   z ~ N(0, v_j)   (v_j = s_z^2, o_j = 0 for plain AWGN)
    a = (e_j + o_j - r) / sqrt(v_j),   b = (e_{j+1} + o_j - r) / sqrt(v_j)
    p(r | j)   = (Phi(b) - Phi(a)) / (e_{j+1} - e_j)
    E[w | r,j] = r - o_j + sqrt(v_j) (phi(a) - phi(b)) / (Phi(b) - Phi(a))
    E[w | r]   = sum_j p_j p(r | j) E[w | r,j] / sum_j p_j p(r | j)

Cells rather than atoms: as the noise vanishes the posterior mean tends to r instead of snapping to the grid. The p_j by
maximum likelihood are the nonparametric estimate of Kiefer and Wolfowitz on this grid [1, 2], found by EM.

[1] Kiefer, Wolfowitz, "Consistency of the maximum likelihood estimator in the presence of infinitely many incidental
    parameters", 1956.  [2] Jiang, Zhang, "General maximum likelihood empirical Bayes estimation of normal means", 2009.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .histogram import Histogram

ITERATIONS = 200
GAIN = 1e-3
"""EM stops when an iteration lifts the log-likelihood of all values by less [nat]. Stopping early regularises: from a
flat start the first iterations find the shape, the later ones the sampling noise."""


@dataclass(frozen=True)
class Cells:
    """A piecewise constant density.

    Args:
        edges: [J + 1], float64, ascending.
        log_mass: [J], log p_j up to a constant; -inf for an empty cell.
    """

    edges: Tensor
    log_mass: Tensor

    def mean(self, r: Tensor, noise_var: Tensor, offset: Tensor | None = None) -> Tensor:
        """E[w | r] of r [R]; ``noise_var`` per value [R], or per cell [1, J], and ``offset`` per cell [1, J]."""
        variance = noise_var[:, None] if noise_var.ndim == 1 else noise_var
        log_overlap, centre = overlap(self.edges, r, variance, offset)
        weight = log_overlap + self.log_mass - self.edges.diff().log()
        return (weight.softmax(1) * centre).sum(1)


def overlap(edges: Tensor, r: Tensor, variance: Tensor, offset: Tensor | None) -> tuple[Tensor, Tensor]:
    """log(Phi(b) - Phi(a)) and E[w | r, j], both [R, J]; exact to rounding however far r lies from the cell."""
    sigma = variance.sqrt()
    y = r[:, None] if offset is None else r[:, None] - offset
    if y.shape[1] == sigma.shape[1] == 1:  # neighbours share an edge
        x = (edges - y) / sigma
        tail = torch.special.log_ndtr(-x.abs())
        a, b, tail_a, tail_b = x[:, :-1], x[:, 1:], tail[:, :-1], tail[:, 1:]
    else:
        a, b = (edges[:-1] - y) / sigma, (edges[1:] - y) / sigma
        tail_a, tail_b = torch.special.log_ndtr(-a.abs()), torch.special.log_ndtr(-b.abs())
    near = torch.maximum(tail_a, tail_b)
    beside = near + torch.log1p(-torch.exp(torch.minimum(tail_a, tail_b) - near))
    around = torch.log1p(-(tail_a.exp() + tail_b.exp()))
    log_diff = torch.where((a < 0) & (b > 0), around, beside)
    log_diff = torch.maximum(log_diff, (b - a).log() + _log_phi(torch.maximum(a.abs(), b.abs())))  # a bound from below
    lean = torch.exp(_log_phi(a) - log_diff) - torch.exp(_log_phi(b) - log_diff)
    return log_diff, torch.minimum(torch.maximum(y + sigma * lean, edges[:-1]), edges[1:])


def _log_phi(x: Tensor) -> Tensor:
    return -0.5 * x.square() - 0.5 * math.log(2 * math.pi)


def fit(edges: Tensor, data: Histogram, variance: Tensor | None = None, offset: Tensor | None = None) -> Cells:
    """Maximum likelihood by EM from a flat start.

    Args:
        edges: [J + 1].
        data: the received values.
        variance: per cell [1, J]; else that of the data.
        offset: per cell [1, J], or none.
    """
    log_overlap, _ = overlap(edges, data.values, data.noise_var[:, None] if variance is None else variance, offset)
    log_likelihood = log_overlap - edges.diff().log()
    likelihood = torch.exp(log_likelihood - log_likelihood.amax(1, keepdim=True))
    mass = torch.full_like(edges[1:], 1 / (edges.numel() - 1))
    before = -math.inf
    for _ in range(ITERATIONS):
        evidence = likelihood @ mass
        score = float(data.share @ evidence.log()) * data.count
        if score - before < GAIN:
            break
        before, mass = score, mass * ((data.share / evidence) @ likelihood)
    return Cells(edges, mass.log())
