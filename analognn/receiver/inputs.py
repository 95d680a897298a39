"""Examples as tensors, or as mappings of tensors for models with keyword inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from analognn.evaluate import Evaluator, Inputs

MAX_BATCH = 500
"""Examples at a time; a fixed number, so that the bits do not depend on the machine."""


@dataclass(frozen=True)
class Labelled:
    """Examples with their classes, on one device.

    Args:
        inputs: [n, ...], what the model is called with, or a mapping of such tensors for keyword inputs.
        labels: [n], integer classes.
    """

    inputs: Inputs
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def evaluator(self) -> Evaluator:
        """Scores models on these examples."""
        return Evaluator(self.inputs, self.labels, device=str(self.labels.device))

    def to(self, device: torch.device) -> Labelled:
        """The same examples on ``device``."""
        inputs = self.inputs
        moved = inputs.to(device) if isinstance(inputs, Tensor) else {k: v.to(device) for k, v in inputs.items()}
        return Labelled(moved, self.labels.to(device))

    def take(self, indices: Tensor) -> Labelled:
        """The examples at ``indices`` [k]."""
        indices = indices.to(self.labels.device)
        return Labelled(take(self.inputs, indices), self.labels[indices])


def take(inputs: Inputs, indices: Tensor | slice) -> Inputs:
    """The examples of ``inputs`` at ``indices``."""
    if isinstance(inputs, Tensor):
        return inputs[indices]
    return {name: tensor[indices] for name, tensor in inputs.items()}


def count(inputs: Inputs) -> int:
    """How many examples ``inputs`` holds."""
    return len(_any(inputs))


def device_of(inputs: Inputs) -> torch.device:
    """Where ``inputs`` lie."""
    return _any(inputs).device


def batches(inputs: Inputs) -> Iterator[Inputs]:
    """Runs of nearly equal length, so that none is too small for statistics of its own."""
    n = count(inputs)
    runs = -(-n // MAX_BATCH)
    for i in range(runs):
        yield take(inputs, slice(n * i // runs, n * (i + 1) // runs))


def _any(inputs: Inputs) -> Tensor:
    return inputs if isinstance(inputs, Tensor) else next(iter(inputs.values()))
