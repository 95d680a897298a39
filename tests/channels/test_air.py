from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import special

from analognn.channels import Fading, Grid
from analognn.channels.air import Air, Draw, FrequencyAir, make_air
from analognn.channels.trace import save_trace
from analognn.channels.waveform import InterferenceWarning, TimeAir

FULL = Grid(3, 64, 15e3, 16, (0, 0), False, (1,))
"""Every subcarrier carries: interference then has closed forms."""
BANDWIDTH = FULL.fft_size * FULL.subcarrier_spacing


def time_air(fading: Fading, grid: Grid = FULL, *, interferes: bool = False) -> TimeAir:
    if interferes:
        with pytest.warns(InterferenceWarning):
            return TimeAir(fading, grid, device="cpu", precision="double")
    return TimeAir(fading, grid, device="cpu", precision="double")


def symbols(num_tx: int = 1, grid: Grid = FULL, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    shape = (32, num_tx, grid.num_symbols, grid.fft_size)
    return torch.randn(shape, dtype=torch.complex128, generator=g)


def own(x: torch.Tensor, draw: Draw) -> torch.Tensor:
    return torch.einsum("satf,satf->stf", draw.h.expand(-1, -1, x.shape[2], -1), x)[:, None]


def interference(air: Air, draw: Draw, x: torch.Tensor, part: slice = slice(None)) -> torch.Tensor:
    """|y - h x|^2 of each slot, over some of its symbols."""
    return (air(x, draw, 0.0, 0) - draw.h * x)[:, :, part].abs().square().mean((1, 2, 3))


def check_power(slots: torch.Tensor, expected: float) -> None:
    """Slots are independent: their mean is as expected within 5 standard errors."""
    bound = 5 * float(slots.std()) / len(slots) ** 0.5
    assert abs(float(slots.mean()) - expected) <= bound, f"{float(slots.mean())}, not {expected} within {bound}"


def two_paths(path: Path, lag: int) -> Fading:
    """A path of power 0.8, and one of 0.2 so many samples later."""
    save_trace(path, [[[0.8**0.5 + 0j], [0.2**0.5 + 0j]]], [0.0, lag / BANDWIDTH])
    return Fading("trace", trace=str(path))


def waveform_by_sionna(fading: Fading, air: TimeAir, x: torch.Tensor, seed: int) -> torch.Tensor:
    """The same through OFDMModulator, ApplyTimeChannel with a tap at every sample, and OFDMDemodulator."""
    from sionna.phy.channel import ApplyTimeChannel, cir_to_time_channel
    from sionna.phy.ofdm import OFDMDemodulator, OFDMModulator

    where = {"precision": "double", "device": "cpu"}
    num = FULL.num_symbols * (FULL.fft_size + FULL.cyclic_prefix_length)
    cir = fading.cirs(FULL, device="cpu", precision="double")(seed, num + 200 if fading.speed else 1, BANDWIDTH)
    last = math.ceil(float(cir.tau.max()) * BANDWIDTH) + 6
    taps = cir_to_time_channel(BANDWIDTH, cir.a, cir.tau, -6, last)
    when = (torch.arange(num + last + 6) - 6).clamp(min=0) if fading.speed else torch.zeros(num + last + 6).long()
    y = ApplyTimeChannel(num, last + 7, **where)(
        OFDMModulator(FULL.cyclic_prefix_length, **where)(x[:, None]), taps[..., when, :]
    )
    return OFDMDemodulator(FULL.fft_size, -6, FULL.cyclic_prefix_length, **where)(y)[:, 0, :, : FULL.num_symbols]


@pytest.mark.parametrize("antennas", [{}, {"num_rx": 3}, {"num_tx": 3}])
@pytest.mark.parametrize("domain", ["frequency", "time"])
def test_without_interference_each_subcarrier_sees_its_gain(domain: str, antennas: dict[str, int]) -> None:
    fading = Fading("tdl-a", delay_spread=100e-9, **antennas)
    air = make_air(domain, fading, FULL, device="cpu", precision="double")
    draw, x = air.draw(0), symbols(fading.num_tx)
    y = air(x, draw, 0.0, 0)
    assert y.shape == (32, fading.num_rx, 3, 64)
    torch.testing.assert_close(y, own(x, draw) if fading.num_tx > 1 else draw.h * x)


def test_delays_of_whole_samples_have_the_same_response_in_both_domains(tmp_path: Path) -> None:
    fading = two_paths(tmp_path / "r.npz", 7)
    frequency = FrequencyAir(fading, FULL, device="cpu", precision="double").draw(0)
    torch.testing.assert_close(time_air(fading).draw(0).h, frequency.h)


@pytest.mark.parametrize(
    ("fading", "tolerance"),
    [
        (Fading("tdl-a", delay_spread=3e-6), 1e-13),
        (Fading("umi", num_rx=2), 1e-13),
        (Fading("tdl-c", delay_spread=3e-6, speed=15.0), 1e-5),
        (Fading("cdl-c", speed=15.0, num_tx=2), 1e-5),
    ],
)
def test_same_waveform_as_sionnas_at_every_sample(fading: Fading, tolerance: float) -> None:
    """Long channels and fast users included; the tolerance is that of a parabola through three points a symbol."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterferenceWarning)
        air = time_air(fading)
    x = symbols(fading.num_tx)
    reference = waveform_by_sionna(fading, air, x, 3)
    assert float((air(x, air.draw(3), 0.0, 0) - reference).norm() / reference.norm()) < tolerance
    assert float((air(x, air.draw(4), 0.0, 0) - reference).norm() / reference.norm()) > 0.1


@pytest.mark.parametrize("lag", [10, 11, 30, 64])
def test_power_that_a_short_prefix_lets_through(tmp_path: Path, lag: int) -> None:
    """m samples of a window come from the symbol before: P (m/N) from it, P (m/N) (1 - m/N) between the subcarriers."""
    missing = max(0, lag - (16 - 6)) / 64  # of a prefix of 16, 6 are left to the pulse
    fading = two_paths(tmp_path / "r.npz", lag)
    air = time_air(fading, interferes=lag > 10)
    draw = air.draw(0)
    # No symbol comes before the first one.
    power = torch.cat([interference(air, draw, symbols(seed=seed), slice(1, None)) for seed in range(20)])
    expected = 0.2 * missing * (2 - missing)
    if lag == 10:
        assert float(power.max()) < 1e-20
        return
    check_power(power, expected)
    for wrong in (0.0, 2 * expected):
        with pytest.raises(AssertionError):
            check_power(power, wrong)


@pytest.mark.parametrize("speed", [30.0, 100.0])
def test_power_that_a_fast_user_spreads_over_the_subcarriers(speed: float) -> None:
    """1 - (1/N^2) sum_kk' J0(2 pi f_d (k - k') / W): the power of the taps less that of their mean over the window."""
    k = np.arange(64)
    fading = Fading("tdl-a", speed=speed, delay_spread=0.0)
    expected = 1 - special.j0(2 * np.pi * fading.doppler * (k[:, None] - k) / BANDWIDTH).mean()
    air = time_air(fading)
    power = torch.cat([interference(air, air.draw(seed), symbols(seed=seed)) for seed in range(40)])
    check_power(power, expected)
    for wrong in (0.0, 2 * expected):
        with pytest.raises(AssertionError):
            check_power(power, wrong)


def test_noise_is_as_strong_as_said_and_the_same_in_both_domains() -> None:
    fading, x = Fading("rayleigh", num_rx=2), symbols()
    noise = []
    for domain in ("frequency", "time"):
        air = make_air(domain, fading, FULL, device="cpu", precision="double")
        draw = air.draw(0)
        noise.append(air(x, draw, 0.3, 1) - draw.h * x)
        assert not torch.equal(air(x, draw, 0.3, 2), air(x, draw, 0.3, 1))
    torch.testing.assert_close(*noise)
    check_power(noise[0].abs().square().flatten(), 0.3)
    with pytest.raises(AssertionError):
        check_power(noise[0].abs().square().flatten(), 0.6)


@pytest.mark.parametrize("domain", ["frequency", "time"])
def test_delay_gives_an_older_channel_and_leaves_the_present_one_alone(domain: str) -> None:
    air = make_air(domain, Fading("tdl-a", speed=30.0), FULL, device="cpu", precision="double")
    now, aged = air.draw(0), air.draw(0, 1e-3)
    assert torch.equal(now.h, now.h_then)
    torch.testing.assert_close(aged.h, now.h)
    change = (aged.h - aged.h_then).abs().square().mean((1, 2, 3))
    check_power(change, 2 - 2 * special.j0(2 * math.pi * 30 * 3.5e9 / 299_792_458 * 1e-3))
    still = make_air(domain, Fading("tdl-a"), FULL, device="cpu", precision="double").draw(0, 1e-3)
    assert torch.equal(still.h, still.h_then)


@pytest.mark.parametrize("domain", ["frequency", "time"])
def test_the_first_slots(domain: str) -> None:
    air = make_air(domain, Fading("tdl-a", speed=30.0), FULL, device="cpu", precision="double")
    draw, x = air.draw(0), symbols()
    torch.testing.assert_close(air(x[:5], draw.first(5), 0.0, 0), air(x, draw, 0.0, 0)[:5])


def test_warnings_name_the_interference_and_only_where_there_is_some() -> None:
    with pytest.warns(InterferenceWarning, match=r"77\.4 samples late .* holds 66 .*inter-symbol and inter-carrier"):
        make_air("time", Fading("tdl-e", delay_spread=122e-9), Grid(), device="cpu", precision="single")
    for domain, spread in (("time", 100e-9), ("frequency", 3e-6)):
        make_air(domain, Fading("tdl-e", delay_spread=spread), Grid(), device="cpu", precision="single")


def test_bad_airs() -> None:
    with pytest.raises(ValueError, match="Doppler shift <= 0.25 of the subcarrier spacing 15000 Hz; got 3817.64"):
        time_air(Fading("tdl-a", speed=327.0))
    with pytest.raises(ValueError, match="must be one of frequency, time; got 'space'"):
        make_air("space", Fading("awgn"), FULL, device="cpu", precision="single")
