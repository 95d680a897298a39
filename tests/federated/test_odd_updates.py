"""What a round makes of updates that are missing, zero, not finite or of another model, and when it is over."""

import re
from dataclasses import replace

import pytest
import torch
from federated_helpers import run, same, updates_of

from analognn.federated import RefusedUpdate, State, aggregate, play_round
from analognn.federated.plans import Decision, Plan


def poisoned(update, name=None):
    if name is None:
        vector = update.vector.clone()
        vector[3] = torch.nan
        return replace(update, vector=vector)
    return replace(update, reliable={**update.reliable, name: torch.full_like(update.reliable[name], torch.inf)})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (None, "Device 2 has an update with 1 NaN or infinite of 273 analog weights."),
        ("bn.running_var", "Device 2 has an update with NaN or infinite values in 'bn.running_var'."),
    ],
)
def test_a_nan_from_one_device_is_refused_and_named(world, federation, name, line):
    updates = updates_of(world, federation)
    bad = {**updates, 2: poisoned(updates[2], name)}
    setup = world.setup(federation, uplink={"wnr_db": 0.0})
    state, record = aggregate(State.start(world.model), bad, world.cell, setup)
    assert record.refused == {2: line}
    assert record.devices == (0, 4)
    without = {m: updates[m] for m in (0, 4)}
    assert same(state, aggregate(State.start(world.model), without, world.cell, setup)[0])
    with pytest.raises(RefusedUpdate, match=f"^{re.escape(line)}$"):
        aggregate(State.start(world.model), bad, world.cell, world.setup(replace(federation, on_refusal="stop")))


def test_a_client_with_another_model_is_refused_and_named(world, federation):
    updates = updates_of(world, federation)
    for other in (replace(updates[2], digest="0123"), replace(updates[2], vector=updates[2].vector[:-1])):
        _, record = aggregate(State.start(world.model), {**updates, 2: other}, world.cell, world.setup(federation))
        line = (
            r"Device 2 has another model: its layout is '\w+' with 27[23] analog weights, the global one '\w{16}' with "
        )
        assert re.fullmatch(line + r"273\.", record.refused[2])


def test_a_device_that_drops_out_is_left_out_of_sum_and_count(world, federation):
    updates = updates_of(world, federation)
    setup = world.setup(federation)
    state, record = aggregate(State.start(world.model), {**updates, 2: None}, world.cell, setup)
    assert (record.devices, record.dropped) == ((0, 4), (2,))
    without = {m: updates[m] for m in (0, 4)}
    assert same(state, aggregate(State.start(world.model), without, world.cell, setup)[0])


def test_dropping_out_at_random_repeats(world, federation):
    setup = world.setup(replace(federation, dropout=0.5, local_epochs=1))
    state, records = run(world, setup)
    again, repeated = run(world, setup)
    assert same(state, again)
    assert records == repeated
    assert any(record.dropped for record in records)
    assert any(record.devices for record in records)


def test_a_round_nobody_ends_leaves_the_model(world, federation):
    state = State.start(world.model)
    after, record = aggregate(state, {1: None, 3: None}, world.cell, world.setup(federation))
    assert same(replace(after, round=0), state)
    assert record.note == "No update arrived: the global model stays as it was."
    assert not after.diverged


def zero(update):
    return replace(update, vector=torch.zeros_like(update.vector))


@pytest.mark.parametrize("uplink", [{"wnr_db": 0.0}, {"noise_var": 1.0}])
@pytest.mark.parametrize("plan", ["ml", "mmse", "mmsepb", "schedule"])
def test_when_every_update_is_zero_nothing_is_sent(world, federation, uplink, plan):
    updates = {m: zero(update) for m, update in updates_of(world, federation).items()}
    state, record = aggregate(
        State.start(world.model), updates, world.cell, world.setup(federation, plan, uplink=uplink)
    )
    assert record.note == "Every update is zero: nothing was sent."
    layout = world.cell.layout
    assert torch.equal(layout.vector(state.model), layout.vector(world.model.state_dict()))
    assert not torch.equal(state.model["bn.running_mean"], world.model.state_dict()["bn.running_mean"])


def test_one_zero_update_counts_as_one(world, federation):
    updates = updates_of(world, federation, (0, 2))
    state, record = aggregate(
        State.start(world.model), {**updates, 2: zero(updates[2])}, world.cell, world.setup(federation)
    )
    layout = world.cell.layout
    torch.testing.assert_close(
        layout.vector(state.model), layout.vector(world.model.state_dict()) + updates[0].vector / 2
    )
    assert record.refused == {}


def test_divergence_stops_the_training_and_says_so(world, federation):
    setup = world.setup(replace(federation, max_loss=1e-3))
    state, records = run(world, setup)
    assert (state.round, state.diverged, records[-1].diverged) == (1, True, True)
    assert re.fullmatch(r"Diverged: the mean training loss is [\d.]+, above max_loss = 0.001.", records[-1].note)
    with pytest.raises(
        ValueError, match=r"^This training diverged in round 0; start anew with a lower learning_rate\.$"
    ):
        play_round(state, world.devices, world.cell, setup)


def test_when_every_device_has_nan_the_training_has_diverged(world, federation):
    updates = {m: poisoned(update) for m, update in updates_of(world, federation).items()}
    state, record = aggregate(State.start(world.model), updates, world.cell, world.setup(federation))
    assert state.diverged
    assert record.diverged
    assert set(record.refused) == {0, 2, 4}


class Exploding(Plan):
    def __call__(self, heard):
        return Decision(torch.full_like(heard.received.values, torch.inf))


def test_weights_that_are_not_finite_have_diverged(world, federation):
    setup = world.setup(federation)
    setup = replace(setup, station=replace(setup.station, plan=Exploding()))
    state, record = aggregate(State.start(world.model), updates_of(world, federation), world.cell, setup)
    assert state.diverged
    assert record.note == "Diverged: 'conv.weight' of the global model is not finite."


def test_what_play_round_refuses(world, federation):
    setup = world.setup(federation)
    with pytest.raises(ValueError, match="must hold the examples of num_devices = 5 devices; got 4"):
        play_round(State.start(world.model), world.devices[:4], world.cell, setup)
    with pytest.raises(ValueError, match="This training is over: it has played all its num_rounds = 6 rounds"):
        play_round(replace(State.start(world.model), round=6), world.devices, world.cell, setup)
    bare = replace(world.cell, examples=None)
    for searching in (world.setup(federation, "mmsepb"), world.setup(federation, recalibrate=True)):
        with pytest.raises(ValueError, match=r"`Cell\(examples=...\)` is None, but .* needs examples"):
            play_round(State.start(world.model), world.devices, bare, searching)
