"""The blind prior under noise of unequal variance: unbiased, as good as its standard error says, plain elsewhere."""

import math

import pytest
import torch

from analognn import Prior
from analognn.channels import Received
from analognn.denoise import EstimateWarning
from analognn.denoise.blind import blind_moments, plain_moments, weighted_moments

N, MEAN, VAR = 20_000, 0.2, 0.25


def weights(generator, n=N):
    return MEAN + math.sqrt(VAR) * torch.randn(n, generator=generator, dtype=torch.float64)


def equalised(generator, n=N, no=0.1):
    """Noise of a link that divides by h ~ CN(0, 1): no mean power, the deepest fade decides."""
    return no / torch.empty(n, dtype=torch.float64).exponential_(generator=generator)


def draw(seed, noise=equalised, n=N):
    generator = torch.Generator().manual_seed(seed)
    w, v = weights(generator, n), noise(generator, n)
    return w + v.sqrt() * torch.randn(n, generator=generator, dtype=torch.float64), v


def held(found, mean, mean_error, var):
    """Mean and variance of many draws within 4 standard errors; the error that is stated within a tenth of the real."""
    draws = torch.tensor([[m.mean, m.var] for m in found])
    errors = torch.tensor([mean_error, sum(m.var_error for m in found) / len(found)]) / math.sqrt(len(found))
    assert ((draws.mean(0) - torch.tensor([mean, var])).abs() < 4 * errors).all()


def test_equalised_noise_gives_the_moments_within_their_standard_errors():
    draws = [draw(seed) for seed in range(40)]
    found = [blind_moments(*one) for one in draws]
    mean_error = sum(float((1 / (VAR + v)).sum()) ** -0.5 for _, v in draws) / len(draws)
    held(found, MEAN, mean_error, VAR)
    stated, spread = found[0].var_error, float(torch.tensor([m.var for m in found]).std())
    assert abs(spread / stated - 1) < 4 / math.sqrt(2 * len(found))  # standard error of a standard deviation
    for wrong in (0.0, 2 * VAR):  # no weights at all, or twice as many
        with pytest.raises(AssertionError):
            held(found, MEAN, mean_error, wrong)
    drowned = [plain_moments(*one) for one in draws]
    assert max(abs(m.var - VAR) for m in drowned) > 10 * max(abs(m.var - VAR) for m in found)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_a_few_hopeless_values_do_not_count_and_scale_does_not_matter(scale):
    def two_kinds(generator, n):
        return torch.where(torch.arange(n) % 4 == 0, 1e8, 0.1).double()

    r, v = draw(1, two_kinds)
    good = Prior.from_received(Received(r[v < 1], 0.1, "exact"))
    prior = Prior.from_received(Received(scale * r, scale**2 * v, "exact"))
    assert prior.mean / scale == pytest.approx(good.mean, abs=1e-4)
    assert prior.var / scale**2 == pytest.approx(good.var, rel=1e-4)


def test_erased_and_noise_free_values_among_noisy_ones():
    r, v = draw(2)
    v[::5], v[1::5] = math.inf, 0.0
    r[1::5] = weights(torch.Generator().manual_seed(3), len(r[1::5]))
    r[::5] = 1e9
    prior = Prior.from_received(Received(r, v, "exact"))
    kept = torch.isfinite(v)
    error = math.sqrt(2 / float((VAR + v[kept]).pow(-2).sum()))
    assert abs(prior.var - VAR) < 4 * error
    assert abs(prior.mean - MEAN) < 4 / math.sqrt(float((1 / (VAR + v[kept])).sum()))


def test_plain_moments_stay_where_they_are_good_enough():
    """Tensors of a crossbar, noisier by a factor of 49 in variance: bits of the plain mean and variance."""

    def tensors(generator, n):
        return 0.02 * torch.tensor([1.0, 7.0, 49.0]).double().repeat_interleave(n // 3 + 1)[:n]

    r, v = draw(4, tensors)
    prior = Prior.from_received(Received(r, v, "exact"))
    assert prior == Prior(float(r.mean()), float(r.var(correction=0)) - float(v.mean()), "blind")


def test_noise_that_goes_with_the_weight_keeps_the_plain_moments():
    """Weighting by precision would favour the small weights, which a crossbar keeps more quietly."""
    generator = torch.Generator().manual_seed(5)
    w = weights(generator)
    v = 0.5 * (w.abs() + 0.05).square()
    r = w + v.sqrt() * torch.randn(N, generator=generator, dtype=torch.float64)
    assert weighted_moments(r, v).var < 0.5 * VAR
    assert abs(blind_moments(r, v).var - VAR) < 4 * math.sqrt(2 / N) * float(VAR + v.max())


def test_a_scalar_variance_and_the_same_one_per_value_give_the_same_prior():
    r, _ = draw(6)
    each = Prior.from_received(Received(r, torch.full(r.shape, 0.1), "exact"))
    assert each == Prior.from_received(Received(r, 0.1, "exact"))


def test_unequal_noise_alone_is_told_from_weights_with_a_warning():
    generator = torch.Generator().manual_seed(7)
    v = equalised(generator)
    with pytest.warns(EstimateWarning, match="stated noise_var is too large"):
        prior = Prior.from_received(Received(0.5 * v.sqrt() * torch.randn(N, generator=generator).double(), v, "exact"))
    assert prior.var == 0.0


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [0.0, 0.0, 0.0, 5.0], [1e-300, 2.0]])
def test_a_handful_of_values_stays_finite(values):
    v = torch.logspace(-6, 6, len(values), dtype=torch.float64)
    found = blind_moments(torch.tensor(values, dtype=torch.float64), v)
    assert all(math.isfinite(number) for number in found)


@pytest.mark.parametrize("shape", [(1,), (37,), (40, 30), (100_003,)], ids=str)
def test_one_variance_for_all_gives_the_bits_of_one_a_value(shape):
    values = weights(torch.Generator().manual_seed(0), math.prod(shape)).float().view(shape)
    each = Received(values, torch.full(shape, 0.003), "exact")
    assert Prior.from_received(Received(values, 0.003, "exact")) == Prior.from_received(each)


def test_where_a_prior_is_from_is_one_of_four():
    with pytest.raises(ValueError, match=r"`Prior\(source=...\)` must be one of oracle, .*; got 'blnd'"):
        Prior(0.0, 1.0, "blnd")
