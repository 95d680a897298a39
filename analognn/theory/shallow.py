"""Theorem 5: MMSEpb in a shallow tanh network, approximation (31) beside the exact error by quadrature.

    y = sum_{i=1}^N v_i tanh(u_i x),   x ~ U(-c, c),   u_i, v_i ~ N(0, s_w^2)                                     (24)

    D = E[(y_hat - y)^2],   y_hat the network with every weight replaced by theta (w + z) + rho                   (26)

Exact, with U = theta (u + z) + rho and s^2 = s_w^2 + s_z^2, since v and u are independent:

    D = N E[(theta^2 s^2 + rho^2) tanh^2(U x) - 2 theta s_w^2 tanh(U x) tanh(u x) + s_w^2 tanh^2(u x)]
        + N (N - 1) rho^2 E_x[E[tanh(U x)]^2]

For small c, from tanh(a) = a - a^3 / 3 + ... with t = theta^2 s^2 and q = t + rho^2:

    D = N c^2 / 3 [q^2 + (N - 1) rho^4 - 2 theta^2 s_w^4 + s_w^4]
        - 2 N c^4 / 15 [q (3 t^2 + 6 t rho^2 + rho^4) - 3 theta^2 s_w^4 (s_w^2 + q) + 3 s_w^6
                        + (N - 1) rho^4 (rho^2 + 3 t)]

The first line is least at theta = s_w^2 / s^2, rho = 0: that is MMSE, with the gain 1 - (s_w^2 / s^2)^2 over ML. The
second moves the optimum to lambda' = -(3/10) c^2 s_w^2, outside the paper's domain lambda' >= 0 and whatever the noise:
in this network the population compensator does not help, all of the gain over ML is the shrinkage of MMSE.

Against print (Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", section IV-B and appendix B):

1. (31) lacks N c^2 s_z^4 theta^4 / 3: second-order Taylor in z, (39), drops the product of the noises of u_i and v_i,
   which is of order c^2 as well. So (31) does not become exact as c -> 0; for ML it falls short by the factor
   2 s_w^2 / (2 s_w^2 + s_z^2), .8 in the example. Near c = .4 the terms left out cancel by luck.
2. (31) has three terms in rho without c; in appendix B the square (theta^2 rho^2 s_w^2 + rho^4 / 3)^2 lost its factor
   E[x^6] = c^6 / 7. D must vanish with c, and off rho = 0 the printed surface is wrong by an order of magnitude.
3. Hence lambda* and the gain 2 s_z^2 / (s_w^2 + 2 s_z^2) of (32) are the optimum of (31), not of D.
4. The text gives the simulated errors .25 and .54 "of ML and MMSEpb, respectively": they are swapped.
5. A3 in (42) lacks the factor v_i.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from analognn.channels import checks
from analognn.theory import monte_carlo
from analognn.theory.estimator import ML, Affine, NoisyWeights, Optimum, mmse, temperatures
from analognn.theory.monte_carlo import Array, Simulation

_FIGURE_5 = NoisyWeights(1.0, 0.5)


@dataclass(frozen=True)
class Shallow:
    """The network of Definition 5 and the noise its weights meet; the defaults are Figure 5's.

    The paper does not say how many hidden neurons it took; with 10 its numbers come out.

    Args:
        weights: s_w^2 and s_z^2, zero mean.
        hidden: N >= 1.
        half_width: c > 0, at most 4 / sqrt(s_w^2 + s_z^2): beyond it the quadrature is not accurate any more.
    """

    weights: NoisyWeights = _FIGURE_5
    hidden: int = 10
    half_width: float = 0.4

    def __post_init__(self) -> None:
        checks.integer("Shallow", "hidden", self.hidden, ge=1)
        checks.real("Shallow", "half_width", self.half_width, gt=0, le=4 / math.sqrt(self.weights.received_var))
        if self.weights.mean != 0:
            raise ValueError(f"`Shallow(weights=...)` must have mean 0, as Theorem 5; got {self.weights.mean!r}.")


def expected_error(network: Shallow, theta: ArrayLike, rho: ArrayLike, *, order: int = 40) -> Array:
    """D(theta, rho), exact up to quadrature; arguments broadcast.

    Args:
        network: the network and its noise.
        theta: factor, |theta| of a few at most.
        rho: offset, in units of a weight.
        order: Gauss-Hermite nodes for u and for z each. For theta up to 1, 40 leave a relative error below 1e-9 up to
            c sqrt(s_w^2 + s_z^2) = .5, and 1e-3 at 4.

    >>> round(float(expected_error(Shallow(), 1.0, 0.0)), 4)
    0.5349
    """
    theta, rho = np.broadcast_arrays(np.asarray(theta, dtype=np.float64), np.asarray(rho, dtype=np.float64))
    rule = _Rule(network, order)
    values = [_error(network, rule, float(t), float(p)) for t, p in zip(theta.flat, rho.flat, strict=True)]
    return np.array(values).reshape(theta.shape)


def approximation(network: Shallow, theta: ArrayLike, rho: ArrayLike) -> Array:
    """(31) as printed, without psi(c^4): see points 1 and 2 above for what is wrong with it.

    >>> round(float(approximation(Shallow(), 1.0, 0.0)), 4)
    0.5333
    """
    t, p = np.square(np.asarray(theta, dtype=np.float64)), np.square(np.asarray(rho, dtype=np.float64))
    n, c2, var, s = network.hidden, network.half_width**2, network.weights.weight_var, network.weights.received_var
    with_c = var**2 * (t**2 - 2 * t + 1) + 2 * s * t * p + 2 * var * network.weights.noise_var * t**2 + n * p**2
    without_c = 2 / 3 * var * t * p**3 + var**2 * t**2 * p**2 + p**4 / 9
    return np.asarray(n * c2 / 3 * with_c + n * (n - 1) * without_c)


def series(network: Shallow, theta: ArrayLike, rho: ArrayLike, *, order: int = 2) -> Array:
    """(31) as it should read: D to order c^2 or c^4, exact as c -> 0.

    Args:
        network: the network and its noise.
        theta: factor.
        rho: offset, in units of a weight.
        order: 2 or 4.
    """
    checks.choice("series", "order", str(order), ("2", "4"))
    t2, p = np.square(np.asarray(theta, dtype=np.float64)), np.square(np.asarray(rho, dtype=np.float64))
    n, c2, var = network.hidden, network.half_width**2, network.weights.weight_var
    t = t2 * network.weights.received_var
    q = t + p
    second = n * c2 / 3 * (q**2 + (n - 1) * p**2 - 2 * t2 * var**2 + var**2)
    if order == 2:
        return np.asarray(second)
    same = q * (3 * t**2 + 6 * t * p + p**2) - 3 * t2 * var**2 * (var + q) + 3 * var**3
    return np.asarray(second - 2 * n * c2**2 / 15 * (same + (n - 1) * p**2 * (p + 3 * t)))


def theorem5(network: Shallow) -> Optimum:
    """lambda*, beta* = 0 and the gain (32) as printed: the optimum of (31) with the error (31) predicts.

    >>> theorem = theorem5(Shallow())
    >>> round(theorem.error, 3), round(theorem.gain, 3), round(theorem.temperatures.lambda_prime, 3)
    (0.267, 0.5, 0.172)
    """
    var, noise = network.weights.weight_var, network.weights.noise_var
    at = Affine(math.sqrt(var / (var + 2 * noise)), 0.0)
    gain = 2 * noise / (var + 2 * noise)
    return Optimum(temperatures(network.weights, at), at, float(approximation(network, at.theta, at.rho)), gain)


def small_input_lambda_prime(network: Shallow) -> float:
    """-(3/10) c^2 s_w^2: where the true optimum lies to first order in c^2, for any noise."""
    return -0.3 * network.half_width**2 * network.weights.weight_var


def optimum(network: Shallow, *, restricted: bool = True) -> Optimum:
    """The beta = 0 denoiser of least exact error; a bias raises the error (order c^2: every term in rho is >= 0).

    Args:
        network: the network and its noise.
        restricted: keep to the paper's domain lambda' >= 0; otherwise any theta > 0.

    >>> round(optimum(Shallow()).temperatures.lambda_prime, 6)
    0.0
    >>> round(optimum(Shallow(), restricted=False).temperatures.lambda_prime, 4)
    -0.0396
    """
    edge = mmse(network.weights).theta
    rule = _Rule(network, 40)
    low = edge if restricted else 1e-3 * edge
    found = minimize_scalar(
        lambda theta: _error(network, rule, theta, 0.0), bounds=(low, 1.5), method="bounded", options={"xatol": 1e-9}
    )
    # the bounded search never tries the bound itself
    theta, error = min(
        ((float(found.x), float(found.fun)), (low, _error(network, rule, low, 0.0))), key=lambda at: at[1]
    )
    at = Affine(theta, 0.0)
    return Optimum(temperatures(network.weights, at), at, error, 1 - error / _error(network, rule, ML.theta, ML.rho))


def simulate(
    network: Shallow, theta: ArrayLike, rho: ArrayLike, *, draws: int, generator: np.random.Generator
) -> Simulation:
    """D of K candidates by drawing x, w and z and running the network.

    Args:
        network: the network and its noise.
        theta: [K].
        rho: [K] or a scalar.
        draws: of (x, w, z).
        generator: source of the draws.
    """
    theta, rho = np.broadcast_arrays(np.asarray(theta, dtype=np.float64), np.asarray(rho, dtype=np.float64))
    sigma_w, sigma_z = math.sqrt(network.weights.weight_var), math.sqrt(network.weights.noise_var)

    def batch(count: int, generator: np.random.Generator) -> Array:
        shape = (count, network.hidden)
        x = generator.uniform(-network.half_width, network.half_width, (count, 1))
        u, v = generator.normal(0, sigma_w, shape), generator.normal(0, sigma_w, shape)
        noisy_u, noisy_v = u + generator.normal(0, sigma_z, shape), v + generator.normal(0, sigma_z, shape)
        y = (v * np.tanh(u * x)).sum(1)
        outputs = (((t * noisy_v + p) * np.tanh((t * noisy_u + p) * x)).sum(1) for t, p in zip(theta, rho, strict=True))
        return np.array([np.square(y_hat - y).mean() for y_hat in outputs])

    return monte_carlo.simulate(batch, draws=draws, generator=generator)


class _Rule:
    """Nodes and weights: u [n, 1], u + z [n, n] with weights [n, n], x [m, 1, 1] with weights [m]."""

    def __init__(self, network: Shallow, order: int) -> None:
        nodes, weights = hermegauss(order)
        inputs, self.of_x = leggauss(16)
        self.u = math.sqrt(network.weights.weight_var) * nodes[:, None]
        self.noisy_u = self.u + math.sqrt(network.weights.noise_var) * nodes
        self.of_u = np.outer(weights, weights) / weights.sum() ** 2
        self.x = network.half_width * (inputs[:, None, None] + 1) / 2  # every mean is even in x
        self.of_x = self.of_x / 2
        self.clean = np.tanh(self.u * self.x)


def _error(network: Shallow, rule: _Rule, theta: float, rho: float) -> float:
    var, n = network.weights.weight_var, network.hidden
    noisy = np.tanh((theta * rule.noisy_u + rho) * rule.x)
    square = (theta**2 * network.weights.received_var + rho**2) * noisy**2
    same = ((square - 2 * theta * var * noisy * rule.clean + var * rule.clean**2) * rule.of_u).sum((1, 2))
    apart = rho**2 * np.square((noisy * rule.of_u).sum((1, 2)))
    return float(rule.of_x @ (n * same + n * (n - 1) * apart))
