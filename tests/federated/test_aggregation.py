"""A round against eq. (3) by hand, noise power, and every kind of bad input."""

import re
from dataclasses import replace

import pytest
import torch
from federated_helpers import run, same

from analognn import multiple_access
from analognn.federated import (
    Cell,
    RefusedUpdate,
    Rules,
    State,
    Turn,
    aggregate,
    make_plan,
    play_round,
    train_locally,
)
from analognn.federated.plans import Decision, Plan
from analognn.federated.station import PLANS


def updates_of(world, federation, devices=(0, 2, 4)):
    return {
        m: train_locally(
            world.model, world.devices[m], layout=world.cell.layout, federation=federation, turn=Turn(0, 0, m)
        )
        for m in devices
    }


def test_without_noise_it_is_federated_averaging(world, federation):
    updates = updates_of(world, federation)
    before = State.start(world.model)
    after, record = aggregate(before, updates, world.cell, world.setup(federation))
    layout = world.cell.layout
    mean = torch.stack([update.vector for update in updates.values()]).mean(0)
    torch.testing.assert_close(layout.vector(after.model), layout.vector(before.model) + mean)
    for name in layout.reliable_names:
        change = torch.stack([update.reliable[name] for update in updates.values()]).double().mean(0)
        wanted = before.model[name].double() + (change if after.model[name].is_floating_point() else change.floor())
        torch.testing.assert_close(after.model[name].double(), wanted)
    assert (after.round, record.devices, record.noise_var, record.gain) == (1, (0, 2, 4), 0.0, 1.0)


def test_the_order_of_the_updates_does_not_matter(world, federation):
    updates = updates_of(world, federation)
    setup = world.setup(federation, uplink={"wnr_db": 0.0})
    results = [
        aggregate(State.start(world.model), {m: updates[m] for m in order}, world.cell, setup)
        for order in ((0, 2, 4), (4, 0, 2))
    ]
    assert same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def measured_noise(world, federation, updates, **uplink):
    """Variance of what the noise did to the sum, and the record."""
    before = State.start(world.model)
    quiet, loud = (
        aggregate(before, updates, world.cell, world.setup(federation, uplink=given))
        for given in ({"noise_var": 0.0}, uplink)
    )
    layout, num = world.cell.layout, len(updates)
    noise = (layout.vector(loud[0].model) - layout.vector(quiet[0].model)) * num
    return float(noise.double().var()), loud[1], noise.numel()


def agrees(measured, wanted, n):
    """Within 5 standard errors sqrt(2 / n) of a variance."""
    return abs(measured / wanted - 1) < 5 * (2 / n) ** 0.5


def test_a_wnr_is_against_the_variance_of_the_sum(world, federation):
    updates = updates_of(world, federation)
    power = float(sum(update.vector for update in updates.values()).double().var(correction=0))
    measured, record, n = measured_noise(world, federation, updates, wnr_db=3.0)
    assert record.update_power == pytest.approx(power)
    assert record.effective_wnr_db == pytest.approx(3.0)
    assert record.noise_var == pytest.approx(power / 10**0.3)
    assert agrees(measured, record.noise_var, n)
    assert not agrees(measured, 2 * record.noise_var, n)
    assert not agrees(0.0, record.noise_var, n)


@pytest.mark.parametrize("lambda_prime", [0.0, 0.5, 1.0])
def test_the_error_after_denoising_is_the_derived_one(world, federation, lambda_prime):
    """E[(w_hat - w)^2] = theta^2 s_z^2 + (1 - theta)^2 E[w^2], whatever the distribution of the update."""
    rules = Rules(prior="side-information")
    federation, updates = replace(federation, rules=rules), updates_of(world, federation)
    clean = sum(update.vector for update in updates.values()).double()
    layout, before = world.cell.layout, State.start(world.model)
    power, errors = float(clean.var(correction=0)), []
    for seed in range(30):
        setup = world.setup(
            federation, "fixed", parameters={"lambda_prime": lambda_prime}, uplink={"noise_var": power}, seed=seed
        )
        after, _ = aggregate(before, updates, world.cell, setup)
        estimate = (layout.vector(after.model) - layout.vector(before.model)).double() * len(updates)
        errors.append(float((estimate - clean).square().mean()))
    theta = 1 / (2 - lambda_prime)
    errors = torch.tensor(errors)

    def within(wanted):
        return bool((errors.mean() - wanted).abs() < 5 * errors.std() / 30**0.5)

    assert within(theta**2 * power + (1 - theta) ** 2 * float(clean.square().mean()))
    assert not within((1 - theta) ** 2 * float(clean.square().mean()))  # no noise
    assert not within(2 * theta**2 * power + (1 - theta) ** 2 * float(clean.square().mean()))  # twice the noise


def test_a_fixed_noise_variance_stays(world, federation):
    updates = updates_of(world, federation)
    measured, record, n = measured_noise(world, federation, updates, noise_var=1e-3)
    assert record.noise_var == 1e-3
    assert agrees(measured, 1e-3, n)


def test_the_mean_square_is_another_definition(world, federation):
    rules = Rules(contaminated=True, power="mean-square", prior="side-information")
    coded = replace(federation, rules=rules)
    world = replace(world, cell=Cell.of(world.model, coded, world.cell.examples))
    updates = updates_of(world, coded)
    total = sum(update.vector for update in updates.values()).double()
    _, record = aggregate(State.start(world.model), updates, world.cell, world.setup(coded, uplink={"wnr_db": 0.0}))
    assert record.noise_var == pytest.approx(float(total.square().mean()))
    counter = world.cell.layout.slots[-1]
    assert counter.name == "downsample.1.num_batches_tracked"
    assert total[counter.start] ** 2 > 0.9 * total.square().sum()  # one counter makes the noise power


@pytest.mark.parametrize("name", sorted(multiple_access.entries()))
def test_every_registered_medium_carries_a_round(world, federation, name):
    given = {"awgn": {"wnr_db": 5.0}, "ofdm": {"esn0_db": 10.0, "model": "rayleigh", "fft_size": 64,
             "num_guard_carriers": (5, 6), "cyclic_prefix_length": 8}}[name]  # fmt: skip
    setup = replace(world.setup(federation, "mmse"), uplink=multiple_access.create(name, **given))
    state, records = run(world, setup, rounds=1)
    again, _ = run(world, setup, rounds=1)
    assert same(state, again)
    assert 0 < records[0].gain < 1
    assert 0 < records[0].effective_wnr_db < 30


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


def test_normalised_updates_weigh_alike(world, federation):
    updates = updates_of(world, federation, (0, 2))
    loud = {**updates, 2: replace(updates[2], vector=100 * updates[2].vector)}
    layout, setup = world.cell.layout, world.setup(replace(federation, normalise=True))
    state, _ = aggregate(State.start(world.model), loud, world.cell, setup)
    directions = [update.vector / update.vector.norm() for update in loud.values()]
    size = sum(update.vector.norm() for update in loud.values()) / 2
    moved = layout.vector(state.model) - layout.vector(world.model.state_dict())
    torch.testing.assert_close(moved, sum(directions) * size / 2, rtol=1e-4, atol=1e-4)


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


def test_plans_by_name():
    made = {name: make_plan(name, **({"lambda_prime": 0.9} if name == "fixed" else {})) for name in PLANS}
    assert all(isinstance(plan, Plan) and hash(plan) is not None for plan in made.values())
    with pytest.raises(ValueError, match="Plan 'fixed' needs the parameter 'lambda_prime'"):
        make_plan("fixed")
    with pytest.raises(ValueError, match=r"must be one of ml, mmse, .*; got 'mmsebp'. Did you mean 'mmsepb'\?"):
        make_plan("mmsebp")
    with pytest.raises(ValueError, match="Plan 'ml' has no parameter 'kappa'; it has none."):
        make_plan("ml", kappa=1)


def test_path_gains_belong_to_devices(world, federation):
    """A far device sets the level for all, in the rounds in which it is active."""
    slot = {"fft_size": 64, "num_guard_carriers": (5, 6), "cyclic_prefix_length": 8}
    gains = (0.0, 0.0, -20.0, 0.0, 0.0)
    uplink = multiple_access.create("ofdm", esn0_db=10.0, model="rayleigh", path_gain_db=gains, **slot)
    setup, wnr_db = replace(world.setup(federation), uplink=uplink), {}
    for devices in ((0, 1), (0, 2)):
        updates = updates_of(world, federation, devices)
        _, record = aggregate(State.start(world.model), updates, world.cell, setup)
        wnr_db[devices] = record.effective_wnr_db
    assert wnr_db[0, 1] > wnr_db[0, 2] + 8
    with pytest.raises(ValueError, match="one for each of the num_devices = 5 devices of the federation; got 2"):
        replace(setup, uplink=replace(uplink, path_gain_db=(0.0, 0.0)))
