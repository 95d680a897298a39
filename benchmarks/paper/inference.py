"""A preset put to work: the scenario of a recipe, the examples its receiver gets, and the trials that are missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from commands import write
from presets import Preset, beta
from recipes import Recipe
from torch import Tensor

from analognn import data, models
from analognn.denoise import Prior
from analognn.evaluate import Evaluator, Inputs
from analognn.experiments import Denoising, Medium, Scenario, Store
from analognn.experiments.runner import left
from analognn.experiments.summary import write_summary
from analognn.experiments.trial import run_trials
from analognn.experiments.workspace import Workspace, prepare
from analognn.models import ImageModel
from analognn.packing import ParameterLayout
from analognn.progress import Report
from analognn.receiver.inputs import Labelled
from analognn.seeds import seeded
from analognn.training.augmentation import crop_and_flip

POOL = 2_000
"""Training examples that "drawn from the training set" draws from: a fixed random part of it."""
UNSEEN = 5_000
"""Where a checkpoint saw all training images, the test images from here on are validation images, never reported."""


def clean_weights(recipe: Recipe, data_dir: Path | None) -> Prior:
    """Mean and variance of the analog weights."""
    model = models.load(recipe.model, data_dir=data_dir)
    return Prior.from_weights(ParameterLayout.from_model(model).pack(model).vector)


def scenario(recipe: Recipe, preset: Preset, weights: Prior) -> Scenario:
    """Figure 8 of ``recipe`` as ``preset`` reads it; the same noise draws for every preset.

    ``weights``, which are the clean ones, say where ML lies in the grid of beta; a blind receiver's own mean and
    variance would put it in nearly the same place.
    """
    medium = Medium("awgn", {"wnr_db": list(recipe.wnr_db)})
    return Scenario(
        name=f"{recipe.model}, {preset.name}",
        summary="Accuracy against WNR: Figure 8 of Denoising Noisy Neural Networks.",
        model=recipe.model,
        media={"awgn": medium},
        denoiser=Denoising(
            names=preset.denoisers,
            prior="blind" if preset.prior == "blind" else "side-information",
            kappa=recipe.kappa,
            lambda_primes=recipe.coarse.lambda_primes,
            betas=tuple(beta(value, weights) for value in recipe.coarse.betas),
        ),
        seeds=recipe.draws,
        test_examples=recipe.test_examples,
    )


def workspace(planned: Scenario, recipe: Recipe, preset: Preset, data_dir: Path | None, device: str) -> Workspace:
    """What the trials of ``planned`` work with: its validation examples are those of ``preset``."""
    prepared = prepare(planned, data_dir=data_dir, device=device)
    chosen = validation(recipe, preset, data_dir, device=str(prepared.test.device))
    return replace(prepared, validation=chosen)


def validation(recipe: Recipe, preset: Preset, data_dir: Path | None, *, device: str) -> Labelled:
    """The examples that kappa of are drawn for every noise draw."""
    spec = models.spec(recipe.model)
    splits = data.load(spec.dataset, data_dir=data_dir)
    given = getattr(splits, recipe.choose_from)
    examples = {
        "training": lambda: given.take(torch.randperm(len(given), generator=seeded("pool"))[:POOL]),
        "first of training, augmented": lambda: given.take(slice(recipe.kappa)),
        "unseen": lambda: splits.validation if recipe.held_out else _unreported(splits.test, recipe),
    }[preset.examples]()

    if preset.examples == "first of training, augmented" and recipe.augmentation != "none":
        assert isinstance(spec, ImageModel)
        inputs, labels = _placed(examples.inputs, device), examples.labels.to(device)
        return Augmented(inputs, labels, spec.normalise, recipe.augmentation == "crop and flip")
    inputs, labels = spec.prepare(examples, data_dir=data_dir)
    return Labelled(_placed(inputs, device), labels.to(device))


def fill(folder: Path, recipe: Recipe, preset: Preset, *, data_dir: Path | None, device: str, report: Report) -> Store:
    """Run the trials that ``folder`` lacks, each committed as it ends."""
    planned = scenario(recipe, preset, clean_weights(recipe, data_dir))
    store = Store.create(folder, planned)
    _sign(folder, preset)
    _, jobs = left(store)
    prepared = workspace(planned, recipe, preset, data_dir, device) if jobs else None
    for index, job in enumerate(jobs):
        report(index, len(jobs))
        for record in run_trials(prepared, job.reception, job.names):
            store.put(record)
    report(len(jobs), len(jobs))
    store.export_csv()
    write_summary(store)
    return store


@dataclass(frozen=True)
class Augmented(Labelled):
    """Raw images that every look at them crops (and mirrors) anew, as the released code's data loader does.

    Args:
        inputs: [n, channels, h, w], uint8.
        labels: [n].
        normalise: raw images to what the model takes.
        flip: mirror them at random too.
        order: where they stood before they were drawn; seeds the crops, so that noise draws differ and repeat.
    """

    normalise: Callable[[Tensor], Tensor]
    flip: bool
    order: tuple[int, ...] = ()

    @cached_property
    def evaluator(self) -> Evaluator:
        """Scores models on these images; no two calls see the same crops."""
        return _Cropping(self)

    def take(self, indices: Tensor) -> Augmented:
        """The images at ``indices`` [k]."""
        drawn = super().take(indices)
        return replace(self, inputs=drawn.inputs, labels=drawn.labels, order=tuple(indices.tolist()))


class _Cropping(Evaluator):
    def __init__(self, images: Augmented) -> None:
        super().__init__(images.inputs, images.labels, device=str(images.labels.device))
        self._images, self._generator = images, seeded("crops", *images.order)

    def batch(self, part: slice) -> Inputs:
        raw = super().batch(part)
        return self._images.normalise(crop_and_flip(raw, generator=self._generator, flip=self._images.flip))


def _unreported(test: data.Examples, recipe: Recipe) -> data.Examples:
    if recipe.test_examples > UNSEEN:
        raise ValueError(
            f"`Recipe({recipe.model!r}, test_examples=...)` must be <= {UNSEEN}, since the others are validation "
            f"examples; got {recipe.test_examples}."
        )
    return test.take(slice(UNSEEN, None))


def _placed(inputs: Inputs, device: str) -> Inputs:
    if isinstance(inputs, Tensor):
        return inputs.to(device)
    return {name: tensor.to(device) for name, tensor in inputs.items()}


def _sign(folder: Path, preset: Preset) -> None:
    """Write ``preset.json``: the scenario does not say where the validation examples come from."""
    path, text = folder / "preset.json", json.dumps(asdict(preset), indent=2) + "\n"
    if path.is_file() and path.read_text() != text:
        raise ValueError(f"{folder} holds results of another preset; choose another --out, or remove the folder.")
    write(path, text)
