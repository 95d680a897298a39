"""What the scripts that train a network share: the schedule of a recipe, and the record beside its weights."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import bare, write

from analognn import compat, models
from analognn.evaluate import Score


def cosine(done: float, of: float) -> float:
    """From 1 down to 0 as ``done`` goes from 0 to ``of``."""
    return 0.5 * (1 + math.cos(math.pi * done / of))


@dataclass(frozen=True)
class Schedule:
    """What every recipe says.

    Args:
        seed: of the first weights, the order of the images and their augmentation.
        epochs: passes over the training images.
        batch_size: images a step.
        peak_rate: highest learning rate.
        warm_up: epochs of linear rise to it; a cosine to zero follows.
    """

    seed: int
    epochs: int
    batch_size: int
    peak_rate: float
    warm_up: int

    def rate(self, epoch: float) -> float:
        """Learning rate at a time in epochs."""
        if epoch < self.warm_up:
            return self.peak_rate * epoch / self.warm_up
        return self.peak_rate * cosine(epoch - self.warm_up, self.epochs - self.warm_up)


def folder(about: str | None) -> Path:
    """Where the weights go: the only argument of a script whose weights come with the package."""
    parser = bare(about)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=models.ASSETS, help="where the weights go [the package]"
    )
    given: Path = parser.parse_args().folder
    return given


def counts(score: Score) -> dict[str, int]:
    """Right answers and all of them, as a record has them."""
    return {"correct": score.correct, "total": score.total}


def write_record(weights: Path, script: str, *, model: str, machine: str, **tables: Any) -> dict[str, Any]:
    """Write what stands beside a file of weights: what made it, its hash, ``tables``, versions and machine."""
    record = {
        "command": f"python benchmarks/{script}",
        "model": model,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        **tables,
        "versions": compat.versions(),
        "machine": f"{platform.system()} {platform.machine()}, {machine}",
    }
    write(weights.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    return record
