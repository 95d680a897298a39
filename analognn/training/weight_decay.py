"""Weight decay shrinks what the data does not see, and Gaussian noise on the inputs of a linear network does the same.

    E(w) = E_0 + b^T w + w^T H w / 2,    E'(w) = E(w) + tau/2 ||w||^2,    H u_i = l_i u_i

    u_i^T w~ = l_i / (l_i + tau) u_i^T w*            w* and w~ the minimisers of E and of E', by eigen-direction

    E_e[1/2 (y - w^T (x + e))^2] = 1/2 (y - w^T x)^2 + s^2/2 ||w||^2,    e ~ N(0, s^2 I)       so tau = s^2

After "Lab 4", exercise 3; Bishop, "Training with noise is equivalent to Tikhonov regularization" (1995) has what
becomes of it in other networks. Against print: w~ = d * w* holds for the components along the u_i, not for the weights
themselves, unless H is diagonal; tau = s^2 belongs to half the squared error: the mean squared error decays by 2 s^2.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from analognn.channels import checks
from analognn.training.hooks import changed_inputs


def shrinkage(eigenvalues: Tensor, tau: float) -> Tensor:
    """l_i / (l_i + tau), what is left of each component of w*.

    Args:
        eigenvalues: l_i > 0.
        tau: >= 0, in units of l_i.

    >>> shrinkage(torch.tensor([1.0, 3.0]), 1.0)
    tensor([0.5000, 0.7500])
    """
    checks.real("shrinkage", "tau", tau, ge=0)
    if not bool((eigenvalues > 0).all()):
        raise ValueError(f"`shrinkage` needs eigenvalues > 0 (a minimum); the least is {float(eigenvalues.min()):g}.")
    return eigenvalues / (eigenvalues + tau)


def decayed_minimiser(hessian: Tensor, minimiser: Tensor, tau: float) -> Tensor:
    """w~, the minimiser of E', from that of E.

    Args:
        hessian: H [d, d], symmetric, positive definite.
        minimiser: w* [d].
        tau: >= 0.

    >>> decayed_minimiser(torch.diag(torch.tensor([1.0, 3.0])), torch.tensor([4.0, 4.0]), 1.0)
    tensor([2., 3.])
    """
    if not torch.allclose(hessian, hessian.mT):
        raise ValueError("`decayed_minimiser(hessian=...)` must be symmetric; use (H + H^T) / 2, which has the same E.")
    eigenvalues, directions = torch.linalg.eigh(hessian)
    decayed: Tensor = directions @ (shrinkage(eigenvalues, tau) * (directions.mT @ minimiser))
    return decayed


def ridge(inputs: Tensor, targets: Tensor, tau: float) -> Tensor:
    """The w [d] that minimises mean 1/2 (y - w^T x)^2 + tau/2 ||w||^2 over inputs [n, d] and targets [n].

    >>> ridge(torch.eye(2), torch.tensor([1.0, 2.0]), 0.5)
    tensor([0.5000, 1.0000])
    """
    checks.real("ridge", "tau", tau, ge=0)
    hessian = inputs.mT @ inputs / len(inputs)
    decayed = hessian + tau * torch.eye(len(hessian)).to(hessian)
    weights: Tensor = torch.linalg.solve(decayed, inputs.mT @ targets / len(inputs))
    return weights


def noisy_inputs(module: nn.Module, noise_var: float, *, generator: torch.Generator) -> AbstractContextManager[None]:
    """While the block runs, ``module`` sees x + e with fresh e ~ N(0, noise_var I) at every call.

    Args:
        module: its first argument gets the noise; a whole model or one layer.
        noise_var: s^2 >= 0, in squared units of x.
        generator: on the device of x.

    >>> layer, g = nn.Linear(3, 1), torch.Generator().manual_seed(0)
    >>> with noisy_inputs(layer, 0.1, generator=g):
    ...     loss = layer(torch.ones(5, 3)).pow(2).mean()
    """
    checks.real("noisy_inputs", "noise_var", noise_var, ge=0)

    sigma = math.sqrt(noise_var)

    def noisy(x: Tensor) -> Tensor:
        return x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)

    return changed_inputs(module, noisy)
