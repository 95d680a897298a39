"""The certificate passes AWGN, and says of every other medium what it is that is not AWGN."""

import math

import pytest
import torch
from certificate_helpers import (
    COLUMNS,
    CORR,
    CURVE,
    FADE,
    KS,
    KURTOSIS,
    NOISE_VAR,
    ORDER,
    REPORTED,
    ROWS,
    SUMS,
    SYMBOL,
    Synthetic,
    failed,
    linear_model,
    packed_linear_model,
)

from analognn import Backend, ChannelBackend, ParameterLayout, effective_noise
from analognn.certificate import certify
from analognn.channels import Awgn, Received
from analognn.effective import pooled


@pytest.fixture(scope="module")
def packed():
    return packed_linear_model()


@pytest.mark.parametrize(
    "backend", [Synthetic(), ChannelBackend(Awgn(noise_var=NOISE_VAR)), ChannelBackend(Awgn(wnr_db=3.0))]
)
def test_awgn_passes_every_check(packed, backend):
    certificate = certify(packed, backend, seeds=range(5))
    assert len(certificate.checks) == 13
    assert failed(certificate) == set()
    assert certificate.draws == 5
    assert certificate.shape.count == certificate.whole.count == 5 * packed.vector.numel()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("silent", {REPORTED}),
        ("doubled", {REPORTED}),
        ("gain", {"gain", REPORTED}),
        ("offset", {"offset"}),
        ("laplace", {KURTOSIS, KS}),
        ("multiplicative", {KURTOSIS, KS, CORR, CURVE}),
        ("rows", {ROWS, ORDER, SYMBOL, FADE, SUMS}),
        ("columns", {COLUMNS}),
        ("fades", {KURTOSIS, KS, FADE}),
        ("carriers", {ROWS, ORDER, SUMS}),
        ("twins", {ROWS, ORDER, SYMBOL, FADE, SUMS}),
    ],
)
def test_every_departure_from_awgn_is_named_and_no_other(packed, kind, what):
    """The bounds are five standard errors of Gaussian noise: the right ones break, and only those."""
    found = failed(certify(packed, Synthetic(kind), seeds=range(5)))
    assert found == what


def test_layers_of_different_noise_are_not_taken_for_heavy_tails():
    """Each tensor's noise is Gaussian: together they are not, in units of their own they are."""
    model = linear_model(100, 100, 100)
    packed = ParameterLayout.from_model(model).pack(model)
    sigma = torch.cat([torch.full((10_000,), 0.01), torch.full((10_000,), 0.05)])

    class TwoLevels(Backend):
        def receive(self, packed, *, generator):
            noise = sigma * torch.randn(20_000, generator=generator)
            return Received(packed.vector + noise, sigma.square(), "exact")

    certificate = certify(packed, TwoLevels(), seeds=range(5))
    assert certificate.whole.excess_kurtosis > 1
    assert failed(certificate) == set()


def check_curve(curve, slope, intercept):
    """Var[z] / s^2 = intercept + slope (abs(w) / sigma)^2 within five standard errors and the width of a bin."""
    for m, variance, error in zip(curve.magnitude, curve.variance, curve.standard_error, strict=True):
        assert abs(variance - intercept - slope * m * m) < 5 * error + 0.01


def test_the_variance_curve_is_that_of_the_medium(packed):
    curve = certify(packed, Synthetic("multiplicative"), seeds=range(5)).shape.curve
    assert len(curve.variance) == 20
    check_curve(curve, 1.0, 0.0)
    for slope, intercept in ((2.0, 0.0), (0.0, 0.0), (0.0, 1.0)):  # doubled, none, AWGN
        with pytest.raises(AssertionError):
            check_curve(curve, slope, intercept)


def test_autocorrelation_is_that_of_the_matrices(packed):
    shape = certify(packed, Synthetic("columns"), seeds=range(3)).shape
    assert [len(shape.along_rows.rho), len(shape.along_columns.rho)] == [8, 8]
    errors = shape.along_columns.standard_error
    assert errors[0] == pytest.approx((3 * (100 * 159 + 160 * 39)) ** -0.5)
    for lag, (rho, error) in enumerate(zip(shape.along_columns.rho, errors, strict=True), start=1):
        assert abs(rho - (0.5 if lag == 3 else 0.0)) < 5 * error


@pytest.mark.parametrize(("kind", "symbol", "row_sums"), [("gaussian", 0, 1), ("rows", 0.5, 2), ("twins", 1, 2)])
def test_correlation_of_neighbours_is_that_of_the_medium(packed, kind, symbol, row_sums):
    """Half the noise shared with the next value, round the edge, doubles the variance of sums; so do twins."""
    shape = certify(packed, Synthetic(kind), seeds=range(5)).shape
    error = math.sqrt(2 / shape.count)
    assert abs(shape.symbol_corr - symbol) < 5 * error
    assert abs(shape.row_sum_var / row_sums - 1) < 5 * shape.row_sum_var_se
    assert shape.row_sum_var_se == pytest.approx(math.sqrt(2 / (5 * (159 + 39))))
    for wrong in (0.0, 2 * row_sums):  # no noise, or twice as much
        assert abs(shape.row_sum_var - wrong) > 5 * shape.row_sum_var_se


def test_pooled_draws_are_one_sample(packed):
    """Moments add exactly: the pool of two halves is the whole where gain and offset agree."""
    g = torch.Generator().manual_seed(7)
    w = torch.randn(20_000, generator=g, dtype=torch.float64)
    draws = [effective_noise(w, Awgn(noise_var=v).transmit(w, generator=g)) for v in (0.01, 0.03)]
    both = pooled(draws)
    assert both.noise_var == pytest.approx(sum(d.noise_var for d in draws) / 2)
    assert both.wnr_db == pytest.approx(10 * math.log10(float(w.var(correction=0)) / both.noise_var))
    assert both.count == 40_000
    mixture = 3 * (0.01**2 + 0.03**2) / 2 / 0.02**2 - 3  # kurtosis of two Gaussians mixed
    assert abs(both.excess_kurtosis - mixture) < 5 * math.sqrt(96 / 40_000)
    assert both.noise_var_se == pytest.approx(0.02 * math.sqrt((mixture + 2) / 40_000), rel=0.1)
    assert pooled(draws[:1]) == draws[0]
    with pytest.raises(ValueError, match="at least one transmission"):
        pooled([])
