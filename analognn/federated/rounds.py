"""Rounds in this process: who is active trains, one device after the other, and the base station aggregates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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


def play(state: State, devices: Sequence[Labelled], cell: Cell, setup: Setup) -> Iterator[tuple[State, RoundRecord]]:
    """The rounds that are left, until the last one or the one in which the training diverges; see :func:`play_round`.

    >>> import torch
    >>> from analognn.channels import AwgnMultipleAccess
    >>> from analognn.federated import BaseStation, Federation, make_plan
    >>> model, federation = torch.nn.Linear(4, 2), Federation(num_devices=2, num_active=1, num_rounds=3)
    >>> devices = [Labelled(torch.eye(4), torch.tensor([0, 0, 1, 1]))] * 2
    >>> setup = Setup(federation, AwgnMultipleAccess(wnr_db=10.0), BaseStation(make_plan("mmse")))
    >>> for state, record in play(State.start(model), devices, Cell.of(model, federation), setup):
    ...     print(record.round, round(record.effective_wnr_db, 6))
    0 10.0
    1 10.0
    2 10.0
    """
    while state.round < setup.federation.num_rounds and not state.diverged:
        state, record = play_round(state, devices, cell, setup)
        yield state, record
