"""Theorem 3 against simulation and brute force; the printed constant must fail the same checks."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize
from theory_checks import assert_agrees

from analognn.theory import ML, NoisyWeights, Quadratic, mmse, quadratic

FIGURE_3 = Quadratic()
networks = st.builds(
    Quadratic, st.builds(NoisyWeights, st.floats(0.1, 10), st.floats(0.1, 10)), st.integers(1, 40), st.floats(-1.5, 1.5)
)


@pytest.fixture(scope="module")
def figure_3():
    """ML, MMSE and P3 of the paper's example, 3 million draws: D of ML to .16 %."""
    theta = [1.0, mmse(FIGURE_3.weights).theta, quadratic.theorem3(FIGURE_3).estimator.theta]
    return quadratic.simulate(FIGURE_3, theta, 0.0, draws=3_000_000, generator=np.random.default_rng(3))


def at_denoisers(network, constants=None):
    theta = [1.0, mmse(FIGURE_3.weights).theta, quadratic.theorem3(FIGURE_3).estimator.theta]
    return quadratic.expected_error(network, theta, 0.0, constants)


def test_the_simulation_runs_the_network_of_definition_3():
    network = Quadratic(NoisyWeights(1.0, 0.5), dim=3, shift=0.4)
    count, generator = 100, np.random.default_rng(5)
    found = quadratic.simulate(network, [0.8], 0.3, draws=100 * count, generator=np.random.default_rng(5))
    x = generator.uniform(-1, 1, (count, 3))
    w = generator.normal(0, 1, (count, 3))
    r = w + generator.normal(0, math.sqrt(0.5), (count, 3))
    outputs = [
        [(point - 0.4) @ np.diag(weight) ** 2 @ (point - 0.4) for point, weight in zip(x, each, strict=True)]
        for each in (w, 0.8 * r + 0.3)
    ]
    assert found.batch_means[0, 0] == pytest.approx(np.square(np.subtract(*outputs)).mean(), rel=1e-12)


def test_the_closed_form_agrees_with_the_simulation_of_figure_3(figure_3):
    assert_agrees(at_denoisers(FIGURE_3), figure_3)
    assert at_denoisers(FIGURE_3) == pytest.approx([15.5636, 7.45946, 6.44667], rel=1e-5)


def test_the_printed_constant_and_a_wrong_noise_fail_the_same_check(figure_3):
    with pytest.raises(AssertionError, match="standard errors"):
        assert_agrees(at_denoisers(FIGURE_3, quadratic.printed_constants(FIGURE_3)), figure_3)
    for noise_var in (1e-9, 2.0):
        with pytest.raises(AssertionError, match="standard errors"):
            assert_agrees(at_denoisers(replace(FIGURE_3, weights=NoisyWeights(2.25, noise_var))), figure_3)


@pytest.mark.parametrize(
    "network",
    [
        Quadratic(NoisyWeights(1.0, 0.3), dim=8, shift=0.5),
        Quadratic(NoisyWeights(0.5, 2.0), dim=1, shift=-0.8),
        Quadratic(NoisyWeights(1.0, 1.0), dim=3, shift=0.0),
    ],
)
def test_the_closed_form_agrees_elsewhere_and_off_rho_0(network):
    theta, rho = np.array([1.0, 0.4, -0.7, 0.0]), np.array([0.5, -1.0, 0.2, 0.8])
    simulation = quadratic.simulate(network, theta, rho, draws=400_000, generator=np.random.default_rng(7))
    assert_agrees(quadratic.expected_error(network, theta, rho), simulation)
    if network.shift != 0 and network.dim > 1:  # only pairs of inputs feel C2, and (1/3)^2 has no sign
        with pytest.raises(AssertionError, match="standard errors"):
            assert_agrees(
                quadratic.expected_error(network, theta, rho, quadratic.printed_constants(network)), simulation
            )


@given(networks)
def test_the_expanded_constants(network):
    c2, d = network.shift**2, network.dim
    square = (c2 + 1 / 3) ** 2 * d**2
    found = quadratic.constants(network)
    assert found.c1 == pytest.approx(square + 2 * (c2**2 + 8 / 3 * c2 + 11 / 45) * d)
    assert found.c2 == pytest.approx(square + 4 / 3 * (c2 + 1 / 15) * d)


@given(networks)
def test_the_printed_constants_are_as_expanded_in_print(network):
    c2, d = network.shift**2, network.dim
    square = (c2 - 1 / 3) ** 2 * d**2
    found = quadratic.printed_constants(network)
    assert found.c1 == pytest.approx(square + 2 * (c2**2 + 10 / 3 * c2 + 11 / 45) * d)
    assert found.c2 == pytest.approx(square + 4 / 3 * (2 * c2 + 1 / 15) * d)


@settings(deadline=None)
@given(networks)
def test_the_gradient_vanishes_at_p1_to_p4_and_p4_is_a_saddle(network):
    points = quadratic.critical_points(network)
    assert [point.kind for point in points] == ["maximum", "minimum", "minimum", "saddle"]

    def error(at):
        return float(quadratic.expected_error(network, at[0], at[1]))

    for point in points:
        at = np.array([point.at.theta, point.at.rho])
        gradient = approx_fprime(at, error, 1e-6)
        curvature = np.abs(quadratic.hessian(network, point.at)).max()
        assert np.abs(gradient).max() < 1e-4 * curvature + 1e-7 * abs(point.error)


def test_the_hessian_is_that_of_the_error():
    at = quadratic.Affine(0.7, -0.4)

    def gradient(step):
        return approx_fprime(step, lambda at: float(quadratic.expected_error(FIGURE_3, *at)), 1e-5)

    middle, steps = np.array([at.theta, at.rho]), np.eye(2) * 1e-3
    found = [(gradient(middle + step) - gradient(middle - step)) / 2e-3 for step in steps]
    np.testing.assert_allclose(found, quadratic.hessian(FIGURE_3, at), rtol=1e-3, atol=1e-2)


def test_p4_is_not_a_minimum_but_has_lower_neighbours():
    point = quadratic.critical_points(FIGURE_3)[3]
    slope = np.linalg.eigh(quadratic.hessian(FIGURE_3, point.at))[1][:, 0]
    for sign in (-0.05, 0.05):
        near = np.array([point.at.theta, point.at.rho]) + sign * slope
        assert quadratic.expected_error(FIGURE_3, near[0], near[1]) < point.error


@given(networks)
def test_the_gain_19_is_that_of_the_error(network):
    theorem = quadratic.theorem3(network)
    error = quadratic.expected_error(network, 1.0, 0.0)
    assert theorem.gain == pytest.approx(1 - theorem.error / error, rel=1e-6, abs=1e-9)
    weights = network.weights
    root = math.sqrt(1 / (1 + quadratic.constants(network).c2 / quadratic.constants(network).c1 / weights.wnr))
    lam = (
        1 / weights.weight_var
        + 1 / weights.noise_var
        - root * weights.received_var / weights.weight_var / weights.noise_var
    )
    assert theorem.temperatures.lambda_prime == pytest.approx(weights.weight_var * lam, rel=1e-6, abs=1e-6)
    assert (theorem.estimator.rho, theorem.temperatures.beta) == (0.0, 0.0)


@settings(deadline=None, max_examples=40)
@given(networks)
def test_the_optimum_is_that_of_brute_force_over_the_domain(network):
    edge = mmse(network.weights).theta
    sigma = math.sqrt(network.weights.weight_var)
    theta, rho = np.linspace(edge, 1.5, 201), np.linspace(0, 1.5 * sigma, 201)
    surface = quadratic.expected_error(network, theta, rho[:, None])
    row, column = np.unravel_index(surface.argmin(), surface.shape)
    polished = minimize(
        lambda at: float(quadratic.expected_error(network, at[0], at[1])), [theta[column], rho[row]],
        bounds=[(edge, 2.0), (0.0, None)],
    )  # fmt: skip
    best = quadratic.optimum(network)
    assert best.error == pytest.approx(polished.fun, rel=1e-5)
    assert best.error <= polished.fun * (1 + 1e-9)
    assert best.error <= quadratic.theorem3(network).error


def test_below_the_breakdown_a_bias_beats_theorem_3_in_simulation():
    network = replace(FIGURE_3, weights=NoisyWeights(2.25, 9.0))
    assert network.weights.wnr < quadratic.breakdown_wnr(network)
    best, theorem = quadratic.optimum(network), quadratic.theorem3(network)
    theta, rho = (np.array([getattr(each.estimator, name) for each in (best, theorem)]) for name in ("theta", "rho"))
    simulation = quadratic.simulate(network, theta, rho, draws=400_000, generator=np.random.default_rng(9))
    assert_agrees([best.error, theorem.error], simulation)
    difference, error = simulation.difference(0, 1)
    assert difference < -20 * error
    assert best.gain == pytest.approx(1 - best.error / float(quadratic.expected_error(network, ML.theta, ML.rho)))
    above = replace(FIGURE_3, weights=NoisyWeights(2.25, 2.24 / quadratic.breakdown_wnr(network)))
    assert quadratic.optimum(above) == quadratic.theorem3(above)


def test_bad_networks_are_one_message():
    with pytest.raises(ValueError, match="must have mean 0"):
        Quadratic(NoisyWeights(1.0, 1.0, mean=0.1))
    with pytest.raises(ValueError, match=r"`Quadratic\(dim=...\)` must be an integer >= 1"):
        Quadratic(dim=0)
