"""Propositions 1 and 2 against direct minimisation and simulation; the map of Figure 2."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from analognn.channels import Received
from analognn.denoise import MmsePb, Prior
from analognn.theory import (
    ML,
    Affine,
    NoisyWeights,
    Temperatures,
    affine,
    compensation,
    effective_prior,
    ml,
    mmse,
    temperatures,
)

WEIGHTS = NoisyWeights(1.5, 0.6, mean=0.4)
positive = st.floats(0.05, 20.0)
weights = st.builds(NoisyWeights, positive, positive, mean=st.floats(-2.0, 2.0))
shares = st.floats(-1.0, 0.9)


def weighted_error(weights, temperatures, r, w_hat):
    """E[(w_hat - w)^2 exp(lambda w^2 + beta w) | r] up to a factor, summed over a fine grid: definition (12) itself."""
    w = np.linspace(-40, 40, 80001)
    lam = temperatures.lambda_prime / (2 * weights.weight_var)
    exponent = -((w - weights.mean) ** 2) / (2 * weights.weight_var) - (r - w) ** 2 / (2 * weights.noise_var)
    exponent += lam * w**2 + temperatures.beta * w
    density = np.exp(exponent - exponent.max())
    return float((np.square(w_hat - w) * density).sum() / density.sum())


@pytest.mark.parametrize("lambda_prime", [-0.5, 0.0, 0.4, 1.0, 2.5])
@pytest.mark.parametrize("beta", [-1.0, 0.0, 0.7])
def test_mmsepb_minimises_the_weighted_error(lambda_prime, beta):
    at = Temperatures(lambda_prime, beta)
    estimator = affine(WEIGHTS, at)
    for r in (-1.3, 0.2, 2.0):
        found = minimize_scalar(lambda w_hat, r=r: weighted_error(WEIGHTS, at, r, w_hat))
        assert found.x == pytest.approx(estimator.theta * r + estimator.rho, abs=1e-6)


def weighted_regression(weights, at, *, draws=400_000):
    """Theta and rho by regressing w on r with weights exp(lambda w^2 + beta w), and their standard errors."""
    generator = np.random.default_rng(1)
    w = weights.mean + math.sqrt(weights.weight_var) * generator.standard_normal(draws)
    r = w + math.sqrt(weights.noise_var) * generator.standard_normal(draws)
    weight = np.exp(at.lambda_prime / (2 * weights.weight_var) * w**2 + at.beta * w)
    design = np.stack([r, np.ones_like(r)], 1)
    gram = np.linalg.inv(design.T @ (design * weight[:, None]))
    found = gram @ (design.T @ (weight * w))
    scores = design * (weight * (w - design @ found))[:, None]
    return found, np.sqrt(np.diag(gram @ (scores.T @ scores) @ gram))


def test_mmsepb_is_the_weighted_regression_of_w_on_r():
    at = Temperatures(0.3, -0.4)  # exp(2 lambda w^2) has a mean, so the standard error exists
    found, error = weighted_regression(WEIGHTS, at)
    estimator = affine(WEIGHTS, at)
    assert (np.abs(found - [estimator.theta, estimator.rho]) < 4.5 * error).all()
    without_mean = affine(NoisyWeights(WEIGHTS.weight_var, WEIGHTS.noise_var), at)  # (13) as printed
    assert abs(found[1] - without_mean.rho) > 20 * error[1]
    twice_the_noise = affine(NoisyWeights(WEIGHTS.weight_var, 2 * WEIGHTS.noise_var, WEIGHTS.mean), at)
    assert abs(found[0] - twice_the_noise.theta) > 20 * error[0]


@given(weights, shares, st.floats(-3.0, 3.0))
def test_temperatures_invert_affine(weights, share, beta):
    at = Temperatures(share * weights.lambda_prime_bound, beta)
    back = temperatures(weights, affine(weights, at))
    assert back.lambda_prime == pytest.approx(at.lambda_prime, rel=1e-6, abs=1e-6)
    assert back.beta == pytest.approx(beta, rel=1e-6, abs=1e-6)


@given(weights)
def test_ml_and_mmse_lie_where_figure_2_has_them(weights):
    assert affine(weights, ml(weights)).theta == pytest.approx(1.0)
    assert affine(weights, ml(weights)).rho == pytest.approx(0.0, abs=1e-9)
    share = weights.weight_var / weights.received_var
    assert mmse(weights).theta == pytest.approx(share)
    assert mmse(weights).rho == pytest.approx((1 - share) * weights.mean)
    centred = NoisyWeights(weights.weight_var, weights.noise_var)
    assert affine(centred, Temperatures(1.0)) == ML


@pytest.mark.parametrize(
    ("lambda_prime", "region"),
    [(-0.1, "negative"), (0.0, "zero (MMSE)"), (0.3, "under"), (1.0, "exact (ML)"), (1.2, "over")],
)
def test_regions_follow_the_factor(lambda_prime, region):
    weights = NoisyWeights(1.0, 0.5)
    theta = affine(weights, Temperatures(lambda_prime)).theta
    assert compensation(lambda_prime) == region
    assert np.sign(theta - 1) == np.sign(lambda_prime - 1)
    assert np.sign(theta - mmse(weights).theta) == np.sign(lambda_prime)


@settings(deadline=None)
@given(weights, st.floats(-1.0, 0.9), st.floats(-2.0, 2.0))
def test_mmsepb_is_mmse_under_the_effective_prior(weights, lambda_prime, beta):
    at = Temperatures(lambda_prime, beta)
    mean, var = effective_prior(weights, at)
    expected, found = affine(weights, at), mmse(NoisyWeights(var, weights.noise_var, mean))
    assert (found.theta, found.rho) == pytest.approx((expected.theta, expected.rho), rel=1e-9, abs=1e-9)


def test_the_effective_prior_is_flat_at_exact_compensation():
    assert effective_prior(NoisyWeights(1.0, 1.0), Temperatures(1.0)) == (0.0, math.inf)
    assert effective_prior(NoisyWeights(1.0, 1.0), Temperatures(1.0, -0.5)) == (-math.inf, math.inf)
    assert effective_prior(NoisyWeights(1.0, 1.0), Temperatures(1.5))[1] < 0


@pytest.mark.parametrize("lambda_prime", [0.0, 0.7, 1.0, 1.8])
def test_the_denoiser_is_the_same_formula(lambda_prime):
    estimator = affine(WEIGHTS, Temperatures(lambda_prime, 0.3))
    received = Received(torch.tensor([-1.0, 0.5, 2.0], dtype=torch.float64), WEIGHTS.noise_var, source="exact")
    found = MmsePb(lambda_prime, 0.3)(received, Prior(WEIGHTS.mean, WEIGHTS.weight_var))
    torch.testing.assert_close(found, estimator.theta * received.values + estimator.rho, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: affine(NoisyWeights(1.0, 0.5), Temperatures(3.0)), "must be < 1 + s_w^2 / s_z^2 = 3"),
        (lambda: temperatures(NoisyWeights(1.0, 0.5), Affine(0.0)), "`Affine(theta=...)` must be a finite number > 0"),
        (lambda: NoisyWeights(0.0, 0.5), "`NoisyWeights(weight_var=...)` must be a finite number > 0"),
        (lambda: NoisyWeights(1.0, 0.0), "`NoisyWeights(noise_var=...)` must be a finite number > 0"),
    ],
)
def test_outside_the_domain_is_one_message(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
