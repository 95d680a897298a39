from __future__ import annotations

import re

import pytest
import torch

from analognn.channels import Fading, Grid
from analognn.channels.fading import MODELS, SLOTS_PER_CHUNK, next_seed, seeded

SMALL = Grid(fft_size=16, num_guard_carriers=(1, 1), cyclic_prefix_length=4)


def draw(fading: Fading, seed: int, grid: Grid = SMALL) -> torch.Tensor:
    return fading.responses(grid, device="cpu", precision="double")(seed)


@pytest.mark.parametrize(
    "grid",
    [Grid(), SMALL, Grid(4, 5, 15e3, 0, (0, 0), False, ()), Grid(2, 3, 15e3, 0, (1, 1), False, (1,))],
)
def test_counts_are_those_of_sionna(grid: Grid) -> None:
    with seeded(0, "cpu"):
        sionna = grid.resource_grid(device="cpu", precision="single")
    assert grid.num_data == sionna.num_data_symbols
    assert grid.num_pilots == sionna.num_pilot_symbols
    assert grid.symbol_duration == pytest.approx(sionna.ofdm_symbol_duration)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_symbols": 0}, "num_symbols=...)` must be an integer >= 1; got 0"),
        ({"subcarrier_spacing": -1.0}, "subcarrier_spacing=...)` must be a finite number > 0; got -1.0"),
        ({"cyclic_prefix_length": 2000}, "must be <= fft_size = 1024; got 2000"),
        ({"num_guard_carriers": (1,)}, "must be two integers"),
        ({"num_guard_carriers": (-1, 0)}, "num_guard_carriers[0]=...)` must be an integer >= 0; got -1"),
        ({"fft_size": 64, "cyclic_prefix_length": 8}, "must be <= 32, 31 for fft_size = 64"),
        ({"fft_size": 8, "num_guard_carriers": (4, 4), "dc_null": False, "cyclic_prefix_length": 0}, "no carrier"),
        ({"dc_null": 1}, "dc_null=...)` must be true or false; got 1"),
        ({"pilot_symbols": (2, 14)}, "0 to 13; got 14"),
        ({"pilot_symbols": (2, 2)}, "must not repeat"),
        ({"num_symbols": 2, "pilot_symbols": (0, 1)}, "leave a symbol for data"),
    ],
)
def test_bad_grid(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        Grid(**kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"model": "tdl-f"}, "got 'tdl-f'. Did you mean 'tdl-"),
        ({"delay_spread": -1e-9}, "delay_spread=...)` must be a finite number >= 0; got -1e-09"),
        ({"speed": -1.0}, "speed=...)` must be a finite number >= 0; got -1.0"),
        ({"carrier_frequency": 0.0}, "carrier_frequency=...)` must be a finite number > 0; got 0.0"),
        ({"model": "rayleigh", "delay_spread": 3.0}, "no meaning for model='rayleigh'; got 3.0"),
    ],
)
def test_bad_fading(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Fading(**kwargs)


@pytest.mark.parametrize("model", [model for model in MODELS if model != "trace"])
def test_mean_power_is_one(model: str) -> None:
    """Slots are independent: 5 standard errors over the slots' own mean powers."""
    respond = Fading(model).responses(SMALL, device="cpu", precision="single")
    power = torch.cat([respond(seed) for seed in range(40)]).abs().square().mean((1, 2))
    assert len(power) == 40 * SLOTS_PER_CHUNK
    assert float(power.mean()) == pytest.approx(1, abs=5 * float(power.std()) / len(power) ** 0.5)


def test_same_numbers_as_sionnas_own_generator() -> None:
    from sionna.phy.channel import GenerateOFDMChannel
    from sionna.phy.channel.tr38901 import TDL

    with seeded(7, "cpu"):
        tdl = TDL("A", 100e-9, 3.5e9, min_speed=30.0, precision="double", device="cpu")
        grid = SMALL.resource_grid(device="cpu", precision="double")
        generate = GenerateOFDMChannel(tdl, grid, precision="double", device="cpu")
    with seeded(3, "cpu"):
        reference = generate(SLOTS_PER_CHUNK)[:, 0, 0, 0, 0]
    torch.testing.assert_close(draw(Fading("tdl-a", speed=30.0), 3), reference)


def test_only_a_moving_channel_changes_within_a_slot() -> None:
    assert draw(Fading("tdl-a"), 0).shape == (SLOTS_PER_CHUNK, 1, 16)
    moving = draw(Fading("tdl-a", speed=30.0), 0)
    assert moving.shape == (SLOTS_PER_CHUNK, 14, 16)
    assert float((moving[:, 0] - moving[:, -1]).abs().max()) > 0.01


def test_seeds_repeat_and_sionnas_generator_is_put_back() -> None:
    from sionna.phy import config

    state, global_state = config.torch_rng("cpu").get_state(), torch.get_rng_state()
    first, again, other = (draw(Fading("rayleigh"), seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(config.torch_rng("cpu").get_state(), state)
    assert torch.equal(torch.get_rng_state(), global_state)


def test_seeds_come_from_the_generator() -> None:
    g = torch.Generator().manual_seed(0)
    seeds = [next_seed(g) for _ in range(3)]
    assert len(set(seeds)) == 3
    assert next_seed(torch.Generator().manual_seed(0)) == seeds[0]
