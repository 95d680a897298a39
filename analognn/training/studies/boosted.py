"""A stack of classifiers trained with noise on targets and hidden layers: what the NEM study varies.

Everything a network draws (digits, weights, order, noise) comes from generators of its own seed, so all settings of a
seed are paired, and a seed's result does not depend on how many are stacked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from analognn.seeds import seeded
from analognn.training.em import BeliefNetwork, monte_carlo_surrogate
from analognn.training.likelihoods import Softmax
from analognn.training.nem import NemNoise, Rule, Support, error_loss, noisy_target
from analognn.training.nem_hidden import Reading, hidden_noise
from analognn.training.stacked import StackedLinear, batches, stacked_mlp

WIDTHS = (784, 40, 40, 40, 10)
HIDDEN = ("1", "3", "5")
HIDDEN_VARIANCE = 0.01
NUM_CONTROLS = 8
CAP = 3.0  # a course that diverges counts as this much worse: (t + n) . ln a has no maximum off the simplex
CG_STEPS = 3  # line searches an iteration, as in the code that the source modified


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to train.

    Args:
        output: noise on the targets; None for none.
        law: gradient of the output layer: "error" t + n - a (Algorithm 1), "likelihood" that of (t + n) . ln a.
        zero_sum: noise less its mean over the classes, where the two laws agree.
        constant: on every target instead of the noise, a control that draws nothing, see :func:`constant`.
        hidden: noise in the hidden layers; None for none.
        reading: how it enters them.
        samples: hidden states drawn for the EM surrogate; 0 for plain backpropagation.
        optimiser: stochastic gradients, or conjugate gradients on all samples (noise on targets only).
        rate: of stochastic gradients, as momentum and batch.
        momentum: classical.
        batch: samples a step.
    """

    output: NemNoise | None = None
    law: Literal["error", "likelihood"] = "error"
    zero_sum: bool = False
    constant: bool = False
    hidden: NemNoise | None = None
    reading: Reading = "error"
    samples: int = 0
    optimiser: Literal["sgd", "cg"] = "sgd"
    rate: float = 0.3
    momentum: float = 0.9
    batch: int = 50


def noise(variance: float, rule: Rule = "nem", *, support: Support = "extended", decay: float = 0.0) -> NemNoise:
    """Short for the scans."""
    return NemNoise(variance=variance, rule=rule, support=support, decay=decay)


def constant(variance: float) -> float:
    """Size of the mean of accepted N(0, v) noise at a = 1/K, in each component: sqrt(v / (2 pi K))."""
    return math.sqrt(variance / (2 * math.pi * WIDTHS[-1]))


def quiet(setting: Setting) -> Setting:
    """The same training without noise: what a setting is held against."""
    return Setting(optimiser=setting.optimiser, rate=setting.rate)


def controls(setting: Setting) -> dict[str, Setting]:
    """A setting with noise on its targets, what it is held against, and the source's noise in hidden layers too."""
    if setting.output is None:
        raise ValueError(f"`controls` needs noise on the targets; got {setting}.")
    return {
        "no noise": quiet(setting),
        "NEM": setting,
        "inequality reversed": replace(setting, output=replace(setting.output, rule="mirrored")),
        "blind": replace(setting, output=replace(setting.output, rule="blind")),
        "a constant, no noise": replace(setting, constant=True),
        "NEM, zero-sum": replace(setting, zero_sum=True),
        "NEM, hidden too": replace(setting, hidden=noise(HIDDEN_VARIANCE), reading="activation"),
        "EM surrogate, 10 states": replace(quiet(setting), samples=10),
    }


@dataclass(frozen=True)
class Digits:
    """Training samples of each network [s, n, ...], and test samples [n, ...] for all."""

    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor


class Course(NamedTuple):
    """After each iteration of each network, [iterations, s]."""

    train_loss: Tensor
    train_error: Tensor
    test_loss: Tensor
    test_error: Tensor


def relative(course: Course, base: Course, field: str) -> list[float]:
    """Mean over the iterations of a ``field`` of `Course` over that of the same network in ``base``; at most `CAP`."""
    ratio = getattr(course, field).mean(0) / getattr(base, field).mean(0)
    ratios: list[float] = torch.nan_to_num(ratio, nan=CAP).clamp_max(CAP).tolist()
    return ratios


def train(setting: Setting, digits: Digits, seeds: Sequence[int], *, iterations: int) -> Course:
    """Cross-entropy and error of the stack after each of the first ``iterations`` passes over its samples."""
    if setting.optimiser == "cg":  # each line search is a network's own
        alone = [_train(setting, _only(digits, k), [seed], iterations) for k, seed in enumerate(seeds)]
        return Course(*(torch.cat(parts, 1) for parts in zip(*alone, strict=True)))
    return _train(setting, digits, seeds, iterations)


def _train(setting: Setting, digits: Digits, seeds: Sequence[int], iterations: int) -> Course:
    model = stacked_mlp(WIDTHS, [seeded("nem", seed, "weights") for seed in seeds])
    iterate = _conjugate_gradients if setting.optimiser == "cg" else _stochastic_gradients
    targets = nn.functional.one_hot(digits.labels, WIDTHS[-1]).float()
    found = []
    for _ in iterate(model, _Boost(setting, seeds), digits.inputs, targets, iterations):
        found.append(_measure(model, digits))
    return Course(*(torch.stack(parts) for parts in zip(*found, strict=True)))


class _Boost:
    """The loss of a setting and the generators of its noise, one a network."""

    def __init__(self, setting: Setting, seeds: Sequence[int]) -> None:
        self.setting, self.seeds = setting, seeds
        self.outer, self.inner = ([seeded("nem", seed, part) for seed in seeds] for part in ("output", "hidden"))
        self.states = seeded("nem", *seeds, "states")

    def targets(self, output: Tensor, target: Tensor, iteration: int) -> Tensor:
        """Targets with this iteration's noise."""
        given = self.setting.output
        if given is None:
            return target
        if self.setting.constant:
            return target + constant(given.variance_at(iteration))
        noise = given.draw(output, step=iteration, generator=self.states if self.setting.samples else self.outer)
        if self.setting.zero_sum:
            noise = noise - noise.mean(-1, keepdim=True)
        return noisy_target(Softmax(), output.detach(), target, noise, rule=given.rule, support=given.support)

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss of each network [s]."""
        if self.setting.law == "error":
            return error_loss(output, target).mean(-1)
        return -Softmax().log_likelihood(output, target).mean(-1)

    def loss(self, model: nn.Sequential, x: Tensor, target: Tensor, iteration: int) -> Tensor:
        """Noisy loss of each network [s]."""
        if self.setting.samples:
            return self.expectation(model, x, target, iteration)
        with self.hidden(model, iteration):
            output = model(x)
        return self.criterion(output, self.targets(output, target, iteration))

    def hidden(self, model: nn.Sequential, iteration: int) -> AbstractContextManager[None]:
        """Noise in all hidden layers, if any."""
        if self.setting.hidden is None:
            return nullcontext()
        given, reading = self.setting.hidden, self.setting.reading
        return hidden_noise(model, HIDDEN, noise=given, step=iteration, generator=self.inner, reading=reading)

    def expectation(self, model: nn.Sequential, x: Tensor, target: Tensor, iteration: int) -> Tensor:
        """Minus the Monte-Carlo surrogate of each network [s]."""
        network = BeliefNetwork(tuple(layer for layer in model if isinstance(layer, StackedLinear)), Softmax())
        q = monte_carlo_surrogate(
            network,
            x,
            target,
            samples=self.setting.samples,
            generator=self.states,
            boost=lambda output, clean: self.targets(output, clean, iteration),
        )
        return -q.mean(-1)


def _stochastic_gradients(
    model: nn.Sequential, boost: _Boost, x: Tensor, targets: Tensor, iterations: int
) -> Iterator[None]:
    """Passes over the samples in an order that is each network's own."""
    optimiser = torch.optim.SGD(model.parameters(), lr=boost.setting.rate, momentum=boost.setting.momentum)
    orders = [seeded("nem", seed, "order") for seed in boost.seeds]
    for iteration in range(iterations):
        for inputs, wanted in batches(x, targets, orders, size=boost.setting.batch):
            optimiser.zero_grad()
            boost.loss(model, inputs, wanted, iteration).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        yield


def _conjugate_gradients(
    model: nn.Sequential, boost: _Boost, x: Tensor, targets: Tensor, iterations: int
) -> Iterator[None]:
    """`CG_STEPS` line searches on all samples an iteration; the noise is drawn before the first."""
    parameters = list(model.parameters())

    def objective(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        vector_to_parameters(torch.from_numpy(vector).float(), parameters)
        loss = boost.criterion(model(x), noisy).sum()
        gradients = torch.autograd.grad(loss, parameters)
        return loss.item(), parameters_to_vector(gradients).double().numpy()

    for iteration in range(iterations):
        with torch.no_grad():
            noisy = boost.targets(model(x), targets, iteration)
        start = parameters_to_vector(parameters).detach().double().numpy()
        found = minimize(objective, start, jac=True, method="CG", options={"maxiter": CG_STEPS})
        vector_to_parameters(torch.from_numpy(found.x).float(), parameters)
        yield


def _measure(model: nn.Sequential, digits: Digits) -> Sequence[Tensor]:
    with torch.no_grad():
        parts = [(model(digits.inputs), digits.labels), (model(digits.test_inputs), digits.test_labels)]
    return [
        measure
        for output, labels in parts
        for measure in (
            -output.log_softmax(-1).gather(-1, labels.expand(output.shape[:-1]).unsqueeze(-1)).mean((-2, -1)),
            (output.argmax(-1) != labels).float().mean(-1),
        )
    ]


def _only(digits: Digits, k: int) -> Digits:
    return replace(digits, inputs=digits.inputs[k : k + 1], labels=digits.labels[k : k + 1])
