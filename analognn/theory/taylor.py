"""Lemma 4: the expected output of the denoised tanh network, second-order Taylor in the noise beside the exact value.

    E_z y_hat = sum_i (theta v_i + rho) E_z tanh((theta (u_i + z) + rho) x)                                     exact

              ~ sum_i (theta v_i + rho) [tanh a_i + s_z^2 theta^2 x^2 (tanh^3 a_i - tanh a_i)],                   (27)

    a_i = (theta u_i + rho) x

The remainder is sum_i (theta v_i + rho) s_z^4 theta^4 x^4 / 8 tanh''''(a_i) and higher: halving s_z^2 divides it by 4.

Against print (Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", section IV-B): in the definition of g'' the
argument of tanh^3 reads (a u_i x + b x) for (theta u_i x + rho x), and the terms that vanish in the proof are the odd
ones. The lemma holds; what fails is the same step for E_z y_hat^2, (39), which needs the product of two noises (see
`shallow`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike

from analognn.theory.estimator import Affine
from analognn.theory.monte_carlo import Array


def expected_output(u: ArrayLike, v: ArrayLike, x: float, *, noise_var: float, estimator: Affine) -> float:
    """E_z y_hat by Gauss-Hermite quadrature.

    Args:
        u: weights between input and hidden neurons, [N].
        v: weights between hidden and output neurons, [N].
        x: input.
        noise_var: s_z^2, per weight.
        estimator: theta and rho.
    """
    nodes, weights = hermegauss(60)
    noisy = np.asarray(u, dtype=np.float64)[:, None] + math.sqrt(noise_var) * nodes
    hidden = np.tanh((estimator.theta * noisy + estimator.rho) * x) @ (weights / weights.sum())
    return float(_outer(v, estimator) @ hidden)


def approximate_output(u: ArrayLike, v: ArrayLike, x: float, *, noise_var: float, estimator: Affine) -> float:
    """E_z y_hat by (27); arguments as of :func:`expected_output`.

    >>> estimator = Affine(theta=0.8)
    >>> exact = expected_output([1.0, -2.0], [0.5, 1.0], 0.3, noise_var=0.1, estimator=estimator)
    >>> abs(approximate_output([1.0, -2.0], [0.5, 1.0], 0.3, noise_var=0.1, estimator=estimator) - exact) < 1e-4
    True
    """
    g = np.tanh((estimator.theta * np.asarray(u, dtype=np.float64) + estimator.rho) * x)
    return float(_outer(v, estimator) @ (g + noise_var * (estimator.theta * x) ** 2 * (g**3 - g)))


def _outer(v: ArrayLike, estimator: Affine) -> Array:
    return np.asarray(estimator.theta * np.asarray(v, dtype=np.float64) + estimator.rho)
