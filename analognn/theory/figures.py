"""What Figures 3, 5 and 6 of the paper show, computed: surfaces, cuts, and simulated points over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from analognn.theory import quadratic, shallow
from analognn.theory.estimator import ML, Affine, Temperatures, affine, mmse
from analognn.theory.monte_carlo import Array
from analognn.theory.quadratic import Quadratic
from analognn.theory.shallow import Shallow


@dataclass(frozen=True, eq=False)
class Cut:
    """Theory along one parameter, and simulated points over it.

    Args:
        x: [X].
        exact: [X], the expected error.
        printed: [X], the same by the formula as printed.
        at: [K], where the simulated points lie.
        theory: [K], ``exact`` there.
        mean: [K], simulated.
        standard_error: [K], of ``mean``.
    """

    x: Array
    exact: Array
    printed: Array
    at: Array
    theory: Array
    mean: Array
    standard_error: Array


@dataclass(frozen=True, eq=False)
class Figure3:
    """Theorem 3: D over (theta, rho), its critical points, and the cut rho = 0.

    Args:
        network: the quadratic network.
        theta: [T].
        rho: [R].
        surface: [R, T].
        points: P1...P4.
        named: ml, mmse, mmsepb (P3) and, where that is another, best (the optimum in the domain).
        errors: D of each.
        cut: along theta >= 0; its first three points are ml, mmse and mmsepb.
    """

    network: Quadratic
    theta: Array
    rho: Array
    surface: Array
    points: tuple[quadratic.CriticalPoint, ...]
    named: dict[str, Affine]
    errors: dict[str, float]
    cut: Cut


@dataclass(frozen=True, eq=False)
class Figure5:
    """Theorem 5: D over (theta, rho), exact and by (31), and three cuts.

    Args:
        network: the tanh network.
        theta: [T].
        rho: [R].
        exact: [R, T].
        printed: [R, T], (31).
        named: ml, mmse, mmsepb (Theorem 5's lambda*) and best (any lambda').
        errors: exact D of each.
        along_theta: at rho = 0; its first three points are ml, mmse and mmsepb.
        along_rho: at theta = 1.
        excess: D over that of MMSE, minus 1, along lambda' at rho = 0; its points are paired differences.
    """

    network: Shallow
    theta: Array
    rho: Array
    exact: Array
    printed: Array
    named: dict[str, Affine]
    errors: dict[str, float]
    along_theta: Cut
    along_rho: Cut
    excess: Cut


@dataclass(frozen=True, eq=False)
class Figure6:
    """D against the input range c.

    Args:
        network: the tanh network at the largest c.
        cuts: along c, for ml, mmse and mmsepb (Theorem 5's lambda*).
        series: [X] each: (31) corrected, to order c^2.
        best_lambda: [X], lambda' of least exact error, any sign.
        first_order: [X], -(3/10) c^2 s_w^2.
        printed_lambda: Theorem 5's.
    """

    network: Shallow
    cuts: dict[str, Cut]
    series: dict[str, Array]
    best_lambda: Array
    first_order: Array
    printed_lambda: float


def figure3(network: Quadratic, *, draws: int = 4_000_000, seed: int = 0) -> Figure3:
    """Theorem 3's surface; its range covers P1...P4 and ML."""
    theta, rho = np.linspace(-1.25, 1.25, 151), np.linspace(-1, 1, 121) * 1.3 * network.weights.weight_var**0.5
    theorem, best = quadratic.theorem3(network).estimator, quadratic.optimum(network).estimator
    named = {"ml": ML, "mmse": mmse(network.weights), "mmsepb": theorem} | ({"best": best} if best != theorem else {})
    x = np.linspace(0, 1.25, 126)
    theta_at = np.array([ML.theta, named["mmse"].theta, theorem.theta, *np.linspace(0, 1.2, 9)])
    simulation = quadratic.simulate(network, theta_at, 0.0, draws=draws, generator=np.random.default_rng(seed))
    cut = Cut(
        x,
        exact=quadratic.expected_error(network, x, 0.0),
        printed=quadratic.expected_error(network, x, 0.0, quadratic.printed_constants(network)),
        at=theta_at,
        theory=quadratic.expected_error(network, theta_at, 0.0),
        mean=simulation.mean,
        standard_error=simulation.standard_error,
    )
    surface = quadratic.expected_error(network, theta, rho[:, None])
    errors = {name: float(quadratic.expected_error(network, at.theta, at.rho)) for name, at in named.items()}
    return Figure3(network, theta, rho, surface, quadratic.critical_points(network), named, errors, cut)


def figure5(network: Shallow, *, draws: int = 200_000, seed: int = 0) -> Figure5:
    """Theorem 5's surfaces and cuts, each cut with draws of its own."""
    theta, rho = np.linspace(0, 1.25, 51), np.linspace(-1, 1, 51) * network.weights.weight_var**0.5
    generator = np.random.default_rng(seed)
    named = _named(network) | {"best": shallow.optimum(network, restricted=False).estimator}
    theta_at = np.array([*(named[name].theta for name in ("ml", "mmse", "mmsepb")), *np.linspace(0.1, 1.2, 6)])
    return Figure5(
        network, theta, rho,
        exact=shallow.expected_error(network, theta, rho[:, None], order=24),
        printed=shallow.approximation(network, theta, rho[:, None]),
        named=named,
        errors={name: float(shallow.expected_error(network, at.theta, at.rho)) for name, at in named.items()},
        along_theta=_cut(network, lambda x: (x, 0 * x), theta, theta_at, draws, generator),
        along_rho=_cut(network, lambda x: (1 + 0 * x, x), rho[25:], np.linspace(0, rho[-1], 6), draws, generator),
        excess=_excess(network, draws, generator),
    )  # fmt: skip


def figure6(network: Shallow, *, draws: int = 100_000, seed: int = 0) -> Figure6:
    """D against c, from 0 to ``network.half_width``, and the best lambda' there."""
    c = np.linspace(0, network.half_width, 41)[1:]
    networks = [replace(network, half_width=float(value)) for value in c]
    named, generator = _named(network), np.random.default_rng(seed)
    theta = np.array([estimator.theta for estimator in named.values()])
    exact, printed, series = (
        np.stack([error(each, theta, 0.0) for each in networks], 1)
        for error in (shallow.expected_error, shallow.approximation, shallow.series)
    )
    simulated = [shallow.simulate(each, theta, 0.0, draws=draws, generator=generator) for each in networks[3::4]]
    mean = np.stack([each.mean for each in simulated], 1)
    standard_error = np.stack([each.standard_error for each in simulated], 1)
    return Figure6(
        network,
        {name: Cut(c, exact[i], printed[i], c[3::4], exact[i, 3::4], mean[i], standard_error[i])
         for i, name in enumerate(named)},
        dict(zip(named, series, strict=True)),
        np.array([shallow.optimum(each, restricted=False).temperatures.lambda_prime for each in networks]),
        np.array([shallow.small_input_lambda_prime(each) for each in networks]),
        shallow.theorem5(network).temperatures.lambda_prime,
    )  # fmt: skip


def _named(network: Shallow) -> dict[str, Affine]:
    return {"ml": ML, "mmse": mmse(network.weights), "mmsepb": shallow.theorem5(network).estimator}


def _cut(
    network: Shallow,
    path: Callable[[Array], tuple[Array, Array]],
    x: Array,
    at: Array,
    draws: int,
    generator: Generator,
) -> Cut:
    simulation = shallow.simulate(network, *path(at), draws=draws, generator=generator)
    return Cut(
        x,
        exact=shallow.expected_error(network, *path(x)),
        printed=shallow.approximation(network, *path(x)),
        at=at,
        theory=shallow.expected_error(network, *path(at)),
        mean=simulation.mean,
        standard_error=simulation.standard_error,
    )


def _excess(network: Shallow, draws: int, generator: Generator) -> Cut:
    """D over that of MMSE, minus 1, along lambda' at rho = 0. Paired draws: the noise of both is mostly the same."""
    x, at = np.linspace(-0.3, 0.45, 61), np.linspace(-0.25, 0.4, 9)
    thetas = [
        np.array([affine(network.weights, Temperatures(value)).theta for value in (0.0, *many)]) for many in (x, at)
    ]
    simulation = shallow.simulate(network, thetas[1], 0.0, draws=draws, generator=generator)
    pairs = np.array([simulation.difference(index, 0) for index in range(1, len(at) + 1)]) / simulation.mean[0]
    exact, theory = (shallow.expected_error(network, many, 0.0) for many in thetas)
    printed = shallow.approximation(network, thetas[0], 0.0)
    return Cut(
        x,
        exact[1:] / exact[0] - 1,
        printed[1:] / printed[0] - 1,
        at,
        theory[1:] / theory[0] - 1,
        pairs[:, 0],
        pairs[:, 1],
    )
