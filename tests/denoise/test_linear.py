"""Propositions 1 and 2 against numerical minimisation, and their limits, domains and special cases."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from analognn import Ml, Mmse, MmseP, MmsePb, Prior
from analognn.channels import Awgn, Received
from analognn.denoise import Denoiser, EstimateWarning, lambda_prime_bound

POSITIVE = st.floats(0.01, 100)


def received(values, noise_var):
    return Received(torch.tensor(values, dtype=torch.float64), noise_var, "exact")


def minimiser_of_compensated_error(r, prior, noise_var, lambda_prime, beta):
    """argmin_v of int (v - w)^2 exp(lambda w^2 + beta w) p(r | w) p(w) dw, eq. (12), by quadrature."""
    lam = lambda_prime / (2 * prior.var)

    def log_density(w):
        return lam * w**2 + beta * w - (r - w) ** 2 / (2 * noise_var) - (w - prior.mean) ** 2 / (2 * prior.var)

    curvature = 1 / noise_var + (1 - lambda_prime) / prior.var
    peak = (r / noise_var + prior.mean / prior.var + beta) / curvature
    span = (peak - 12 / math.sqrt(curvature), peak + 12 / math.sqrt(curvature))

    def moment(k):
        return integrate.quad(lambda w: w**k * math.exp(log_density(w) - log_density(peak)), *span, limit=200)[0]

    return moment(1) / moment(0)


@pytest.mark.parametrize("mean", [0.0, 0.3])
@pytest.mark.parametrize(("lambda_prime", "beta"), [(0.0, 0.0), (0.5, 0.0), (1.0, -2.0), (1.2, 0.7)])
def test_mmsepb_minimises_the_compensated_error(mean, lambda_prime, beta):
    prior, noise_var = Prior(mean=mean, var=0.25), 0.5
    for r in (-1.5, 0.0, 0.4):
        want = minimiser_of_compensated_error(r, prior, noise_var, lambda_prime, beta)
        got = MmsePb(lambda_prime, beta)(received([r], noise_var), prior)
        assert got.item() == pytest.approx(want, abs=1e-9)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20), POSITIVE, POSITIVE, st.floats(-5, 5))
def test_special_points_of_the_compensators(values, noise_var, var, mean):
    noisy, prior = received(values, noise_var), Prior(mean=mean, var=var)
    wiener = (var * noisy.values + noise_var * mean) / (var + noise_var)
    assert torch.allclose(Mmse()(noisy, prior), wiener)
    assert torch.equal(MmsePb(0.0, 0.0)(noisy, prior), Mmse()(noisy, prior))
    assert torch.equal(MmseP(0.3)(noisy, prior), MmsePb(0.3, 0.0)(noisy, prior))
    assert torch.allclose(MmsePb(1.0, 0.0)(noisy, Prior(mean=0.0, var=var)), Ml()(noisy, prior))


def test_mmse_has_the_smallest_error_of_all_and_it_is_the_predicted_one():
    generator = torch.Generator().manual_seed(0)
    n, var, noise_var = 200_000, 0.25, 0.5
    w = 0.1 + math.sqrt(var) * torch.randn(n, generator=generator, dtype=torch.float64)
    noisy, prior = Awgn(noise_var=noise_var).transmit(w, generator=generator), Prior(mean=0.1, var=var)
    errors = {name: (make(noisy, prior) - w).square() for name, make in candidates().items()}
    least = min(errors, key=lambda name: errors[name].mean())
    assert least == "mmse"
    standard_error = errors["mmse"].std() / math.sqrt(n)
    assert abs(errors["mmse"].mean() - var * noise_var / (var + noise_var)) < 4 * standard_error


def candidates():
    return {"ml": Ml(), "mmse": Mmse(), "mmsep": MmseP(0.2), "mmsepb": MmsePb(0.2, 0.3)}


@pytest.mark.parametrize("denoiser", candidates().values(), ids=candidates())
def test_contract_of_every_denoiser(denoiser):
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    noisy, prior = Received(values.clone(), 0.3, "exact"), Prior(mean=0.1, var=0.7)
    out = denoiser(noisy, prior)
    assert isinstance(denoiser, Denoiser)
    assert (out.shape, out.dtype, out.device) == (values.shape, values.dtype, values.device)
    assert torch.equal(noisy.values, values)
    assert torch.equal(denoiser(Received(values, 0.0, "exact"), prior), values)  # no noise: exactly what came
    per_element = denoiser(Received(values, torch.full_like(values, 0.3), "exact"), prior)
    assert torch.allclose(per_element, out)
    assert torch.isfinite(denoiser(Received(values, torch.full((50,), math.inf), "exact"), prior)).all()


@pytest.mark.parametrize("denoiser", [Mmse(), MmseP(0.5), MmsePb(0.5, 0.25), MmsePb(1.4, -2.0)])
def test_an_erased_value_is_replaced_by_the_mean_of_the_prior_alone(denoiser):
    noisy = received([3.0, 3.0], torch.tensor([math.inf, 0.0]))
    assert denoiser(noisy, Prior(mean=0.5, var=2.0)).tolist() == [0.5, 3.0]


def test_erased_values_leave_the_domain_of_lambda_prime_to_those_that_arrived():
    """A truncated link: one noise, and values in fades that were never sent."""
    prior, erased = Prior(mean=0.1, var=0.25), torch.tensor([0.5, math.inf, 0.5])
    noisy = received([1.0, 9.0, -1.0], erased)
    assert lambda_prime_bound(noisy, prior) == pytest.approx(1.5)
    arrived = MmsePb(1.2, 0.3)(received([1.0, -1.0], 0.5), prior)
    assert MmsePb(1.2, 0.3)(noisy, prior)[[0, 2]].tolist() == arrived.tolist()
    with pytest.raises(ValueError, match=r"= 1.5 for the noisiest value; got 1.6"):
        MmsePb(1.6, 0.0)(noisy, prior)
    assert lambda_prime_bound(received([1.0], math.inf), prior) == math.inf  # nothing arrived, nothing to compensate


@pytest.mark.parametrize("denoiser", [Mmse(), MmsePb(0.8, 0.0), MmsePb(0.95, 1.0)])
def test_the_noisiest_values_of_an_equalised_link_come_near_the_prior_and_stay_finite(denoiser):
    prior, noise_var = Prior(mean=0.0, var=0.25), torch.logspace(-3, 12, 31, dtype=torch.float64)
    noisy = received([1.0] * 31, noise_var)
    assert lambda_prime_bound(noisy, prior) == pytest.approx(1.0)
    nothing = getattr(denoiser, "beta", 0.0) * prior.var / (1 - getattr(denoiser, "lambda_prime", 0.0))
    assert denoiser(noisy, prior)[-1].item() == pytest.approx(nothing, abs=1e-9)
    assert denoiser(noisy, prior)[0].item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("noise_var", [0.5, torch.tensor([0.1, 0.5])])
def test_lambda_prime_must_stay_below_its_bound(noise_var):
    noisy, prior = received([1.0, 2.0], noise_var), Prior(mean=0.0, var=0.25)
    assert lambda_prime_bound(noisy, prior) == pytest.approx(1.5)
    assert torch.isfinite(MmsePb(1.4999, 0.0)(noisy, prior)).all()
    with pytest.raises(ValueError, match=r"must be < 1 \+ s_w\^2 / s_z\^2 = 1.5 for the noisiest value; got 1.6"):
        MmsePb(1.6, 0.0)(noisy, prior)
    with pytest.raises(ValueError, match=r"lambda_prime=\.\.\.\)` must be < 1"):
        MmseP(1.5 + 1e-6)(noisy, prior)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MmsePb(-0.1, 0.0), r"`MmsePb\(lambda_prime=...\)` must be a finite number >= 0; got -0.1"),
        (lambda: MmsePb(1.0, math.nan), r"`MmsePb\(beta=...\)` must be a finite number; got nan"),
        (lambda: MmseP(math.inf), r"`MmseP\(lambda_prime=...\)` must be a finite number >= 0; got inf"),
        (lambda: Prior(mean=math.nan, var=1.0), r"`Prior\(mean=...\)` must be a finite number; got nan"),
        (lambda: Prior(mean=0.0, var=-1.0), r"`Prior\(var=...\)` must be a finite number >= 0; got -1"),
        (lambda: Received(torch.zeros(2), -1.0, "exact"), r"`Received\(noise_var=...\)` must be >= 0 .* got -1"),
        (lambda: Received(torch.zeros(2), math.nan, "exact"), r"`Received\(noise_var=...\)` must be >= 0 .* got nan"),
        (lambda: Received(torch.zeros(2), torch.zeros(3), "exact"), r"values' shape \[2\]; got shape \[3\]"),
        (lambda: Received(torch.zeros(2), 0.0, "guessed"), "must be one of exact, side-information, estimated"),
    ],
)
def test_values_outside_their_domain_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_blind_prior_finds_mean_and_variance_within_their_standard_errors():
    generator = torch.Generator().manual_seed(1)
    n, mean, var, noise_var = 100_000, 0.2, 0.25, 0.5
    w = mean + math.sqrt(var) * torch.randn(n, generator=generator, dtype=torch.float64)
    prior = Prior.from_received(Awgn(noise_var=noise_var).transmit(w, generator=generator))
    total = var + noise_var
    assert prior.source == "blind"
    assert abs(prior.mean - mean) < 4 * math.sqrt(total / n)
    assert abs(prior.var - var) < 4 * math.sqrt(2 / n) * total
    assert abs(prior.var - total) > 4 * math.sqrt(2 / n) * total  # the noise was taken off


@pytest.mark.parametrize(
    ("values", "noise_var", "why"),
    [([1.0, 3.0], 2.0, "too few values, or weights too small, to tell"), ([0.1] * 500, 1.0, "noise_var is too large")],
)
def test_a_negative_variance_becomes_zero_with_a_warning_that_says_what_it_means(values, noise_var, why):
    with pytest.warns(EstimateWarning, match=rf"taken as 0, so Bayesian estimates become the mean \(.*{why}"):
        prior = Prior.from_received(received(values, noise_var))
    assert prior.var == 0.0
    assert Mmse()(received(values, noise_var), prior).unique().tolist() == [prior.mean]


def test_blind_prior_ignores_erased_values():
    noisy = received([1.0, 3.0, 99.0], torch.tensor([0.25, 0.75, math.inf]))
    assert Prior.from_received(noisy) == Prior(mean=2.0, var=0.5, source="blind")
    with pytest.raises(ValueError, match="needs values that arrived; all 1 were erased"):
        Prior.from_received(received([1.0], math.inf))


def test_oracle_prior_is_exact():
    assert Prior.from_weights(torch.tensor([1.0, 3.0])) == Prior(mean=2.0, var=1.0, source="oracle")
