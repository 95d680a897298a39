"""What all trials of a scenario share, loaded once, and the check of the whole scenario against it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from analognn import backends, data, models
from analognn.data import Examples
from analognn.evaluate import Evaluator, resolve_device
from analognn.experiments.fingerprint import Fingerprint
from analognn.experiments.parsing import check_size
from analognn.experiments.reliability import reliable_path
from analognn.experiments.scenario import Scenario
from analognn.packing import PackedWeights, ParameterLayout
from analognn.receiver import Labelled, SideInformation, measure

MEASURED = 300
"""Training inputs on which the transmitter measures its side information."""


@dataclass(frozen=True)
class Workspace:
    """What all trials of a scenario share.

    Args:
        scenario: whose trials they are.
        model: the sender's, on the CPU.
        layout: which of its tensors are sent.
        packed: those, as one vector.
        validation: examples of which a receiver may get some, on the device to compute on.
        test: scores a model on test data, on that device.
        side: what the sender can tell about its weights.
        fingerprint: of the scenario, its data and its checkpoint.
    """

    scenario: Scenario
    model: nn.Module
    layout: ParameterLayout
    packed: PackedWeights
    validation: Labelled
    test: Evaluator
    side: SideInformation
    fingerprint: Fingerprint


def prepare(scenario: Scenario, *, data_dir: Path | None = None, device: str = "auto") -> Workspace:
    """Load the model and the data, and check the whole scenario against them before any work is done.

    Raises:
        ValueError: anything in the scenario that does not fit, kappa above the validation examples included.
        FileNotFoundError: data set or checkpoint not there.
    """
    _check_media(scenario)
    spec, model = models.spec(scenario.model), models.load(scenario.model, data_dir=data_dir)
    splits = data.load(spec.dataset, data_dir=data_dir)
    _check_examples(scenario, spec.dataset, splits)
    for receiver in scenario.denoiser.receivers().values():
        receiver.check(model)
    layout, place = ParameterLayout.from_model(model), resolve_device(device)

    def prepared(examples: Examples) -> Labelled:
        return Labelled(*spec.prepare(examples, data_dir=data_dir))

    measured = _transmitters_examples(scenario, splits.train)
    inputs = prepared(measured).inputs if measured else None
    return Workspace(
        scenario=scenario,
        model=model,
        layout=layout,
        packed=layout.pack(model),
        validation=prepared(splits.validation).to(place),
        test=prepared(splits.test.take(slice(scenario.test_examples or None))).to(place).evaluator,
        side=measure(model, layout, inputs, directions=scenario.denoiser.directions),
        fingerprint=Fingerprint.of(scenario, (splits.validation, splits.test), model),
    )


def _check_media(scenario: Scenario) -> None:
    for medium in scenario.media.values():
        for point in medium.points():
            backends.create(medium.backend, **medium.at(point))
            reliable_path(scenario.reliable, medium.at(point))


def _transmitters_examples(scenario: Scenario, train: Examples) -> Examples | None:
    """Training examples on which the transmitter measures its layers, where a receiver asks for that."""
    if not any(receiver.measured for receiver in scenario.denoiser.receivers().values()):
        return None
    generator = torch.Generator().manual_seed(scenario.seed)
    return train.take(torch.randperm(len(train), generator=generator)[:MEASURED])


def _check_examples(scenario: Scenario, dataset: str, splits: data.Splits) -> None:
    config, validation = scenario.denoiser, splits.validation
    left = len(validation) - config.kappa
    for name, value, available, what in (
        ("denoiser.kappa", config.kappa, len(validation), f"validation set of {dataset}"),
        ("denoiser.unlabelled", config.unlabelled, left, f"validation set of {dataset} without the labelled ones"),
        ("test_examples", scenario.test_examples, len(splits.test), f"test set of {dataset}"),
    ):
        check_size("Scenario", name, value, available, what)
    classes = int(validation.labels.max()) + 1
    if config.kappa < classes and any(receiver.needs("labelled") for receiver in config.receivers().values()):
        warnings.warn(
            f"`Scenario(denoiser.kappa=...)` is {config.kappa}, fewer than the {classes} classes of {dataset}: some "
            "class has no labelled example, and what is chosen on them may not hold for it.",
            stacklevel=2,
        )
