"""The EM view of backpropagation, by enumeration of all hidden states, and likelihood as a bound on accuracy."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from analognn.training.accuracy_bound import accuracy, sharp_bound, theorem6_bound
from analognn.training.em import BeliefNetwork, log_likelihood, monte_carlo_surrogate, surrogate
from analognn.training.likelihoods import Gaussian, Logistic, Softmax
from analognn.training.nem import NemNoise

TARGETS = {
    "softmax": (Softmax(), torch.eye(2, dtype=torch.float64)[[0, 1, 1, 0]]),
    "logistic": (Logistic(), torch.tensor([[0.0, 1], [1, 1], [0, 0], [1, 0]], dtype=torch.float64)),
    "gaussian": (Gaussian(), torch.tensor([[0.3, -1], [2, 0], [-1, 1], [0, 0.5]], dtype=torch.float64)),
}
X = torch.randn(4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def network(likelihood, widths=(3, 3, 2, 2)):
    layers = [nn.Linear(i, o).double() for i, o in itertools.pairwise(widths)]
    with torch.no_grad():
        for k, p in enumerate(p for layer in layers for p in layer.parameters()):
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(k), dtype=torch.float64) * 1.5)
    return BeliefNetwork(tuple(layers), likelihood)


def gradient(net, value):
    parameters = [p for layer in net.layers for p in layer.parameters()]
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad(value.sum(), parameters, retain_graph=True, materialize_grads=True)]
    )


def test_log_likelihood_is_that_of_the_states_summed_one_by_one():
    likelihood, t = TARGETS["logistic"]
    net, total = network(likelihood), torch.zeros(4, dtype=torch.float64)
    for state in itertools.product((0.0, 1.0), repeat=5):
        h1, h2 = (torch.tensor(part, dtype=torch.float64).expand(4, -1) for part in (state[:3], state[3:]))
        p, below = torch.ones(4, dtype=torch.float64), X
        for layer, value in zip(net.layers, (h1, h2, t), strict=True):
            a = layer(below).sigmoid()
            p, below = p * (a**value * (1 - a) ** (1 - value)).prod(-1), value
        total += p
    torch.testing.assert_close(log_likelihood(net, X, t), total.log())


@pytest.mark.parametrize("name", TARGETS)
def test_gradient_of_the_likelihood_is_that_of_the_surrogate(name):  # (1), (94)
    likelihood, t = TARGETS[name]
    net = network(likelihood)
    exact = gradient(net, log_likelihood(net, X, t))
    torch.testing.assert_close(gradient(net, surrogate(net, X, t)), exact, atol=1e-12, rtol=1e-12)


def test_each_slip_in_the_surrogate_breaks_the_identity():
    likelihood, t = TARGETS["softmax"]
    net = network(likelihood)
    exact = gradient(net, log_likelihood(net, X, t))
    states = [
        s.unsqueeze(1)
        for s in torch.split(torch.tensor(list(itertools.product((0.0, 1.0), repeat=5))).double(), [3, 2], -1)
    ]
    prior, out = net.log_terms(X, states, t)
    posterior = (prior + out).detach().softmax(0)
    slips = {
        "prior for posterior": prior.detach().softmax(0) * (prior + out),
        "ln p(h|x) dropped": posterior * out,
        "gradient through the posterior": (prior + out).softmax(0) * (prior + out),
    }
    for slip, q in slips.items():
        assert not torch.allclose(gradient(net, q), exact, rtol=1e-3), slip


def test_mean_activation_backpropagation_climbs_another_function():
    likelihood, t = TARGETS["softmax"]
    net = network(likelihood)
    mean_field = likelihood.log_likelihood(net.layers[2](net.layers[1](net.layers[0](X).sigmoid()).sigmoid()), t)
    assert not torch.allclose(gradient(net, mean_field), gradient(net, log_likelihood(net, X, t)), rtol=0.05)


def error_of_monte_carlo(samples, repeats, scale=1.0):
    """Mean Monte-Carlo gradient of Q less the exact one, in standard errors, root mean square over parameters."""
    likelihood, t = TARGETS["softmax"]
    net, g = network(likelihood), torch.Generator().manual_seed(0)
    exact = gradient(net, surrogate(net, X, t))
    runs = torch.stack(
        [gradient(net, scale * monte_carlo_surrogate(net, X, t, samples=samples, generator=g)) for _ in range(repeats)]
    )
    standard_error = runs.std(0) / math.sqrt(repeats)
    return float((((runs.mean(0) - exact) / standard_error.clamp_min(1e-9)) ** 2).mean().sqrt())


def test_monte_carlo_surrogate_converges_to_the_exact_one():
    assert error_of_monte_carlo(2000, 40) < 2  # bias of order 1/M is below the noise of 40 runs; expected 1
    with pytest.raises(AssertionError):
        assert error_of_monte_carlo(2000, 40, scale=1.2) < 2
    with pytest.raises(AssertionError):
        assert error_of_monte_carlo(2, 400) < 2  # a ratio of two means is biased at finite M


def test_noise_boosts_the_surrogate_with_weights_of_the_clean_target():
    likelihood, t = TARGETS["logistic"]
    net = network(likelihood)

    def q(boost=None):
        g = torch.Generator().manual_seed(1)
        return monte_carlo_surrogate(net, X, t, samples=20, generator=g, boost=boost)

    def boost(rule):
        noise, g = NemNoise(variance=0.2, rule=rule, support="extended"), torch.Generator().manual_seed(3)
        return lambda output, target: noise.on_target(output, target, likelihood, step=0, generator=g)

    torch.testing.assert_close(q(lambda output, target: target), q())
    assert (q(boost("nem")) > q()).all()  # (115)
    assert (q(boost("mirrored")) < q()).all()


def test_too_many_units_or_too_few_samples_are_refused():
    net = network(Softmax(), widths=(3, 17, 2))
    with pytest.raises(ValueError, match="at most 16 hidden units; got 17"):
        surrogate(net, X, TARGETS["softmax"][1])
    with pytest.raises(ValueError, match="samples.*>= 1; got 0"):
        monte_carlo_surrogate(net, X, TARGETS["softmax"][1], samples=0, generator=torch.Generator())


# Theorem 6


@st.composite
def classified(draw):
    k = draw(st.integers(1, 6))
    numbers = st.floats(-12, 12)
    output = torch.tensor(draw(st.lists(numbers, min_size=k, max_size=k)), dtype=torch.float64)
    target = torch.tensor(draw(st.lists(st.floats(0, 1), min_size=k, max_size=k)), dtype=torch.float64)
    return output, target


@given(classified())
def test_likelihood_bounds_accuracy_from_below(case):  # (153), (154) and the sharper pair
    output, target = case
    for likelihood, t in ((Logistic(), target), (Softmax(), (target + 1e-3) / (target + 1e-3).sum())):
        a = accuracy(likelihood, output, t)
        assert a >= theorem6_bound(likelihood, output, t) - 1e-9
        assert a >= sharp_bound(likelihood, output, t) - 1e-9


def test_the_bounds_are_tight_and_what_is_above_them_is_no_bound():
    even = torch.zeros(2, dtype=torch.float64)
    wrong = torch.tensor([0.0, 1e-9], dtype=torch.float64)
    for likelihood, target in ((Logistic(), 1 - even), (Softmax(), torch.tensor([1.0, 0.0], dtype=torch.float64))):
        output = wrong if isinstance(likelihood, Softmax) else even - 1e-9
        assert float(accuracy(likelihood, output, target)) == pytest.approx(
            float(sharp_bound(likelihood, output, target)), abs=1e-6
        )
    # one ln 2 for K logistic units, or none of them: (154) needs K
    output, target = torch.full((3,), 9.0), torch.ones(3)
    assert theorem6_bound(Logistic(), output, target) == pytest.approx(3 * math.log(2), abs=1e-3)
    assert (
        theorem6_bound(Softmax(), torch.randn(50, 4), torch.eye(4)[torch.arange(50) % 4]) <= 0
    ).all()  # says nothing
