"""The reduction to AWGN finds what was put in."""

import math

import pytest
import torch
from torch import nn

from analognn import ParameterLayout, effective_noise, effective_noise_per_tensor
from analognn.channels import Awgn, Received

N = 100_000


def draw(generator, scale=1.0):
    return scale * torch.randn(N, generator=generator, dtype=torch.float64)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def check_reduction(w, r, *, gain, offset, noise_var):
    """Gain, offset and variance within four standard errors of least squares with Gaussian noise."""
    noise = effective_noise(w, Received(r, noise_var, "exact"))
    spread = math.sqrt(noise_var) * gain
    assert abs(noise.gain - gain) < 4 * spread / (float(w.std()) * math.sqrt(N))
    assert abs(noise.offset - offset) < 4 * spread * math.sqrt((1 + float(w.mean() ** 2 / w.var())) / N)
    assert abs(noise.noise_var / noise_var - 1) < 4 * math.sqrt(2 / N)
    assert noise.wnr_db == pytest.approx(10 * math.log10(float(w.var(correction=0)) / noise.noise_var))


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.6, -0.2)])
def test_gain_offset_and_variance_are_found(generator, gain, offset):
    w = 0.5 + draw(generator)
    z = draw(generator, 0.3)
    check_reduction(w, gain * (w + z) + offset, gain=gain, offset=offset, noise_var=0.09)
    for wrong in (0.0, 2.0**0.5):  # no noise, doubled noise
        with pytest.raises(AssertionError):
            check_reduction(w, gain * (w + wrong * z) + offset, gain=gain, offset=offset, noise_var=0.09)


def test_gaussian_noise_passes_for_gaussian(generator):
    w = draw(generator)
    noise = effective_noise(w, Awgn(noise_var=0.1).transmit(w, generator=generator))
    assert abs(noise.excess_kurtosis) < 4 * math.sqrt(24 / N)
    assert noise.ks_distance < 1.63 / math.sqrt(N)  # 1 % point of Kolmogorov's distribution
    assert abs(noise.magnitude_corr) < 4 / math.sqrt(N)


def test_what_is_not_gaussian_shows(generator):
    w = draw(generator)
    uniform = torch.rand(N, generator=generator, dtype=torch.float64) - 0.5
    flat = effective_noise(w, Received(w + uniform, 1 / 12, "exact"))
    assert flat.excess_kurtosis == pytest.approx(-1.2, abs=0.05)
    assert flat.ks_distance > 0.04
    multiplicative = effective_noise(w, Received(w * (1 + draw(generator, 0.1)), 0.01, "exact"))
    assert multiplicative.magnitude_corr > 0.3


def test_without_noise_the_ratio_is_infinite(generator):
    w = draw(generator)
    noise = effective_noise(w, Received(w, 0.0, "exact"))
    assert (noise.gain, noise.offset, noise.noise_var, noise.wnr_db) == (1.0, 0.0, 0.0, math.inf)


def test_weights_that_do_not_vary_have_no_gain(generator):
    w = torch.full((N,), 2.0, dtype=torch.float64)
    noise = effective_noise(w, Awgn(noise_var=0.1).transmit(w, generator=generator))
    assert math.isnan(noise.gain)
    assert noise.wnr_db == -math.inf
    assert abs(noise.noise_var / 0.1 - 1) < 4 * math.sqrt(2 / N)


def test_erased_values_do_not_count(generator):
    w = draw(generator)
    received = Awgn(noise_var=0.1).transmit(w, generator=generator)
    values, noise_var = received.values.clone(), torch.full_like(w, 0.1)
    values[::2], noise_var[::2] = 0.0, math.inf
    assert effective_noise(w, Received(values, noise_var, "exact")) == effective_noise(
        w[1::2].clone(), Received(received.values[1::2].clone(), 0.1, "exact")
    )
    with pytest.raises(ValueError, match="needs values that arrived"):
        effective_noise(w, Received(values, math.inf, "exact"))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"got \[2\] and \[3\]"):
        effective_noise(torch.ones(2), Received(torch.ones(3), 0.0, "exact"))


def test_per_tensor_noise_differs_where_the_medium_differs(generator):
    model = nn.Sequential(nn.Linear(300, 300, bias=False), nn.BatchNorm1d(300), nn.Linear(300, 300, bias=False))
    packed = ParameterLayout.from_model(model).pack(model)
    noise_var = torch.cat([torch.full((90_000,), 1e-4), torch.full((90_000,), 4e-4)])
    z = noise_var.sqrt() * torch.randn(180_000, generator=generator)
    found = effective_noise_per_tensor(packed, Received(packed.vector + z, noise_var, "exact"))
    assert list(found) == ["0.weight", "2.weight"]
    for noise, want in zip(found.values(), (1e-4, 4e-4), strict=True):
        assert abs(noise.noise_var / want - 1) < 4 * math.sqrt(2 / 90_000)


def test_a_tensor_may_come_in_its_own_shape(generator):
    w = draw(generator)[:600]
    received = Awgn(noise_var=0.1).transmit(w, generator=generator)
    matrix = Received(received.values.view(20, 30), received.noise_var, "exact")
    assert effective_noise(w.view(20, 30), matrix) == effective_noise(w, received)
