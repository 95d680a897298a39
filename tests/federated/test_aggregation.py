"""A round against eq. (3) by hand, and the power of its noise."""

from dataclasses import replace

import pytest
import torch
from federated_helpers import run, same, updates_of

from analognn import multiple_access
from analognn.federated import Cell, Rules, State, aggregate, make_plan
from analognn.federated.plans import Plan
from analognn.federated.station import PLANS


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


def test_normalised_updates_weigh_alike(world, federation):
    updates = updates_of(world, federation, (0, 2))
    loud = {**updates, 2: replace(updates[2], vector=100 * updates[2].vector)}
    layout, setup = world.cell.layout, world.setup(replace(federation, normalise=True))
    state, _ = aggregate(State.start(world.model), loud, world.cell, setup)
    directions = [update.vector / update.vector.norm() for update in loud.values()]
    size = sum(update.vector.norm() for update in loud.values()) / 2
    moved = layout.vector(state.model) - layout.vector(world.model.state_dict())
    torch.testing.assert_close(moved, sum(directions) * size / 2, rtol=1e-4, atol=1e-4)


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
