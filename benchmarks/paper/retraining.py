"""Retrain or denoise: a few epochs under weight noise against receivers on the network as it was trained.

    python benchmarks/paper/retraining.py [--tier tiny] [--data DIR] [--out benchmarks/records/paper/retraining]

    retrained at x dB    w <- w - rate grad L(w + z),   z ~ N(0, s_z^2),   Var[w] / s_z^2 = x dB, at every step anew

Noise-injection retraining is the prior art that Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", argue against:
it needs the training set, and another network for every noise level. Here both are measured at the same weight-to-noise
ratio, each relative to the weights that are sent, so that a network gains nothing by growing. Every seed is another
retraining and another noise draw; networks and receivers share the draw, so differences are paired. A control has the
same epochs without noise. Receivers: ``ml`` takes the weights as they come, ``mmsepb`` needs 100 labelled examples,
``protect`` some side information, ``recalibrate`` unlabelled inputs.

tiny      mnist-resnet8, shipped with the package
standard  CIFAR-10 ResNet-20 besides: two passes over a part of the training images, first 500 test images
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from commands import RECORDS, arguments, publish, write
from retraining_report import CONTROL, ORIGINAL, RECEIVERS, picture, report
from torch import Tensor, nn
from torch.nn import functional as F

from analognn import compat, data, models, plots, progress
from analognn.channels import Awgn
from analognn.experiments import Denoising, Medium, Record, Scenario
from analognn.experiments.record import receptions
from analognn.experiments.scenario import CLEAN
from analognn.experiments.trial import run_trials
from analognn.experiments.workspace import MEASURED, Workspace, prepare
from analognn.packing import ParameterLayout
from analognn.receiver import measure
from analognn.seeds import seeded
from analognn.training.augmentation import crop_and_flip
from analognn.training.weight_noise import noisy_weights


@dataclass(frozen=True)
class Recipe:
    """What decides the result for one network.

    Args:
        model: that is retrained.
        targets: WNR of the retraining [dB], a network each.
        wnr_db: where all networks are tested [dB].
        seeds: retrainings, each with noise draws of its own.
        epochs: passes over the training images.
        train_examples: the first so many; 0 for all.
        peak_rate: of AdamW; a cosine to zero follows.
        padding: pixels by which training images move at most.
        flip: mirror them too.
        test_examples: the first so many; 0 for all.
        batch_size: images a step.
    """

    model: str
    targets: tuple[float, ...]
    wnr_db: tuple[float, ...]
    seeds: int
    epochs: int
    train_examples: int
    peak_rate: float
    padding: int
    flip: bool
    test_examples: int
    batch_size: int = 64

    @property
    def networks(self) -> dict[str, float | None]:
        """Name -> WNR it is retrained at [dB]; None without noise."""
        return {CONTROL: None} | {f"retrained at {target:g} dB": target for target in self.targets}

    @cached_property
    def scenario(self) -> Scenario:
        """Noise draws and receivers, the same for every network."""
        return Scenario(
            name=f"retraining, {self.model}",
            summary="Receivers on the network as trained and on retrained ones.",
            model=self.model,
            media={"awgn": Medium("awgn", {"wnr_db": list(self.wnr_db)})},
            denoiser=Denoising(
                names=RECEIVERS, kappa=100, unlabelled=200, lambda_primes=(0.9, 1.0, 1.1), betas=(-1.0, 0.0, 1.0)
            ),
            seeds=self.seeds,
            test_examples=self.test_examples,
        )


DIGITS = Recipe(
    "mnist-resnet8",
    targets=(0.0, 6.0),
    wnr_db=(-3.0, 0.0, 3.0, 6.0, 9.0),
    seeds=5,
    epochs=3,
    train_examples=0,
    peak_rate=2e-3,
    padding=2,
    flip=False,
    test_examples=0,
)
CIFAR = Recipe(
    "cifar10-resnet20",
    targets=(3.0, 9.0),
    wnr_db=(0.0, 3.0, 6.0, 9.0, 12.0),
    seeds=3,
    epochs=2,
    train_examples=5000,
    peak_rate=1e-3,
    padding=4,
    flip=True,
    test_examples=500,
)
TIERS = {"tiny": (DIGITS,), "standard": (DIGITS, CIFAR)}


def batches(recipe: Recipe, train: data.Examples, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented images and labels of every step."""
    spec = models.spec(recipe.model)
    train = train.take(slice(recipe.train_examples or None))
    for _ in range(recipe.epochs):
        for chosen in torch.randperm(len(train), generator=generator).split(recipe.batch_size):
            some = train.take(chosen)
            moved = crop_and_flip(some.inputs, generator=generator, padding=recipe.padding, flip=recipe.flip)
            yield spec.prepare(replace(some, inputs=moved))


def retrain(
    model: nn.Module,
    steps: list[tuple[Tensor, Tensor]],
    wnr_db: float | None,
    *,
    peak_rate: float,
    generator: torch.Generator,
) -> nn.Module:
    """A copy of ``model`` after one AdamW step on each of ``steps``, with new noise on the analog weights in each.

    Batch norms learn their statistics under the noise, as they will meet it.

    Args:
        model: not changed.
        steps: inputs and labels.
        wnr_db: weight-to-noise ratio of the weights at that step [dB]; None for no noise.
        peak_rate: learning rate at the start.
        generator: of the noise.
    """
    tuned = copy.deepcopy(model).train()
    medium = 0.0 if wnr_db is None else Awgn(wnr_db=wnr_db)
    optimiser = torch.optim.AdamW(tuned.parameters(), lr=peak_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(steps))
    layout = ParameterLayout.from_model(tuned)
    for inputs, labels in steps:
        optimiser.zero_grad()
        with noisy_weights(tuned, medium, generator=generator, layout=layout):
            F.cross_entropy(tuned(inputs), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return tuned.eval()


@dataclass
class Bench:
    """The records of one recipe, in a file that grows network by network."""

    recipe: Recipe
    path: Path
    data_dir: Path | None

    @cached_property
    def workspace(self) -> Workspace:
        """Of the network as trained."""
        return prepare(self.recipe.scenario, data_dir=self.data_dir, device="cpu")

    @cached_property
    def splits(self) -> data.Splits:
        """The data set."""
        return data.load(models.spec(self.recipe.model).dataset, data_dir=self.data_dir)

    def run(self) -> dict[str, Any]:
        """Everything that the file lacks."""
        found = json.loads(self.path.read_text()) if self.path.is_file() else {"records": {}, "clean": {}, "cpu_s": 0}
        todo = [(n, s) for s in range(self.recipe.seeds) for n in (ORIGINAL, *self.recipe.networks)]
        with progress.bar(self.recipe.model, "networks") as reported:
            for index, (name, seed) in enumerate(todo):
                reported(index, len(todo))
                key = f"{name}/{seed}"
                if key in found["records"]:
                    continue
                began = time.process_time()
                found["clean"][key], found["records"][key] = self.test(name, seed)
                found["cpu_s"] = round(found["cpu_s"] + time.process_time() - began, 1)
                tables = {**found, "recipe": asdict(self.recipe), "versions": compat.versions()}
                write(self.path, json.dumps(tables) + "\n")
            reported(len(todo), len(todo))
        return found

    def test(self, name: str, seed: int) -> tuple[float, list[dict[str, Any]]]:
        """Clean accuracy of one network, and its records under the noise draws of ``seed``."""
        workspace = self.workspace if name == ORIGINAL else self.retrained(self.recipe.networks[name], seed)
        scenario, records = self.recipe.scenario, []
        for reception in receptions(scenario):
            if reception.seed == seed and reception.medium != CLEAN:
                records += run_trials(workspace, reception, scenario.denoiser.names)
        keep = ("medium", "point", "seed", "denoiser", "backend", "correct", "total", "loss_sum", "wnr_db")
        return workspace.test(workspace.model).accuracy, [{key: getattr(r, key) for key in keep} for r in records]

    def retrained(self, wnr_db: float | None, seed: int) -> Workspace:
        """The workspace of a network that was retrained: its weights, and what its sender measures on them."""
        recipe, train = self.recipe, self.splits.train
        steps = list(batches(recipe, train, seeded("retraining", seed, "images")))
        model = retrain(
            self.workspace.model,
            steps,
            wnr_db,
            peak_rate=recipe.peak_rate,
            generator=seeded("retraining", seed, "noise"),
        )
        inputs, _ = models.spec(recipe.model).prepare(train.take(slice(MEASURED)))
        layout = self.workspace.layout
        side = measure(model, layout, inputs, directions=recipe.scenario.denoiser.directions)
        return replace(self.workspace, model=model, packed=layout.pack(model), side=side)


def records(found: dict[str, Any]) -> list[Record]:
    """All of a file; a receiver on another network than the original carries its name in front."""
    rows = []
    for key, tables in found["records"].items():
        network = key.rpartition("/")[0]
        before = "" if network == ORIGINAL else f"{network} + "
        rows += [Record(**{**table, "denoiser": before + table["denoiser"]}) for table in tables]
    return rows


def main() -> None:
    """Run what is missing; write report and picture."""
    parser = arguments(__doc__, RECORDS / "retraining")
    parser.add_argument("--tier", choices=TIERS, default="standard")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found = {r: Bench(r, options.out / f"{r.model}.json", options.data).run() for r in TIERS[options.tier]}
    results = {recipe: (records(tables), tables) for recipe, tables in found.items()}
    plots.write(picture(results), options.out / "retraining.png")
    publish(options.out / "REPORT.md", report(results))


if __name__ == "__main__":
    main()
