"""Singular values against their asymptotic loss, kernels against the oracle's Wiener filter."""

import math

import pytest
import torch

from analognn.channels import Received
from analognn.denoise import KernelWiener, Mmse, Prior, Svd, SvdHard, SvdInvariant

PRIOR = Prior(mean=0.0, var=1.0)  # these denoisers use the mean only


def normal(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def spiked(m, n, spikes, *, sigma, seed):
    """[m, n] with the singular values spikes * sigma * sqrt(n), in random directions, and the same with noise."""
    u, v = (torch.linalg.qr(normal(size, len(spikes), seed=seed + i)).Q for i, size in enumerate((m, n)))
    w = (u * torch.tensor(spikes, dtype=torch.float64)) @ v.T * sigma * math.sqrt(n)
    return w, Received(w + sigma * normal(m, n, seed=seed + 2), sigma**2, "exact")


def asymptotic_loss(x, beta, rule):
    """Loss of one spike of strength x in units of n sigma^2 (Gavish, Donoho 2017, sec. 2): x^2 + f^2 - 2 f x c c'."""
    if x <= beta**0.25:
        return x**2
    y = math.sqrt((x + 1 / x) * (x + beta / x))
    cosines = math.sqrt((x**4 - beta) ** 2 / ((x**4 + beta * x**2) * (x**4 + x**2)))
    f = x * cosines if rule == "best" else y
    return x**2 + f**2 - 2 * f * x * cosines


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("denoiser", "rule", "spikes"),
    [
        (Svd(), "best", (4.0, 2.0, 1.3)),
        (Svd(), "best", (0.5,)),  # below the transition: nothing can be known of it
        (SvdHard(), "hard", (4.0, 2.5)),
        (SvdInvariant(), "best", (4.0, 2.0, 1.3)),
    ],
)
def test_spikes_come_back_at_the_asymptotic_loss(denoiser, rule, spikes, transposed):
    m, n, sigma = 200, 500, 0.3
    losses = []
    for seed in range(6):
        w, received = spiked(m, n, spikes, sigma=sigma, seed=10 * seed)
        if transposed:
            w, received = w.T, Received(received.values.T, received.noise_var, "exact")
        losses.append(float((denoiser(received, PRIOR) - w).square().sum()) / (n * sigma**2))
    mean, spread = float(torch.tensor(losses).mean()), float(torch.tensor(losses).std()) / math.sqrt(len(losses))
    wanted = sum(asymptotic_loss(x, m / n, rule) for x in spikes)
    slack = 0.15 if isinstance(denoiser, SvdInvariant) else 0.03  # the price of not knowing that the rest is noise
    assert abs(mean - wanted) < 4 * spread + slack * wanted
    assert mean < 0.2 * m  # ML loses m


@pytest.mark.parametrize("shape", [(150, 400), (300, 300), (400, 150)])
def test_the_invariant_shrinker_of_a_full_spectrum_is_linear_mmse(shape):
    w = 0.5 * normal(*shape, seed=0)
    received = Received(w + normal(*shape, seed=1), 1.0, "exact")
    loss = (SvdInvariant()(received, PRIOR) - w).square().mean()
    least = 0.25 / 1.25
    assert least * 0.97 < loss < least * 1.03
    assert (Svd()(received, PRIOR) - w).square().mean() > 1.1 * least  # made for low rank


def test_a_vector_is_shrunk_by_james_and_stein():
    r = 2 * normal(400, seed=3)
    got = Svd()(Received(r, 1.0, "exact"), PRIOR)
    assert torch.allclose(got, r * (1 - r.numel() / r.square().sum()), rtol=0.02)


def test_the_mean_of_the_prior_is_what_is_shrunk_to():
    received = Received(7 + 1e-3 * normal(30, 40, seed=0), 1.0, "exact")
    for denoiser in (Svd(), SvdHard(), SvdInvariant(), KernelWiener()):
        assert torch.allclose(denoiser(received, Prior(mean=7.0, var=1.0)), torch.tensor(7.0).double(), atol=1e-3)


def kernels(out, inputs, *, seed):
    """[out, in, 9] of covariance A (x) B (x) C, A and B diagonal, and the oracle's variances in the basis of C."""
    place = torch.stack(torch.meshgrid(*[torch.arange(3.0)] * 2, indexing="ij")).reshape(2, 9).double()
    c = torch.exp(-(place[:, :, None] - place[:, None]).square().sum(0) / 2)
    values, basis = torch.linalg.eigh(c)
    a, b = (torch.exp(normal(size, seed=seed + i)) for i, size in enumerate((out, inputs)))
    var = a[:, None, None] / a.mean() * b[None, :, None] / b.mean() * values.clamp_min(0)
    return (normal(out, inputs, 9, seed=seed + 2) * var.sqrt()) @ basis.T, var


@pytest.mark.parametrize("noise_var", [0.2, 1.0, 4.0])
def test_kernels_are_filtered_as_well_as_with_their_true_covariance(noise_var):
    w, var = kernels(48, 32, seed=0)
    received = Received(w + math.sqrt(noise_var) * normal(*w.shape, seed=9), noise_var, "exact")
    prior = Prior.from_received(received)
    error = (KernelWiener()(received, prior) - w).square()
    oracle = float((var * noise_var / (var + noise_var)).mean())
    bound = 4 * float(error.std()) / math.sqrt(error.numel())
    assert oracle - bound < float(error.mean()) < oracle * 1.1 + bound
    assert float(error.mean()) < 0.8 * float((Mmse()(received, prior) - w).square().mean())
    as_image = Received(received.values.reshape(48, 32, 3, 3), noise_var, "exact")
    assert torch.equal(KernelWiener()(as_image, prior).reshape(w.shape), KernelWiener()(received, prior))


def test_independent_weights_cost_the_kernel_filter_next_to_nothing():
    w = normal(64, 64, 3, 3, seed=0)
    received = Received(w + normal(*w.shape, seed=1), 1.0, "exact")
    prior = Prior.from_received(received)
    linear = (Mmse()(received, prior) - w).square().mean()
    assert (KernelWiener()(received, prior) - w).square().mean() < 1.01 * linear


@pytest.mark.parametrize("denoiser", [Svd(), SvdHard(), SvdInvariant(), KernelWiener()], ids=repr)
def test_noise_per_value_counts_by_its_mean_over_what_arrived(denoiser):
    w, received = spiked(60, 80, (4.0,), sigma=1.0, seed=0)
    erased = torch.ones_like(w)
    erased[::7, ::5] = math.inf
    got = denoiser(Received(received.values, erased, "exact"), Prior(mean=0.5, var=1.0))
    assert got[torch.isinf(erased)].unique().tolist() == [0.5]
    kept = torch.isfinite(erased)
    assert (got - w)[kept].square().mean() < 0.5
