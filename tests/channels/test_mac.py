"""Over-the-air sums: the contract, whose level and power it is, what it costs, what comes in and goes out."""

from __future__ import annotations

import math
import re

import pytest
import torch
from mac_helpers import LOUD, PER_SLOT, QUIET, SMALL, TINY, agrees, error, generator, send, weights

from analognn.channels import Ofdm, OfdmMultipleAccess, units
from analognn.channels.testing import check_multiple_access

CONTRACT = [
    ({"model": "rayleigh"}, True),
    ({"model": "tdl-a", "threshold": 0.3}, True),
    ({"model": "tdl-c", "speed": 30.0, "path_gain_db": (0.0, -10.0, 3.0)}, True),
    ({"model": "rayleigh", "path_gain_spread_db": 8.0}, True),
    ({"model": "tdl-a", "threshold": 0.0, "mask": "individual"}, True),
    ({"model": "rayleigh", "threshold": 0.3, "mask": "individual"}, False),
    ({"model": "tdl-c", "speed": 30.0, "mask": "individual", "path_gain_db": (0.0, -10.0, 3.0)}, False),
    # Strong errors of synchronisation are for the tests below: those of a slot share their fate.
    ({"model": "tdl-a", "phase_std": 0.03, "timing_std": 5e-9, "cfo_std": 10.0}, False),
]


@pytest.mark.parametrize(("kwargs", "exact"), CONTRACT, ids=str)
def test_contract(kwargs: dict[str, object], exact: bool) -> None:
    noisy, noiseless = (OfdmMultipleAccess(esn0_db, **kwargs, **SMALL) for esn0_db in (LOUD, QUIET))
    check_multiple_access(noisy, noiseless=noiseless if exact else None)


@pytest.mark.parametrize(
    "fading", [{"model": "rayleigh"}, {"model": "tdl-a"}, {"model": "tdl-a", "speed": 30.0}], ids=str
)
def test_one_device_is_a_link_of_its_own(fading: dict[str, object]) -> None:
    """The same draws, bit for bit; what is computed from them differs by rounding."""
    x = weights(1, 20_001)
    one = Ofdm(LOUD, threshold=0.3, **fading, **SMALL).transmit(x[0], generator=generator())
    shared = send(OfdmMultipleAccess(LOUD, threshold=0.3, **fading, **SMALL), x)
    torch.testing.assert_close(shared.values, one.values, rtol=0, atol=1e-6)
    assert shared.noise_var == pytest.approx(one.noise_var, rel=1e-6)
    assert shared.usage.energy == pytest.approx(one.usage.energy, rel=1e-6)
    assert (shared.usage.channel_uses, shared.usage.outage) == (one.usage.channel_uses, one.usage.outage)
    assert shared.usage.side_info_bits == one.usage.side_info_bits


def test_four_devices_at_14_db() -> None:
    """WNR of the sum: Es/N0 + 10 log10(4) - 10 log10(exp(-3 threshold) E1(threshold)) = 16.75 dB."""
    x = weights(4, 400_000)
    wnr_db = {}
    for mask in ("common", "individual"):
        z, _ = error(send(OfdmMultipleAccess(14.0, threshold=0.05, mask=mask, **SMALL), x), x)
        wnr_db[mask] = units.noise_var_to_wnr_db(float(z.square().mean()), float(x.sum(0).var()))
    assert wnr_db["common"] == pytest.approx(16.75, abs=0.3)
    assert wnr_db["individual"] < 12.0


def test_the_weakest_device_sets_the_level() -> None:
    """12 dB less path gain of one device cost the sum 12 dB; it spends all its power, the others save as much."""
    x = weights(3, 50_000)
    near, far = (
        send(OfdmMultipleAccess(LOUD, model="awgn", path_gain_db=(0.0, gain_db, 0.0), **SMALL), x)
        for gain_db in (0.0, -12.0)
    )
    assert near.noise_var == pytest.approx(0.1 * 0.2**2, rel=0.02)  # the largest of three sample variances
    assert units.linear_to_db(float(far.noise_var) / float(near.noise_var)) == pytest.approx(12.0, abs=0.1)
    pilots = far.usage.channel_uses / 7
    assert near.usage.energy - pilots == pytest.approx(3 * 25_000, rel=0.02)
    assert far.usage.energy - pilots == pytest.approx((1 + 2 * units.db_to_linear(-12.0)) * 25_000, rel=0.02)


def test_a_far_device_with_small_weights_costs_nothing() -> None:
    """The level is common per unit of weight: an amplitude of 1/10 makes up for 20 dB less path gain."""
    x = weights(2, 50_000)
    near = send(OfdmMultipleAccess(LOUD, path_gain_db=0.0, **SMALL), x)
    scaled = x * torch.tensor([[1.0], [0.1]])
    far = send(OfdmMultipleAccess(LOUD, path_gain_db=(0.0, -20.0), **SMALL), scaled)
    assert float(far.noise_var) == pytest.approx(float(near.noise_var), rel=1e-5)
    torch.testing.assert_close(far.values - scaled.sum(0), near.values - x.sum(0), rtol=0, atol=1e-5)


def test_shadowing_is_drawn_for_each_superposition() -> None:
    """The level follows the worst of k Gaussian numbers in dB: for k = 1 its deviation is the spread."""
    x, channel = weights(1, 100), OfdmMultipleAccess(LOUD, model="awgn", path_gain_spread_db=8.0, **TINY)
    level_db = torch.tensor([units.linear_to_db(float(send(channel, x, seed).noise_var)) for seed in range(200)])
    assert float(level_db.std()) == pytest.approx(8.0, rel=5 / math.sqrt(2 * 200))
    assert agrees(level_db, units.linear_to_db(0.1 * float(x.var(correction=0))))


def test_rows_of_any_scale_are_summed_in_one_unit() -> None:
    x = weights(4, 10_001) * torch.tensor([1e-3, 1.0, 30.0, 0.0])[:, None]
    received = send(OfdmMultipleAccess(QUIET, **SMALL), x)
    torch.testing.assert_close(received.values, x.sum(0), rtol=0, atol=1e-4)


def test_devices_with_nothing_to_say_are_silent() -> None:
    """A zero row costs its two numbers of side information, whatever its path gain; the others do not notice."""
    x = weights(2, 5000)
    both = send(OfdmMultipleAccess(LOUD, path_gain_db=(0.0, -3.0), **SMALL), x)
    more = torch.cat([x[:1], torch.zeros(1, 5000), x[1:], torch.full((1, 5000), 0.5)])
    received = send(OfdmMultipleAccess(LOUD, path_gain_db=(0.0, -90.0, -3.0, -90.0), **SMALL), more)
    torch.testing.assert_close(received.values, both.values + 0.5, rtol=0, atol=1e-6)
    assert received.noise_var == both.noise_var
    assert received.usage.side_info_bits == both.usage.side_info_bits + 128
    nothing = send(OfdmMultipleAccess(LOUD, **SMALL), torch.tensor([[0.25], [0.5]]).expand(2, 7))
    assert torch.equal(nothing.values, torch.full((7,), 0.75))
    assert (nothing.noise_var, nothing.usage.channel_uses, nothing.usage.side_info_bits) == (0.0, 0, 128)


def test_side_information_is_counted() -> None:
    """Mean and deviation of 2 devices, the level, and for a common mask which of a slot's 52 carriers are used."""
    x = weights(2, 20_000)
    common, individual, full = (
        send(OfdmMultipleAccess(LOUD, **kwargs, **SMALL), x).usage
        for kwargs in ({"mask": "common"}, {"mask": "individual"}, {"threshold": 0.0})
    )
    assert common.side_info_bits == 4 * 32 + 32 + 52 * common.channel_uses // (52 * 14)
    assert individual.side_info_bits == full.side_info_bits == 4 * 32 + 32
    assert full.outage == 0


@pytest.mark.parametrize("n", [1, 2, 3, 2 * PER_SLOT + 1])
def test_every_length(n: int) -> None:
    x = weights(2, n)
    received = send(OfdmMultipleAccess(QUIET, threshold=0.3, **SMALL), x)
    torch.testing.assert_close(received.values, x.sum(0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_follows_the_input(dtype: torch.dtype) -> None:
    x = weights(2, 1000).to(dtype)
    received = send(OfdmMultipleAccess(QUIET, **SMALL), x)
    assert received.values.dtype == dtype
    torch.testing.assert_close(received.values, x.double().sum(0).to(dtype))


@pytest.mark.parametrize("mask", ["common", "individual"])
def test_a_threshold_above_the_channel_is_refused_in_bounded_time(mask: str) -> None:
    with pytest.raises(ValueError, match=re.escape("`OfdmMultipleAccess(threshold=...)` must leave at least 1%")):
        send(OfdmMultipleAccess(LOUD, threshold=50.0, mask=mask, **SMALL), weights(2, 400_000))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"esn0_db": math.nan}, "`OfdmMultipleAccess(esn0_db=...)` must be a finite number; got nan"),
        ({"path_gain_db": -math.inf}, "`OfdmMultipleAccess(path_gain_db=...)` must be a finite number; got -inf"),
        ({"path_gain_db": (0.0, "3")}, "`OfdmMultipleAccess(path_gain_db=...)` must be a finite number; got '3'"),
        ({"path_gain_spread_db": -1.0}, "path_gain_spread_db=...)` must be a finite number >= 0; got -1.0"),
        ({"mask": "comon"}, "Did you mean 'common'?"),
        ({"model": "tdla"}, "Did you mean 'tdl-a'?"),
        ({"model": "trace"}, "`OfdmMultipleAccess(model=...)` must be one of"),
        ({"threshold": -0.1}, "`OfdmMultipleAccess(threshold=...)` must be a finite number >= 0; got -0.1"),
        ({"phase_std": 4.0}, "`Synchronisation(phase_std=...)` must be a finite number >= 0 and <= 3.14159; got 4.0"),
        ({"timing_std": 1e-6}, "must be <= 7.81e-07 s, a third of the cyclic prefix"),
        ({"cfo_std": 3e3}, "must be <= 1500 Hz, 0.05 of subcarrier_spacing"),
        ({"cfo_std": math.inf}, "cfo_std=...)` must be a finite number >= 0; got inf"),
        ({"pilot_symbols": (14,)}, "pilot_symbols"),
    ],
)
def test_bad_parameters(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        OfdmMultipleAccess(**{"esn0_db": LOUD, **kwargs})


def test_bad_weights() -> None:
    x = weights(3, 10)
    x[1, 2] = math.nan
    with pytest.raises(ValueError, match=re.escape("needs finite x[1]; got 1 NaN or infinite of 10")):
        send(OfdmMultipleAccess(LOUD), x)
    with pytest.raises(ValueError, match=re.escape("needs x[k, n] with k >= 1 and n >= 1; got shape [10]")):
        send(OfdmMultipleAccess(LOUD), x[0])
    with pytest.raises(ValueError, match=re.escape("needs x[k, n] with k >= 1 and n >= 1; got shape [0, 4]")):
        send(OfdmMultipleAccess(LOUD), x.new_empty(0, 4))
    with pytest.raises(TypeError, match="real floating-point"):
        send(OfdmMultipleAccess(LOUD), torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="one for each of the 2 devices that send; got 3"):
        send(OfdmMultipleAccess(LOUD, path_gain_db=(0.0, 1.0, 2.0)), weights(2, 10))


def test_lists_from_a_file_are_taken_as_tuples() -> None:
    channel = OfdmMultipleAccess(LOUD, path_gain_db=[0, -3.0], pilot_symbols=[2, 11])
    assert channel == OfdmMultipleAccess(LOUD, path_gain_db=(0, -3.0))
    assert hash(channel) == hash(OfdmMultipleAccess(LOUD, path_gain_db=(0, -3.0)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mask", ["common", "individual"])
def test_weights_on_a_gpu_stay_there(mask: str) -> None:
    x = weights(3, 100_000).cuda()
    received = send(OfdmMultipleAccess(LOUD, mask=mask, phase_std=0.01, timing_std=1e-9), x)
    assert received.values.device == x.device
    z, var = error(received, x)
    assert agrees(z.square() / var, 1.0)
