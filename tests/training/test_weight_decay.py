"""Weight decay in closed form; input noise as weight decay, in expectation and in training."""

import math

import pytest
import torch
from torch import nn

from analognn.training.studies import weight_decay as study
from analognn.training.weight_decay import decayed_minimiser, noisy_inputs, ridge, shrinkage

SIGMAS, TAU = 4.5, 0.4


def seed(k=0):
    return torch.Generator().manual_seed(k)


def normal(*shape, k=0):
    return torch.randn(*shape, generator=seed(k), dtype=torch.float64)


def quadratic():
    root = normal(5, 5)
    return root @ root.mT + 0.1 * torch.eye(5).double(), normal(5, k=1)


def assert_minimises(weights):
    """The gradient of 1/2 (w - w*)' H (w - w*) + tau/2 ||w||^2 vanishes."""
    hessian, minimiser = quadratic()
    torch.testing.assert_close(
        hessian @ (weights - minimiser) + TAU * weights, torch.zeros(5).double(), rtol=0, atol=1e-10
    )


def test_the_shrunk_minimiser_minimises_the_decayed_error():
    assert_minimises(decayed_minimiser(*quadratic(), TAU))


@pytest.mark.parametrize(
    "slip",
    [
        lambda h, w: decayed_minimiser(h, w, 2 * TAU),
        lambda h, w: decayed_minimiser(h, w, TAU**2),
        lambda h, w: shrinkage(torch.linalg.eigvalsh(h), TAU) * w,  # in the wrong basis
        lambda h, w: w - decayed_minimiser(h, w, TAU),  # tau / (l + tau)
    ],
)
def test_the_check_sees_a_slip(slip):
    with pytest.raises(AssertionError):
        assert_minimises(slip(*quadratic()))


def test_ridge_is_the_decayed_minimiser_of_the_data():
    x, y = normal(40, 5), normal(40, k=1)
    hessian = x.mT @ x / 40
    torch.testing.assert_close(ridge(x, y, TAU), decayed_minimiser(hessian, ridge(x, y, 0.0), TAU))
    w = ridge(x, y, TAU).requires_grad_()
    loss = (x @ w - y).square().mean() / 2 + TAU / 2 * w.square().sum()
    torch.testing.assert_close(torch.autograd.grad(loss, w)[0], torch.zeros(5).double(), rtol=0, atol=1e-12)


def test_the_mean_gradient_under_input_noise_decays_the_weights():
    """Within 4.5 standard errors in every coordinate; half and twice the decay are seen."""
    noise_var, draws, x, y, w = 0.25, 200000, normal(1, 5), 0.7, normal(5, k=2)
    noisy = x + math.sqrt(noise_var) * normal(draws, 5, k=3)
    gradients = (noisy @ w - y)[:, None] * noisy
    error = gradients.std(0) / math.sqrt(draws)
    clean = ((x @ w - y)[:, None] * x)[0]
    off = lambda decay: float(((gradients.mean(0) - clean - decay * w) / error).abs().max())  # noqa: E731
    assert off(noise_var) < SIGMAS
    assert min(off(0.0), off(noise_var / 2), off(2 * noise_var), off(noise_var**2)) > SIGMAS


def test_noisy_inputs_have_the_variance_and_leave_the_module_as_it_was():
    layer, x, state = nn.Identity(), torch.zeros(100000), torch.get_rng_state()
    noise_var, tolerance = 0.3, SIGMAS * math.sqrt(2 / len(x))
    with noisy_inputs(layer, noise_var, generator=seed()):
        first, second = layer(x), layer(x)
    assert float(first.var()) == pytest.approx(noise_var, rel=tolerance)
    assert float(first.var()) != pytest.approx(noise_var**2, rel=tolerance)
    assert not torch.equal(first, second)
    assert layer(x) is x
    assert torch.equal(torch.get_rng_state(), state)


def test_training_with_input_noise_finds_the_ridge_solution(monkeypatch):
    found = study._Run(0)
    assert found.distance(found.trained) < 0.03
    assert found.distance(found.trained, 2 * study.NOISE_VAR) > 0.05
    assert found.distance(found.clean) == pytest.approx(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shrinkage(torch.ones(2), -1.0), r"`shrinkage\(tau=\.\.\.\)` must be a finite number >= 0; got -1.0"),
        (lambda: shrinkage(torch.tensor([-1.0, 1.0]), 0.1), "eigenvalues > 0 .* -1"),
        (lambda: decayed_minimiser(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), torch.ones(2), 0.1), "must be symmetric"),
        (lambda: ridge(torch.ones(2, 1), torch.ones(2), -0.1), r"`ridge\(tau=\.\.\.\)` .* got -0.1"),
        (
            lambda: noisy_inputs(nn.Identity(), -0.1, generator=seed()),
            r"`noisy_inputs\(noise_var=\.\.\.\)` .* got -0.1",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_study_in_small(monkeypatch):
    for name, value in (("STEPS", 60), ("SETTLED", 30), ("DRAWS", 1000)):
        monkeypatch.setattr(study, name, value)
    findings = study.STUDY.find(seeds=2)
    assert len(findings.panels) == 4
    assert len(findings.claims) == 5
    assert findings == study.STUDY.find(seeds=2)
