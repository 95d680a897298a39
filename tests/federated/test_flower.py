"""Flower gives the model of the plain loop, and its faults are devices that drop out or are refused."""

import importlib.util
from dataclasses import replace

import pytest
import torch
from federated_helpers import run, same

from analognn.federated import Federation, State

if importlib.util.find_spec("flwr") is None:
    pytest.skip("needs pip install 'analognn[federated]'", allow_module_level=True)

from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from analognn.federated.flower import Local, OverTheAir, client_app


@pytest.fixture
def federation():
    return Federation(
        num_devices=4, num_active=2, num_rounds=3, local_epochs=1, batch_size=32, learning_rate=0.1, random_share=0.5
    )


@pytest.fixture(autouse=True)
def identity(monkeypatch):
    """Flower numbers the process it runs an app in; here that is this one."""
    for name in ("_task_id", "_run_id", "_node_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


class InProcess:
    """Flower's grid without its processes: each message goes to the client app at once.

    ``faults`` maps (round, device) to what happens to the reply.
    """

    def __init__(self, app, nodes, faults=None, partitions=True):
        self.app, self.nodes, self.faults, self.partitions = app, nodes, faults or {}, partitions
        self.trained = []

    def get_node_ids(self):
        return list(self.nodes)

    def send_and_receive(self, messages, *, timeout=None):
        return [reply for message in messages for reply in self._answers(message)]

    def _answers(self, message):
        node = message.metadata.dst_node_id
        config = {"partition-id": self.nodes[node]} if self.partitions else {}
        context = Context(run_id=1, node_id=node, node_config=config, state=RecordDict(), run_config={})
        try:
            reply = self.app(message, context)
        except Exception as error:
            return [Message(Error(1, repr(error)), reply_to=message)]
        if message.metadata.message_type != "train":
            return [reply]
        turn = message.content["config"]
        self.trained.append((turn["round"], turn["device"]))
        fault = self.faults.get(self.trained[-1])
        return [reply] if fault is None else fault(message, reply)


NODES = {907: 2, 11: 0, 503: 3, 77: 1}
"""Node ids in no order, and the devices they are."""


def local(world, federation):
    return lambda _context, device: Local(world.model, world.devices[device], federation)


def start(world, setup, grid, state=None, rounds=None):
    strategy = OverTheAir(world.cell, setup, state=state, patience=0.0)
    model = State.start(world.model).model if state is None else state.model
    result = strategy.start(grid, ArrayRecord(dict(model)), num_rounds=rounds or setup.federation.num_rounds)
    return strategy, result


def through_flower(world, setup, **given):
    grid = InProcess(client_app(local(world, setup.federation)), given.pop("nodes", NODES), **given)
    strategy, result = start(world, setup, grid)
    return strategy, result, grid


@pytest.mark.parametrize(
    ("plan", "change"),
    [
        ("ml", {}),
        ("mmsepb", {"clip_norm": 0.5}),
        ("schedule", {"normalise": True, "dropout": 0.4}),
    ],
)
def test_flower_gives_the_model_of_the_loop_bit_by_bit(world, federation, plan, change):
    setup = world.setup(replace(federation, **change), plan, uplink={"wnr_db": 3.0}, seed=2**62 + 7)
    expected, records = run(world, setup)
    strategy, result, _ = through_flower(world, setup)
    assert same(strategy.state, expected)
    assert strategy.records == records
    final = result.arrays.to_torch_state_dict()
    assert all(torch.equal(final[name], tensor) for name, tensor in expected.model.items())
    assert result.train_metrics_clientapp[3]["effective_wnr_db"] == pytest.approx(3.0)


def test_only_the_active_devices_are_asked_to_train(world, federation):
    setup = world.setup(federation)
    strategy, _, grid = through_flower(world, setup)
    assert sorted(grid.trained) == [(record.round, m) for record in strategy.records for m in record.devices]
    assert len(grid.trained) == 3 * 2


def test_nodes_that_say_no_number_get_those_left_over_in_the_order_of_their_ids(world, federation):
    setup = world.setup(federation)
    expected, _ = run(world, setup)
    ordered = dict.fromkeys(sorted(NODES))
    strategy, _, _ = through_flower(world, setup, nodes=ordered, partitions=False)
    assert same(strategy.state, expected)


def lost(message, reply):
    return []


def error(message, reply):
    return [Message(Error(1, "out of memory"), reply_to=message)]


def empty(message, reply):
    return [Message(RecordDict(), reply_to=message)]


def without_loss(message, reply):
    return [Message(RecordDict({"arrays": reply.content["arrays"], "metrics": MetricRecord({})}), reply_to=message)]


@pytest.mark.parametrize("fault", [lost, error, empty, without_loss])
def test_a_reply_that_is_no_update_is_a_device_that_dropped_out(world, federation, fault):
    setup = world.setup(federation, uplink={"wnr_db": 3.0})
    first, second = federation.active(1, seed=setup.seed)
    strategy, _, _ = through_flower(world, setup, faults={(1, first): fault})
    assert strategy.records[1].dropped == (first,)
    assert strategy.records[1].devices == (second,)
    assert [record.dropped for record in strategy.records[::2]] == [(), ()]


def test_a_round_in_which_all_drop_out_leaves_the_model(world, federation):
    setup = world.setup(replace(federation, num_rounds=1))
    faults = {(0, m): lost for m in federation.active(0, seed=setup.seed)}
    strategy, _, _ = through_flower(world, setup, faults=faults)
    assert "No update arrived" in strategy.records[0].note
    assert all(torch.equal(strategy.state.model[k], v) for k, v in world.model.state_dict().items())


def changed(change):
    def fault(message, reply):
        state = reply.content["arrays"].to_torch_state_dict()
        change(state)
        content = RecordDict({"arrays": ArrayRecord(state), "metrics": reply.content["metrics"]})
        return [Message(content, reply_to=message)]

    return fault


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda state: state["conv.weight"].view(-1)[3].fill_(float("nan")), "update with 1 NaN or infinite"),
        (lambda state: state.pop("bn.weight"), "has another model"),
        (lambda state: state.update({"head.bias": torch.zeros(7)}), "has another model"),
    ],
)
def test_other_tensors_and_nan_are_refused_by_name(world, federation, change, why):
    setup = world.setup(federation, uplink={"wnr_db": 3.0})
    bad = federation.active(0, seed=setup.seed)[0]
    strategy, _, _ = through_flower(world, setup, faults={(0, bad): changed(change)})
    assert list(strategy.records[0].refused) == [bad]
    assert f"Device {bad}" in strategy.records[0].refused[bad]
    assert why in strategy.records[0].refused[bad]


def test_a_client_app_of_its_own_needs_to_know_nothing_of_us(world, federation):
    """What Flower's own examples reply with is enough."""
    app = ClientApp()

    @app.train()
    def train(message, context):
        state = message.content["arrays"].to_torch_state_dict()
        state["head.bias"] += 1.0
        metrics = MetricRecord({"train_loss": 0.5, "num-examples": 10})
        content = RecordDict({"arrays": ArrayRecord(dict(state)), "metrics": metrics})
        return Message(content, reply_to=message)

    setup = world.setup(replace(federation, num_rounds=2))
    strategy, _ = start(world, setup, InProcess(app, NODES))
    torch.testing.assert_close(strategy.state.model["head.bias"], world.model.head.bias.detach() + 2)
    assert [record.loss for record in strategy.records] == [0.5, 0.5]


def test_an_interrupted_training_goes_on_with_the_same_bits(world, federation, tmp_path):
    setup = world.setup(federation, "schedule", uplink={"wnr_db": 3.0})
    grid = InProcess(client_app(local(world, federation)), NODES)
    start(world, setup, grid, rounds=2)[0].state.save(tmp_path / "state.safetensors")
    state = State.load(tmp_path / "state.safetensors")
    strategy, _ = start(world, setup, grid, state=state, rounds=1)
    assert same(strategy.state, run(world, setup)[0])


def test_a_node_that_leaves_and_comes_back_under_another_id_is_the_same_device(world, federation):
    setup = world.setup(federation, uplink={"wnr_db": 3.0})
    app = client_app(local(world, federation))
    strategy = OverTheAir(world.cell, setup, patience=0.0)
    arrays, nodes = ArrayRecord(world.model.state_dict()), dict(NODES)
    for round in range(3):
        if round == 1:  # all others leave
            nodes = {node: m for node, m in NODES.items() if m == federation.active(1, seed=0)[0]}
        if round == 2:
            nodes = {node + 1: m for node, m in NODES.items()}
        grid = InProcess(app, nodes)
        replies = grid.send_and_receive(strategy.configure_train(round + 1, arrays, ConfigRecord(), grid))
        arrays, _ = strategy.aggregate_train(round + 1, replies)
    assert [len(record.dropped) for record in strategy.records] == [0, 1, 0]


def test_a_divergence_ends_the_training_quietly(world, federation):
    setup = world.setup(replace(federation, max_loss=1e-3))
    strategy, _, grid = through_flower(world, setup)
    assert len(strategy.records) == 1
    assert strategy.state.diverged
    assert {round for round, _ in grid.trained} == {0}


def test_what_cannot_work_is_one_line(world, federation):
    setup = world.setup(federation)
    app = client_app(local(world, federation))
    with pytest.raises(TimeoutError, match=r"Only 3 of num_devices = 4 nodes.* --federation-config 'num-supernodes=4'"):
        start(world, setup, InProcess(app, {1: 0, 2: 1, 3: 2}))
    with pytest.raises(ValueError, match="Two nodes are device 1: give each SuperNode a partition-id of its own"):
        start(world, setup, InProcess(app, {1: 0, 2: 1, 3: 1, 4: 2}))
    with pytest.raises(ValueError, match="num_rounds = 3 rounds"):
        start(world, setup, InProcess(app, NODES), rounds=4)
