"""The fast route against aihwkit's own modules: the same distribution."""

import copy

import pytest
import torch
from crossbar_helpers import generator, pack
from torch import nn

from analognn.hardware import Hermes, Pcm, ReRamCmo, ReRamWan2022, StateIndependent
from analognn.hardware.tiles import analog_model, read_back
from analognn.packing import ParameterLayout

SEEDS = 8
DAY = 86400.0
MEDIA = [
    Pcm(t_inference=0.0, tile_size=64),
    Pcm(tile_size=64),
    Pcm(tile_size=64, weight_scaling="column", drift_compensation="per-column"),
    Pcm(tile_size=64, drift_compensation="none", f_lst=(1.0, 1.0)),
    Hermes(tile_size=64, drift_compensation="global-exact"),
    Hermes(tile_size=64, num_devices=1),
    StateIndependent(tile_size=64),
    ReRamWan2022(tile_size=64),
    ReRamCmo(tile_size=64),
]


def name(medium):
    return f"{type(medium).__name__}-{medium.t_inference:g}-{medium.weight_scaling}-{medium.drift_compensation}"


@pytest.fixture(scope="module")
def sent():
    """Four kinds of layers, cut into 1, 1, 2 and 6 tiles of 64."""
    model = nn.Sequential(nn.Conv1d(3, 16, 3), nn.Conv3d(2, 16, 3), nn.Conv2d(8, 40, 3, bias=False), nn.Linear(160, 70))
    packed = pack(model)
    return packed.layout.unpack(packed, model), packed


def statistics(packed, values):
    """Per layer: mean error, noise variance, and noise variance of the lower, middle and upper third of |w|."""
    found = []
    for slot in packed.layout.slots:
        if len(slot.shape) < 2:
            continue
        w, r = packed.vector[slot.start : slot.stop].double(), values[slot.start : slot.stop].double()
        error = r - w
        squares = (error - error.mean()).square()
        thirds = squares[w.abs().argsort()].tensor_split(3)
        found.append(torch.stack([error.mean(), squares.mean(), *(third.mean() for third in thirds)]))
    return torch.cat(found)


def check_same_distribution(a, b):
    """Mean of each statistic over the seeds [seeds, k], within 5 standard errors of the difference (Welch).

    The standard error is estimated from 2 x 8 runs, hence 5 and not 4: t has 14 degrees of freedom or fewer.
    """
    error = ((a.var(0) + b.var(0)) / SEEDS).sqrt()
    assert bool(((a.mean(0) - b.mean(0)).abs() <= 5 * error).all()), (a.mean(0) - b.mean(0)) / error


@pytest.mark.parametrize("medium", MEDIA, ids=name)
def test_both_routes_give_the_same_distribution(medium, sent):
    model, packed = sent
    fast, slow, doubled, removed = [], [], [], []
    for seed in range(SEEDS):
        values = medium.receive(packed, generator=generator(seed)).values
        fast.append(statistics(packed, values))
        doubled.append(statistics(packed, 2 * values - packed.vector))
        removed.append(statistics(packed, packed.vector))
        analog = analog_model(model, medium, generator=generator(1000 + seed))
        slow.append(statistics(packed, read_back(analog, packed.layout, packed.vector)))
    check_same_distribution(torch.stack(fast), torch.stack(slow))
    for wrong in (doubled, removed):
        with pytest.raises(AssertionError):
            check_same_distribution(torch.stack(wrong), torch.stack(slow))


@torch.no_grad()
def test_what_is_read_back_is_what_the_model_computes_with():
    model = nn.Linear(100, 30)
    packed = pack(model)
    model = packed.layout.unpack(packed, model)
    analog = analog_model(model, Pcm(tile_size=64), generator=generator())
    read = packed.layout.unpack(read_back(analog, packed.layout, packed.vector), model)
    x = torch.randn(16, 100, generator=generator(2))
    torch.testing.assert_close(analog(x), read(x), atol=1e-4, rtol=1e-4)


def test_the_model_and_the_global_generator_are_left_alone():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    before, state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    first, second = (analog_model(model, Pcm(), generator=generator(3)) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    layout = ParameterLayout.from_model(model)
    weights = layout.pack(model).vector
    assert torch.equal(read_back(first, layout, weights), read_back(second, layout, weights))


def tied():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    return model


@pytest.mark.parametrize(
    ("model", "medium", "message"),
    [
        (
            nn.Conv2d(4, 4, 3, groups=2),
            Pcm(),
            r"cannot hold 'weight' of Conv2d: it has groups=2, .* a medium's `receive`",
        ),
        (nn.Conv2d(4, 4, 3, padding="same"), Pcm(), r"padding='same'"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), Pcm(), r"padding_mode='reflect'"),
        (nn.Embedding(4, 4), Hermes(), r"cannot hold 'weight' of Embedding: its type is Embedding, and only Linear"),
        (nn.Linear(4, 4, dtype=torch.float64), Pcm(), r"it is torch.float64, and tiles are float32"),
        (tied(), Pcm(), "cannot hold '1' of Sequential: it is tied to '0.weight', and a tile is programmed once"),
        (nn.Linear(4, 4), Pcm(copies=2), r"need digital_bias=True, copies=1, .* got Pcm\("),
    ],
)
def test_what_aihwkit_cannot_map_is_refused(model, medium, message):
    with pytest.raises(ValueError, match=message):
        analog_model(model, medium, generator=generator())
