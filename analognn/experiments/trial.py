"""One trial: one noise draw at one point of one medium, one denoiser, one number of right answers.

Everything random in a trial comes from seeds made of its identity, so the result depends neither on the order of the
trials nor on who runs them. All denoisers see the same draw and the same validation examples: differences are paired.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from analognn import backends, data, models, seeds
from analognn.channels import Received, Usage, checks
from analognn.data import Examples
from analognn.denoise import Prior
from analognn.effective import EffectiveNoise, effective_noise
from analognn.evaluate import Evaluator, Inputs, Score, resolve_device
from analognn.experiments import reliability
from analognn.experiments.fingerprint import Fingerprint
from analognn.experiments.reliability import deliver, reliable_path
from analognn.experiments.scenario import CLEAN as CLEAN  # those who read records look for it here
from analognn.experiments.scenario import Scenario
from analognn.packing import PackedWeights, ParameterLayout
from analognn.receiver import (
    Delivery,
    Labelled,
    Oracle,
    Receiver,
    SideInformation,
    dearest,
    measure,
    noise_tables,
)

MEASURED = 300
"""Training inputs on which the transmitter measures its side information."""


@dataclass(frozen=True, order=True)
class Reception:
    """One noise draw.

    Args:
        medium: label in the scenario.
        point: the swept parameters as canonical JSON.
        seed: index of the draw.
    """

    medium: str
    point: str
    seed: int


@dataclass(frozen=True)
class Record:
    """One row of results: a trial, what its medium did, what its denoiser chose, and the counts on test data.

    Numbers that do not exist for a trial are None: the noise of the clean model, (lambda', beta) of ML. From
    ``budget`` on, four columns are what the receiver used: its budget, examples without and with labels, and the side
    information it asked for [bit], which comes on top of the medium's own ``side_info_bits``. The next four
    are what the reliable path cost, for the reliable tensors and the medium's side information. ``pattern`` counts the
    values of a calibration pattern that the receiver had sent through the medium. ``fingerprint`` is the digest of what
    the row rests on (:mod:`analognn.experiments.fingerprint`).
    """

    medium: str
    point: str
    seed: int
    denoiser: str
    backend: str
    correct: int
    total: int
    loss_sum: float | None
    wnr_db: float | None = None
    gain: float | None = None
    offset: float | None = None
    noise_var: float | None = None
    excess_kurtosis: float | None = None
    ks_distance: float | None = None
    magnitude_corr: float | None = None
    reported_noise_var: float | None = None
    reported_source: str | None = None
    prior_mean: float | None = None
    prior_var: float | None = None
    lambda_prime: float | None = None
    beta: float | None = None
    validation_correct: int | None = None
    validation_total: int | None = None
    channel_uses: int | None = None
    energy: float | None = None
    outage: float | None = None
    retransmissions: int | None = None
    side_info_bits: int | None = None
    tiles: int | None = None
    wall_s: float | None = None
    budget: str | None = None
    unlabelled: int | None = None
    labelled: int | None = None
    receiver_bits: int | None = None
    reliable_bits: int | None = None
    reliable_uses: int | None = None
    reliable_energy: float | None = None
    reliable_retransmissions: int | None = None
    pattern: int | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        checks.counts("Record", "correct", self.correct, of=self.total)

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Identity of the trial within its scenario."""
        return self.medium, self.point, self.seed, self.denoiser


@dataclass(frozen=True)
class Workspace:
    """What all trials of a scenario share: the model, its packed weights, and the data on the device."""

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
    for medium in scenario.media.values():
        for point in medium.points():
            backends.create(medium.backend, **medium.at(point))
            reliable_path(scenario.reliable, medium.at(point))
    spec = models.spec(scenario.model)
    model = models.load(scenario.model, data_dir=data_dir)
    splits = data.load(spec.dataset, data_dir=data_dir)
    validation = splits.validation
    _check_examples(scenario, spec.dataset, validation)
    _at_most("test_examples", scenario.test_examples, len(splits.test), f"test set of {spec.dataset}")
    test = splits.test.take(slice(scenario.test_examples or None))
    layout = ParameterLayout.from_model(model)
    for receiver in scenario.denoiser.receivers().values():
        receiver.check(model)
    packed = layout.pack(model)
    place = resolve_device(device)

    def prepared(examples: Examples) -> tuple[Inputs, Tensor]:
        return spec.prepare(examples, data_dir=data_dir)

    return Workspace(
        model=model,
        layout=layout,
        packed=packed,
        side=measure(
            model, layout, _transmitters_inputs(scenario, prepared, splits), directions=scenario.denoiser.directions
        ),
        validation=Labelled(*prepared(validation)).to(place),
        test=Evaluator(*prepared(test), device=device),
        fingerprint=Fingerprint.of(scenario, (validation, splits.test), model),
    )


def receptions(scenario: Scenario, seeds: Mapping[str, int] | None = None) -> list[Reception]:
    """Every noise draw of the scenario, the clean model first.

    Args:
        scenario: what is run.
        seeds: medium -> draws at each of its points; by default ``scenario.seeds``.
    """
    draws = [Reception(CLEAN, "{}", 0)]
    for label, medium in scenario.media.items():
        points = [json.dumps(point, sort_keys=True) for point in medium.points()]
        count = scenario.seeds if seeds is None else seeds[label]
        draws += [Reception(label, point, seed) for point in points for seed in range(count)]
    return draws


def denoisers(scenario: Scenario, reception: Reception) -> tuple[str, ...]:
    """The trials of one reception; the clean model needs no denoiser."""
    return ("none",) if reception.medium == CLEAN else scenario.denoiser.names


def run_trials(
    workspace: Workspace, scenario: Scenario, reception: Reception, names: Sequence[str]
) -> Iterator[Record]:
    """Receive once, then let each receiver of ``names`` work and score on the test data; a record as each ends."""
    digest = workspace.fingerprint.digest
    for record in _trials(workspace, scenario, reception, names):
        yield replace(record, fingerprint=digest)


def _trials(workspace: Workspace, scenario: Scenario, reception: Reception, names: Sequence[str]) -> Iterator[Record]:
    if reception.medium == CLEAN:
        yield _record(reception, "none", CLEAN, workspace.test(workspace.model), wall_s=None)
        return
    medium = scenario.media[reception.medium]
    started = time.perf_counter()
    backend, received, model, usage = arrive(workspace, scenario, reception)
    if lost := _lost(workspace, model, received, reliability.columns(usage)):
        yield from (_record(reception, name, medium.backend, lost[0], **lost[1]) for name in names)
        return
    noise = effective_noise(workspace.packed.vector, received)
    shared = {**_noise_columns(received, noise), **reliability.columns(usage)}
    arrived = delivery(workspace, scenario, reception, model, received)
    prior = {"prior_mean": arrived.prior.mean, "prior_var": arrived.prior.var}
    for name, receiver, result in results(workspace, scenario, reception, backend, arrived, names):
        score = workspace.test(result.model)
        columns = {**shared, **prior, **_columns(receiver, result), "wall_s": time.perf_counter() - started}
        yield _record(reception, name, medium.backend, score, **columns)
        started = time.perf_counter()


def results(
    workspace: Workspace, scenario: Scenario, reception: Reception, backend: backends.Backend, arrived: Delivery,
    names: Sequence[str],
) -> Iterator[tuple[str, Receiver, Delivery]]:  # fmt: skip
    """What each receiver of ``names`` makes of what arrived, in the order of the scenario."""
    receivers = {name: made for name, made in scenario.denoiser.receivers().items() if name in names}
    if any(receiver.calibrated for receiver in receivers.values()):
        generator = seeded(scenario, reception, "calibration")
        tables = noise_tables(backend, arrived.received, workspace.layout, generator=generator)
        arrived = replace(arrived, calibration=tables)
    oracle = Oracle(workspace.packed.vector, workspace.test)
    for name, receiver in receivers.items():
        yield name, receiver, receiver(arrived if receiver.budget != "oracle" else replace(arrived, oracle=oracle))


def arrive(
    workspace: Workspace, scenario: Scenario, reception: Reception
) -> tuple[backends.Backend, Received, nn.Module, Usage]:
    """Send the weights once: the medium, what it delivered, the model with what the reliable path did, and its cost."""
    parameters = scenario.media[reception.medium].at(json.loads(reception.point))
    backend = backends.create(scenario.media[reception.medium].backend, **parameters)
    received = backend.receive(workspace.packed, generator=seeded(scenario, reception, "medium"))
    path, bits = reliable_path(scenario.reliable, parameters), received.usage.side_info_bits
    model, usage = deliver(
        workspace.model, workspace.layout, path, bits, generator=seeded(scenario, reception, "reliable")
    )
    return backend, received, model, usage


def seeded(scenario: Scenario, reception: Reception, purpose: str) -> torch.Generator:
    """A CPU generator whose seed is made of what the draw is for and nothing else."""
    return seeds.seeded(scenario.seed, reception.medium, reception.point, reception.seed, purpose)


def _transmitters_inputs(
    scenario: Scenario, prepared: Callable[[Examples], tuple[Inputs, Tensor]], splits: data.Splits
) -> Inputs | None:
    """Training inputs on which the transmitter measures its layers, where a receiver asks for that."""
    if not any(receiver.measured for receiver in scenario.denoiser.receivers().values()):
        return None
    generator = torch.Generator().manual_seed(scenario.seed)
    drawn = torch.randperm(len(splits.train), generator=generator)[:MEASURED]
    return prepared(splits.train.take(drawn))[0]


def _check_examples(scenario: Scenario, dataset: str, validation: Examples) -> None:
    config = scenario.denoiser
    _at_most("denoiser.kappa", config.kappa, len(validation), f"validation set of {dataset}")
    left = len(validation) - config.kappa
    _at_most("denoiser.unlabelled", config.unlabelled, left, f"validation set of {dataset} without the labelled ones")
    classes = int(validation.labels.max()) + 1
    if config.kappa < classes and any(receiver.needs("labelled") for receiver in config.receivers().values()):
        warnings.warn(
            f"`Scenario(denoiser.kappa=...)` is {config.kappa}, fewer than the {classes} classes of {dataset}: some "
            "class has no labelled example, and what is chosen on them may not hold for it.",
            stacklevel=2,
        )


def _at_most(name: str, value: int, available: int, what: str) -> None:
    if value > available:
        raise ValueError(f"`Scenario({name}=...)` must be <= {available}, the size of the {what}; got {value}.")


def _prior(workspace: Workspace, scenario: Scenario, received: Received) -> Prior:
    if scenario.denoiser.prior == "blind":
        return Prior.from_received(received)
    return Prior.from_weights(workspace.packed.vector, source="side-information")


def _lost(
    workspace: Workspace, model: nn.Module, received: Received, shared: dict[str, Any]
) -> tuple[Score, dict[str, Any]] | None:
    """Score and columns where every weight was erased: the model has what the medium put in their place."""
    if bool(torch.isfinite(torch.as_tensor(received.noise_var)).any()):
        return None
    nothing = {"wnr_db": -math.inf, "reported_source": received.source, **vars(received.usage)}
    return workspace.test(workspace.layout.unpack(received.values, model)), {**nothing, **shared}


def delivery(
    workspace: Workspace, scenario: Scenario, reception: Reception, model: nn.Module, received: Received
) -> Delivery:
    """What every receiver of this draw starts from: the same labelled examples, and unlabelled ones beside them."""
    config = scenario.denoiser
    order = torch.randperm(len(workspace.validation), generator=seeded(scenario, reception, "validation"))
    labelled, rest = order[: config.kappa], order[config.kappa :]
    drawn = torch.randperm(len(rest), generator=seeded(scenario, reception, "unlabelled"))[: config.unlabelled]
    arrived = Delivery.arrived(model, workspace.layout, received, _prior(workspace, scenario, received))
    return replace(
        arrived,
        side=workspace.side,
        labelled=workspace.validation.take(labelled),
        unlabelled=workspace.validation.take(rest[drawn]).inputs if config.unlabelled else None,
    )


def _columns(receiver: Receiver, result: Delivery) -> dict[str, Any]:
    spent = result.spent
    return {
        **result.chosen,
        "budget": dearest(receiver.budget, "side-information" if spent.side_info_bits else "none"),
        "unlabelled": spent.unlabelled,
        "labelled": spent.labelled,
        "receiver_bits": spent.side_info_bits,
        "pattern": spent.pattern,
    }


def _noise_columns(received: Received, noise: EffectiveNoise) -> dict[str, Any]:
    reported = torch.as_tensor(received.noise_var, dtype=torch.float64)
    return {
        "wnr_db": noise.wnr_db,
        "gain": noise.gain,
        "offset": noise.offset,
        "noise_var": noise.noise_var,
        "excess_kurtosis": noise.excess_kurtosis,
        "ks_distance": noise.ks_distance,
        "magnitude_corr": noise.magnitude_corr,
        "reported_noise_var": float(reported[torch.isfinite(reported)].mean()),
        "reported_source": received.source,
        **vars(received.usage),
    }


def _record(reception: Reception, denoiser: str, backend: str, score: Score, **columns: Any) -> Record:
    return Record(**vars(reception), denoiser=denoiser, backend=backend, **vars(score), **columns)
