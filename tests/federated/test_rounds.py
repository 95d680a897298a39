"""Whole trainings: they learn, repeat bit by bit, resume, and denoise as derived."""

import json
import re
from dataclasses import asdict, replace

import pytest
import torch
from federated_helpers import run, same, small

from analognn.federated import PRESETS, State, play_round, tune_pair

PLANS = ("ml", "mmse", "lmmse", "mmsepb", "fixed", "schedule")


def given(plan):
    return {"parameters": {"lambda_prime": 0.9}} if plan == "fixed" else {}


@pytest.mark.parametrize("plan", PLANS)
def test_every_plan_learns_without_noise_and_repeats(world, federation, plan):
    setup = world.setup(federation, plan, **given(plan))
    state, records = run(world, setup)
    assert world.accuracy(state) > 0.8 > world.accuracy(State.start(world.model))
    assert [record.round for record in records] == list(range(6))
    assert all(record.gain == pytest.approx(1.0, rel=1e-5) for record in records)
    again, repeated = run(world, setup)
    assert same(state, again)
    assert records == repeated
    json.dumps([asdict(record) for record in records])


@pytest.mark.parametrize("plan", ["mmsepb", "schedule"])
def test_a_state_read_from_its_file_goes_on_with_the_same_bits(world, federation, plan, tmp_path):
    setup = world.setup(federation, plan, uplink={"wnr_db": -5.0}, recalibrate=True, seed=3)
    whole, records = run(world, setup)
    half, _ = run(world, setup, rounds=3)
    half.save(tmp_path / "state.safetensors")
    state, resumed = State.load(tmp_path / "state.safetensors"), []
    assert same(state, half)
    while state.round < federation.num_rounds:
        state, record = play_round(state, world.devices, world.cell, setup)
        resumed.append(record)
    assert same(state, whole)
    assert resumed == records[3:]
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_diverged_state_and_int_counters_survive_the_file(world, tmp_path):
    state = replace(
        State.start(world.model),
        round=7,
        diverged=True,
        memory={"c": torch.tensor(1 / 3, dtype=torch.float64), "r": torch.ones(3)},
    )
    state.save(tmp_path / "s")
    loaded = State.load(tmp_path / "s")
    assert same(loaded, state)
    assert {name: t.dtype for name, t in loaded.model.items()} == {name: t.dtype for name, t in state.model.items()}


def test_files_that_are_no_state(world, tmp_path):
    (tmp_path / "bad").write_bytes(b"not safetensors")
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / 'bad'))} cannot be read as a safetensors file"):
        State.load(tmp_path / "bad")
    from analognn import checkpoints

    checkpoints.save({"weight": torch.zeros(2)}, tmp_path / "model")
    with pytest.raises(ValueError, match="is no state of a federated training: it has no tensor 'state'"):
        State.load(tmp_path / "model")


def test_a_seed_changes_devices_batches_and_noise(world, federation):
    one, other = (run(world, world.setup(federation, seed=seed), rounds=2) for seed in (0, 1))
    assert not same(one[0], other[0])


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_plays(federation, preset):
    federation = replace(federation, rules=PRESETS[preset])
    world = small(federation)
    state, records = run(world, world.setup(federation, "mmsepb", uplink={"wnr_db": 0.0}), rounds=2)
    assert all(record.validation_total == 60 for record in records)
    counters = [name for name in state.model if name.endswith("num_batches_tracked")]
    assert all(state.model[name].dtype == torch.int64 for name in counters)


def test_contamination_makes_the_noise_as_loud_as_a_counter_is_large(federation):
    """The released code's slip: noise on running variances, of a power that one counter of batches sets."""
    lowest, noise_var = {}, {}
    for preset in ("as-written", "as-coded"):
        ruled = replace(federation, rules=replace(PRESETS[preset], searched_on="held-out"))
        world = small(ruled)
        state, records = run(world, world.setup(ruled, uplink={"wnr_db": -20.0}), rounds=1)
        lowest[preset], noise_var[preset] = state.model["downsample.1.running_var"].min(), records[0].noise_var
    assert noise_var["as-coded"] > 10 * noise_var["as-written"]
    assert lowest["as-written"] > 0 > lowest["as-coded"]


def test_the_pair_tuned_end_to_end_is_the_best_of_whole_trainings(world, federation):
    setup = world.setup(replace(federation, num_rounds=3), uplink={"wnr_db": -15.0})
    pairs = [(0.0, 0.0), (0.9, 0.0), (1.0, 0.0)]
    tuned = tune_pair(world.model, world.devices, world.cell, setup, pairs=pairs)
    correct = {}
    for pair in pairs:
        parameters = dict(zip(("lambda_prime", "beta"), pair, strict=True))
        again = world.setup(setup.federation, "fixed", parameters=parameters, uplink={"wnr_db": -15.0})
        state, _ = run(world, again)
        correct[pair] = world.cell.examples.evaluator(world.cell.at(state)).correct
    assert {pair: score.correct for pair, score in tuned.scores.items()} == correct
    assert len(set(correct.values())) > 1
    assert correct[tuned.best.denoiser.lambda_prime, 0.0] == max(correct.values())


def test_what_cannot_be_tuned(world, federation):
    setup = world.setup(federation)
    with pytest.raises(ValueError, match="`tune_pair` needs pairs and examples .*; got 0 pairs and 60 examples"):
        tune_pair(world.model, world.devices, world.cell, setup, pairs=[])
    hopeless = world.setup(replace(federation, max_loss=1e-3))
    with pytest.raises(ValueError, match="the training diverged with each of"):
        tune_pair(world.model, world.devices, world.cell, hopeless, pairs=[(1.0, 0.0)])
