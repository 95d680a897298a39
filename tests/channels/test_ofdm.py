from __future__ import annotations

import math
import re
import subprocess
import sys

import pytest
import torch
from scipy.special import exp1
from torch import Tensor

from analognn.channels import Ofdm, Received, units

SMALL = {"fft_size": 64, "num_guard_carriers": (5, 6), "cyclic_prefix_length": 8}
PER_SLOT = 52 * 12  # data positions of a SMALL slot


def weights(n: int, seed: int = 0) -> Tensor:
    return 0.03 + 0.2 * torch.randn(n, generator=torch.Generator().manual_seed(seed))


def send(channel: Ofdm, w: Tensor, seed: int = 0) -> Received:
    return channel.transmit(w, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("model", ["rayleigh", "tdl-a", "tdl-e"])
@pytest.mark.parametrize("threshold", [0.3, 0.05])
def test_wnr_is_esn0_plus_rho(model: str, threshold: float) -> None:
    """The measured noise variance, by decomposition; 5 standard errors of a Gaussian variance are 5 sqrt(2 / n)."""
    n = 200_000
    w = weights(n)
    received = send(Ofdm(10.0, model, threshold=threshold, **SMALL), w)
    z = (received.values - w).double()
    reported = float(received.noise_var)
    bound = 5 * math.sqrt(2 / n)
    for wrong, passes in ((1.0, True), (0.5, False), (2.0, False)):  # and the check has teeth
        assert (abs(float(z.square().mean()) / (wrong * reported) - 1) <= bound) is passes
    kurtosis = float((z / z.std()).pow(4).mean())
    assert kurtosis == pytest.approx(3, abs=5 * math.sqrt(24 / n))  # one Gaussian, not a mixture
    rho = float(w.double().var(correction=0)) * 0.1 / reported
    wnr_db = units.linear_to_db(float(w.double().var(correction=0)) / float(z.square().mean()))
    assert wnr_db == pytest.approx(10.0 + units.linear_to_db(rho), abs=10 * math.log10(1 + bound))


@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.1])
def test_rayleigh_outage_and_wnr_have_the_closed_forms(threshold: float) -> None:
    """Block fading: slots are the independent samples. Bounds: 5 standard errors over the slots used."""
    n = 2_000_000
    received = send(Ofdm(10.0, "rayleigh", threshold=threshold, **SMALL), weights(n))
    slots = received.usage.channel_uses / (52 * 14)
    p = math.exp(-threshold)
    assert 1 - received.usage.outage == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / slots))
    rho = float(weights(n).double().var(correction=0)) * 0.1 / float(received.noise_var)
    # E[active / |h|^4] = E2(threshold) / threshold, E2(x) = exp(-x) - x E1(x)
    e1 = float(exp1(threshold))
    se = math.sqrt(((p - threshold * e1) / threshold - e1**2) / slots)
    assert 1 / rho == pytest.approx(e1, abs=5 * se)


@pytest.mark.parametrize(
    ("kwargs", "values", "noise_var", "energy"),
    [
        ({"model": "rayleigh"}, [0.141975, -0.055614, 0.294272], 0.008365567, 5876.866),
        ({"model": "tdl-a"}, [0.148199, -0.054328, 0.322341], 0.008677303, 6806.532),
        ({"model": "tdl-c", "speed": 30.0}, [0.10174, -0.274827, 0.155166], 0.006487977, 7217.319),
        ({"model": "tdl-d", "threshold": 0.5}, [0.04129, -0.125712, 0.173539], 0.004115056, 6171.263),
    ],
)
def test_records_of_old_stay_true(
    kwargs: dict[str, object], values: list[float], noise_var: float, energy: float
) -> None:
    """Committed results rest on these very numbers (to rounding, which differs between processors)."""
    w = 0.03 + 0.2 * torch.randn(10_001, generator=torch.Generator().manual_seed(0))
    received = send(Ofdm(10.0, **SMALL, **kwargs), w, seed=7)
    assert received.values[[0, 5000, 10000]].tolist() == pytest.approx(values, abs=2e-6)
    assert received.noise_var == pytest.approx(noise_var, rel=1e-5)
    assert received.usage.energy == pytest.approx(energy, rel=1e-5)


def test_average_power_is_that_of_the_constraint() -> None:
    """Energy 1 per data position up to the last one used, silent ones included, and 1 per pilot."""
    n = 400_000
    usage = send(Ofdm(10.0, "tdl-a", threshold=0.3, **SMALL), weights(n)).usage
    positions = (n // 2) / (1 - usage.outage)
    slots = math.ceil(positions / PER_SLOT)
    assert usage.channel_uses == slots * 52 * 14
    # |s|^2 of Gaussian weights has standard deviation 1, weighted by |p|^2 <= rho / threshold < 4
    assert usage.energy - slots * 52 * 2 == pytest.approx(positions, rel=5 * 4 / math.sqrt(n / 2))


@pytest.mark.filterwarnings("ignore::analognn.channels.UnboundedPowerWarning")
@pytest.mark.parametrize("n", [1, 2, 3, PER_SLOT * 2, PER_SLOT * 2 + 1, 64 * PER_SLOT + 1])
def test_perfect_knowledge_full_inversion_and_no_noise_is_the_identity(n: int) -> None:
    w = weights(n)
    received = send(Ofdm(300.0, "tdl-b", threshold=0.0, **SMALL), w)
    assert received.usage.outage == 0
    torch.testing.assert_close(received.values, w, rtol=0, atol=1e-5 * float(w.abs().max()))


def test_an_outage_costs_channel_uses_and_no_weight() -> None:
    w = weights(20_000)
    truncated, full = (send(Ofdm(300.0, "tdl-a", threshold=t, **SMALL), w) for t in (0.5, 1e-9))
    torch.testing.assert_close(truncated.values, full.values, rtol=0, atol=1e-5)
    assert truncated.usage.outage > 0.2
    assert truncated.usage.channel_uses > full.usage.channel_uses


def test_constant_weights_travel_as_side_information() -> None:
    received = send(Ofdm(-20.0, **SMALL), torch.full((7,), 0.3))
    assert torch.equal(received.values, torch.full((7,), 0.3))
    assert received.noise_var == 0
    assert received.usage.channel_uses == 0
    assert received.usage.side_info_bits == 64


def test_a_batch_is_one_transmission_a_row() -> None:
    x = torch.stack([weights(101), 10 * weights(101, seed=1)]).view(1, 2, 101)
    received = send(Ofdm(20.0, **SMALL), x)
    assert received.values.shape == x.shape
    assert isinstance(received.noise_var, Tensor)
    assert received.noise_var.shape == (1, 2, 1)
    assert float(received.noise_var[0, 1, 0]) > 10 * float(received.noise_var[0, 0, 0])
    assert received.usage.side_info_bits == 128
    first = send(Ofdm(20.0, **SMALL), x[0, 0])
    assert torch.equal(first.values, received.values[0, 0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_follows_the_input(dtype: torch.dtype) -> None:
    w = weights(1000).to(dtype)
    received = send(Ofdm(300.0, **SMALL), w)
    assert received.values.dtype == dtype
    torch.testing.assert_close(received.values, w)  # default tolerance of the dtype: double is carried in double


@pytest.mark.parametrize("model", ["rayleigh", "tdl-a"])
def test_a_threshold_above_the_channel_is_refused_in_bounded_time(model: str) -> None:
    with pytest.raises(ValueError, match=re.escape("`Ofdm(threshold=...)` must leave at least 1%")):
        send(Ofdm(10.0, model, threshold=50.0, **SMALL), weights(10_000))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"esn0_db": math.nan}, "`Ofdm(esn0_db=...)` must be a finite number; got nan"),
        ({"esn0_db": math.inf}, "`Ofdm(esn0_db=...)` must be a finite number; got inf"),
        ({"esn0_db": "10"}, "`Ofdm(esn0_db=...)` must be a finite number; got '10' (str)"),
        ({"threshold": -0.1}, "`Ofdm(threshold=...)` must be a finite number >= 0; got -0.1"),
        ({"model": "tdla"}, "Did you mean 'tdl-a'?"),
        ({"delay_spread": -1.0}, "delay_spread"),
        ({"speed": math.inf}, "speed"),
        ({"pilot_symbols": (14,)}, "pilot_symbols"),
        ({"fft_size": 64, "cyclic_prefix_length": 0}, "num_guard_carriers that fit this fft_size"),
    ],
)
def test_bad_parameters(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        Ofdm(**{"esn0_db": 10.0, **kwargs})


def test_bad_weights() -> None:
    with pytest.raises(ValueError, match="finite x; got 1 NaN"):
        send(Ofdm(10.0), torch.tensor([1.0, math.nan]))
    with pytest.raises(TypeError, match="real floating-point"):
        send(Ofdm(10.0), torch.arange(4))


def test_lists_from_a_file_are_taken_as_tuples() -> None:
    assert Ofdm(10.0, pilot_symbols=[2, 11]) == Ofdm(10.0)
    assert hash(Ofdm(10.0, num_guard_carriers=[102, 101])) == hash(Ofdm(10.0))


def test_in_a_new_process() -> None:
    """Bad input is refused before Sionna is imported; its import, which reseeds torch, leaves no trace."""
    code = """
import random, sys, numpy, torch
from analognn.channels import Ofdm
for attempt in (lambda: Ofdm(10., "tdl-z"), lambda: Ofdm(10.).transmit(torch.tensor([float("nan")]), generator=None)):
    try:
        attempt()
    except ValueError:
        continue
    raise SystemExit("accepted")
assert "sionna" not in sys.modules
torch.manual_seed(1); numpy.random.seed(1); random.seed(1)
state = torch.get_rng_state(), repr(numpy.random.get_state()), random.getstate()
Ofdm(10., fft_size=16, num_guard_carriers=(1, 1), cyclic_prefix_length=2).transmit(
    torch.arange(9.), generator=torch.Generator())
assert torch.equal(state[0], torch.get_rng_state())
assert state[1:] == (repr(numpy.random.get_state()), random.getstate())
"""
    assert subprocess.run([sys.executable, "-W", "error", "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_weights_on_a_gpu_stay_there() -> None:
    w = weights(100_000).cuda()
    received = send(Ofdm(10.0), w)
    assert received.values.device == w.device
    ratio = float((received.values - w).double().square().mean()) / float(received.noise_var)
    assert ratio == pytest.approx(1, abs=5 * math.sqrt(2 / w.numel()))
