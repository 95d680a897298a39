"""Train ``mnist-resnet8``, the network of the default run, and write its weights and their record into the package.

    python benchmarks/train_mnist_resnet.py [FOLDER]

Data: mnist5k, 3,500 images to fit, 500 to choose the epoch, 1,000 read once at the end. AdamW (Loshchilov, Hutter 2019)
with a linear rise and a cosine fall of the rate, label smoothing, each image shifted, turned and scaled a little at
random. One PyTorch thread, about two and a half minutes; run twice on one machine it gave the same bits.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from analognn import __version__, checkpoints, data, models
from analognn.evaluate import Evaluator, Score
from analognn.files import replacing

SPEC = models.spec("mnist-resnet8")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result.

    Args:
        seed: of the first weights, the order of the images and their augmentation.
        epochs: passes over the training images.
        batch_size: images a step.
        peak_rate: highest learning rate.
        warm_up: epochs of linear rise to it; a cosine to zero follows.
        weight_decay: decoupled; for convolution and linear weights only.
        label_smoothing: share of the target spread over all classes.
        shift: largest shift either way [pixels].
        turn: largest rotation either way [degrees].
        zoom: largest relative change of size either way.
    """

    seed: int = 0
    epochs: int = 45
    batch_size: int = 64
    peak_rate: float = 4e-3
    warm_up: int = 3
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    shift: float = 2.0
    turn: float = 10.0
    zoom: float = 0.1

    def rate(self, epoch: float) -> float:
        """Learning rate at a time in epochs."""
        if epoch < self.warm_up:
            return self.peak_rate * epoch / self.warm_up
        return self.peak_rate * 0.5 * (1 + math.cos(math.pi * (epoch - self.warm_up) / (self.epochs - self.warm_up)))

    def augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Each of ``images`` [n, 1, h, w] shifted, turned and scaled at random; black (0) moves in from outside."""
        dx, dy, turn, zoom = torch.rand(4, len(images), generator=generator) * 2 - 1
        angle, scale = turn * math.radians(self.turn), 1 + zoom * self.zoom
        cos, sin = angle.cos() * scale, angle.sin() * scale
        step = 2 * self.shift / images.shape[-1]  # the grid spans -1 to 1
        maps = torch.stack([cos, -sin, dx * step, sin, cos, dy * step], 1).view(-1, 2, 3)
        grid = F.affine_grid(maps, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, align_corners=False)


def train(recipe: Recipe, splits: data.Splits) -> tuple[nn.Module, Score, int]:
    """The network after its best epoch, what it scored on the validation images, and which epoch that was."""
    generator = torch.Generator().manual_seed(recipe.seed)
    model = models.build(SPEC.name, generator=generator)
    validation = evaluator(splits.validation)
    tensors = list(model.parameters())
    decayed = {"params": [p for p in tensors if p.ndim > 1], "weight_decay": recipe.weight_decay}
    optimiser = torch.optim.AdamW([decayed, {"params": [p for p in tensors if p.ndim == 1], "weight_decay": 0.0}])
    results = []
    for epoch in track(range(recipe.epochs), "training"):
        fit(model, optimiser, splits.train, epoch=epoch, recipe=recipe, generator=generator)
        results.append((copy.deepcopy(model).eval(), validation(model), epoch + 1))
    return max(results, key=lambda result: (result[1].correct, -result[1].loss))


def fit(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    examples: data.Examples,
    *,
    epoch: int,
    recipe: Recipe,
    generator: torch.Generator,
) -> None:
    """One pass over ``examples`` in random order."""
    model.train()
    order = torch.randperm(len(examples), generator=generator)
    for start in range(0, len(examples), recipe.batch_size):
        batch = order[start : start + recipe.batch_size]
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(epoch + start / len(examples))
        images = SPEC.normalise(recipe.augment(examples.inputs[batch].float(), generator))
        loss = F.cross_entropy(model(images), examples.labels[batch], label_smoothing=recipe.label_smoothing)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def evaluator(examples: data.Examples) -> Evaluator:
    """Scores a network on ``examples`` as the default run does."""
    return Evaluator(SPEC.normalise(examples.inputs), examples.labels, device="cpu")


def record(recipe: Recipe, weights: Path, **results: Any) -> dict[str, Any]:
    """What stands beside the weights."""
    return {
        "command": "python benchmarks/train_mnist_resnet.py",
        "model": SPEC.name,
        "dataset": SPEC.dataset,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "results": results,
        "recipe": asdict(recipe),
        "versions": {
            "analognn": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "machine": f"{platform.system()} {platform.machine()}, one thread",
    }


def main(folder: Path) -> None:
    """Train, read the test images once, write the weights and the record into ``folder``."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    recipe, splits, began = Recipe(), data.load(SPEC.dataset), time.perf_counter()
    model, validation, epoch = train(recipe, splits)
    seconds = round(time.perf_counter() - began)
    test = evaluator(splits.test)(model)
    weights = folder / SPEC.checkpoint
    checkpoints.save(model.state_dict(), weights)
    made = record(
        recipe,
        weights,
        validation={"correct": validation.correct, "total": validation.total},
        test={"correct": test.correct, "total": test.total},
        epoch=epoch,
        seconds=seconds,
    )
    with replacing(weights.with_suffix(".json")) as part:
        part.write_text(json.dumps(made, indent=2) + "\n")
    print(json.dumps(made["results"]), weights)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else models.ASSETS)
