"""Wiener filter of kernels: neighbouring taps of a trained convolution are alike, and rows and columns differ in size.

    R [out, in, K] = W + Z,   K taps of a kernel;   C = mean over (o, i) of (r_oi - mu)(r_oi - mu)^T = U diag(l) U^T
    x = U^T (r_oi - mu)                     the taps decorrelated, as a cosine transform does for smooth kernels
    v_oik = a_ok b_ik / t_k,  t_k = l_k - s^2,  a_ok = mean_i x^2 - s^2,  b_ik = mean_o x^2 - s^2
    w_hat_oi = mu + U (v / (v + s^2) x)

C and the variances a, b come from the received values alone. a and b are drawn towards t by as much of their scatter as
sampling explains (2 (t + s^2)^2 / n, empirical Bayes), and left out over fewer than 8 values. With one tap (a linear
layer) this is MMSE with a variance for each weight, separable in rows and columns. See Pratt, "Generalized Wiener
filtering computation techniques", 1972; Werner, Jansson, Stoica, "On estimation of covariance matrices with Kronecker
product structure", 2008.

A smaller error is not a better network: what this removes is rough kernels, which smooth images hardly excite, and as
every shrinkage it leaves batch norms with statistics of larger weights. Re-calibrate after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from analognn.channels import Received

from .base import Budget, Prior
from .pointwise import exactly
from .singular import centred_matrix, replace_noisy

LEAST = 8
"""Values that a row's or a column's own variance needs."""
FLOOR = 0.02
"""Least variance of a row or a column, in units of the mean."""


@dataclass(frozen=True)
class KernelWiener:
    """Linear MMSE estimate with the covariance of the taps and the variance of rows and columns, all blind.

    Give it a tensor in its own shape [out, in, taps...]; a matrix [out, in] has one tap. Noise that differs from value
    to value counts by its mean.

    >>> g = torch.Generator().manual_seed(0)
    >>> w = torch.randn(32, 16, 1, generator=g).expand(-1, -1, 9)  # kernels that average
    >>> received = Received(w + torch.randn(w.shape, generator=g), noise_var=1.0, source="exact")
    >>> (KernelWiener()(received, Prior(mean=0.0, var=1.0)) - w).square().mean() < 0.15  # MMSE of single weights: 0.5
    tensor(True)
    """

    budget: ClassVar[Budget] = "none"

    def __call__(self, received: Received, prior: Prior) -> Tensor:
        """See :class:`Denoiser`."""
        matrix, sigma = centred_matrix(received, prior)
        if sigma == 0:
            return exactly(lambda r, _: r, received, prior)
        inputs = received.values.shape[1] if received.values.ndim > 2 else matrix.shape[1]
        kernels = matrix.reshape(matrix.shape[0], inputs, -1)
        flat = kernels.reshape(-1, kernels.shape[2])
        _, basis = torch.linalg.eigh(flat.T @ flat)
        x = kernels @ basis
        var = signal_var(x, sigma**2)
        return replace_noisy(received, prior, prior.mean + (x * (var / (var + sigma**2))) @ basis.T)


def signal_var(x: Tensor, noise_var: float) -> Tensor:
    """V [out, in, K] of decorrelated taps, or what broadcasts to it."""
    squares = x.square()
    mean = squares.mean((0, 1), keepdim=True)
    total = (mean - noise_var).clamp_min(0)
    var = total
    for axis in (0, 1):
        count = x.shape[1 - axis]
        if count >= LEAST and x.shape[axis] > 1:
            own = squares.mean(1 - axis, keepdim=True) - noise_var
            scatter = (own - total).square().mean((0, 1), keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
            real = (1 - 2 * mean.square() / count / scatter).clamp_min(0)
            own = torch.maximum(total + real * (own - total), FLOOR * total)
            var = var * torch.where(total > 0, own / total, 1.0)
    return var
