"""Train ``mnist-resnet8``, the network of the default run, and write its weights and their record into the package.

    python benchmarks/train_mnist_resnet.py [FOLDER]

Data: mnist5k, 3,500 images to fit, 500 to choose the epoch, 1,000 read once at the end. AdamW (Loshchilov, Hutter 2019)
with a linear rise and a cosine fall of the rate, label smoothing, each image shifted, turned and scaled a little at
random. One PyTorch thread, about two and a half minutes; run twice on one machine it gave the same bits.
"""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pretraining import Schedule, counts, folder, write_record
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from analognn import checkpoints, data, models
from analognn.evaluate import Evaluator, Score

SPEC = models.spec("mnist-resnet8")


@dataclass(frozen=True)
class Recipe(Schedule):
    """Everything that decides the result, beside what every :class:`~pretraining.Schedule` says.

    Args:
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


def main(where: Path) -> None:
    """Train, read the test images once, write the weights and the record into ``where``."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    recipe, splits, began = Recipe(), data.load(SPEC.dataset), time.perf_counter()
    model, validation, epoch = train(recipe, splits)
    seconds = round(time.perf_counter() - began)
    test = evaluator(splits.test)(model)
    weights = where / SPEC.checkpoint
    checkpoints.save(model.state_dict(), weights)
    made = write_record(
        weights,
        "train_mnist_resnet.py",
        model=SPEC.name,
        machine="one thread",
        dataset=SPEC.dataset,
        results={"validation": counts(validation), "test": counts(test), "epoch": epoch, "seconds": seconds},
        recipe=asdict(recipe),
    )
    print(json.dumps(made["results"]), weights)


if __name__ == "__main__":
    main(folder(__doc__))
