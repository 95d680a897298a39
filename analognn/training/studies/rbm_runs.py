"""Boltzmann machines on digits: does NEM noise speed contrastive divergence, and is it the noise that does?

784 visible and 40 hidden units, 1,000 digits with intensities as probabilities, CD-1 with the mean of the visible units
as in Hinton's published code: mini-batches of 100, rate .1, momentum .5, 50 iterations; or all images at once. Gaussian
units: the same pixels with mean 0 and variance 1, rate .001. All settings of a seed share digits, weights, chain and
noise. Figure of merit: median over the iterations of the squared reconstruction error relative to that without noise.
Controls: blind noise, the reversed inequality, and no noise but a larger rate: accepted noise has the mean
s / sqrt(2 pi) along W h + b, so it pushes all units further the way they go.

Stacks: 784-40-40-40 logistic units, learned layer by layer, then tuned as a classifier of 10 classes.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analognn.seeds import seeded
from analognn.training.nem import NemNoise, Rule
from analognn.training.rbm import Rbm, Visible, contrastive_divergence, nem_visible, pretrain
from analognn.training.studies.rbm_exact import Exact

DIGITS, TEST, HIDDEN, ITERATIONS, BATCH, MOMENTUM = 1000, 2000, 40, 50, 100, 0.5
STDS = (0.125, 0.5, 1.0, 2.0, 8.0)
REVERSED = STDS[2]
LITERAL = 32.0  # the square root of 1024; of pixels from 0 to 255 it is .125
GAUSSIAN_STDS = (0.1, 0.5, 2.0)
FASTER = (1.05, 1.1, 1.25, 1.5)
RULES: dict[str, Rule] = {"NEM": "nem", "blind": "blind"}
WIDTHS, TUNING_EPOCHS, TUNING_RATE, PRETRAINING = (784, 40, 40, 40), 20, 0.1, 20


@dataclass(frozen=True)
class Setting:
    """One way to learn; ``faster`` multiplies the rate."""

    visible: Visible = "bernoulli"
    batch: int = BATCH
    faster: float = 1.0
    noise: NemNoise | None = None

    @property
    def rate(self) -> float:
        """Learning rate."""
        return self.faster * (0.1 if self.visible == "bernoulli" else 0.001)


@dataclass(frozen=True)
class Run:
    """One seed: reconstruction errors after each iteration by setting, and the rest."""

    errors: dict[Setting, list[float]]
    exact: Exact
    tuned: dict[str, list[float]]

    def gain(self, setting: Setting) -> float:
        """Median relative reduction of the error against the same setting without noise or a larger rate."""
        clean = self.errors[replace(setting, noise=None, faster=1.0)]
        return 1 - statistics.median(a / b for a, b in zip(self.errors[setting], clean, strict=True))


def noisy(setting: Setting, rule: Rule, std: float) -> Setting:
    """``setting`` with noise of this standard deviation; off [0, 1] by the formula, as the source's simulations."""
    return replace(setting, noise=NemNoise(variance=std**2, rule=rule, support="extended"))


def scans() -> dict[str, dict[str, dict[float, Setting]]]:
    """All settings with noise or a larger rate: panel -> curve -> abscissa -> setting."""
    plain, full, gaussian = Setting(), Setting(batch=DIGITS), Setting(visible="gaussian")
    return {
        "Bernoulli units, mini-batches": {
            "NEM": {std: noisy(plain, "nem", std) for std in STDS},
            "blind": {std: noisy(plain, "blind", std) for std in STDS},
            "inequality reversed": {std: noisy(plain, "mirrored", std) for std in (REVERSED,)},
        },
        "Bernoulli units, all images at once": {
            label: {std: noisy(full, rule, std) for std in STDS[1:3]} for label, rule in RULES.items()
        },
        "Gaussian units": {
            label: {std: noisy(gaussian, rule, std) for std in GAUSSIAN_STDS} for label, rule in RULES.items()
        },
        "No noise, a larger rate": {"mini-batches": {factor: replace(plain, faster=factor) for factor in FASTER}},
    }


def learn(setting: Setting, seed: int, images: Tensor) -> list[float]:
    """Squared reconstruction error of an image after each iteration."""
    v = images if setting.visible == "bernoulli" else (images - images.mean()) / images.std()
    rbm = Rbm(v.shape[1], HIDDEN, generator=seeded("rbm", seed, "weights"), visible=setting.visible)
    errors = []
    for _ in _iterations(rbm, v, setting, seed):
        with torch.no_grad():
            errors.append(float((rbm.visible_mean(rbm(v)) - v).square().sum(1).mean()))
    return errors


def _iterations(rbm: Rbm, v: Tensor, setting: Setting, seed: int, count: int = ITERATIONS) -> Iterator[int]:
    """Yields after each pass over the data."""
    chain, noise = seeded("rbm", seed, "chain"), seeded("rbm", seed, "noise")
    optimiser = torch.optim.SGD(rbm.parameters(), lr=setting.rate, momentum=MOMENTUM)
    for iteration in range(count):
        for part in torch.split(v, setting.batch):
            given = part
            if setting.noise is not None:
                given = nem_visible(rbm, part, setting.noise, step=iteration, generator=noise)
            optimiser.zero_grad()
            contrastive_divergence(rbm, given, generator=chain, mean_visible=True).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        yield iteration


# Stacks

STARTS = {"pretrained": True, "random weights": False}


def tuned(seed: int, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], pretrained: bool) -> list[float]:
    """Test error after each epoch of backpropagation."""
    g = seeded("rbm", seed, "stack")
    rbms = [Rbm(a, b, generator=g) for a, b in itertools.pairwise(WIDTHS)]
    for rbm in () if pretrained else rbms:  # N(0, 1/fan-in), with which signals get through
        rbm.weight.data.mul_(100 / math.sqrt(rbm.weight.shape[0]))

    def fit(rbm: Rbm, v: Tensor) -> None:
        for _ in _iterations(rbm, v, Setting(), seed, PRETRAINING if pretrained else 0):
            pass

    last = nn.Linear(WIDTHS[-1], 10)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    network = nn.Sequential(*pretrain(rbms, train[0], fit), last)
    optimiser, order = torch.optim.SGD(network.parameters(), lr=TUNING_RATE, momentum=0.9), seeded("rbm", seed, "order")
    errors = []
    for _ in range(TUNING_EPOCHS):
        for rows in torch.split(torch.randperm(DIGITS, generator=order), 50):
            optimiser.zero_grad()
            F.cross_entropy(network(train[0][rows]), train[1][rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            errors.append(float((network(test[0]).argmax(1) != test[1]).float().mean()))
    return errors
