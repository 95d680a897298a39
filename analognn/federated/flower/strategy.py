"""The strategy: who trains in a round, and what becomes of their replies."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, replace

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from analognn.federated.aggregation import aggregate, check_open
from analognn.federated.flower.client import ASK, PARTITION
from analognn.federated.layout import StateDict
from analognn.federated.local import Update
from analognn.federated.record import RoundRecord
from analognn.federated.setup import Cell, Setup
from analognn.federated.state import State

_log = logging.getLogger("flwr")


class OverTheAir(FedAvg):
    """Flower strategy: the updates of the active devices superpose on a noisy medium, the base station denoises.

    Device numbers decide who trains when. A node that answers the query ``query.device``, as those of
    :func:`client_app` do, has the number it says; the others take the numbers left over, in the order of their node
    ids. A number without a node is a device that dropped out. The messages of a round go to its active devices alone;
    their ConfigRecord holds ``seed``, ``round`` (from 0) and ``device`` beside Flower's ``server-round``.

    Start it with ``num_rounds`` no larger than those the federation has left, and the global model of ``state``::

        strategy = OverTheAir(cell, setup)
        strategy.start(grid, ArrayRecord(model.state_dict()), num_rounds=setup.federation.num_rounds)

    Args:
        cell: the base station.
        setup: the rest of the training.
        state: to go on from, for a training that was interrupted; by default the first round comes next.
        fraction_evaluate: of the nodes that evaluate after each round; needs clients that can.
        patience: seconds to wait for as many nodes as the federation has devices.

    Attributes:
        state: where the training stands.
        records: one a round.
    """

    def __init__(
        self,
        cell: Cell,
        setup: Setup,
        *,
        state: State | None = None,
        fraction_evaluate: float = 0.0,
        patience: float = 300.0,
    ) -> None:
        super().__init__(fraction_evaluate=fraction_evaluate)
        self.cell, self.setup, self.patience = cell, setup, patience
        self.state = state or State(0, {})
        self.records: list[RoundRecord] = []
        self._devices: dict[int, int] = {}  # by node
        self._active: tuple[int, ...] = ()

    def summary(self) -> None:
        """See :meth:`Strategy.summary`."""
        for part in (self.setup.federation, self.setup.uplink, self.setup.station):
            _log.info("\t├──> %s", part)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """The messages to the active devices; see :meth:`Strategy.configure_train`.

        Raises:
            ValueError: more rounds than the federation has left.
            TimeoutError: fewer nodes than devices.
        """
        if self.state.diverged:
            return []
        federation, seed = self.setup.federation, self.setup.seed
        check_open(self.state, federation)
        self.state = replace(self.state, model=self._placed(arrays))
        nodes = self._nodes(grid)
        self._active = federation.active(self.state.round, seed=seed)
        messages = []
        for device in self._active:
            if device in nodes and not federation.drops_out(self.state.round, device, seed=seed):
                turn = {"server-round": server_round, "seed": seed, "round": self.state.round, "device": device}
                content = RecordDict(
                    {self.arrayrecord_key: arrays, self.configrecord_key: ConfigRecord({**config, **turn})}
                )
                messages.append(Message(content, dst_node_id=nodes[device], message_type=MessageType.TRAIN))
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The next global model and what the round did; see :meth:`Strategy.aggregate_train`."""
        if self.state.diverged:
            return None, None
        updates: dict[int, Update | None] = dict.fromkeys(self._active)
        for reply in replies:
            device = self._devices[reply.metadata.src_node_id]
            updates[device] = self._update(device, reply)
        self.state, record = aggregate(self.state, updates, self.cell, self.setup)
        self.records.append(record)
        if record.note:
            _log.warning("%s", record.note)
        return ArrayRecord(dict(self.state.model)), _metrics(record)

    def _update(self, device: int, reply: Message) -> Update | None:
        """What a reply stands for; None for a device that dropped out."""
        missing = _missing(reply)
        if missing:
            _log.warning("Device %d dropped out: %s", device, missing)
            return None
        (arrays,), (metrics,) = reply.content.array_records.values(), reply.content.metric_records.values()
        after, loss = self._placed(arrays), _number(metrics, "train_loss")
        if _shapes(after) != _shapes(self.state.model):
            return Update(torch.empty(0), {}, _digest(after), loss)
        return Update.between(
            self.state.model,
            after,
            layout=self.cell.layout,
            federation=self.setup.federation,
            loss=loss,
            seconds=_number(metrics, "seconds", 0.0),
        )

    def _placed(self, arrays: ArrayRecord) -> StateDict:
        """The state dict in ``arrays``, where the base station computes."""
        place = next(self.cell.model.parameters()).device
        return {name: tensor.to(place) for name, tensor in arrays.to_torch_state_dict().items()}

    def _nodes(self, grid: Grid) -> dict[int, int]:
        """Node of each device that is connected now; the first time, all must be."""
        connected = set(grid.get_node_ids()) if self._devices else self._wait_for_all(grid)
        if new := connected - set(self._devices):
            self._devices |= self._numbers(grid, new, connected)
        return {self._devices[node]: node for node in sorted(connected) if node in self._devices}

    def _wait_for_all(self, grid: Grid) -> set[int]:
        needed, deadline = self.setup.federation.num_devices, time.monotonic() + self.patience
        while len(connected := set(grid.get_node_ids())) < needed:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"Only {len(connected)} of num_devices = {needed} nodes connected within {self.patience:g} s. "
                    f"Start a SuperNode for each; a simulation: flwr run --federation-config 'num-supernodes={needed}'."
                )
            time.sleep(0.2)
        return connected

    def _numbers(self, grid: Grid, new: set[int], connected: set[int]) -> dict[int, int]:
        """Device numbers of the ``new`` nodes; a node above the number of devices has none."""
        kind = f"{MessageType.QUERY}.{ASK}"
        asked = [Message(RecordDict(), dst_node_id=node, message_type=kind) for node in sorted(new)]
        replies = [reply for reply in grid.send_and_receive(asked, timeout=self.patience) if not reply.has_error()]
        said = {reply.metadata.src_node_id: _said(reply) for reply in replies}
        numbers = {node: device for node, device in said.items() if device is not None}
        there = [device for node, device in self._devices.items() if node in connected] + list(numbers.values())
        for device in there:
            if there.count(device) > 1:
                raise ValueError(f"Two nodes are device {device}: give each SuperNode a {PARTITION} of its own.")
        count = self.setup.federation.num_devices
        free = [device for device in range(count) if device not in there]
        numbers |= dict(zip(sorted(new - set(numbers)), free, strict=False))
        return {node: device for node, device in numbers.items() if 0 <= device < count}


def _missing(reply: Message) -> str:
    """What keeps a reply from being an update, or an empty text."""
    if reply.has_error():
        return f"it replied with an error: {reply.error.reason}"
    counts = len(reply.content.array_records), len(reply.content.metric_records)
    if counts != (1, 1):
        return f"its reply holds {counts[0]} ArrayRecords and {counts[1]} MetricRecords, not one of each."
    (metrics,) = reply.content.metric_records.values()
    return "" if isinstance(metrics.get("train_loss"), int | float) else "its metrics lack the number 'train_loss'."


def _number(metrics: MetricRecord, key: str, default: float | None = None) -> float:
    value = metrics.get(key, default)
    assert isinstance(value, int | float)
    return float(value)


def _said(reply: Message) -> int | None:
    for record in reply.content.metric_records.values():
        if isinstance(number := record.get(ASK), int):
            return number
    return None


def _shapes(state: StateDict) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _digest(state: StateDict) -> str:
    return hashlib.sha256(str(_shapes(state)).encode()).hexdigest()[:16]


def _metrics(record: RoundRecord) -> MetricRecord:
    """The numbers of a record, and how many devices did what."""
    numbers = {key: value for key, value in asdict(record).items() if isinstance(value, int | float)}
    counts = {key: len(getattr(record, key)) for key in ("devices", "refused", "dropped")}
    return MetricRecord({key: float(value) for key, value in (numbers | counts).items()})
