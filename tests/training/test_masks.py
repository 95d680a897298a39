"""Masks: every formula against quadrature or sampling, and shown to fail for its typical slip."""

import math

import pytest
import torch
from scipy import integrate, stats
from torch import nn

from analognn.training import masks
from analognn.training.masks import (
    TwoLayer,
    expected_loss,
    masked,
    masked_inputs,
    relu_covariance,
    relu_variance,
    smoothed_relu,
    smoothed_relu_proxy,
)
from analognn.training.studies import masks as study

SIGMAS = 4.5
Z = torch.tensor([-3.0, -0.7, 0.0, 0.2, 1.5, 4.0], dtype=torch.float64)


def seed(k=0):
    return torch.Generator().manual_seed(k)


def normal(*shape, k=0):
    return torch.randn(*shape, generator=seed(k), dtype=torch.float64)


def mean_relu(z, s):
    """E relu(N(z, s^2)) by quadrature from the kink on."""
    return integrate.quad(lambda u: (z + s * u) * stats.norm.pdf(u), -z / s, 40, epsabs=1e-13, points=None)[0]


def assert_is_the_mean(activation, s):
    reference = torch.tensor([mean_relu(float(z), s) for z in Z], dtype=torch.float64)
    torch.testing.assert_close(activation(Z, s), reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("s", [0.3, 1.0, 2.5])
def test_the_smoothed_relu_is_the_mean_of_a_rectified_gaussian(s):
    assert_is_the_mean(smoothed_relu, s)


@pytest.mark.parametrize(
    "slip",
    [
        smoothed_relu_proxy,
        lambda z, s: smoothed_relu(z, s**2),
        lambda z, s: 2 * smoothed_relu_proxy(z, s) - smoothed_relu(z, s),
    ],
    ids=["dropped term", "missing root", "flipped sign"],
)
def test_the_check_of_the_smoothed_relu_sees(slip):
    with pytest.raises(AssertionError):
        assert_is_the_mean(slip, 0.5)


def test_the_proxy_lacks_s_phi_and_is_a_scaled_gelu():
    s = 0.8
    gap = s * torch.exp(-((Z / s) ** 2) / 2) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(smoothed_relu(Z, s) - smoothed_relu_proxy(Z, s), gap)
    torch.testing.assert_close(smoothed_relu_proxy(Z, s), s * nn.functional.gelu(Z / s))


@pytest.mark.parametrize("activation", [smoothed_relu, smoothed_relu_proxy])
def test_slopes_by_z_and_s_are_right(activation):
    z, s = Z.clone().requires_grad_(), torch.linspace(0.2, 2, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(activation, (z, s))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", [smoothed_relu, smoothed_relu_proxy])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-40, 1e-30, 1e-12])
def test_as_s_vanishes_the_relu_is_left_with_its_slope(activation, dtype, size):
    z = torch.tensor([-2.0, -1e-4, 0.0, 1e-4, 3.0], dtype=dtype, requires_grad=True)
    s = torch.full((5,), size, dtype=dtype, requires_grad=True)
    value = activation(z, s)
    torch.testing.assert_close(value, torch.relu(z), rtol=0, atol=1e-11)
    value.sum().backward()
    assert z.grad.isfinite().all()
    assert s.grad.isfinite().all()
    away = z.detach() != 0
    assert torch.equal(z.grad[away], (z.detach() > 0).to(dtype)[away])


def covariance_by_quadrature(h, k, r):
    """Integrates relu(h + u) E[relu(k + v) | u]."""
    root, normal_ = math.sqrt(1 - r * r), stats.norm

    def integrand(u):
        inner = (k + r * u) / root
        return (h + u) * normal_.pdf(u) * root * (inner * normal_.cdf(inner) + normal_.pdf(inner))

    kink = min(max(-k / r if r else 0.0, -h + 1e-3), 11.9)
    product = sum(integrate.quad(integrand, *ends, epsabs=1e-12, limit=200)[0] for ends in ((-h, kink), (kink, 12)))
    return product - mean_relu(h, 1.0) * mean_relu(k, 1.0)


@pytest.mark.parametrize("r", [-0.99, -0.6, 0.0, 0.3, 0.95, 0.99])
def test_the_covariance_of_two_relus_is_exact(r):
    for h, k in [(-1.5, 0.7), (0.0, 0.0), (0.4, -0.2), (2.0, 2.1)]:
        found = relu_covariance(*(torch.tensor(v, dtype=torch.float64) for v in (h, k, r)))
        assert float(found) == pytest.approx(covariance_by_quadrature(h, k, r), abs=2e-7)
        linear = r * stats.norm.cdf(h) * stats.norm.cdf(k)  # what is left without the integral
        if abs(r) > 0.5:
            assert linear != pytest.approx(covariance_by_quadrature(h, k, r), abs=1e-4)


def test_the_covariance_meets_the_variance_where_the_correlation_is_one():
    torch.testing.assert_close(relu_covariance(Z, Z, torch.ones_like(Z)), relu_variance(Z), rtol=0, atol=1e-6)
    second = torch.tensor(
        [integrate.quad(lambda u, z=float(z): (z + u) ** 2 * stats.norm.pdf(u), -float(z), 40)[0] for z in Z]
    )
    first = torch.tensor([mean_relu(float(z), 1.0) for z in Z])
    torch.testing.assert_close(relu_variance(Z).float(), (second - first**2).float(), rtol=1e-5, atol=1e-6)


def test_neurons_that_cancel_or_make_a_line_have_the_variance_that_follows():
    w, x, kappa = normal(1, 4), normal(6, 4, k=1), 0.3
    a = torch.tensor([1.0, -1.0], dtype=torch.float64)
    line = (kappa**2 * (w * x).square().sum(1)).to(torch.float64)
    twins = TwoLayer(torch.cat([w, w]), a).variance(x, kappa)
    mirrored = TwoLayer(torch.cat([w, -w]), a).variance(x, kappa)  # relu(u) - relu(-u) = u
    torch.testing.assert_close(twins, torch.zeros_like(twins), rtol=0, atol=1e-6)
    torch.testing.assert_close(mirrored, line, rtol=1e-5, atol=1e-7)


def problem():
    """Outputs of one sign, so that what a slip does to the neurons adds up."""
    return TwoLayer(normal(7, 4), normal(7, k=1).abs()), normal(12, 4, k=2), normal(12, k=3)


def sampled_loss(kappa, draws=20000):
    network, x, y = problem()
    g = seed(9)
    masks_ = 1 + kappa * torch.randn(draws, *x.shape, generator=g, dtype=torch.float64)
    outputs = torch.relu((x * masks_) @ network.hidden.mT) @ network.output
    losses = (outputs - y).square().mean(1) / 2
    return float(losses.mean()), float(losses.std()) / math.sqrt(draws)


def assert_is_the_expected_loss(value, kappa):
    """Within 4.5 standard errors of sampled masks."""
    mean, error = sampled_loss(kappa)
    assert abs(float(value) - mean) < SIGMAS * error, f"{float(value)} against {mean} +- {error}"


@pytest.mark.parametrize("kappa", [0.1, 0.5, 1.0])
def test_the_expected_loss_is_exact(kappa):
    assert_is_the_expected_loss(expected_loss(*problem(), kappa).total, kappa)


def test_the_check_of_the_expected_loss_sees_each_slip():
    kappa, (network, x, y) = 0.5, problem()
    right = expected_loss(network, x, y, kappa)
    z, s = network.under_mask(x, kappa)
    alone = ((network.output * s).square() * relu_variance(z / s)).sum(1).mean() / 2
    proxy = (smoothed_relu_proxy(z, s) @ network.output - y).square().mean() / 2
    slips = {
        "no penalty": right.smoothed,
        "variances without covariances": right.smoothed + alone,
        "covariances once": right.smoothed + (right.penalty + alone) / 2,
        "penalty without its half": right.smoothed + 2 * right.penalty,
        "proxy": proxy + right.penalty,
        "no mask": expected_loss(network, x, y, 0.0).total,
        "twice the mask": expected_loss(network, x, y, 2 * kappa).total,
        "kappa^2 for kappa": expected_loss(network, x, y, kappa**2).total,
    }
    for value in slips.values():
        with pytest.raises(AssertionError):
            assert_is_the_expected_loss(value, kappa)


def test_without_a_mask_the_loss_is_the_plain_one():
    network, x, y = problem()
    found = expected_loss(network, x, y, 0.0)
    torch.testing.assert_close(found.smoothed, (network(x) - y).square().mean() / 2)
    assert found.penalty == 0


def test_the_expected_loss_has_the_slopes_of_finite_differences():
    network, x, y = problem()
    x = x[:3]
    hidden = network.hidden.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda w: expected_loss(TwoLayer(w, network.output), x, y[:3], 0.4).total, (hidden,)
    )


def test_an_input_without_energy_leaves_finite_slopes():
    network, _, y = problem()
    hidden = network.hidden.clone().requires_grad_()
    expected_loss(TwoLayer(hidden, network.output), torch.zeros(12, 4, dtype=torch.float64), y, 0.4).total.backward()
    assert hidden.grad.isfinite().all()


def test_masks_have_mean_one_and_variance_kappa_squared():
    kappa, x = 0.3, torch.full((200000,), 2.0, dtype=torch.float64)

    def check(values):
        c, n = values / 2, len(values)
        assert abs(float(c.mean()) - 1) < SIGMAS * kappa / math.sqrt(n)
        assert abs(float(c.var()) - kappa**2) < SIGMAS * kappa**2 * math.sqrt(2 / n)

    check(masked(x, kappa, generator=seed()))
    for wrong in (0.0, 2 * kappa, kappa**2):
        with pytest.raises(AssertionError):
            check(masked(x, wrong, generator=seed()))
    with pytest.raises(AssertionError):
        check(x + kappa * normal(len(x)))  # added, not multiplied


def test_masked_inputs_are_fresh_at_every_call_and_gone_after_the_block():
    layer, x, state = nn.Linear(3, 2), torch.ones(4, 3), torch.get_rng_state()
    with masked_inputs(layer, 0.5, generator=seed()):
        first, second = layer(x), layer(x)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    with masked_inputs(layer, 0.5, generator=seed()):
        assert torch.equal(layer(x), first)
    with pytest.raises(RuntimeError, match="own"), masked_inputs(layer, 0.5, generator=seed()):
        raise RuntimeError("own")
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: masked(Z, -0.1, generator=seed()), r"`masked\(kappa=\.\.\.\)` must be a finite number >= 0; got -0.1"),
        (
            lambda: masked_inputs(nn.Linear(1, 1), math.nan, generator=seed()),
            r"`masked_inputs\(kappa=\.\.\.\)` .* got nan",
        ),
        (lambda: expected_loss(*problem(), -1.0), r"`TwoLayer\(kappa=\.\.\.\)` .* got -1.0"),
        (lambda: smoothed_relu(Z, -1.0), r"`smoothed_relu\(s=\.\.\.\)` must be >= 0"),
        (lambda: TwoLayer(normal(3, 2), normal(2)), r"hidden \[m, d\] and output \[m\]; got \[3, 2\] and \[2\]"),
        (lambda: expected_loss(*problem()[:2], normal(3), 0.1), r"y \[12\]; got \[3\]"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_study_descends_by_the_gradient_of_the_summed_loss(monkeypatch):
    monkeypatch.setattr(study, "STEPS", 3)
    monkeypatch.setattr(study, "KAPPAS", (0.0,))
    network, x, y = problem()
    hidden = network.hidden.clone()
    for _ in range(3):
        hidden.requires_grad_()
        loss = (TwoLayer(hidden, network.output)(x) - y).square().sum() / 2
        hidden = (hidden - study.RATE * torch.autograd.grad(loss, hidden)[0]).detach()
    found = study._descend(x, y, network, seed())[1][0]
    torch.testing.assert_close(found, hidden, rtol=1e-5, atol=1e-5)


def test_the_study_in_small(monkeypatch):
    for name, value in (("EXAMPLES", 12), ("HIDDEN", 6), ("DRAWS", 50), ("STEPS", 1100)):
        monkeypatch.setattr(study, name, value)
    monkeypatch.setattr(study, "AT", (0, 10, 1000, 1099))
    monkeypatch.setattr(study, "EARLY", 1)
    findings = study.STUDY.find(seeds=2)
    assert [len(panel.curves) for panel in findings.panels] == [4, 5, 5, 2]
    assert findings == study.STUDY.find(seeds=2)
    assert len(findings.claims) == 8
    assert masks.NODES == 16
