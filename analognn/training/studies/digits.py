"""The handwritten digits that studies learn from: MNIST where its files are, else the digits that come along."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from analognn import data
from analognn.seeds import seeded


def source(data_dir: Path | None) -> tuple[str, data.Splits]:
    """Name and parts of the data set: "mnist" in the data folder in force, or "mnist5k"."""
    try:
        return "mnist", data.load("mnist", data_dir=data_dir)
    except FileNotFoundError:
        if data_dir is not None:  # asked for, so not to be replaced in silence
            raise
        return "mnist5k", data.load("mnist5k")


def sample(examples: data.Examples, count: int, *identity: str | int) -> tuple[Tensor, Tensor]:
    """Intensities [count, 784] in [0, 1] and labels [count], drawn without replacement by a seed of ``identity``."""
    rows = torch.randperm(len(examples), generator=seeded(*identity, "digits"))[:count]
    drawn = examples.take(rows)
    assert isinstance(drawn.inputs, Tensor)  # images
    return drawn.inputs.flatten(1).float() / 255, drawn.labels
