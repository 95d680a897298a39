"""Backpropagation written out: the gradients of a dense network, one recursion back through its layers.

Row i of every matrix is example i of a batch; E is the loss of the batch, * element by element.

    Z_l = Y_{l-1} W_l^T + 1 b_l^T,    Y_l = phi_l(Z_l),    Y_0 = X                              forward
    D_L = dE/dY_L * phi_L'(Z_L),      D_{l-1} = (D_l W_l) * phi_{l-1}'(Z_{l-1})                 back; D_l = dE/dZ_l
    dL/dW_l = D_l^T Y_{l-1} + tau W_l,    dL/db_l = D_l^T 1,    L = E + tau/2 sum ||W_l||^2

Nothing here calls autograd: it is what the tests hold these lines against. After "Lab 4" (backpropagation, XOR, weight
decay), eqs. (1) to (8). Against print: phi' belongs to Z, not Y; dL/dW is D^T Y, not its transpose; a penalty whose
gradient is lambda/2 W is lambda/4 ||W||^2; for rows of examples it is D W, not W^T D.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from analognn.channels import checks

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Activation:
    """phi and its slope.

    Args:
        name: of the function.
        value: phi(z).
        slope: phi'(z), a function of the input z.
    """

    name: str
    value: Map
    slope: Map


@dataclass(frozen=True)
class Loss:
    """E and its slope, of outputs and targets [n, k] each.

    Args:
        name: of the loss.
        value: E(outputs, targets), scalar.
        slope: dE/d outputs, [n, k].
    """

    name: str
    value: Callable[[Tensor, Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


IDENTITY = Activation("identity", lambda z: z, torch.ones_like)
RELU = Activation("relu", torch.relu, lambda z: (z > 0).to(z))
SIGMOID = Activation("sigmoid", torch.sigmoid, lambda z: torch.sigmoid(z) * torch.sigmoid(-z))
TANH = Activation("tanh", torch.tanh, lambda z: 1 - torch.tanh(z) ** 2)

SQUARED_ERROR = Loss("squared error", lambda y, t: ((y - t) ** 2).sum() / (2 * len(y)), lambda y, t: (y - t) / len(y))
"""Half the squared error, summed over outputs, mean over the batch."""


def _log(y: Tensor) -> Tensor:
    return torch.log(y).clamp(min=-100)  # an output that rounds to 0 or 1 stays finite, as in torch


BINARY_CROSS_ENTROPY = Loss(
    "binary cross-entropy",
    lambda y, t: -(t * _log(y) + (1 - t) * _log(1 - y)).sum() / len(y),
    lambda y, t: (y - t) / ((1 - y) * y).clamp(min=1e-12) / len(y),
)
"""Of outputs in [0, 1], summed over outputs, mean over the batch; needs a sigmoid before it."""


@dataclass(frozen=True)
class DenseNetwork:
    """Layers y -> phi_l(W_l y + b_l).

    Args:
        weights: W_l [out, in].
        biases: b_l [out].
        activations: phi_l.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    activations: tuple[Activation, ...]

    def __post_init__(self) -> None:
        counts = len(self.weights), len(self.biases), len(self.activations)
        if len(set(counts)) != 1 or not self.weights:
            raise ValueError(f"`DenseNetwork` needs a weight, a bias and an activation a layer; got {counts} of them.")
        for first, second in pairwise(self.weights):
            if first.shape[0] != second.shape[1]:
                raise ValueError(
                    f"`DenseNetwork`: {first.shape[0]} outputs meet {second.shape[1]} inputs; W_l is [out, in]."
                )

    @classmethod
    def random(
        cls, sizes: Sequence[int], activations: Sequence[Activation], *, generator: torch.Generator
    ) -> DenseNetwork:
        """Weights N(0, 2 / (in + out)), clipped at two standard deviations, zero biases, double precision."""
        shapes = [(fan_out, fan_in) for fan_in, fan_out in pairwise(sizes)]
        drawn = (torch.randn(shape, generator=generator, dtype=torch.float64).clamp(-2, 2) for shape in shapes)
        weights = tuple(w * math.sqrt(2 / sum(w.shape)) for w in drawn)
        return cls(weights, tuple(torch.zeros_like(w[:, 0]) for w in weights), tuple(activations))

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs [n, k] of inputs [n, d]."""
        return self.trace(x)[-1][1]

    def trace(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(Z_l, Y_l) of every layer, each [n, out]."""
        kept, y = [], x
        for weight, bias, activation in zip(self.weights, self.biases, self.activations, strict=True):
            z = y @ weight.T + bias
            y = activation.value(z)
            kept.append((z, y))
        return kept

    def step(self, gradients: Gradients, rate: float) -> DenseNetwork:
        """The network after one step of gradient descent."""
        weights = tuple(w - rate * g for w, g in zip(self.weights, gradients.weights, strict=True))
        biases = tuple(b - rate * g for b, g in zip(self.biases, gradients.biases, strict=True))
        return DenseNetwork(weights, biases, self.activations)


@dataclass(frozen=True)
class Gradients:
    """L and its gradients by W_l [out, in] and b_l [out]."""

    loss: float
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]


def penalised(network: DenseNetwork, x: Tensor, targets: Tensor, loss: Loss, *, weight_decay: float = 0.0) -> float:
    """L itself; arguments as :func:`backpropagate`."""
    checks.real("backprop", "weight_decay", weight_decay, ge=0)
    outputs = network(x)
    if targets.shape != outputs.shape:
        raise ValueError(
            f"`backprop` needs targets in the shape of the outputs {list(outputs.shape)}; got {list(targets.shape)}."
        )
    return float(loss.value(outputs, targets) + weight_decay / 2 * sum((w**2).sum() for w in network.weights))


def backpropagate(
    network: DenseNetwork, x: Tensor, targets: Tensor, loss: Loss, *, weight_decay: float = 0.0
) -> Gradients:
    """The gradients of L = E + weight_decay/2 sum ||W_l||^2.

    Args:
        network: the network.
        x: [n, d].
        targets: [n, k].
        loss: E.
        weight_decay: tau >= 0; biases do not decay.

    >>> network = DenseNetwork((torch.tensor([[2.0]]),), (torch.tensor([0.0]),), (IDENTITY,))
    >>> backpropagate(network, torch.tensor([[3.0]]), torch.tensor([[5.0]]), SQUARED_ERROR).weights
    (tensor([[3.]]),)
    """
    value = penalised(network, x, targets, loss, weight_decay=weight_decay)
    trace = network.trace(x)
    slope = loss.slope(trace[-1][1], targets)  # dE/dY_l
    weights, biases = [], []
    for layer in reversed(range(len(trace))):
        delta = slope * network.activations[layer].slope(trace[layer][0])
        below = trace[layer - 1][1] if layer else x
        weights.append(delta.T @ below + weight_decay * network.weights[layer])
        biases.append(delta.sum(0))
        slope = delta @ network.weights[layer]
    return Gradients(value, tuple(reversed(weights)), tuple(reversed(biases)))


def central_differences(
    network: DenseNetwork, x: Tensor, targets: Tensor, loss: Loss, *, weight_decay: float = 0.0, step: float = 1e-5
) -> Gradients:
    """The same gradients, slowly: (L(w + h) - L(w - h)) / 2h, one weight at a time; off by h^2 and by rounding / h.

    Args:
        network: the network.
        x: [n, d].
        targets: [n, k].
        loss: E.
        weight_decay: tau >= 0.
        step: h > 0.
    """
    checks.real("central_differences", "step", step, gt=0)

    def penalised_at(parameters: list[Tensor]) -> float:
        half = len(parameters) // 2
        moved = DenseNetwork(tuple(parameters[:half]), tuple(parameters[half:]), network.activations)
        return penalised(moved, x, targets, loss, weight_decay=weight_decay)

    parameters = [*network.weights, *network.biases]
    found = [torch.zeros_like(p) for p in parameters]
    for p, slopes in enumerate(found):
        for i in range(slopes.numel()):
            shift = torch.zeros_like(slopes)
            shift.view(-1)[i] = step
            up, down = ([*parameters[:p], parameters[p] + s, *parameters[p + 1 :]] for s in (shift, -shift))
            slopes.view(-1)[i] = (penalised_at(up) - penalised_at(down)) / (2 * step)
    half = len(network.weights)
    return Gradients(penalised_at(parameters), tuple(found[:half]), tuple(found[half:]))


def train(
    network: DenseNetwork, x: Tensor, targets: Tensor, loss: Loss, *, rate: float, steps: int
) -> tuple[DenseNetwork, list[float]]:
    """Full-batch gradient descent.

    Returns:
        The network after ``steps``, and the loss before each of them.
    """
    checks.real("train", "rate", rate, gt=0)
    checks.integer("train", "steps", steps, ge=0)
    losses = []
    for _ in range(steps):
        gradients = backpropagate(network, x, targets, loss)
        losses.append(gradients.loss)
        network = network.step(gradients, rate)
    return network, losses
