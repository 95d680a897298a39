"""Multiplicative Gaussian masks on the inputs, and what a two-layer ReLU network makes of them, exactly.

    x -> x * c,    c ~ N(1, kappa^2 I)                                                          the mask
    w^T (x * c) ~ N(z, s^2),    z = w^T x,    s = kappa ||w * x||
    E relu = z Phi(z/s) + s phi(z/s)                                                            smoothed ReLU
    z Phi(z/s)                                                                                  its proxy

For f(x) = a^T relu(W x), with h_j = z_j / s_j and r_jk the correlation of the pre-activations j and k under the mask:

    E 1/2 (f(x * c) - y)^2 = 1/2 (E f - y)^2 + 1/2 Var f,    Var f = sum_jk a_j a_k Cov_jk      smoothed loss + penalty
    Cov_jk = s_j s_k (r Phi(h_j) Phi(h_k) + int_0^r (r - t) phi_2(h_j, h_k; t) dt)

The last line is Price's theorem, d Cov / dr = s_j s_k Phi_2(h_j, h_k; r), integrated twice; phi_2 and Phi_2 are the
density and the distribution of two standard normals of correlation t.

After Kolomvaki, Liao, Dramko, Guang, Kyrillidis, arXiv 2602.17423. The proxy is s GELU(z/s): negative for z < 0, and
below the mean by s phi(z/s), which is of the order of s, not of higher order, where |z| is about s.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from analognn.channels import checks
from analognn.training.hooks import changed_inputs

NODES = 16
"""Gauss-Legendre nodes of a covariance: measured errors below 1e-12 s_j s_k up to |r| = .95, 2e-8 up to .9999."""
_FAR = 40.0
"""Standard deviations beyond which Phi and phi are 0 or 1 to the last bit."""


def masked(x: Tensor, kappa: float, *, generator: torch.Generator) -> Tensor:
    """``x`` * c with fresh c ~ N(1, kappa^2 I), independent for every value of ``x``.

    Args:
        x: any shape.
        kappa: standard deviation of the mask, >= 0.
        generator: on the device of ``x``.

    >>> masked(torch.tensor([2.0]), 0.0, generator=torch.Generator())
    tensor([2.])
    """
    checks.real("masked", "kappa", kappa, ge=0)
    return x * (1 + kappa * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device))


def masked_inputs(module: nn.Module, kappa: float, *, generator: torch.Generator) -> AbstractContextManager[None]:
    """While the block runs, ``module`` sees x * c with a fresh mask at every call.

    Args:
        module: its first argument gets the mask; a whole model or one layer.
        kappa: standard deviation of the mask, >= 0.
        generator: on the device of x.

    >>> layer, g = nn.Linear(3, 1), torch.Generator().manual_seed(0)
    >>> with masked_inputs(layer, 0.1, generator=g):
    ...     loss = layer(torch.ones(5, 3)).pow(2).mean()
    """
    checks.real("masked_inputs", "kappa", kappa, ge=0)
    return changed_inputs(module, lambda x: masked(x, kappa, generator=generator))


def smoothed_relu(z: Tensor, s: Tensor | float) -> Tensor:
    """E relu(N(z, s^2)) = z Phi(z/s) + s phi(z/s); relu(z) where s = 0. Differentiable by z and s.

    Args:
        z: mean.
        s: standard deviation >= 0, of a shape that broadcasts with ``z``.

    >>> smoothed_relu(torch.tensor([-1.0, 0.0, 1.0]), 1.0)
    tensor([0.0833, 0.3989, 1.0833])
    """
    h, s, sharp = _standardised("smoothed_relu", z, s)
    return torch.where(sharp, torch.relu(z), z * _cdf(h) + s * _phi(h))


def smoothed_relu_proxy(z: Tensor, s: Tensor | float) -> Tensor:
    """The proxy z Phi(z/s) that the paper's proofs work with; arguments as :func:`smoothed_relu`.

    >>> smoothed_relu_proxy(torch.tensor([-1.0, 0.0, 1.0]), 1.0)
    tensor([-0.1587,  0.0000,  0.8413])
    """
    h, _, sharp = _standardised("smoothed_relu_proxy", z, s)
    return torch.where(sharp, torch.relu(z), z * _cdf(h))


def _standardised(owner: str, z: Tensor, s: Tensor | float) -> tuple[Tensor, Tensor, Tensor]:
    """The quotient z / s, s, and where the smoothed ReLU is relu(z) to the last bit.

    There s is replaced by 1: autograd would make NaN of a division by almost nothing even where it is not taken.
    """
    s = torch.as_tensor(s, dtype=z.dtype, device=z.device)
    if bool((s < 0).any()):
        raise ValueError(f"`{owner}(s=...)` must be >= 0, a standard deviation; the least is {float(s.min())!r}.")
    sharp = (z.abs() >= _FAR * s) | (s < math.sqrt(torch.finfo(z.dtype).tiny))
    s = torch.where(sharp, 1.0, s)
    return z / s, s, sharp


def _cdf(h: Tensor) -> Tensor:
    value: Tensor = torch.special.ndtr(h)
    return value


def _phi(h: Tensor) -> Tensor:
    return torch.exp(-h * h / 2) / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class TwoLayer:
    """f(x) = a^T relu(W x), with or without a mask.

    Args:
        hidden: W [m, d].
        output: a [m].
    """

    hidden: Tensor
    output: Tensor

    def __post_init__(self) -> None:
        if self.hidden.ndim != 2 or self.output.shape != self.hidden.shape[:1]:
            raise ValueError(
                f"`TwoLayer` needs hidden [m, d] and output [m]; got {list(self.hidden.shape)} and "
                f"{list(self.output.shape)}."
            )

    def __call__(self, x: Tensor) -> Tensor:
        """[n], of inputs [n, d]."""
        return torch.relu(x @ self.hidden.mT) @ self.output

    def under_mask(self, x: Tensor, kappa: float) -> tuple[Tensor, Tensor]:
        """Mean z and standard deviation s of the pre-activations, [n, m] each."""
        checks.real("TwoLayer", "kappa", kappa, ge=0)
        variance = x.square() @ self.hidden.square().mT
        # the slope of a root at 0 is infinite, and the neuron of an input without energy has none
        return x @ self.hidden.mT, kappa * torch.where(variance > 0, variance, 1.0).sqrt() * (variance > 0)

    def mean(self, x: Tensor, kappa: float) -> Tensor:
        """E f(x * c), [n]: the smoothed network."""
        return smoothed_relu(*self.under_mask(x, kappa)) @ self.output

    def variance(self, x: Tensor, kappa: float) -> Tensor:
        """Var f(x * c), [n]; costs memory for n m^2 values, so pass batches."""
        z, s = self.under_mask(x, kappa)
        silent = s == 0
        safe = torch.where(silent, 1.0, s)  # a neuron without noise: its weight below is 0
        h, weights = (z / safe).clamp(-_FAR, _FAR), self.output * s
        unit = x[:, None] * self.hidden * kappa / safe[..., None]
        i, j = torch.triu_indices(len(self.output), len(self.output), 1, device=x.device)
        covariance = relu_covariance(h[:, i], h[:, j], (unit @ unit.mT)[:, i, j])
        alone = (weights.square() * relu_variance(h)).sum(1)
        return alone + 2 * (weights[:, i] * weights[:, j] * covariance).sum(1)


@dataclass(frozen=True)
class ExpectedLoss:
    """Mean over examples of half the squared error under the mask, in its two parts.

    Args:
        smoothed: of the smoothed network.
        penalty: half the variance of the output.
    """

    smoothed: Tensor
    penalty: Tensor

    @property
    def total(self) -> Tensor:
        """The expected loss."""
        return self.smoothed + self.penalty


def expected_loss(network: TwoLayer, x: Tensor, y: Tensor, kappa: float) -> ExpectedLoss:
    """E mean 1/2 (f(x * c) - y)^2, exact up to quadrature; differentiable by the weights.

    Args:
        network: f.
        x: [n, d].
        y: [n].
        kappa: standard deviation of the mask, >= 0.

    >>> network = TwoLayer(torch.ones(1, 1), torch.ones(1))
    >>> expected_loss(network, torch.ones(1, 1), torch.ones(1), 0.1).total  # relu hardly matters: kappa^2 / 2
    tensor(0.0050)
    """
    if y.shape != x.shape[:1]:
        raise ValueError(f"`expected_loss` needs one target an example, y {list(x.shape[:1])}; got {list(y.shape)}.")
    smoothed = (network.mean(x, kappa) - y).square().mean() / 2
    return ExpectedLoss(smoothed, network.variance(x, kappa).mean() / 2)


def relu_variance(h: Tensor) -> Tensor:
    """Var relu(h + u) for standard normal u.

    >>> relu_variance(torch.zeros(1))  # 1/2 - 1/(2 pi)
    tensor([0.3408])
    """
    cdf, phi = _cdf(h), _phi(h)
    return (h * h + 1) * cdf + h * phi - (h * cdf + phi).square()


def relu_covariance(first: Tensor, second: Tensor, correlation: Tensor) -> Tensor:
    """Cov(relu(h + u), relu(k + v)) for standard normal u and v.

    Args:
        first: h.
        second: k, of a shape that broadcasts.
        correlation: r of u and v, in [-1, 1], likewise.

    >>> half, plenty = torch.tensor([0.5]), torch.tensor([9.0])
    >>> relu_covariance(plenty, plenty, half)  # far from the kink: r itself
    tensor([0.5000])
    """
    r = correlation.clamp(-1 + 1e-7, 1 - 1e-7)  # the slope of asin at 1 is infinite
    return r * _cdf(first) * _cdf(second) + _price(first, second, r)


def _price(first: Tensor, second: Tensor, r: Tensor) -> Tensor:
    """int_0^r (r - t) phi_2(h, k; t) dt with t = sin(angle), which takes the pole of the density at |t| = 1 away."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    end, square, product = torch.asin(r), (first * first + second * second) / 2, first * second
    total = torch.zeros_like(square * r)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        t = torch.sin(end * float(node))
        total = total + float(weight) * (r - t) * torch.exp((product * t - square) / (1 - t * t))
    return total * end / (2 * math.pi)
