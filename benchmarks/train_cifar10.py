"""Train the paper's networks on CIFAR-10: ResNet18, ResNet34, ShuffleNetV2 with a 3x3 stem, to 94 to 95 % (92 %).

    python benchmarks/train_cifar10.py cifar10-resnet18 [--data DIR] [--out FOLDER] [--device cuda] [--set epochs=60]

SGD with Nesterov momentum, a linear rise and a cosine fall of the rate, weight decay, random crops and mirroring on the
device, autocast to bfloat16 on a GPU. The last 5,000 training images play no part, not even in the choice of an epoch
(the last one is taken), so that a receiver's validation examples are unseen. Weights go to FOLDER as float16
safetensors with a record beside them; ``models.load`` finds them where FOLDER is models/ in the data folder, the
default. A run that was stopped goes on after its last whole epoch, with the same bits on a CPU.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from common import arguments
from pretraining import Schedule, counts, write_record
from torch import Tensor
from torch.nn import functional as F

from analognn import checkpoints, data, models, progress
from analognn.evaluate import Evaluator, resolve_device
from analognn.files import replacing
from analognn.models import ImageModel
from analognn.progress import Report
from analognn.seeds import seeded
from analognn.training.augmentation import crop_and_flip


@dataclass(frozen=True)
class Recipe(Schedule):
    """Everything that decides the result, beside what every :class:`~pretraining.Schedule` says.

    Args:
        momentum: of Nesterov.
        weight_decay: on every parameter, as in the nets of the paper.
        padding: pixels that a crop moves by at most.
    """

    seed: int = 0
    epochs: int = 120
    batch_size: int = 128
    peak_rate: float = 0.1
    warm_up: int = 5
    momentum: float = 0.9
    weight_decay: float = 5e-4
    padding: int = 4


@dataclass
class Training:
    """A network under way; ``epoch`` passes are done.

    Args:
        spec: its entry in the zoo.
        recipe: how it is trained.
        device: where.
    """

    spec: ImageModel
    recipe: Recipe
    device: torch.device
    epoch: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model = models.build(self.spec.name, generator=seeded(self.recipe.seed, "weights"))
        self.model.to(self.device, memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(
            self.model.parameters(), lr=0.0, momentum=self.recipe.momentum, nesterov=True,
            weight_decay=self.recipe.weight_decay,
        )  # fmt: skip

    def run_epoch(self, images: Tensor, labels: Tensor) -> None:
        """One pass over ``images`` [n, 3, 32, 32], uint8, in random order; all on the device.

        Raises:
            RuntimeError: the loss is not finite.
        """
        began, generator = time.perf_counter(), seeded(self.recipe.seed, "epoch", self.epoch)
        starts = range(0, len(labels), self.recipe.batch_size)
        order = torch.randperm(len(labels), generator=generator).to(self.device)
        total = torch.zeros((), device=self.device)
        self.model.train()
        for start in starts:
            batch = order[start : start + self.recipe.batch_size]
            moved = crop_and_flip(images[batch], generator=generator, padding=self.recipe.padding)
            total += self._step(self.spec.normalise(moved), labels[batch], self.epoch + start / len(labels))
        self.losses.append(float(total) / len(starts))
        if not math.isfinite(self.losses[-1]):
            raise RuntimeError(f"The loss is {self.losses[-1]} in epoch {self.epoch}; lower peak_rate.")
        self.epoch += 1
        self.seconds += time.perf_counter() - began

    def _step(self, inputs: Tensor, labels: Tensor, epoch: float) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(epoch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits = self.model(inputs.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def save(self, path: Path) -> None:
        """Write the state after a whole epoch."""
        state = {
            "recipe": asdict(self.recipe), "epoch": self.epoch, "seconds": self.seconds, "losses": self.losses,
            "model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        with replacing(path) as part:
            torch.save(state, part)

    def resume(self, path: Path) -> None:
        """Go on from a state, where there is one.

        Raises:
            ValueError: it is of another recipe.
        """
        if not path.is_file():
            return
        state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise ValueError(f"{path} is of another recipe: {state['recipe']}. Remove it, or choose another --out.")
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.seconds, self.losses = state["epoch"], state["seconds"], state["losses"]


def train(training: Training, examples: data.Examples, state: Path, report: Report) -> None:
    """The epochs that are missing, each kept in ``state`` as it ends."""
    training.resume(state)
    assert isinstance(examples.inputs, Tensor)
    images, labels = examples.inputs.to(training.device), examples.labels.to(training.device)
    while training.epoch < training.recipe.epochs:
        report(training.epoch, training.recipe.epochs)
        training.run_epoch(images, labels)
        training.save(state)
    report(training.epoch, training.recipe.epochs)


def write(training: Training, splits: data.Splits, folder: Path) -> dict[str, Any]:
    """Weights as float16 and their record; both accuracies are those of the rounded weights."""
    path = folder / training.spec.checkpoint
    state = training.model.state_dict()
    checkpoints.save({n: t.half() if t.is_floating_point() else t for n, t in state.items()}, path)
    checkpoints.load(training.model, path)
    return write_record(
        path,
        f"train_cifar10.py {training.spec.name}",
        model=training.spec.name,
        machine=_named(training.device),
        results={part: _score(training, getattr(splits, part)) for part in ("validation", "test")},
        losses=[round(loss, 4) for loss in training.losses],
        seconds=round(training.seconds),
        recipe=asdict(training.recipe),
    )


def _score(training: Training, examples: data.Examples) -> dict[str, int]:
    evaluator = Evaluator(*training.spec.prepare(examples), device=str(training.device))
    return counts(evaluator(training.model))


def _named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _recipe(overrides: Sequence[str]) -> Recipe:
    """The default with ``key=value`` replaced.

    Raises:
        ValueError: an unknown key, or a value of another type.
    """
    types = {item.name: type(getattr(Recipe(), item.name)) for item in dataclasses.fields(Recipe)}
    pairs = dict(text.partition("=")[::2] for text in overrides)
    if unknown := set(pairs) - set(types):
        raise ValueError(f"--set knows {', '.join(types)}; got {', '.join(sorted(unknown))}.")
    return Recipe(**{key: types[key](value) for key, value in pairs.items()})


def main() -> None:
    """Train, or go on training, and write weights and record."""
    parser = arguments(__doc__, None, holds="where the weights go [models/ in the data folder]")
    cifar = [name for name in models.describe() if models.spec(name).dataset == "cifar10"]
    parser.add_argument("model", choices=cifar)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe")
    given = parser.parse_args()
    spec, splits = models.spec(given.model), data.load("cifar10", data_dir=given.data)
    assert isinstance(spec, ImageModel)
    folder = given.out or data.root(given.data).path / "models"
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(spec, _recipe(given.set), resolve_device(given.device))
    state = folder / f"{spec.name}.resume.pt"
    with progress.bar(spec.name, "epochs") as report:
        train(training, splits.train, state, report)
    record = write(training, splits, folder)
    state.unlink()
    print(json.dumps(record["results"]), folder / spec.checkpoint)


if __name__ == "__main__":
    main()
