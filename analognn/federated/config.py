"""The numbers of a federated training: devices, rounds, and how each device trains.

    rate(t) = learning_rate (1 + cos(pi t / T)) / 2,   t = 0, ..., T - 1          cosine annealing over the rounds

McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data" (federated averaging);
Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", sec. V-C.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from analognn.channels import checks
from analognn.federated.rules import PRESETS, Rules
from analognn.seeds import seeded

OnRefusal = Literal["skip", "stop"]


@dataclass(frozen=True)
class Federation:
    """A federation of devices that train one model together. The defaults are the paper's.

    Args:
        num_devices: devices there are.
        num_active: M, devices that train in a round, drawn anew each round.
        num_rounds: T.
        local_epochs: passes over its own examples that a device makes in a round.
        batch_size: examples of a step; a device cuts its own into batches of nearly equal size, none larger.
        learning_rate: of the first round.
        momentum: of SGD; it starts anew each round.
        weight_decay: of SGD.
        random_share: share of the examples dealt at random, the same to each device; the rest go by label.
        dropout: probability that an active device drops out before it sends.
        clip_norm: largest Euclidean norm of the analog part of an update; larger ones are scaled down to it.
        normalise: scale the analog parts of all updates to their mean norm before they are sent, so that all devices
            weigh alike; the norms take the reliable path.
        augment: random shifts by up to 4 pixels and mirror images, drawn anew for each example and epoch.
        on_refusal: whether a round goes on without an update that had to be refused, or stops.
        max_loss: mean training loss of a round above which the training counts as diverged [nat].
        rules: the points in which text, code and audit differ.

    Raises:
        TypeError, ValueError: a number outside its bounds, or more active devices than devices.

    >>> Federation(num_rounds=10).rate(5)
    0.05
    """

    num_devices: int = 20
    num_active: int = 4
    num_rounds: int = 100
    local_epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    random_share: float = 0.8
    dropout: float = 0.0
    clip_norm: float | None = None
    normalise: bool = False
    augment: bool = False
    on_refusal: OnRefusal = "skip"
    max_loss: float = 20.0
    rules: Rules = PRESETS["audited"]

    def __post_init__(self) -> None:
        for name in ("num_devices", "num_active", "num_rounds", "local_epochs", "batch_size"):
            checks.integer("Federation", name, getattr(self, name), ge=1)
        if self.num_active > self.num_devices:
            raise ValueError(
                f"`Federation(num_active=...)` must be <= num_devices = {self.num_devices}; got {self.num_active}."
            )
        checks.real("Federation", "learning_rate", self.learning_rate, gt=0)
        checks.real("Federation", "momentum", self.momentum, ge=0, le=1)
        checks.real("Federation", "weight_decay", self.weight_decay, ge=0)
        checks.real("Federation", "random_share", self.random_share, ge=0, le=1)
        checks.real("Federation", "dropout", self.dropout, ge=0, le=1)
        if self.clip_norm is not None:
            checks.real("Federation", "clip_norm", self.clip_norm, gt=0)
        checks.choice("Federation", "on_refusal", self.on_refusal, get_args(OnRefusal))
        checks.real("Federation", "max_loss", self.max_loss, gt=0)

    def rate(self, round: int) -> float:
        """Learning rate of round ``round``, 0 to num_rounds - 1."""
        return self.learning_rate * (1 + math.cos(math.pi * round / self.num_rounds)) / 2

    def active(self, round: int, *, seed: int) -> tuple[int, ...]:
        """The devices that train in this round, in ascending order."""
        drawn = torch.randperm(self.num_devices, generator=seeded(seed, "active", round))[: self.num_active]
        return tuple(sorted(drawn.tolist()))

    def drops_out(self, round: int, device: int, *, seed: int) -> bool:
        """Whether this active device drops out of this round before it sends."""
        return bool(torch.rand((), generator=seeded(seed, "dropout", round, device)) < self.dropout)
