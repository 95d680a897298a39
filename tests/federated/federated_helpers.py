"""What the tests of the federation share."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from analognn import multiple_access
from analognn.federated import (
    BaseStation,
    Cell,
    Federation,
    RoundRecord,
    Setup,
    State,
    Turn,
    Update,
    make_plan,
    partition,
    play,
    train_locally,
)
from analognn.receiver import Labelled
from analognn.seeds import seeded

CLASSES = 3


class Net(nn.Module):
    """A residual block with a projected shortcut, as torchvision names it, and a head with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(6)
        self.downsample = nn.Sequential(nn.Conv2d(1, 6, 3, stride=2, bias=False), nn.BatchNorm2d(6))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(54, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        features = torch.relu(self.bn(self.conv(x)) + self.downsample(x)).flatten(1)
        logits: Tensor = self.head(self.dropout(features))
        return logits


@dataclass(frozen=True)
class Small:
    """Model, devices and base station of one small federation."""

    model: nn.Module
    devices: tuple[Labelled, ...]
    cell: Cell
    test: Labelled

    def setup(self, federation: Federation, plan: str = "ml", **given: Any) -> Setup:
        """AWGN without noise, unless ``uplink`` says otherwise."""
        uplink = given.pop("uplink", {"noise_var": 0.0})
        station = BaseStation(make_plan(plan, **given.pop("parameters", {})), given.pop("recalibrate", False))
        return Setup(federation, multiple_access.create("awgn", **uplink), station, **given)

    def accuracy(self, state: State) -> float:
        return self.test.evaluator(self.cell.at(state)).accuracy


def examples(count: int, seed: int) -> Labelled:
    """8 x 8 images whose bright third of the rows is their class."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=g)
    images = torch.randn(count, 1, 8, 8, generator=g)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 3] += 1
    return Labelled(images, labels)


def net(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Net()


def small(federation: Federation) -> Small:
    train = examples(200, 1)
    parts = partition(train.labels, federation, generator=seeded(0, "partition"))
    model = net()
    cell = Cell.of(model, federation, examples(60, 2))
    return Small(model, tuple(train.take(part) for part in parts), cell, examples(300, 3))


def run(world: Small, setup: Setup, rounds: int | None = None) -> tuple[State, list[RoundRecord]]:
    steps = list(itertools.islice(play(State.start(world.model), world.devices, world.cell, setup), rounds))
    return steps[-1][0], [record for _, record in steps]


def updates_of(world: Small, federation: Federation, devices: Sequence[int] = (0, 2, 4)) -> dict[int, Update]:
    """What these devices send in the first round."""
    layout = world.cell.layout
    return {
        m: train_locally(world.model, world.devices[m], layout=layout, federation=federation, turn=Turn(0, 0, m))
        for m in devices
    }


def same(a: State, b: State) -> bool:
    """Bit for bit."""
    pairs = [(a.model, b.model), (a.memory, b.memory)]
    equal = all(x.keys() == y.keys() and all(torch.equal(x[name], y[name]) for name in x) for x, y in pairs)
    return equal and (a.round, a.diverged) == (b.round, b.diverged)
