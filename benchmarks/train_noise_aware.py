"""Fine-tune ``mnist-resnet8`` under weight noise: ``mnist-resnet8-noise-aware``, which denoising competes with.

    python benchmarks/train_noise_aware.py [FOLDER]

From the shipped weights, a few epochs of noise-aware training (:mod:`analognn.training.noise_aware`) for each of some
strengths of noise, 0 (clipping alone) among them. The strength is chosen on the validation images, as the mean accuracy
through a PCM crossbar with four times the measured programming noise; the test images are read once, by the chosen
network without noise. Batch-norm statistics are those of the noisy training batches. One PyTorch thread, about four
minutes.

Compare with denoising by running a scenario for both: ``--set model=mnist-resnet8-noise-aware``, for example that of
``benchmarks/noise_aware.toml``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pretraining import cosine, counts, folder, write_record
from rich.progress import track
from torch import Tensor, nn
from train_mnist_resnet import Recipe as Base
from train_mnist_resnet import evaluator

from analognn import checkpoints, data, models
from analognn.backends import Backend, ChannelBackend
from analognn.channels import Awgn
from analognn.evaluate import Evaluator
from analognn.hardware import Pcm
from analognn.packing import ParameterLayout
from analognn.training import WeightNoise, train_noise_aware

START = "mnist-resnet8"
SPEC = models.spec("mnist-resnet8-noise-aware")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result.

    Args:
        seed: of the order of the images, their augmentation and the noise.
        epochs: passes over the training images.
        batch_size: images a step.
        peak_rate: learning rate at the start; a cosine to zero follows.
        std_devs: strengths of the noise to choose from, relative to the largest weight of a tile.
        clip_sigma: largest weight kept, in standard deviations of its tile.
        prog_noise_scale: of the PCM crossbar that the strength is chosen on.
        draws: noise draws for that choice.
    """

    seed: int = 0
    epochs: int = 6
    batch_size: int = 64
    peak_rate: float = 1e-2
    std_devs: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4)
    clip_sigma: float = 2.5
    prog_noise_scale: float = 4.0
    draws: int = 8

    def batches(self, examples: data.Examples, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Augmented images and labels of every step."""
        augment = Base().augment
        for _ in range(self.epochs):
            order = torch.randperm(len(examples), generator=generator)
            for batch in order.split(self.batch_size):
                images = augment(examples.inputs[batch].float(), generator)
                yield SPEC.normalise(images), examples.labels[batch]

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step."""
        return self.peak_rate * cosine(step, steps)


def train(recipe: Recipe, examples: data.Examples, std_dev: float) -> nn.Module:
    """The shipped network after training under noise of one strength."""
    steps = recipe.epochs * math.ceil(len(examples) / recipe.batch_size)
    return train_noise_aware(
        models.load(START),
        track(recipe.batches(examples, torch.Generator().manual_seed(recipe.seed)), f"std_dev {std_dev}", steps),
        WeightNoise(std_dev=std_dev, clip_sigma=recipe.clip_sigma),
        rate=lambda step: recipe.rate(step, steps),
        generator=torch.Generator().manual_seed(recipe.seed + 1),
    )


def under(backend: Backend, model: nn.Module, score: Evaluator, draws: int) -> float:
    """Mean accuracy of a model with its weights as received, over noise draws."""
    layout = ParameterLayout.from_model(model)
    packed = layout.pack(model)
    accuracies = []
    for seed in range(draws):
        received = backend.receive(packed, generator=torch.Generator().manual_seed(seed))
        accuracies.append(score(layout.unpack(received.values, model)).accuracy)
    return sum(accuracies) / draws


def validated(recipe: Recipe, model: nn.Module, score: Evaluator) -> dict[str, float]:
    """Accuracies on the validation images: clean, through PCM, and under ideal noise for comparison."""
    pcm, awgn = Pcm(prog_noise_scale=recipe.prog_noise_scale), ChannelBackend(Awgn(wnr_db=3.0))
    return {
        "clean": score(model).accuracy,
        "pcm": round(under(pcm, model, score, recipe.draws), 4),
        "awgn_3_db": round(under(awgn, model, score, recipe.draws), 4),
    }


def main(where: Path) -> None:
    """Train each candidate, choose, read the test images once, write the weights and the record into ``where``."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    recipe, splits, began = Recipe(), data.load(SPEC.dataset), time.process_time()
    validation = evaluator(splits.validation)
    candidates = {std_dev: train(recipe, splits.train, std_dev) for std_dev in recipe.std_devs}
    scores = {std_dev: validated(recipe, model, validation) for std_dev, model in candidates.items()}
    chosen = max(scores, key=lambda std_dev: scores[std_dev]["pcm"])
    test = evaluator(splits.test)(candidates[chosen])
    weights = where / SPEC.checkpoint
    checkpoints.save(candidates[chosen].state_dict(), weights)
    results = {
        "std_dev": chosen,
        "validation": {
            START: validated(recipe, models.load(START), validation),
            **{str(s): v for s, v in scores.items()},
        },
        "test": counts(test),
        "cpu_seconds": round(time.process_time() - began),
    }
    made = write_record(
        weights,
        "train_noise_aware.py",
        model=SPEC.name,
        machine="one thread",
        start=START,
        dataset=SPEC.dataset,
        results=results,
        recipe=asdict(recipe),
    )
    print(json.dumps(made["results"], indent=2), weights)


if __name__ == "__main__":
    main(folder(__doc__))
