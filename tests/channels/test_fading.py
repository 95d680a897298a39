from __future__ import annotations

import math
import re

import pytest
import torch
from scipy import special, stats

from analognn.channels import Fading, Grid
from analognn.channels.air import FrequencyAir
from analognn.channels.cir import SLOTS_PER_CHUNK, Cir, frequency_response
from analognn.channels.fading import DROPS, MODELS
from analognn.channels.seeding import next_seed, seeded

SMALL = Grid(fft_size=16, num_guard_carriers=(1, 1), cyclic_prefix_length=4)
DRAWN = [model for model in MODELS if model not in ("awgn", "trace")]


def draw(fading: Fading, seed: int, grid: Grid = SMALL) -> torch.Tensor:
    return FrequencyAir(fading, grid, device="cpu", precision="double").draw(seed).h


def cirs(fading: Fading, seeds: range, **kwargs: float) -> list[Cir]:
    source = fading.cirs(SMALL, device="cpu", precision="double")
    return [source(seed, 1, 1.0, **kwargs) for seed in seeds]


def check_mean(samples: torch.Tensor, expected: complex) -> None:
    """Samples [n] are independent: the mean is as expected within 5 standard errors of the sample itself."""
    error = abs(complex(samples.mean()) - expected)
    bound = 5 * float(samples.std()) / len(samples) ** 0.5
    assert error <= bound, f"{complex(samples.mean())} is not {expected} within {bound}"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"model": "tdl-f"}, "got 'tdl-f'. Did you mean 'tdl-"),
        ({"delay_spread": -1e-9}, "delay_spread=...)` must be a finite number >= 0; got -1e-09"),
        ({"speed": -1.0}, "speed=...)` must be a finite number >= 0; got -1.0"),
        ({"carrier_frequency": 0.0}, "carrier_frequency=...)` must be a finite number > 0; got 0.0"),
        ({"model": "rayleigh", "delay_spread": 3.0}, "no meaning for model='rayleigh'; got 3.0"),
        ({"model": "awgn", "speed": 3.0}, "no meaning for model='awgn'; got 3.0"),
        (
            {"model": "tdl-d", "k_factor_db": 3.0},
            "no meaning for model='tdl-d'; got 3.0. Leave it out, or choose one of",
        ),
        ({"model": "rician", "k_factor_db": math.inf}, "k_factor_db=...)` must be a finite number; got inf"),
        ({"num_rx": 0}, "num_rx=...)` must be an integer >= 1; got 0"),
        ({"num_tx": 2, "num_rx": 2}, "one antenna at one end; got num_rx=2, num_tx=2"),
        ({"model": "cdl-a", "path_loss": True}, "path_loss=...)` has no meaning for model='cdl-a'; got True"),
        ({"model": "umi", "path_loss": 1}, "path_loss=...)` must be true or false; got 1"),
        ({"model": "umi", "reference_loss_db": 100.0}, "reference_loss_db=...)` needs path_loss=True; got 100.0"),
        ({"model": "umi", "indoor_probability": 1.1}, "indoor_probability=...)` must be a finite number >= 0 and <= 1"),
        ({"model": "umi", "distance": 1.0}, "distance=...)` must be a finite number >= 10; got 1.0"),
        ({"model": "trace"}, "trace=...)` must be the path of a recording; got None"),
        ({"model": "umi", "trace": "x.npz"}, "trace=...)` has no meaning for model='umi'"),
    ],
)
def test_bad_fading(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        Fading(**kwargs)


def test_awgn_is_one() -> None:
    assert torch.equal(draw(Fading("awgn", num_rx=2), 0), torch.ones(32, 2, 1, 16, dtype=torch.complex128))


@pytest.mark.parametrize("model", DRAWN)
def test_mean_power_is_one(model: str) -> None:
    for antennas in ({}, {"num_rx": 3}, {"num_tx": 3}):
        seeds = range(20 if not antennas else 2)
        a = torch.cat([cir.a for cir in cirs(Fading(model, **antennas), seeds)])
        power = a.abs().square().sum(-2).mean((1, 2, 3, 4, 5))  # over the paths: the mean over all frequencies
        assert power.shape == (len(seeds) * SLOTS_PER_CHUNK,)
        check_mean(power, 1.0)
        for wrong in (0.5, 2.0):
            with pytest.raises(AssertionError):
                check_mean(wrong * power, 1.0)


@pytest.mark.parametrize("model", ["rayleigh", "rician", "tdl-a", "cdl-b"])
def test_distribution_of_the_power(model: str) -> None:
    """Kolmogorov-Smirnov, one value a slot: |h|^2 is exponential, or noncentral chi-square with a line of sight."""
    k = 10 ** (3.0 / 10)
    fading = Fading("rician", k_factor_db=3.0) if model == "rician" else Fading(model)
    air = FrequencyAir(fading, SMALL, device="cpu", precision="double")
    power = torch.cat([air.draw(seed).h[:, 0, 0, 3].abs().square() for seed in range(40)]).numpy()
    rayleigh, rice = stats.expon(), stats.ncx2(2, 2 * k, scale=1 / (2 * (k + 1)))
    right, wrong = (rice, rayleigh) if model == "rician" else (rayleigh, rice)
    assert stats.kstest(power, right.cdf).pvalue > 1e-3
    assert stats.kstest(power, wrong.cdf).pvalue < 1e-6


@pytest.mark.parametrize("model", ["tdl-a", "tdl-d", "cdl-c"])
def test_frequency_correlation_is_that_of_the_power_delay_profile(model: str) -> None:
    """E[h(f) conj h(f + F)] = sum_m P_m exp(j 2 pi F tau_m), with the powers and delays of the standard's table."""
    from sionna.phy.channel.tr38901 import models

    kind, letter = model.split("-")
    table = models.load_json(models.parameter_file(f"{kind.upper()}-{letter.upper()}.json", "19.2"))
    powers = 10 ** (torch.tensor(table["powers"], dtype=torch.float64) / 10)
    delays = torch.tensor(table["delays"], dtype=torch.float64) * 300e-9
    expected = (powers / powers.sum() * torch.exp(2j * torch.pi * 15 * 30e3 * delays)).sum()
    for spread in (300e-9, 50e-9):
        air = FrequencyAir(Fading(model, delay_spread=spread), SMALL, device="cpu", precision="double")
        h = torch.cat([air.draw(seed).h for seed in range(20)])[:, 0, 0]
        products = h[:, 0] * h[:, 15].conj()
        if spread == 300e-9:
            check_mean(products, complex(expected))
        elif model != "tdl-d":  # its line of sight leaves little to see
            with pytest.raises(AssertionError):
                check_mean(products, complex(expected))


@pytest.mark.parametrize("model", ["rayleigh", "tdl-a", "tdl-c"])
def test_ageing_is_clarkes(model: str) -> None:
    """E[h(t) conj h(t + delay)] = J0(2 pi f_d delay)."""
    delay, carrier = 1e-3, 3.5e9

    def products(speed: float) -> torch.Tensor:
        pairs = cirs(Fading(model, speed=speed, carrier_frequency=carrier), range(40), delay=delay)
        return torch.cat([(p.a * p.a_then.conj()).sum((1, 2, 3, 4, 5, 6)) for p in pairs])

    expected = special.j0(2 * math.pi * 20.0 * carrier / 299_792_458 * delay)
    check_mean(products(20.0), expected)
    for wrong in (0.0, 40.0):
        with pytest.raises(AssertionError):
            check_mean(products(wrong), expected)


def test_a_line_of_sight_does_not_age() -> None:
    (cir,) = cirs(Fading("rician", k_factor_db=60.0, speed=30.0), range(1), delay=5e-3)
    torch.testing.assert_close(cir.a, cir.a_then, atol=1e-2, rtol=0)


@pytest.mark.parametrize("model", ["tdl-d", "cdl-a", "umi"])
def test_the_aged_channel_is_the_same_process_later(model: str) -> None:
    source = Fading(model, speed=30.0).cirs(SMALL, device="cpu", precision="double")
    pair = source(3, 3, 1000.0, 2.5e-3)
    fine = source(3, 10, 2000.0)
    torch.testing.assert_close(pair.a, fine.a[..., 0:5:2])
    torch.testing.assert_close(pair.a_then, fine.a[..., 5:10:2])
    assert torch.equal(pair.tau, fine.tau)


def test_antennas_of_tdl_are_independent_and_those_of_cdl_an_array() -> None:
    """Half-wavelength line: E[h_0 conj h_1] = sum_n P_n E[exp(-j pi sin(zenith) sin(azimuth))] over the rays of n."""
    from sionna.phy.channel.tr38901 import models

    table = models.load_json(models.parameter_file("CDL-C.json", "19.2"))
    rays = torch.tensor([0.0447, 0.1413, 0.2492, 0.3715, 0.5129, 0.6797, 0.8844, 1.1481, 1.5195, 2.1551])
    rays = torch.cat([rays, -rays]).double()
    degrees = torch.pi / 180
    azimuth = degrees * (torch.tensor(table["aod"])[:, None] + table["cASD"] * rays)
    zenith = degrees * (torch.tensor(table["zod"])[:, None] + table["cZSD"] * rays)
    phase = torch.pi * torch.sin(zenith)[:, :, None] * torch.sin(azimuth)[:, None]
    powers = 10 ** (torch.tensor(table["powers"]) / 10)
    expected = complex((powers / powers.sum() * torch.exp(-1j * phase).mean((1, 2))).sum())

    def products(model: str, **antennas: int) -> torch.Tensor:
        h = torch.cat([cir.a.sum(-2).flatten(1) for cir in cirs(Fading(model, **antennas), range(20))])
        return h[:, 0] * h[:, 1].conj()

    for antennas in ({"num_rx": 2}, {"num_tx": 2}):
        check_mean(products("cdl-c", **antennas), expected)
        check_mean(products("tdl-c", **antennas), 0.0)
        with pytest.raises(AssertionError):
            check_mean(products("cdl-c", **antennas), 0.0)


@pytest.mark.parametrize("model", DROPS)
def test_path_loss_is_relative_to_the_median_drop(model: str) -> None:
    """Median within 5 standard errors (1.25 sigma / sqrt(n)), and 3 sqrt(2) x 0.25 dB for that of the constant."""
    gains = torch.cat(
        [cir.a.abs().square().sum(-2).flatten() for cir in cirs(Fading(model, path_loss=True), range(20))]
    )
    gains_db = 10 * gains.log10()
    bound = 5 * math.hypot(1.25 * float(gains_db.std()) / len(gains_db) ** 0.5, 0.25)
    assert abs(float(gains_db.median())) < bound
    assert bound < 7


def test_path_loss_of_a_distance_in_sight() -> None:
    """TR 38.901, table 7.4.1-1, UMi with line of sight: 32.4 + 21 log10(d_3D) + 20 log10(f_c / GHz) dB."""

    def median_db(distance: float) -> tuple[float, float]:
        fading = Fading("umi", path_loss=True, reference_loss_db=70.0, indoor_probability=0.0, distance=distance)
        gains = torch.cat([cir.a.abs().square().sum(-2).flatten() for cir in cirs(fading, range(20))])
        gains_db = 10 * gains.log10()
        return float(gains_db.median()), 5 * 1.25 * float(gains_db.std()) / len(gains_db) ** 0.5

    expected = 70 - (32.4 + 21 * math.log10(math.hypot(15.0, 10 - 1.5)) + 20 * math.log10(3.5))
    median, bound = median_db(15.0)  # where all but a few are in sight
    assert abs(median - expected) < bound + 0.5  # Rician fading takes some tenths of a dB
    median, bound = median_db(30.0)
    assert abs(median - expected) > bound + 0.5


def test_same_numbers_as_sionnas_own_generator() -> None:
    from sionna.phy.channel import GenerateOFDMChannel
    from sionna.phy.channel.tr38901 import TDL

    with seeded(7, "cpu"):
        tdl = TDL("A", 100e-9, 3.5e9, min_speed=30.0, precision="double", device="cpu")
        grid = SMALL.resource_grid(device="cpu", precision="double")
        generate = GenerateOFDMChannel(tdl, grid, precision="double", device="cpu")
    with seeded(3, "cpu"):
        reference = generate(SLOTS_PER_CHUNK)[:, 0, :, 0, 0]
    torch.testing.assert_close(draw(Fading("tdl-a", speed=30.0), 3), reference)


@pytest.mark.parametrize("fft_size", [1, 2, 7, 16, 1000])
def test_response_with_delays_of_their_own_is_sionnas(fft_size: int) -> None:
    from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies

    g = torch.Generator().manual_seed(0)
    a = torch.randn(4, 1, 3, 1, 1, 5, 2, dtype=torch.complex128, generator=g)
    tau = 1e-6 * torch.rand(4, 1, 1, 5, dtype=torch.float64, generator=g)
    frequencies = subcarrier_frequencies(fft_size, 30e3, precision="double", device="cpu")
    torch.testing.assert_close(frequency_response(a, tau, fft_size, 30e3), cir_to_ofdm_channel(frequencies, a, tau))


@pytest.mark.parametrize(
    ("fading", "stored"),
    [
        (Fading("rayleigh"), [1.3027239 - 0.1850275j, -1.2030568 - 0.1266892j, 1.2353377 + 0.9353042j]),
        (Fading("tdl-a"), [1.8476686 - 0.7489155j, 0.5385172 + 0.0009796j, -1.2064033 - 0.3350237j]),
        (Fading("tdl-d", speed=30.0), [-0.9738859 + 0.4433875j, 1.0745966 - 0.67987j, -0.7006898 - 0.0827224j]),
    ],
)
def test_models_of_old_keep_their_numbers(fading: Fading, stored: list[complex]) -> None:
    """Records depend on them. To rounding, as libraries differ in the last bit of a cosine."""
    h = FrequencyAir(fading, Grid(), device="cpu", precision="single").draw(5).h
    got = torch.stack([h[0, 0, 0, 0], h[3, 0, -1, 700], h[31, 0, 0, 1023]])
    torch.testing.assert_close(got, torch.tensor(stored, dtype=torch.complex64), rtol=1e-4, atol=1e-5)


def test_only_a_moving_channel_changes_within_a_slot() -> None:
    assert draw(Fading("tdl-a"), 0).shape == (SLOTS_PER_CHUNK, 1, 1, 16)
    assert draw(Fading("rayleigh", speed=30.0), 0).shape == (SLOTS_PER_CHUNK, 1, 1, 16)
    moving = draw(Fading("tdl-a", speed=30.0), 0)
    assert moving.shape == (SLOTS_PER_CHUNK, 1, 14, 16)
    assert float((moving[:, :, 0] - moving[:, :, -1]).abs().max()) > 0.01


@pytest.mark.parametrize("model", ["rayleigh", "rician", "cdl-a", "umi"])
def test_seeds_repeat_and_no_generator_moves(model: str) -> None:
    from sionna.phy import config

    state, global_state = config.torch_rng("cpu").get_state(), torch.get_rng_state()
    first, again, other = (draw(Fading(model), seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(config.torch_rng("cpu").get_state(), state)
    assert torch.equal(torch.get_rng_state(), global_state)


def test_seeds_come_from_the_generator() -> None:
    g = torch.Generator().manual_seed(0)
    seeds = [next_seed(g) for _ in range(3)]
    assert len(set(seeds)) == 3
    assert next_seed(torch.Generator().manual_seed(0)) == seeds[0]
