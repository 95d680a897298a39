"""Posterior means: against quadrature, at the least error of their own prior, fitted blind; order and shrinkage."""

import math

import numpy as np
import pytest
import torch
from bayes import assert_error, draw, least_error, noisy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from analognn.channels import Received
from analognn.denoise import (
    EstimateWarning,
    GeneralisedGaussian,
    Laplace,
    Mixture,
    Mmse,
    Npmle,
    Prior,
    Soft,
)
from analognn.denoise.generalised import estimate_shape
from analognn.denoise.histogram import histogram
from analognn.denoise.laplace import shrink
from analognn.denoise.mixture import fit
from analognn.denoise.threshold import threshold

N = 100_000


def generalised(shape, sd=0.3, mean=0.1):
    alpha = sd * math.exp(0.5 * (math.lgamma(1 / shape) - math.lgamma(3 / shape)))
    return lambda w: np.exp(-(np.abs((w - mean) / alpha) ** shape))


def two_modes(w):
    return 0.3 * np.exp(-((w + 1) ** 2) / 0.02) + 0.7 * np.exp(-((w - 0.5) ** 2) / 0.02)


def spike_and_slab(w):
    return 0.8 * np.exp(-(w**2) / (2 * 0.02**2)) / 0.02 + 0.2 * np.exp(-(w**2) / 2)


PRIORS = {
    "gaussian": (generalised(2.0), (-1.9, 2.1)),
    "laplace": (generalised(1.0), (-4.9, 5.1)),
    "sparse": (generalised(0.6), (-6, 6)),
    "flat": (generalised(6.0), (-0.8, 1.0)),
    "two modes": (two_modes, (-1.8, 1.3)),
    "spike and slab": (spike_and_slab, (-5, 5)),
}
EXACT = [  # the denoiser's family holds the prior: what it may lose is the cost of fitting it
    (Mmse(), "gaussian", 0.0),
    (Laplace(), "laplace", 0.0),
    (GeneralisedGaussian(), "gaussian", 0.005),
    (GeneralisedGaussian(), "laplace", 0.01),
    (GeneralisedGaussian(), "sparse", 0.02),
    (GeneralisedGaussian(), "flat", 0.005),
    (Mixture(), "gaussian", 0.005),
    (Mixture(components=2), "two modes", 0.005),
    (Mixture(components=2), "spike and slab", 0.005),
    *((Npmle(), name, 0.01) for name in PRIORS),
]


@pytest.mark.parametrize("noise_var", [0.02, 0.3])
@pytest.mark.parametrize(("denoiser", "name", "above"), EXACT, ids=lambda value: str(value))
def test_the_least_error_of_the_prior_is_met_blind(denoiser, name, above, noise_var):
    density, span = PRIORS[name]
    w = draw(density, N, span=span)
    received = noisy(w, noise_var)
    w_hat = denoiser(received, Prior.from_received(received))
    least = least_error(density, noise_var, span=span)
    assert_error(w_hat, w, least, above=above)
    for wrong in (0.0, 2 * least):
        with pytest.raises(AssertionError):
            assert_error(w_hat, w, wrong, above=above)


@pytest.mark.parametrize("denoiser", [Laplace(), GeneralisedGaussian(), Npmle(), Mixture()], ids=repr)
def test_noise_that_differs_from_value_to_value(denoiser):
    density, span = PRIORS["laplace"]
    w = draw(density, N, span=span)
    levels = torch.tensor([0.01, 0.04, 0.09, 0.36], dtype=w.dtype)
    noise_var = levels.repeat(N // 4)
    received = noisy(w, noise_var)
    w_hat = denoiser(received, Prior.from_received(received))
    least = np.mean([least_error(density, float(level), span=span) for level in levels])
    assert_error(w_hat, w, least, above=0.015)
    alike = Received(received.values, float(noise_var.mean()), "exact")
    assert (w_hat - w).square().mean() < 0.97 * (denoiser(alike, Prior.from_received(alike)) - w).square().mean()


@pytest.mark.parametrize("r", [0.0, 0.02, -0.5, 3.0, 40.0])
@pytest.mark.parametrize(("noise_var", "b"), [(0.04, 0.3), (1.0, 0.1), (1e-4, 1.0)])
def test_laplace_is_the_posterior_mean(r, noise_var, b):
    sigma = math.sqrt(noise_var)
    peak = math.copysign(max(abs(r) - noise_var / b, 0), r)

    def moment(k):
        def integrand(w):
            return w**k * math.exp(
                -abs(w) / b - (r - w) ** 2 / (2 * noise_var) + abs(peak) / b + (r - peak) ** 2 / (2 * noise_var)
            )

        return integrate.quad(integrand, peak - 12 * sigma, peak + 12 * sigma, points=[0.0, peak], limit=400)[0]

    want = moment(1) / moment(0)
    got = shrink(torch.tensor([r], dtype=torch.float64), torch.tensor(noise_var, dtype=torch.float64), b)
    assert got.item() == pytest.approx(want, rel=1e-6, abs=1e-9)


def test_laplace_keeps_its_digits_at_the_extremes():
    y = torch.tensor([1e-8, 1e-3, 1.0, 1e6], dtype=torch.float64)
    for noise_var, b in ((1e12, 1.0), (1e-12, 1.0), (1.0, 1e-9), (1.0, 1e9)):
        out = shrink(y, torch.tensor(noise_var, dtype=torch.float64), b)
        assert torch.isfinite(out).all()
        assert (out >= 0).all()
        assert (out <= y).all()
    assert torch.allclose(shrink(y, torch.tensor(1e-12, dtype=torch.float64), 1.0), y, rtol=1e-3)


def test_the_generalised_gaussian_of_shape_one_is_laplace():
    received = noisy(draw(*PRIORS["laplace"][:1], 5000, span=PRIORS["laplace"][1]), 0.05)
    prior = Prior(mean=0.1, var=0.09)
    apart = (GeneralisedGaussian(shape=1.0)(received, prior) - Laplace()(received, prior)).abs().max()
    assert apart < 2e-3 * math.sqrt(0.05)  # cells and table


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0])
def test_the_shape_is_found_within_its_standard_error(shape):
    found = []
    for seed in range(12):
        received = noisy(draw(generalised(shape), N // 4, span=(-6, 6), seed=seed), 0.05, seed=100 + seed)
        found.append(estimate_shape(received, Prior.from_received(received)))
    standard_error = np.std(found, ddof=1) / math.sqrt(len(found))
    assert abs(np.mean(found) - shape) < 4 * standard_error + 0.005 * shape
    wrong = [estimate_shape(Received(received.values, 0.1, "exact"), Prior.from_received(received)) for _ in range(1)]
    assert abs(wrong[0] - shape) > 4 * standard_error or shape == 2.0  # a Gaussian stays one whatever the noise


def test_the_mixture_finds_its_parameters():
    received = noisy(draw(two_modes, N, span=(-1.8, 1.3)), 0.05)
    found = fit(histogram(received), Prior.from_received(received), 2, 2000)
    order = found.centre.argsort()
    share, centre, var = (column[order] for column in (found.share, found.centre, found.var))
    total = 0.01 + 0.05  # of a component with its noise; modes 6 standard deviations apart hardly mix
    assert torch.allclose(share, torch.tensor([0.3, 0.7], dtype=share.dtype), atol=4 * math.sqrt(0.21 / N))
    bound = 4 * math.sqrt(total / (0.3 * N)) * 1.1
    assert torch.allclose(centre, torch.tensor([-1.0, 0.5], dtype=share.dtype), atol=bound)
    bound = 4 * math.sqrt(2 / (0.3 * N)) * total * 1.2
    assert torch.allclose(var, torch.full_like(var, 0.01), atol=bound)


def test_a_mixture_that_does_not_converge_says_so_in_one_line_and_answers():
    received = noisy(draw(spike_and_slab, 2000, span=(-5, 5)), 0.05)
    with pytest.warns(EstimateWarning, match=r"Mixture\(components=3\) has not converged after 2 iterations") as caught:
        w_hat = Mixture(iterations=2)(received, Prior.from_received(received))
    assert torch.isfinite(w_hat).all()
    assert "\n" not in str(caught[0].message)
    assert caught[0].filename == __file__


def test_sure_finds_the_threshold_of_least_error():
    w = draw(spike_and_slab, N, span=(-5, 5))
    received, prior = noisy(w, 0.1), Prior(mean=0.0, var=0.2)
    best = min(float((soft(received, t) - w).square().mean()) for t in np.linspace(0, 5, 201))
    error = (Soft()(received, prior) - w).square()
    assert float(error.mean()) < best * 1.003
    assert threshold(received, prior, "universal") == pytest.approx(math.sqrt(2 * math.log(N)))


def test_sure_does_not_threshold_what_is_no_noise():
    w = 10 * torch.randn(10_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert threshold(noisy(w, 0.01), Prior(mean=0.0, var=100.0), "sure") < 0.1


def soft(received, t):
    y = received.values
    return y.sign() * (y.abs() - t * math.sqrt(0.1)).clamp_min(0)


EVERY = [Mmse(), Laplace(), GeneralisedGaussian(), GeneralisedGaussian(shape=0.5), Mixture(), Npmle(), Soft()]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=60), st.floats(0.01, 4), st.floats(0.01, 4))
def test_a_larger_value_never_means_a_smaller_estimate(values, noise_var, var):
    received = Received(torch.tensor(sorted(values), dtype=torch.float64), noise_var, "exact")
    prior = Prior(mean=0.2, var=var)
    for denoiser in EVERY:
        w_hat = denoiser(received, prior)
        assert (w_hat.diff() >= -1e-6).all(), denoiser


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=60), st.floats(0.01, 4), st.floats(0.01, 4))
def test_symmetric_priors_shrink_towards_their_mean_and_treat_both_sides_alike(values, noise_var, var):
    y = torch.tensor(values, dtype=torch.float64)
    received, mirrored = (Received(0.2 + s * y, noise_var, "exact") for s in (1, -1))
    prior = Prior(mean=0.2, var=var)
    for denoiser in (Mmse(), Laplace(), GeneralisedGaussian(), GeneralisedGaussian(shape=0.5), Soft()):
        moved = denoiser(received, prior) - 0.2
        assert (moved.abs() <= y.abs() + 1e-3 * math.sqrt(noise_var)).all(), denoiser
        assert (moved * y >= -1e-6).all(), denoiser
        assert torch.allclose(moved, 0.2 - denoiser(mirrored, prior), atol=2e-3 * math.sqrt(noise_var)), denoiser


@pytest.mark.parametrize("denoiser", EVERY, ids=str)
@pytest.mark.parametrize("noise_var", [0.1, torch.tensor([0.1])], ids=["number", "tensor"])
def test_no_values_and_values_with_a_gradient_are_values_too(denoiser, noise_var):
    prior = Prior(mean=0.2, var=1.0)
    assert denoiser(Received(torch.zeros(0), noise_var, "exact"), prior).shape == (0,)
    received = Received(torch.linspace(-1, 1, 50), noise_var, "exact")
    tracked = Received(received.values.clone().requires_grad_(), noise_var, "exact")
    assert torch.equal(denoiser(tracked, prior).detach(), denoiser(received, prior))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: GeneralisedGaussian(shape=0.1),
            r"`GeneralisedGaussian\(shape=...\)` must be a finite number >= 0.3 and <= 10; got 0.1",
        ),
        (lambda: Mixture(components=0), r"`Mixture\(components=...\)` must be an integer >= 1; got 0"),
        (lambda: Mixture(iterations=0), r"`Mixture\(iterations=...\)` must be an integer >= 1; got 0"),
        (lambda: Soft("hard"), r"`Soft\(rule=...\)` must be one of sure, universal; got 'hard'"),
    ],
)
def test_parameters_outside_their_domain_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
