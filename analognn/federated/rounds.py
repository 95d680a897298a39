"""One round in this process: who is active trains, one device after the other, and the base station aggregates."""

from __future__ import annotations

from collections.abc import Sequence

from analognn.federated.aggregation import aggregate, check_open
from analognn.federated.local import Turn, Update, train_locally
from analognn.federated.record import RoundRecord
from analognn.federated.setup import Cell, Setup
from analognn.federated.state import State
from analognn.receiver import Labelled


def play_round(state: State, devices: Sequence[Labelled], cell: Cell, setup: Setup) -> tuple[State, RoundRecord]:
    """Train on the active devices and aggregate.

    Args:
        state: before the round.
        devices: the examples of each.
        cell: the base station.
        setup: the rest.

    Raises:
        ValueError: a training that has diverged or is over, another number of devices than the federation has, or see
            :func:`train_locally` and :func:`aggregate`.
    """
    federation, seed = setup.federation, setup.seed
    if len(devices) != federation.num_devices:
        raise ValueError(
            f"`play_round(devices=...)` must hold the examples of num_devices = {federation.num_devices} devices; got "
            f"{len(devices)}."
        )
    check_open(state, federation)
    model = cell.at(state)
    updates: dict[int, Update | None] = dict.fromkeys(federation.active(state.round, seed=seed))
    for m in updates:
        if not federation.drops_out(state.round, m, seed=seed):
            turn = Turn(seed, state.round, m)
            updates[m] = train_locally(model, devices[m], layout=cell.layout, federation=federation, turn=turn)
    return aggregate(state, updates, cell, setup)
