"""A client app: what a device does in Flower."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import NamedTuple

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod
from torch import nn

from analognn.federated.config import Federation
from analognn.federated.local import Turn, trained
from analognn.receiver import Labelled

ASK = "device"
"""Action of the query by which the server asks a node for its number."""
PARTITION = "partition-id"
"""Flower's name for the number of a node, in its configuration."""


class Local(NamedTuple):
    """What a device trains, on what and how."""

    model: nn.Module
    data: Labelled
    federation: Federation


def client_app(prepare: Callable[[Context, int], Local], *, mods: list[Mod] | None = None) -> ClientApp:
    """A Flower client app that trains as :func:`analognn.federated.train_locally` does.

    Args:
        prepare: gives the architecture, the examples and the federation of a device, from Flower's context and the
            number of the device. Called in every round.
        mods: Flower's wrappers around every message.
    """
    app = ClientApp(mods=mods)

    @app.query(ASK)
    def device(message: Message, context: Context) -> Message:
        number = context.node_config.get(PARTITION)
        record = MetricRecord({} if number is None else {ASK: int(number)})
        return Message(RecordDict({ASK: record}), reply_to=message)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        (arrays,), (config,) = message.content.array_records.values(), message.content.config_records.values()
        turn = Turn(*(int(str(config[key])) for key in ("seed", "round", "device")))
        local = prepare(context, turn.device)
        model = copy.deepcopy(local.model)
        model.load_state_dict(arrays.to_torch_state_dict())
        started = time.perf_counter()
        after, loss = trained(model, local.data, federation=local.federation, turn=turn)
        metrics = MetricRecord(
            {"train_loss": loss, "num-examples": len(local.data), "seconds": time.perf_counter() - started}
        )
        content = RecordDict({"arrays": ArrayRecord(after.state_dict()), "metrics": metrics})
        return Message(content, reply_to=message)

    return app
