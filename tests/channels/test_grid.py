from __future__ import annotations

import re

import pytest

from analognn.channels import Grid
from analognn.channels.seeding import seeded

SMALL = Grid(fft_size=16, num_guard_carriers=(1, 1), cyclic_prefix_length=4)


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
