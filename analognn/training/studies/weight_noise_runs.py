"""The runs of the study on weight noise: networks at fixed weights, and networks trained with noise or penalty.

At fixed weights: 200 inputs N(0, I), 4 wide; no hidden layer or one of 16 units; weights N(0, 1), those of the output
layer positive, so that the curvatures of the units do not cancel; targets N(0, 1); E_z J(w + z) - J(w) by pairs of
draws. Training: a 1-10-1 tanh network on y = sin x + N(0, .1^2), 64 points of [-3, 3], full batch, Adam with a cosine
fall of the rate, the same first weights for all; noise training takes the mean gradient of two draws in each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from analognn.seeds import seeded
from analognn.training.masks import smoothed_relu
from analognn.training.weight_noise import loss_rises, noisy_weights, residual_curvature, weight_noise_penalty

ETAS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
PAIRS, EXAMPLES, INPUTS, HIDDEN = 1000, 200, 4, 16
NETWORKS: dict[str, type[nn.Module] | None] = {
    "one linear layer": None,
    "two linear layers": nn.Identity,
    "tanh": nn.Tanh,
    "ReLU": nn.ReLU,
}
TRAINED_ETAS = (1e-3, 1e-2, 1e-1)
STEPS, RATE, DRAWS, POINTS = 600, 0.03, 2, 64
CHECKPOINTS = (0, 10, 20, 40, 80, 160, 300, 450, 599)
GRID = torch.linspace(-3, 3, 101, dtype=torch.float64)[:, None]

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Fixed:
    """A network at fixed weights: rise of the loss for every eta, and the terms by autograd, all over eta.

    ``kinks`` is, for every eta, what the smoothed ReLU adds: 2 E[(f - y) (E_z f(w + z) - f)], the residual times the
    curvature of all kinks within reach of the noise; exact for one hidden layer, as z is independent in each layer.
    """

    rises: list[float]
    penalty: float
    curvature: float
    kinks: list[float]

    def ratios(self) -> list[float]:
        """Rise over penalty."""
        return [rise / self.penalty for rise in self.rises]

    def predicted(self) -> list[float]:
        """What the ratio is with all terms."""
        return [1 + (self.curvature + kinks) / self.penalty for kinks in self.kinks]


@dataclass(frozen=True)
class Run:
    """One seed. ``noisy_loss`` and ``outputs`` (on a grid) of trained networks by (kind, eta)."""

    fixed: dict[str, Fixed]
    shares: list[float]
    noisy_loss: dict[tuple[str, float], float]
    outputs: dict[tuple[str, float], Tensor]

    def distance(self, eta: float) -> float:
        """Of the penalty's function from the noise's, relative to that of plain training; of the root mean square."""
        noise, penalty, plain = (self.outputs[kind, eta] for kind in ("noise", "penalty", "plain"))
        return float((penalty - noise).norm() / (plain - noise).norm())


def one_run(seed: int) -> Run:
    """All of one seed."""
    fixed = {name: _at_fixed_weights(seed, activation) for name, activation in NETWORKS.items()}
    batch = _sine(seed)
    plain, shares = _train(seed, batch, _penalty_step(batch, 0.0), watched=True)
    loss: dict[tuple[str, float], float] = {}
    outputs: dict[tuple[str, float], Tensor] = {}
    for eta in TRAINED_ETAS:
        trained = {
            "plain": plain,
            "noise": _train(seed, batch, _noise_step(seed, batch, eta))[0],
            "penalty": _train(seed, batch, _penalty_step(batch, eta))[0],
        }
        for kind, model in trained.items():
            g = seeded("weight-noise", seed, "evaluation")
            rise = loss_rises(model, *batch, eta, pairs=PAIRS, generator=g).mean()
            loss[kind, eta] = float(_squared_error(model, batch).detach() + rise)
            outputs[kind, eta] = model(GRID).detach()
    return Run(fixed, shares, loss, outputs)


def _at_fixed_weights(seed: int, activation: type[nn.Module] | None) -> Fixed:
    g = seeded("weight-noise", seed, "fixed")
    x, y = (torch.randn(EXAMPLES, width, generator=g, dtype=torch.float64) for width in (INPUTS, 1))
    model = _network(activation, g)
    rises = [
        loss_rises(model, x, y, eta, pairs=PAIRS, generator=seeded("weight-noise", seed, "pairs")).mean().item() / eta
        for eta in ETAS
    ]
    penalty, curvature = weight_noise_penalty(model, x, 1.0).item(), residual_curvature(model, x, y, 1.0).item()
    kinks = [_kinks(model, x, y, eta) / eta if activation is nn.ReLU else 0.0 for eta in ETAS]
    return Fixed(rises, penalty, curvature, kinks)


@torch.no_grad()
def _kinks(model: nn.Sequential, x: Tensor, y: Tensor, eta: float) -> float:
    """2 E[(f - y) (E_z f(w + z) - f)]: a pre-activation is off by N(0, eta (|x|^2 + 1)), its bias included."""
    first, relu, last = model
    z, s = first(x), (eta * (x.square().sum(1, keepdim=True) + 1)).sqrt()
    risen = (smoothed_relu(z, s) - relu(z)) @ last.weight.T
    return float(2 * ((model(x) - y) * risen).mean())


def _network(activation: type[nn.Module] | None, g: torch.Generator) -> nn.Sequential:
    hidden = [] if activation is None else [nn.Linear(INPUTS, HIDDEN), activation()]
    last = nn.Linear(HIDDEN if hidden else INPUTS, 1)
    model = nn.Sequential(*hidden, last).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=g, dtype=torch.float64))
        last.weight.abs_()
    return model


# Training


def _sine(seed: int) -> Batch:
    g = seeded("weight-noise", seed, "sine")
    x = torch.rand(POINTS, 1, generator=g, dtype=torch.float64) * 6 - 3
    return x, x.sin() + 0.1 * torch.randn(POINTS, 1, generator=g, dtype=torch.float64)


def _small(seed: int) -> nn.Module:
    g = seeded("weight-noise", seed, "start")
    model = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1)).double()
    with torch.no_grad():
        for parameter, width in zip(model.parameters(), (1, 1, 10, 10), strict=True):
            parameter.copy_(torch.randn(parameter.shape, generator=g, dtype=torch.float64) / math.sqrt(width))
    return model


def _squared_error(model: nn.Module, batch: Batch) -> Tensor:
    error: Tensor = model(batch[0]) - batch[1]
    return error.square().sum(1).mean()


def _train(
    seed: int, batch: Batch, backward: Callable[[nn.Module], object], *, watched: bool = False
) -> tuple[nn.Module, list[float]]:
    """A trained network; if watched, |residual times curvature| / penalty at the checkpoints."""
    model, shares = _small(seed), []
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        if watched and step in CHECKPOINTS:
            both = residual_curvature(model, *batch, 1.0).item(), weight_noise_penalty(model, batch[0], 1.0).item()
            shares.append(abs(both[0]) / both[1])
        optimiser.zero_grad()
        backward(model)
        optimiser.step()
        schedule.step()
    return model, shares


def _noise_step(seed: int, batch: Batch, eta: float) -> Callable[[nn.Module], object]:
    g = seeded("weight-noise", seed, "noise", str(eta))

    def backward(model: nn.Module) -> None:
        for _ in range(DRAWS):
            with noisy_weights(model, eta, generator=g):
                (_squared_error(model, batch) / DRAWS).backward()  # type: ignore[no-untyped-call]

    return backward


def _penalty_step(batch: Batch, eta: float) -> Callable[[nn.Module], object]:
    def backward(model: nn.Module) -> None:
        penalty = weight_noise_penalty(model, batch[0], eta) if eta else 0.0
        (_squared_error(model, batch) + penalty).backward()  # type: ignore[no-untyped-call]

    return backward
