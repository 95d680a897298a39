"""One trial: one noise draw at one point of one medium, one denoiser, one number of right answers.

Everything random in a trial comes from seeds made of its identity, so the result depends neither on the order of the
trials nor on who runs them. All denoisers see the same draw and the same validation examples: differences are paired.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from analognn import backends, seeds
from analognn.channels import Received, Usage
from analognn.denoise import Prior
from analognn.effective import effective_noise
from analognn.evaluate import Score
from analognn.experiments import reliability
from analognn.experiments.record import Reception, Record
from analognn.experiments.scenario import CLEAN, Scenario
from analognn.experiments.workspace import Workspace
from analognn.receiver import Delivery, Oracle, Receiver, dearest, noise_tables


@dataclass(frozen=True)
class Arrival:
    """The weights after one noise draw, before any receiver.

    Args:
        backend: the medium.
        received: what it delivered.
        model: the sender's, with the tensors that the reliable path delivered.
        reliable: what that path cost.
    """

    backend: backends.Backend
    received: Received
    model: nn.Module
    reliable: Usage

    @property
    def lost(self) -> bool:
        """Whether every weight was erased."""
        return not bool(torch.isfinite(torch.as_tensor(self.received.noise_var)).any())


def run_trials(workspace: Workspace, reception: Reception, names: Sequence[str]) -> Iterator[Record]:
    """Receive once, then let each receiver of ``names`` work and score on the test data; a record as each ends."""
    if reception.medium == CLEAN:
        yield _record(workspace, reception, "none", workspace.test(workspace.model))
        return
    started = time.perf_counter()
    arrival = arrive(workspace, reception)
    if arrival.lost:  # the model has what the medium put in the place of its weights
        score = workspace.test(workspace.layout.unpack(arrival.received.values, arrival.model))
        shared = {"wnr_db": -math.inf, **_cost(arrival)}
        yield from (_record(workspace, reception, name, score, **shared) for name in names)
        return
    delivered = delivery(workspace, reception, arrival)
    shared = {**_noise(workspace, arrival.received), **_cost(arrival)}
    shared |= {"prior_mean": delivered.prior.mean, "prior_var": delivered.prior.var}
    for name, receiver, result in results(workspace, reception, arrival, delivered, names):
        columns = {**shared, **_spent(receiver, result)}
        score = workspace.test(result.model)
        yield _record(workspace, reception, name, score, **columns, wall_s=time.perf_counter() - started)
        started = time.perf_counter()


def arrive(workspace: Workspace, reception: Reception) -> Arrival:
    """Send the weights once."""
    scenario, medium = workspace.scenario, workspace.scenario.media[reception.medium]
    parameters = medium.at(json.loads(reception.point))
    backend = backends.create(medium.backend, **parameters)
    received = backend.receive(workspace.packed, generator=seeded(scenario, reception, "medium"))
    path, bits = reliability.reliable_path(scenario.reliable, parameters), received.usage.side_info_bits
    model, usage = reliability.deliver(
        workspace.model, workspace.layout, path, bits, generator=seeded(scenario, reception, "reliable")
    )
    return Arrival(backend, received, model, usage)


def delivery(workspace: Workspace, reception: Reception, arrival: Arrival) -> Delivery:
    """What every receiver of this draw starts from: the same labelled examples, and unlabelled ones beside them."""
    scenario, config = workspace.scenario, workspace.scenario.denoiser
    order = torch.randperm(len(workspace.validation), generator=seeded(scenario, reception, "validation"))
    labelled, rest = order[: config.kappa], order[config.kappa :]
    drawn = torch.randperm(len(rest), generator=seeded(scenario, reception, "unlabelled"))[: config.unlabelled]
    prior = _prior(workspace, arrival.received)
    return replace(
        Delivery.arrived(arrival.model, workspace.layout, arrival.received, prior),
        side=workspace.side,
        labelled=workspace.validation.take(labelled),
        unlabelled=workspace.validation.take(rest[drawn]).inputs if config.unlabelled else None,
    )


def results(
    workspace: Workspace, reception: Reception, arrival: Arrival, delivered: Delivery, names: Sequence[str]
) -> Iterator[tuple[str, Receiver, Delivery]]:
    """What each receiver of ``names`` makes of what was delivered, in the order of the scenario."""
    scenario = workspace.scenario
    receivers = {name: made for name, made in scenario.denoiser.receivers().items() if name in names}
    if any(receiver.calibrated for receiver in receivers.values()):
        generator = seeded(scenario, reception, "calibration")
        tables = noise_tables(arrival.backend, arrival.received, workspace.layout, generator=generator)
        delivered = replace(delivered, calibration=tables)
    oracle = Oracle(workspace.packed.vector, workspace.test)
    for name, receiver in receivers.items():
        yield name, receiver, receiver(delivered if receiver.budget != "oracle" else replace(delivered, oracle=oracle))


def seeded(scenario: Scenario, reception: Reception, purpose: str) -> torch.Generator:
    """A CPU generator whose seed is made of what the draw is for and nothing else."""
    return seeds.seeded(scenario.seed, reception.medium, reception.point, reception.seed, purpose)


def _prior(workspace: Workspace, received: Received) -> Prior:
    if workspace.scenario.denoiser.prior == "blind":
        return Prior.from_received(received)
    return Prior.from_weights(workspace.packed.vector, source="side-information")


def _record(workspace: Workspace, reception: Reception, denoiser: str, score: Score, **columns: Any) -> Record:
    clean, digest = reception.medium == CLEAN, workspace.fingerprint.digest
    backend = CLEAN if clean else workspace.scenario.media[reception.medium].backend
    return Record(**vars(reception), denoiser=denoiser, backend=backend, **vars(score), **columns, fingerprint=digest)


def _cost(arrival: Arrival) -> dict[str, Any]:
    """Columns about what the medium reports and used, and the reliable path."""
    received = arrival.received
    return {"reported_source": received.source, **vars(received.usage), **reliability.columns(arrival.reliable)}


def _noise(workspace: Workspace, received: Received) -> dict[str, Any]:
    """Columns about the noise, as it was and as reported."""
    noise = vars(effective_noise(workspace.packed.vector, received))
    reported = torch.as_tensor(received.noise_var, dtype=torch.float64)
    finite = float(reported[torch.isfinite(reported)].mean())
    return {name: value for name, value in noise.items() if name != "count"} | {"reported_noise_var": finite}


def _spent(receiver: Receiver, result: Delivery) -> dict[str, Any]:
    """Columns about what a receiver chose and used."""
    spent = result.spent
    return {
        **result.chosen,
        "budget": dearest(receiver.budget, "side-information" if spent.side_info_bits else "none"),
        "unlabelled": spent.unlabelled,
        "labelled": spent.labelled,
        "receiver_bits": spent.side_info_bits,
        "pattern": spent.pattern,
    }
