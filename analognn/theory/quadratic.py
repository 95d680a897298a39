"""Theorem 3: the best MMSEpb of a quadratic network, in closed form.

    y = (x - c e)^T W^2 (x - c e),   W = diag(w),   x_i ~ U(-1, 1),   w_i ~ N(0, s_w^2),   z_i ~ N(0, s_z^2)       (15)

    D = E[(y_hat - y)^2],   y_hat the network with w_hat = theta (w + z) + rho                                     (17)

With a_i = (x_i - c)^2, C1 = E[a^2] = c^4 + 2 c^2 + 1/5, C2 = E[a]^2 = (c^2 + 1/3)^2, C1' = 3 C1 d + C2 d (d - 1),
C2' = C1 d + C2 d (d - 1) and s^2 = s_w^2 + s_z^2:

    D = C1' (theta^4 s^4 - 2 theta^2 s_w^4 + 2 theta^2 rho^2 s^2 + s_w^4)
        + C2' (rho^4 - 2 theta^2 s_w^2 s_z^2 - 2 s_w^2 rho^2)                                                      (20)

Against print (Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", section IV-A and appendix A):

1. C2 is printed as (c^2 - 1/3)^2: the mean of (x - c)^2 is c^2 + 1/3. The expanded constants carry it on; right is
   C1' = (c^2 + 1/3)^2 d^2 + 2 (c^4 + 8/3 c^2 + 11/45) d and C2' = (c^2 + 1/3)^2 d^2 + 4/3 (c^2 + 1/15) d.
2. P4 is printed as a local minimum. det H(P4) = -64 C2' (C1' - C2') s_w^6 s_z^2 / s^2 < 0: a saddle. (The proof bounds
   a cross term u1 u2 from below as if it could not be negative.)
3. dD/drho is printed with (s_w^2 + s_z^2)^2 theta^2; it is s^2 theta^2 to the first power. The P's use the right one.
4. beta* = 0 is claimed for every noise. The proof compares P3 with P4 alone and forgets the edge lambda = 0 of the
   domain: when s_w^2 / s_z^2 < k / (1 + sqrt(k)), k = C2' / C1', the best denoiser is lambda = 0 and
   rho^2 = s_w^2 - s_w^4 / (k s^2), with two equal optima +-beta: see `optimum` and `breakdown_wnr`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analognn.channels import checks
from analognn.theory import monte_carlo
from analognn.theory.estimator import ML, Affine, NoisyWeights, Optimum, Temperatures, mmse, temperatures
from analognn.theory.monte_carlo import Array, Simulation

Kind = Literal["minimum", "maximum", "saddle"]
_FIGURE_3 = NoisyWeights(2.25, 1.0)


@dataclass(frozen=True)
class Quadratic:
    """The network of Definition 3 and the noise its weights meet; the defaults are Figure 3's.

    Args:
        weights: s_w^2 and s_z^2, zero mean.
        dim: d >= 1.
        shift: c.
    """

    weights: NoisyWeights = _FIGURE_3
    dim: int = 5
    shift: float = 0.1

    def __post_init__(self) -> None:
        checks.integer("Quadratic", "dim", self.dim, ge=1)
        checks.real("Quadratic", "shift", self.shift)
        if self.weights.mean != 0:
            raise ValueError(f"`Quadratic(weights=...)` must have mean 0, as Theorem 3; got {self.weights.mean!r}.")


@dataclass(frozen=True)
class Constants:
    """C1' and C2' of (18)."""

    c1: float
    c2: float


@dataclass(frozen=True)
class CriticalPoint:
    """A point where the gradient of D vanishes, D there, and what the Hessian makes of it."""

    name: str
    at: Affine
    error: float
    kind: Kind


def constants(network: Quadratic) -> Constants:
    """C1' and C2' with E[(x - c)^2] = c^2 + 1/3.

    >>> constants(Quadratic(dim=1, shift=0.0))
    Constants(c1=0.6000000000000001, c2=0.2)
    """
    return _constants(network, mean=network.shift**2 + 1 / 3)


def printed_constants(network: Quadratic) -> Constants:
    """C1' and C2' as printed below (18), with c^2 - 1/3: wrong, kept to show what the misprint costs."""
    return _constants(network, mean=network.shift**2 - 1 / 3)


def expected_error(network: Quadratic, theta: ArrayLike, rho: ArrayLike, of: Constants | None = None) -> Array:
    """D(theta, rho) by (20); arguments broadcast.

    Args:
        network: the network and its noise.
        theta: factor.
        rho: offset, in units of a weight.
        of: constants other than the right ones.

    >>> round(float(expected_error(Quadratic(), 1.0, 0.0)), 2)
    15.56
    """
    c, var, noise, s = of or constants(network), network.weights.weight_var, network.weights.noise_var, _s(network)
    t, p = np.square(np.asarray(theta, dtype=np.float64)), np.square(np.asarray(rho, dtype=np.float64))
    first = t**2 * s**2 - 2 * t * var**2 + 2 * t * p * s + var**2
    return np.asarray(c.c1 * first + c.c2 * (p**2 - 2 * t * var * noise - 2 * var * p))


def hessian(network: Quadratic, at: Affine) -> Array:
    """[2, 2], of D in (theta, rho), (35)."""
    c, var, noise, s = constants(network), network.weights.weight_var, network.weights.noise_var, _s(network)
    t, p = at.theta**2, at.rho**2
    across = 8 * c.c1 * s * at.theta * at.rho
    return np.array([
        [4 * (c.c1 * (3 * s**2 * t + s * p - var**2) - c.c2 * var * noise), across],
        [across, 4 * (c.c1 * s * t + c.c2 * (3 * p - var))],
    ])  # fmt: skip


def critical_points(network: Quadratic) -> tuple[CriticalPoint, ...]:
    """P1...P4 of (21) to (23) and what they are; D is even in theta and in rho, the mirror images behave alike."""
    ratio, var, s = _ratio(network), network.weights.weight_var, _s(network)
    sigma_z = math.sqrt(network.weights.noise_var)
    points = {
        "P1": Affine(0.0, 0.0),
        "P2": Affine(0.0, math.sqrt(var)),
        "P3": theorem3(network).estimator,
        "P4": Affine(math.sqrt(ratio * var) * sigma_z / s, var / math.sqrt(s)),
    }
    return tuple(
        CriticalPoint(name, at, float(expected_error(network, at.theta, at.rho)), _kind(hessian(network, at)))
        for name, at in points.items()
    )


def theorem3(network: Quadratic, of: Constants | None = None) -> Optimum:
    """The point P3, lambda* and beta* = 0 of (18), with the gain (19).

    The optimum above `breakdown_wnr`, and always the best denoiser of those with beta = 0.

    >>> theorem = theorem3(Quadratic())
    >>> round(theorem.error, 3), round(theorem.gain, 3)
    (6.447, 0.586)
    """
    c, var, noise, s = of or constants(network), network.weights.weight_var, network.weights.noise_var, _s(network)
    at = Affine(var / s * math.sqrt(1 + c.c2 * noise / (c.c1 * var)), 0.0)
    over_ml = 2 * c.c1 * var - 2 * c.c2 * var + c.c1 * noise
    gain = (2 * c.c1 * var - c.c2 * var + c.c1 * noise) ** 2 * noise / (c.c1 * s**2 * over_ml)
    return Optimum(temperatures(network.weights, at), at, float(expected_error(network, at.theta, at.rho, c)), gain)


def breakdown_wnr(network: Quadratic) -> float:
    """The s_w^2 / s_z^2, linear, below which Theorem 3's beta* = 0 is not the optimum: k / (1 + sqrt(k))."""
    ratio = _ratio(network)
    return ratio / (1 + math.sqrt(ratio))


def optimum(network: Quadratic) -> Optimum:
    """The (lambda' >= 0, beta >= 0) of least D: `theorem3` or, in more noise, the edge lambda = 0 with a bias.

    At fixed theta the best rho^2 is max(s_w^2 - s^2 theta^2 / k, 0). Where it is positive, D is concave in theta^2, so
    its least value lies at an end: the domain's edge theta = s_w^2 / s^2, or among the points with rho = 0.
    """
    theorem = theorem3(network)
    if network.weights.wnr >= breakdown_wnr(network):
        return theorem
    var, s = network.weights.weight_var, _s(network)
    rho = math.sqrt(var - var**2 / (_ratio(network) * s))
    at = Affine(mmse(network.weights).theta, rho)
    error = float(expected_error(network, at.theta, at.rho))
    edge = Temperatures(0.0, temperatures(network.weights, at).beta)
    return Optimum(edge, at, error, 1 - error / float(expected_error(network, ML.theta, ML.rho)))


def simulate(
    network: Quadratic, theta: ArrayLike, rho: ArrayLike, *, draws: int, generator: np.random.Generator
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

    def batch(count: int, generator: np.random.Generator) -> Array:
        shape = (count, network.dim)
        a = np.square(generator.uniform(-1, 1, shape) - network.shift)
        w = generator.normal(0, math.sqrt(network.weights.weight_var), shape)
        r = w + generator.normal(0, math.sqrt(network.weights.noise_var), shape)
        # sum_i a_i (theta r_i + rho)^2, multiplied out so that every candidate costs one line of arithmetic
        squares, products, sums, y = ((a * part).sum(1)[:, None] for part in (r * r, r, np.ones_like(r), w * w))
        y_hat = theta**2 * squares + 2 * theta * rho * products + rho**2 * sums
        return np.asarray(np.square(y_hat - y).mean(0), dtype=np.float64)

    return monte_carlo.simulate(batch, draws=draws, generator=generator)


def _constants(network: Quadratic, *, mean: float) -> Constants:
    c, d = network.shift, network.dim
    mean_square, square_mean = c**4 + 2 * c**2 + 1 / 5, mean**2
    pairs = square_mean * d * (d - 1)
    return Constants(3 * mean_square * d + pairs, mean_square * d + pairs)


def _ratio(network: Quadratic) -> float:
    c = constants(network)
    return c.c2 / c.c1


def _s(network: Quadratic) -> float:
    return network.weights.received_var


def _kind(matrix: Array) -> Kind:
    low, high = np.linalg.eigvalsh(matrix)
    if low < 0 < high:
        return "saddle"
    return "minimum" if low > 0 else "maximum"
