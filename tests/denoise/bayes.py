"""Independent references: the least mean squared error of any estimate, by numerical integration with NumPy."""

import math

import numpy as np
import torch

from analognn.channels import Received

GRID = 4001, 1201


def least_error(density, noise_var, *, span, offset=None):
    """E[Var[w | r]] for w ~ density(w) and r = w + offset(w) + z, z ~ N(0, noise_var or noise_var(w))."""
    w = np.linspace(*span, GRID[0])
    p = density(w)
    p = p / p.sum()
    var = noise_var(w) if callable(noise_var) else np.full_like(w, noise_var)
    at = w + (offset(w) if offset else 0.0)
    pad = 8 * math.sqrt(var.max())
    r = np.linspace(at.min() - pad, at.max() + pad, GRID[1])
    joint = p * np.exp(-((r[:, None] - at) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)
    evidence = np.maximum(joint.sum(1), 1e-300)
    mean = joint @ w / evidence
    return float(p @ w**2 - (evidence * mean**2).sum() * (r[1] - r[0]))


def draw(density, n, *, span, seed=0):
    """N samples of density [n], float64, by its inverse distribution."""
    w = np.linspace(*span, 200_001)
    cumulative = np.cumsum(density(w))
    u = torch.rand(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).numpy()
    return torch.from_numpy(np.interp(u, cumulative / cumulative[-1], w))


def noisy(w, noise_var, *, seed=1):
    """W through AWGN of variance noise_var, a number or one per value."""
    z = torch.randn(w.shape, generator=torch.Generator().manual_seed(seed), dtype=w.dtype)
    return Received(w + torch.as_tensor(noise_var, dtype=w.dtype).sqrt() * z, noise_var, "exact")


def assert_error(estimate, w, wanted, *, above=0.0):
    """The squared error is ``wanted`` within 4 standard errors, and at most ``above`` of it more."""
    squares = (estimate - w).square()
    mean, bound = float(squares.mean()), 4 * float(squares.std()) / math.sqrt(w.numel())
    assert wanted - bound <= mean <= wanted * (1 + above) + bound, (mean, wanted, bound)
