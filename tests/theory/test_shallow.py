"""Theorem 5 and Lemma 4: exact error against simulation, (31) against the exact error, and the true optimum."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from theory_checks import assert_agrees

from analognn.theory import Affine, NoisyWeights, Shallow, mmse, shallow, taylor, theorem5

FIGURE_5 = Shallow()
networks = st.builds(
    Shallow, st.builds(NoisyWeights, st.floats(0.2, 2), st.floats(0.05, 2)), st.integers(1, 20), st.floats(0.05, 0.6)
)


@pytest.mark.parametrize(
    "network",
    [FIGURE_5, Shallow(NoisyWeights(0.5, 1.0), hidden=1, half_width=2.0), Shallow(hidden=3, half_width=0.05)],
)
def test_the_exact_error_agrees_with_simulation_and_fails_with_other_noise(network):
    theta, rho = np.array([1.0, 0.7, 1.0, 0.5, -0.4]), np.array([0.0, 0.0, 0.5, -0.9, 0.3])
    simulation = shallow.simulate(network, theta, rho, draws=100_000, generator=np.random.default_rng(2))
    assert_agrees(shallow.expected_error(network, theta, rho), simulation)
    for noise_var in (1e-9, 2 * network.weights.noise_var):
        other = replace(network, weights=replace(network.weights, noise_var=noise_var))
        with pytest.raises(AssertionError, match="standard errors"):
            assert_agrees(shallow.expected_error(other, theta, rho), simulation)


def test_the_printed_approximation_fails_the_same_check_off_rho_0_and_for_small_inputs():
    generator = np.random.default_rng(4)
    off = shallow.simulate(FIGURE_5, [1.0, 0.7], [0.3, 0.3], draws=50_000, generator=generator)
    assert_agrees(shallow.expected_error(FIGURE_5, [1.0, 0.7], 0.3), off)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_agrees(shallow.approximation(FIGURE_5, [1.0, 0.7], 0.3), off)

    small = replace(FIGURE_5, half_width=0.05)
    near = shallow.simulate(small, [1.0, mmse(small.weights).theta], 0.0, draws=100_000, generator=generator)
    theta = [1.0, mmse(small.weights).theta]
    assert_agrees(shallow.series(small, theta, 0.0), near)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_agrees(shallow.approximation(small, theta, 0.0), near)


@settings(deadline=None, max_examples=20)
@given(networks, st.floats(-1.0, 1.2), st.floats(-1.0, 1.0))
def test_the_quadrature_has_converged(network, theta, rho):
    found, finer = (float(shallow.expected_error(network, theta, rho, order=order)) for order in (40, 80))
    assert found == pytest.approx(finer, rel=1e-6, abs=1e-12)


def test_the_accuracy_promised_at_the_widest_input():
    network = Shallow(NoisyWeights(0.5, 0.5), half_width=4.0)
    for theta, rho in ((1.0, 0.0), (0.5, 0.3)):
        found, finer = (float(shallow.expected_error(network, theta, rho, order=order)) for order in (40, 160))
        assert found == pytest.approx(finer, rel=3e-3)


@pytest.mark.parametrize(("order", "falls"), [(2, 4), (4, 16)])
@pytest.mark.parametrize(("theta", "rho"), [(1.0, 0.0), (0.6, 0.0), (0.8, 0.4)])
def test_the_corrected_series_is_exact_to_its_order(order, falls, theta, rho):
    """Halving c divides the relative remainder by 2^order."""

    def remainder(c):
        network = Shallow(half_width=c)
        exact = float(shallow.expected_error(network, theta, rho))
        return float(shallow.series(network, theta, rho, order=order)) / exact - 1

    assert remainder(0.05) / remainder(0.025) == pytest.approx(falls, rel=0.05)


@given(networks)
def test_31_falls_short_by_the_factor_of_the_missing_term(network):
    tiny = replace(network, half_width=1e-3)
    ratio = float(shallow.approximation(tiny, 1.0, 0.0)) / float(shallow.series(tiny, 1.0, 0.0))
    var, noise = network.weights.weight_var, network.weights.noise_var
    assert ratio == pytest.approx(2 * var / (2 * var + noise))


def test_31_does_not_vanish_with_the_input():
    """The error of a network without input is 0; the terms in rho that lost their c stay."""
    tiny = replace(FIGURE_5, half_width=1e-4)
    assert shallow.expected_error(tiny, 1.0, 0.5) < 1e-6
    assert shallow.approximation(tiny, 1.0, 0.5) > 1


@given(networks)
def test_theorem_5_is_the_optimum_of_31_and_its_gain(network):
    theorem = theorem5(network)
    found = minimize_scalar(lambda theta: float(shallow.approximation(network, theta, 0.0)), bounds=(0, 2))
    assert found.x == pytest.approx(theorem.estimator.theta, abs=1e-4)
    assert theorem.error == pytest.approx(found.fun, rel=1e-6)
    assert theorem.gain == pytest.approx(1 - theorem.error / float(shallow.approximation(network, 1.0, 0.0)))
    weights = network.weights
    lam = 1 / weights.weight_var + 1 / weights.noise_var
    lam -= 2 * math.sqrt(1 / (4 * weights.noise_var**2) + 1 / (2 * weights.weight_var * weights.noise_var))
    assert theorem.temperatures.lambda_prime == pytest.approx(weights.weight_var * lam, rel=1e-6, abs=1e-9)


def test_the_papers_example():
    theorem = theorem5(FIGURE_5)
    assert (theorem.error, theorem.gain) == pytest.approx((4 / 15, 0.5))
    theta = [1.0, theorem.estimator.theta, mmse(FIGURE_5.weights).theta]
    assert shallow.expected_error(FIGURE_5, theta, 0.0) == pytest.approx([0.53489, 0.25720, 0.25301], abs=1e-5)
    assert shallow.optimum(FIGURE_5, restricted=False).temperatures.lambda_prime == pytest.approx(-0.03963, abs=1e-5)


def test_in_the_domain_mmse_is_the_optimum():
    best = shallow.optimum(FIGURE_5)
    assert best.estimator == mmse(FIGURE_5.weights)
    assert best.temperatures.lambda_prime == pytest.approx(0.0, abs=1e-12)
    assert best.gain == pytest.approx(0.5270, abs=1e-4)


def test_mmse_beats_theorem_5_in_paired_simulation():
    theta = [mmse(FIGURE_5.weights).theta, theorem5(FIGURE_5).estimator.theta]
    simulation = shallow.simulate(FIGURE_5, theta, 0.0, draws=100_000, generator=np.random.default_rng(6))
    difference, error = simulation.difference(0, 1)
    assert difference < -10 * error
    exact = shallow.expected_error(FIGURE_5, theta, 0.0)
    assert abs(difference - (exact[0] - exact[1])) < 4.5 * error


@pytest.mark.parametrize("noise_var", [0.1, 0.5, 3.0])
def test_the_optimum_of_small_inputs_does_not_depend_on_the_noise(noise_var):
    network = Shallow(NoisyWeights(1.0, noise_var), half_width=0.05)
    found = shallow.optimum(network, restricted=False).temperatures.lambda_prime
    assert found == pytest.approx(shallow.small_input_lambda_prime(network), rel=0.02)
    small = 1 - shallow.optimum(network).gain
    assert small == pytest.approx((network.weights.weight_var / network.weights.received_var) ** 2, rel=0.02)


@pytest.mark.parametrize("network", [FIGURE_5, Shallow(NoisyWeights(0.5, 1.5), hidden=1, half_width=1.5)])
def test_no_bias_helps(network):
    theta, rho = np.linspace(0.05, 1.2, 24), np.linspace(0, 1.2, 13)
    surface = shallow.expected_error(network, theta, rho[:, None], order=24)
    assert (surface.argmin(0) == 0).all()
    assert shallow.optimum(network, restricted=False).error <= surface.min()


@pytest.mark.parametrize("estimator", [Affine(1.0), Affine(0.6, 0.2)])
def test_lemma_4_agrees_with_simulation_up_to_its_order(estimator):
    u, v, x = np.array([0.9, -1.4, 0.3]), np.array([1.1, 0.7, -0.5]), 0.5
    exact = taylor.expected_output(u, v, x, noise_var=0.2, estimator=estimator)
    generator = np.random.default_rng(8)
    noisy_u, noisy_v = (part + math.sqrt(0.2) * generator.standard_normal((200_000, 3)) for part in (u, v))
    theta, rho = estimator.theta, estimator.rho
    outputs = ((theta * noisy_v + rho) * np.tanh((theta * noisy_u + rho) * x)).sum(1)
    assert abs(outputs.mean() - exact) < 4.5 * outputs.std() / math.sqrt(len(outputs))

    def remainder(noise_var):
        settings = {"noise_var": noise_var, "estimator": estimator}
        return taylor.approximate_output(u, v, x, **settings) - taylor.expected_output(u, v, x, **settings)

    assert remainder(0.02) / remainder(0.01) == pytest.approx(4, rel=0.05)
    clean = theta * v + rho
    without = clean @ np.tanh((theta * u + rho) * x)  # what the noise adds is not the remainder's doing
    assert abs(remainder(0.01)) < 0.02 * abs(
        without - taylor.expected_output(u, v, x, noise_var=0.01, estimator=estimator)
    )


def test_bad_networks_are_one_message():
    with pytest.raises(ValueError, match="must have mean 0"):
        Shallow(NoisyWeights(1.0, 1.0, mean=0.1))
    with pytest.raises(ValueError, match=r"`Shallow\(half_width=...\)` must be a finite number > 0 and <= 3.26599"):
        Shallow(half_width=4.0)
    with pytest.raises(ValueError, match="must be one of 2, 4"):
        shallow.series(FIGURE_5, 1.0, 0.0, order=3)
