"""Weight noise in a training loop and the terms it amounts to."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from analognn.channels import Awgn, Quantised
from analognn.packing import ParameterLayout
from analognn.training.weight_noise import noisy_weights, residual_curvature, weight_noise_penalty

ETA = 1e-4


def seed(k=0):
    return torch.Generator().manual_seed(k)


def network(*layers):
    """Double precision, weights from a seed."""
    model = nn.Sequential(*layers).double()
    g = seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=g, dtype=torch.float64) * 0.7)
    return model


def mlp(activation=nn.Tanh):
    return network(nn.Linear(3, 6), activation(), nn.Linear(6, 2))


def batch(n=40):
    return (torch.randn(n, k, generator=seed(k), dtype=torch.float64) for k in (3, 2))


def packed(model):
    return ParameterLayout.from_model(model).pack(model).vector


# The injector


def test_gradients_are_those_at_the_noisy_weights_and_the_clean_ones_return_bit_by_bit():
    model, (x, y) = mlp(), batch()
    before, state = packed(model), torch.get_rng_state()
    with noisy_weights(model, 0.1, generator=seed()) as received:
        noisy = packed(model)
        (model(x) - y).square().mean().backward()
    assert torch.equal(noisy, received.values)
    assert torch.equal(packed(model), before)
    assert torch.equal(torch.get_rng_state(), state)
    got = torch.cat([p.grad.flatten() for p in model.parameters()])
    twin = ParameterLayout.from_model(model).unpack(noisy, model)
    twin.zero_grad()
    (twin(x) - y).square().mean().backward()
    assert torch.equal(got, torch.cat([p.grad.flatten() for p in twin.parameters()]))


def test_every_block_draws_new_noise_and_the_same_seed_the_same():
    model, g = mlp(), seed()
    drawn = []
    for generator in (g, g, seed()):
        with noisy_weights(model, 0.1, generator=generator) as received:
            drawn.append(received.values)
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])


def check_variance(noise, eta):
    """Within five standard errors, sqrt(2 / n) eta each."""
    assert abs(float(noise.square().mean()) - eta) < 5 * eta * (2 / noise.numel()) ** 0.5


def test_eta_is_the_variance():
    model = nn.Linear(100, 100)
    with noisy_weights(model, 0.04, generator=seed()) as received:
        noise = packed(model)
    noise = noise - packed(model)
    check_variance(noise, received.noise_var)
    for wrong in (0 * noise, 2**0.5 * noise, 0.2 * noise):  # none, doubled, eta taken for the standard deviation
        with pytest.raises(AssertionError):
            check_variance(wrong, 0.04)


def test_only_analog_tensors_carry_noise():
    model = network(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    scale = model[1].weight.detach().clone()
    with noisy_weights(model, 0.1, generator=seed()):
        assert torch.equal(model[1].weight, scale)


@pytest.mark.parametrize("medium", [Awgn(wnr_db=10.0), Quantised("int4")])
def test_any_channel_will_do(medium):
    model = nn.Linear(8, 8)
    before = packed(model)
    with noisy_weights(model, medium, generator=seed()):
        assert not torch.equal(packed(model), before)
    assert torch.equal(packed(model), before)


def test_a_failure_inside_leaves_the_clean_weights():
    model = mlp()
    before = packed(model)
    with pytest.raises(ZeroDivisionError), noisy_weights(model, 0.1, generator=seed()):
        1 / 0  # noqa: B018
    assert torch.equal(packed(model), before)


def test_a_step_inside_the_block_is_refused():
    model = mlp()
    before = packed(model)

    def step():
        with noisy_weights(model, 0.1, generator=seed()):
            model[0].weight.data.sub_(0.1)

    with pytest.raises(RuntimeError, match="step after the block"):
        step()
    assert torch.equal(packed(model), before)


# The terms


def test_for_one_linear_layer_the_penalty_is_the_input_power():
    model, (x, _) = network(nn.Linear(3, 2)), batch()
    wanted = 0.3 * 2 * (x.square().sum(1).mean() + 1)  # two outputs, and the bias sees a 1
    torch.testing.assert_close(weight_noise_penalty(model, x, 0.3), wanted)


def test_penalty_of_a_convolution_against_one_backward_pass_for_each_example_and_output():
    model = network(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)).eval()
    x = torch.randn(5, 1, 4, 4, generator=seed(), dtype=torch.float64)
    analog = [p for layer in (model[0], model[4]) for p in layer.parameters()]
    total = sum(
        gradient.square().sum()
        for row in model(x)
        for output in row
        for gradient in torch.autograd.grad(output, analog, retain_graph=True)
    )
    torch.testing.assert_close(weight_noise_penalty(model, x, 0.01), 0.01 * total / len(x))


def test_both_terms_can_be_trained_on():
    (x, y), model = batch(4), mlp()
    parameters = tuple(model.parameters())

    def terms(*weights):
        for layer, tensor in zip((0, 0, 2, 2), weights, strict=True):
            name = "weight" if tensor.ndim == 2 else "bias"
            delattr(model[layer], name)
            setattr(model[layer], name, nn.Parameter(tensor.detach()))
        return weight_noise_penalty(model, x, 1.0) + residual_curvature(model, x, y, 1.0)

    terms(*parameters).backward()
    for index, parameter in enumerate(model.parameters()):
        step = torch.zeros_like(parameter)
        step.view(-1)[0] = 1e-6
        ends = [[p + k * step if i == index else p for i, p in enumerate(parameters)] for k in (1, -1)]
        wanted = (terms(*ends[0]) - terms(*ends[1])) / 2e-6
        torch.testing.assert_close(parameter.grad.view(-1)[0], wanted, rtol=1e-5, atol=1e-8)
        break  # the first weight reaches every term


def rise(model, x, y, eta, pairs=20_000):
    """(E loss(w + z) - loss(w)) / eta and its standard error, over pairs +-z, which cancel what is odd in z."""
    layout = ParameterLayout.from_model(model)
    clean = layout.pack(model).vector
    z = eta**0.5 * torch.randn(pairs, layout.numel, generator=seed(9), dtype=clean.dtype)

    def loss(vector):
        weights = {slot.name: vector[slot.start : slot.stop].view(slot.shape) for slot in layout.slots}
        return (functional_call(model, weights, (x,)) - y).square().sum(1).mean()

    with torch.no_grad():
        loss_of = vmap(loss, chunk_size=2000)
        rises = ((loss_of(clean + z) + loss_of(clean - z)) / 2 - loss(clean)) / eta
    return float(rises.mean()), float(rises.std()) / pairs**0.5


def check_first_order(predicted, measured):
    mean, error = measured
    assert abs(predicted - mean) < 5 * error


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.Softplus])
def test_noise_raises_the_expected_loss_by_the_two_terms(activation):
    model, (x, y) = mlp(activation), batch()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    x, y = x.abs(), y + 5  # with which neither residuals nor curvatures average out
    penalty, curvature = weight_noise_penalty(model, x, 1.0).item(), residual_curvature(model, x, y, 1.0).item()
    measured = rise(model, x, y, ETA)
    check_first_order(penalty + curvature, measured)
    for slip in (penalty, penalty + curvature / 2, penalty + 2 * curvature, penalty / 2 + curvature):
        with pytest.raises(AssertionError):
            check_first_order(slip, measured)


def test_where_every_weight_enters_linearly_there_is_no_curvature():
    model, (x, y) = mlp(nn.Identity), batch()
    assert abs(residual_curvature(model, x, y, 1.0).item()) < 1e-12
    check_first_order(weight_noise_penalty(model, x, 1.0).item(), rise(model, x, y, ETA))


def test_the_kinks_of_relu_carry_a_curvature_that_autograd_does_not_see():
    model = network(nn.Linear(1, 6), nn.ReLU(), nn.Linear(6, 1))
    with torch.no_grad():
        model[2].weight.abs_()  # so that the kinks of the hidden neurons do not cancel
    x = torch.linspace(-4, 4, 401, dtype=torch.float64)[:, None]  # some input near every kink
    y = torch.full_like(x, 20.0)
    assert residual_curvature(model, x, y, 1.0) == 0
    with pytest.raises(AssertionError):
        check_first_order(weight_noise_penalty(model, x, 1.0).item(), rise(model, x, y, 0.01, pairs=2000))


# Bad input


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m, x, y: noisy_weights(m, -0.1, generator=seed()).__enter__(), ValueError, r"medium=...\)` must be"),
        (lambda m, x, y: noisy_weights(m, "awgn", generator=seed()).__enter__(), TypeError, "'awgn'"),
        (
            lambda m, x, y: weight_noise_penalty(m, x, -1.0),
            ValueError,
            r"noise_var=...\)` must be a finite number >= 0",
        ),
        (lambda m, x, y: residual_curvature(m, x, y, -1.0), ValueError, "`residual_curvature"),
        (lambda m, x, y: residual_curvature(m, x, y[:, :1], 1.0), ValueError, r"got \[40, 1\]"),
    ],
)
def test_one_clear_error_for_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call(mlp(), *batch())


def test_batch_norm_in_training_mode_has_no_gradients_of_single_examples():
    model = network(nn.Linear(3, 2), nn.BatchNorm1d(2))
    with pytest.raises(ValueError, match="model.eval"):
        weight_noise_penalty(model, next(iter(batch())), 1.0)
