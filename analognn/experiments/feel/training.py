"""One federated training of a scenario, round by round, from wherever it stands.

Everything random derives from (seed of the scenario, number of the training): all base stations and all points share
the deal of the examples, the first weights and the noise up to its scale, so differences between them are paired.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from analognn import data, federated, models, multiple_access
from analognn.channels import MultipleAccess
from analognn.data import Examples
from analognn.evaluate import Evaluator, resolve_device
from analognn.experiments.feel.rounds import RoundRow, Run
from analognn.experiments.feel.scenario import NOISELESS, FeelScenario
from analognn.experiments.fingerprint import Fingerprint
from analognn.experiments.parsing import check_size
from analognn.experiments.scenario import canonical
from analognn.federated import (
    BaseStation,
    Cell,
    Federation,
    RoundRecord,
    Setup,
    State,
    make_plan,
    partition,
    server_examples,
)
from analognn.receiver import Labelled
from analognn.seeds import seeded


@dataclass(frozen=True)
class Workspace:
    """What all trainings of a scenario share, on the device to compute on.

    Args:
        scenario: whose trainings they are.
        train: all that the devices hold together.
        held_out: examples that no device holds: the base station's are drawn from them, the rest judge each round.
        test: scores a model.
        fingerprint: of the scenario and its data; weights start fresh.
    """

    scenario: FeelScenario
    train: Labelled
    held_out: Labelled
    test: Evaluator
    fingerprint: Fingerprint


@dataclass(frozen=True)
class Training:
    """One training, ready to go."""

    run: Run
    setup: Setup
    start: State
    devices: tuple[Labelled, ...]
    cell: Cell
    validation: Evaluator


def prepare(scenario: FeelScenario, *, data_dir: Path | None = None, device: str = "auto") -> Workspace:
    """Load the data and check the scenario against model and data before any work is done.

    Raises:
        ValueError: an unknown model, or more examples asked for than there are.
        FileNotFoundError: data set not there.
    """
    spec = models.spec(scenario.model)
    splits = data.load(spec.dataset, data_dir=data_dir)
    if scenario.kappa >= len(splits.validation):
        raise ValueError(
            f"`FeelScenario(kappa=...)` must be < {len(splits.validation)}, the validation examples of {spec.dataset}, "
            f"because the rest judges each round; got {scenario.kappa}."
        )
    check_size("FeelScenario", "test_examples", scenario.test_examples, len(splits.test), f"test set of {spec.dataset}")
    place = resolve_device(device)

    def placed(examples: Examples) -> Labelled:
        return Labelled(*spec.prepare(examples, data_dir=data_dir)).to(place)

    test = placed(splits.test.take(slice(scenario.test_examples or None)))
    fingerprint = Fingerprint.of(scenario, (splits.train, splits.validation, splits.test))
    workspace = Workspace(scenario, placed(splits.train), placed(splits.validation), test.evaluator, fingerprint)
    for label in (NOISELESS, *scenario.station):
        begin(workspace, Run(label, canonical(next(scenario.uplink.points())), 0))
    return workspace


def begin(workspace: Workspace, run: Run) -> Training:
    """Deal the examples and draw the first weights of a training."""
    scenario = workspace.scenario
    federation, uplink, station = _parts(scenario, run)
    identity = seeded(scenario.seed, "feel", run.seed).initial_seed()
    order = torch.randperm(len(workspace.held_out), generator=seeded(identity, "held out"))
    pool, rest = (workspace.held_out.take(part) for part in order.tensor_split([scenario.kappa]))
    examples = server_examples(
        workspace.train, pool, federation.rules, kappa=scenario.kappa, generator=seeded(identity, "server")
    )
    model = models.build(scenario.model, generator=seeded(identity, "weights")).to(workspace.train.labels.device)
    parts = partition(workspace.train.labels, federation, generator=seeded(identity, "partition"))
    return Training(
        run=run,
        setup=Setup(federation, uplink, station, identity),
        start=State.start(model),
        devices=tuple(workspace.train.take(part) for part in parts),
        cell=Cell.of(model, federation, examples),
        validation=rest.evaluator,
    )


def _parts(scenario: FeelScenario, run: Run) -> tuple[Federation, MultipleAccess, BaseStation]:
    federation = scenario.served(run.station)
    if run.station == NOISELESS:
        return federation, multiple_access.create("awgn", noise_var=0.0), BaseStation(make_plan("ml"))
    return federation, scenario.medium(json.loads(run.point)), scenario.station[run.station].made()


def play(workspace: Workspace, run: Run, state: State | None) -> Iterator[tuple[RoundRow, State]]:
    """The rounds of a training that are left, each with the state after it.

    Args:
        workspace: of the scenario.
        run: which training.
        state: where it stands, on any device; None at its start.
    """
    training = begin(workspace, run)
    state = training.start if state is None else _placed(state, workspace.train.labels.device)
    for after, record in federated.play(state, training.devices, training.cell, training.setup):
        yield _row(workspace, training, after, record), after


def _placed(state: State, device: torch.device) -> State:
    model, memory = ({name: t.to(device) for name, t in kept.items()} for kept in (state.model, state.memory))
    return replace(state, model=model, memory=memory)


def _row(workspace: Workspace, training: Training, state: State, record: RoundRecord) -> RoundRow:
    model = training.cell.at(state)
    validation, test = training.validation(model), workspace.test(model)
    return RoundRow(
        **vars(training.run),
        round=record.round,
        devices=json.dumps(record.devices),
        refused=json.dumps(dict(record.refused)),
        dropped=json.dumps(record.dropped),
        diverged=int(record.diverged),
        note=record.note,
        loss=_finite(record.loss),
        update_power=_finite(record.update_power),
        noise_var=_finite(record.noise_var),
        effective_wnr_db=_finite(record.effective_wnr_db),
        gain=_finite(record.gain),
        lambda_prime=record.lambda_prime,
        beta=record.beta,
        searched_correct=record.validation_correct,
        searched_total=record.validation_total,
        channel_uses=record.channel_uses,
        outage=record.outage,
        side_info_bits=record.side_info_bits,
        validation_correct=validation.correct,
        validation_total=validation.total,
        test_correct=test.correct,
        test_total=test.total,
        seconds_training=record.seconds_training,
        seconds_air=record.seconds_air,
        seconds_station=record.seconds_station,
    )


def _finite(value: float | None) -> float | None:
    """SQLite turns NaN into NULL, and JSON knows no infinity."""
    return value if value is not None and math.isfinite(value) else None
