"""Noise in hidden layers: where it goes, by which condition."""

import pytest
import torch
from torch import nn

from analognn.training.nem import NemNoise
from analognn.training.nem_hidden import hidden_noise


def seed(k=0):
    return torch.Generator().manual_seed(k)


def network(activation):
    model = nn.Sequential(nn.Linear(4, 5), activation, nn.Linear(5, 2)).double()
    with torch.no_grad():
        for k, p in enumerate(model.parameters()):
            p.copy_(torch.randn(p.shape, generator=seed(k), dtype=torch.float64))
    return model


X, T = (torch.randn(30, k, generator=seed(9), dtype=torch.float64) for k in (4, 2))


def loss(model):
    return (model(X) - T).square().sum(-1).mean() / 2


def gradients(model):
    model.zero_grad()
    loss(model).backward()
    return [p.grad.clone() for p in model.parameters()]


def noisy_gradients(model, reading, rule="nem", layers=("1",), variance=0.3):
    with hidden_noise(
        model, layers, noise=NemNoise(variance=variance, rule=rule), step=0, generator=seed(5), reading=reading
    ):
        return gradients(model)


def drawn(variance=0.3):
    return variance**0.5 * torch.randn(30, 5, generator=seed(5), dtype=torch.float64)


def difference(reading, activation, rule):
    """Noisy minus clean gradient of the first layer's bias: minus the mean noise that reached its pre-activation."""
    model = network(activation)
    return noisy_gradients(model, reading, rule)[1] - gradients(model)[1]


def kept_logistic():
    o = network(nn.Sigmoid())[0](X).detach()
    return (
        drawn() * ((drawn() * o.sigmoid().log()).sum(-1) >= (drawn() * (1 - o.sigmoid()).log()).sum(-1))[:, None]
    )  # (134)


@pytest.mark.parametrize(("rule", "sign"), [("nem", 1), ("mirrored", -1)])
def test_logistic_error_gains_the_noise_that_its_likelihood_takes(rule, sign):
    torch.testing.assert_close(difference("error", nn.Sigmoid(), rule), -sign * kept_logistic().mean(0))


def test_the_error_reading_is_the_gradient_of_the_layer_s_likelihood_term():
    """ln p(h + m|x) - ln p(h|x) = m . o, so ascent on it adds m to the error at o (A.26-A.27)."""
    model = network(nn.Sigmoid())
    model.zero_grad()
    (loss(model) - (kept_logistic() * model[0](X)).sum(-1).mean()).backward()
    expected = [p.grad.clone() for p in model.parameters()]
    for got, want in zip(noisy_gradients(network(nn.Sigmoid()), "error"), expected, strict=True):
        torch.testing.assert_close(got, want)


def test_the_activation_reading_feeds_the_noise_forward():
    model = network(nn.Sigmoid())
    with hidden_noise(model, ["1"], noise=NemNoise(variance=0.3), step=0, generator=seed(5), reading="activation"):
        got = model(X)
    torch.testing.assert_close(got, model[2](model[0](X).sigmoid() + kept_logistic()))


def test_relu_noise_stays_in_the_sphere_of_the_arriving_error():
    model = network(nn.ReLU())
    hidden = model[1](model[0](X)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad((model[2](hidden) - T).square().sum() / 2, hidden)
    error = -gradient
    took = (drawn() + error).norm(dim=-1) <= error.norm(dim=-1)
    assert took.any()
    assert not took.all()
    reached = drawn() * took[:, None] * (hidden > 0)
    torch.testing.assert_close(difference("error", nn.ReLU(), "nem"), -reached.mean(0))


def test_layers_above_see_no_noise_in_the_error_reading():
    clean, noisy = gradients(network(nn.Sigmoid())), noisy_gradients(network(nn.Sigmoid()), "error")
    assert torch.equal(clean[2], noisy[2])
    assert torch.equal(clean[3], noisy[3])


def test_each_network_of_a_stack_is_averaged_over_its_own_samples():
    model = network(nn.Sigmoid())
    gens = [seed(5), seed(6)]
    with hidden_noise(model, ["1"], noise=NemNoise(variance=0.3), step=0, generator=gens, reading="error"):
        stacked = X.expand(2, *X.shape)
        model.zero_grad()
        ((model(stacked) - T).square().sum(-1).mean(-1).sum() / 2).backward()
    together = model[0].bias.grad.clone()
    alone = sum(_alone(k) for k in (5, 6))
    torch.testing.assert_close(together, alone)


def _alone(k):
    model = network(nn.Sigmoid())
    with hidden_noise(model, ["1"], noise=NemNoise(variance=0.3), step=0, generator=seed(k), reading="error"):
        return gradients(model)[1]


def test_noise_ends_with_the_block_and_spares_evaluation():
    model = network(nn.Sigmoid())
    before = gradients(model)
    with (
        hidden_noise(model, ["1"], noise=NemNoise(variance=1.0), step=0, generator=seed(), reading="error"),
        torch.no_grad(),
    ):
        loss(model)
    assert all(torch.equal(a, b) for a, b in zip(gradients(model), before, strict=True))


def test_bad_layers_are_refused_before_anything_is_hooked():
    def enter(model, layers, reading="error"):
        with hidden_noise(model, layers, noise=NemNoise(variance=0.1), step=0, generator=seed(), reading=reading):
            pass

    with pytest.raises(TypeError, match="no likelihood is known for Tanh"):
        enter(network(nn.Tanh()), ["1"])
    with pytest.raises(ValueError, match="must be one of 0, 1, 2; got '3'"):
        enter(network(nn.Sigmoid()), ["3"])
    with pytest.raises(ValueError, match=r"'1' is ReLU, which reading='activation' cannot serve"):
        enter(network(nn.ReLU()), ["1"], "activation")
    with pytest.raises(ValueError, match="one of error, activation"):
        enter(network(nn.Sigmoid()), ["1"], "weights")
    model = network(nn.Sigmoid())
    with pytest.raises(ValueError, match="'3'"):
        enter(model, ["1", "3"])
    assert not model[1]._forward_hooks
