"""Gradients written out, against autograd and finite differences, and shown to fail for the slips of the source."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from analognn.training import backprop
from analognn.training.backprop import (
    BINARY_CROSS_ENTROPY,
    IDENTITY,
    RELU,
    SIGMOID,
    SQUARED_ERROR,
    TANH,
    DenseNetwork,
    backpropagate,
    central_differences,
)
from analognn.training.studies import backprop as study

TORCH = {"identity": lambda z: z, "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
CASES = [
    ((RELU, TANH, SIGMOID), BINARY_CROSS_ENTROPY),
    ((TANH, SIGMOID, IDENTITY), SQUARED_ERROR),
    ((SIGMOID, RELU, TANH), SQUARED_ERROR),
]
DECAY = 0.3


def problem(activations=CASES[0][0]):
    g = torch.Generator().manual_seed(4)
    network = DenseNetwork.random((3, 6, 5, 2), activations, generator=g)
    biases = tuple(torch.randn(b.shape, generator=g, dtype=torch.float64) for b in network.biases)
    x = torch.randn(9, 3, generator=g, dtype=torch.float64)
    return dataclasses.replace(network, biases=biases), x, torch.randint(2, (9, 2), generator=g).double()


def autograd(network, x, targets, loss, decay):
    parameters = [p.clone().requires_grad_() for p in (*network.weights, *network.biases)]
    weights, biases = parameters[: len(network.weights)], parameters[len(network.weights) :]
    y = x
    for w, b, activation in zip(weights, biases, network.activations, strict=True):
        y = TORCH[activation.name](F.linear(y, w, b))
    e = (
        F.binary_cross_entropy(y, targets, reduction="sum")
        if loss is BINARY_CROSS_ENTROPY
        else (y - targets).square().sum() / 2
    )
    penalty = sum(w.square().sum() for w in weights)
    return torch.autograd.grad(e / len(x) + decay / 2 * penalty, parameters)


def assert_same(gradients, reference, tolerance=1e-12):
    for ours, theirs in zip((*gradients.weights, *gradients.biases), reference, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("activations", "loss"), CASES)
def test_the_recursion_agrees_with_autograd_and_with_finite_differences(activations, loss):
    network, x, targets = problem(activations)
    ours = backpropagate(network, x, targets, loss, weight_decay=DECAY)
    assert_same(ours, autograd(network, x, targets, loss, DECAY))
    slow = central_differences(network, x, targets, loss, weight_decay=DECAY)
    assert ours.loss == slow.loss
    assert_same(ours, (*slow.weights, *slow.biases), 1e-7)


def with_slip(slip):
    """Gradients with one slip of the source, or one that is often made."""
    network, x, targets = problem()
    if slip == "slope at the output":
        network = dataclasses.replace(network, activations=tuple(map(study._of_output, network.activations)))
    decay = {"half the decay": DECAY / 2, "no decay": 0.0}.get(slip, DECAY)
    found = backpropagate(network, x, targets, BINARY_CROSS_ENTROPY, weight_decay=decay)
    if slip == "sum for mean":
        found = dataclasses.replace(found, weights=tuple(len(x) * w for w in found.weights))
    return found


@pytest.mark.parametrize("slip", ["slope at the output", "half the decay", "no decay", "sum for mean"])
def test_the_check_sees(slip):
    reference = autograd(*problem(), BINARY_CROSS_ENTROPY, DECAY)
    assert_same(with_slip("none"), reference)
    with pytest.raises(AssertionError):
        assert_same(with_slip(slip), reference, 1e-3)


def test_the_source_s_example_of_the_loss():
    y = torch.tensor([[0.2, 0.3, 0.1], [0.5, 0.8, 0.1]])
    t = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert float(BINARY_CROSS_ENTROPY.value(y, t)) == pytest.approx(1.952027)
    slopes = torch.tensor([[0.625, 0.7142857, -5.0], [1.0, -0.625, 0.5555556]])
    torch.testing.assert_close(BINARY_CROSS_ENTROPY.slope(y, t), slopes)


def test_saturated_outputs_stay_finite():
    y, t = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [0.0]])
    assert BINARY_CROSS_ENTROPY.value(y, t) == 100
    assert BINARY_CROSS_ENTROPY.slope(y, t).isfinite().all()


def test_it_learns_xor():
    network = DenseNetwork.random((2, 4, 1), (TANH, SIGMOID), generator=torch.Generator().manual_seed(0))
    trained, losses = backprop.train(network, study.X, study.XOR, BINARY_CROSS_ENTROPY, rate=1.0, steps=250)
    assert losses[-1] < 0.05 < losses[0]
    assert torch.equal(trained(study.X).round(), study.XOR)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda n, x, t: backpropagate(n, x, t, SQUARED_ERROR, weight_decay=-1.0),
            r"weight_decay=\.\.\.\)` .* got -1.0",
        ),
        (lambda n, x, t: backpropagate(n, x, t[:, :1], SQUARED_ERROR), r"the outputs \[9, 2\]; got \[9, 1\]"),
        (lambda n, x, t: central_differences(n, x, t, SQUARED_ERROR, step=0.0), r"step=\.\.\.\)` .* > 0; got 0.0"),
        (lambda n, x, t: backprop.train(n, x, t, SQUARED_ERROR, rate=0.0, steps=1), r"rate=\.\.\.\)` .* > 0; got 0.0"),
        (
            lambda n, x, t: DenseNetwork(n.weights[::-1], n.biases, n.activations),
            "2 outputs meet 5 inputs|outputs meet",
        ),
        (lambda n, x, t: DenseNetwork(n.weights, n.biases[:1], n.activations), "an activation a layer"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call(*problem())


def test_the_study_in_small(monkeypatch):
    monkeypatch.setattr(study, "STEPS", 60)
    monkeypatch.setattr(study, "LAB_STEPS", 50)
    monkeypatch.setattr(study, "DIFFERENCES", (1e-1, 1e-2, 1e-3, 1e-4, 1e-5))
    findings = study.STUDY.find(seeds=2)
    assert len(findings.panels) == 3
    assert findings.panels[0].curves[0].y[-1] < 1e-8 < 1e-3 < findings.panels[0].curves[1].y[-1]
    assert findings == study.STUDY.find(seeds=2)
