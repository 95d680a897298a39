"""What an OFDM transmission delivers with every precoder, kind of channel knowledge and policy it offers."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass

import pytest
import torch
from scipy.special import exp1, gammaincc
from torch import Tensor

from analognn.channels import Channel, InterferenceWarning, NoiseSplit, Ofdm, Received, UnboundedPowerWarning
from analognn.channels.testing import check_channel

TINY = {
    "num_symbols": 4,
    "fft_size": 16,
    "num_guard_carriers": (1, 2),
    "cyclic_prefix_length": 8,
    "pilot_symbols": (1,),
}
PER_SLOT = 36  # data positions
QUIET = 300.0  # Es/N0 [dB]: rounding only


def ofdm(esn0_db: float = 10.0, **kwargs: object) -> Ofdm:
    return Ofdm(esn0_db, **{**TINY, **kwargs})


def weights(n: int, seed: int = 0) -> Tensor:
    return 0.03 + 0.2 * torch.randn(n, generator=torch.Generator().manual_seed(seed))


def send(channel: Channel, w: Tensor, seed: int = 0) -> Received:
    return channel.transmit(w, generator=torch.Generator().manual_seed(seed))


PERFECT = [
    {"model": "awgn", "threshold": 0.0},
    {"model": "rayleigh", "peak_power_db": 3.0, "threshold": 0.0},
    {"model": "rician", "k_factor_db": 3.0, "outage": "erase"},
    {"model": "tdl-a", "outage": "erase", "threshold": 0.5, "precoder": "phase"},
    {"model": "tdl-a", "precoder": "regularised"},
    {"model": "tdl-a", "precoder": "regularised", "peak_power_db": 1.0, "outage": "erase", "threshold": 0.2},
    {"model": "tdl-c", "precoder": "phase", "speed": 30.0, "interleave": True},
    {"model": "cdl-c", "precoder": "equalise"},
    {"model": "rayleigh", "num_rx": 4, "threshold": 0.0},
    {"model": "rayleigh", "num_tx": 3, "precoder": "phase"},
    {"model": "tdl-a", "num_rx": 2, "precoder": "equalise"},
    {"model": "tdl-a", "num_tx": 2, "outage": "erase", "interleave": True},
]
NOISY = [
    *PERFECT,
    {"model": "tdl-a", "clip_db": 3.0},
    {"model": "rayleigh", "csi": "ls"},
    {"model": "tdl-a", "csi": "ls", "csi_esn0_db": 15.0, "speed": 30.0, "precoder": "phase"},
    {"model": "tdl-d", "csi": "ls"},
    {"model": "rayleigh", "csi": "outdated", "csi_delay": 1e-3, "speed": 10.0},
    {"model": "tdl-a", "csi": "outdated", "csi_delay": 1e-3, "speed": 10.0, "outage": "erase"},
    {"model": "tdl-a", "csi": "quantised", "csi_bits": 3},
    {"model": "rician", "csi": "quantised", "csi_bits": 4, "precoder": "regularised"},
    {"model": "rayleigh", "csi": "ls", "num_tx": 2},
    {"model": "tdl-a", "csi": "quantised", "csi_bits": 3, "num_rx": 2, "precoder": "equalise"},
    {"model": "tdl-a", "csi": "ls", "clip_db": 2.0, "peak_power_db": 3.0, "outage": "erase"},
    {"model": "tdl-a", "domain": "time"},
    {"model": "tdl-a", "domain": "time", "num_rx": 2, "delay_spread": 1e-6, "precoder": "phase"},
    {"model": "tdl-a", "domain": "time", "num_tx": 2, "delay_spread": 1e-6},
    {"model": "tdl-a", "domain": "time", "csi": "ls", "speed": 30.0},
]


@pytest.mark.filterwarnings("ignore::analognn.channels.InterferenceWarning")
@pytest.mark.parametrize("kwargs", NOISY, ids=str)
def test_contract(kwargs: dict[str, object]) -> None:
    """Positions of a slot share the channel and what is not known of it."""
    quiet = ofdm(QUIET, **kwargs) if kwargs in PERFECT else None
    check_channel(ofdm(**kwargs), noiseless=quiet, n=8000, coherence=2 * PER_SLOT, tolerance=2e-5)


@dataclass(frozen=True)
class Misreported(Channel):
    channel: Ofdm
    factor: float

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        received = self.channel.transmit(x, generator=generator)
        return Received(received.values, self.factor * received.noise_var, "exact")


@pytest.mark.filterwarnings("ignore::analognn.channels.InterferenceWarning")
@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("kwargs", [NOISY[i] for i in (1, 3, 5, 10, 12, 13, 15, 18, 21, 24)], ids=str)
def test_contract_has_teeth(kwargs: dict[str, object], factor: float) -> None:
    """Half and double the noise are found out, at the length and block size of the test above."""
    with pytest.raises(AssertionError, match="measured error variance"):
        check_channel(Misreported(ofdm(**kwargs), factor), n=8000, coherence=2 * PER_SLOT)


@pytest.mark.filterwarnings("ignore::analognn.channels.InterferenceWarning")
@pytest.mark.parametrize("antennas", [{}, {"num_rx": 2}, {"num_tx": 2}], ids=str)
def test_interference_alone_has_the_variance_that_is_reported(antennas: dict[str, int]) -> None:
    """Without noise all that is left is what a short prefix and a fast user let through, estimated without the data."""
    spread = {"domain": "time", "delay_spread": 3e-6, "subcarrier_spacing": 60e3, "speed": 200.0}
    w = weights(4 * PER_SLOT * 200)
    received = send(ofdm(QUIET, model="tdl-c", **spread, **antennas), w)
    ratio = (received.values - w).square() / received.noise_var
    blocks = ratio.view(-1, 4 * PER_SLOT).mean(1)  # of two slots each, which have a channel of their own
    bound = 5 * float(blocks.std()) / math.sqrt(len(blocks))
    assert float(blocks.mean()) == pytest.approx(1.0, abs=bound)
    for factor in (0.0, 2.0):
        assert factor * float(blocks.mean()) != pytest.approx(1.0, abs=bound)


@pytest.mark.parametrize("policy", ["skip", "erase"])
def test_outage(policy: str) -> None:
    """1 - exp(-t) of the positions; slots of block fading are the independent samples."""
    n, threshold = 2 * PER_SLOT * 4000, 0.5
    w = weights(n)
    received = send(ofdm(model="rayleigh", threshold=threshold, outage=policy), w)
    slots = received.usage.channel_uses / 48
    p = math.exp(-threshold)
    assert 1 - received.usage.outage == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / slots))
    if policy == "skip":
        assert isinstance(received.noise_var, float)
        assert slots == pytest.approx(4000 / p, rel=0.05)
        return
    assert slots == 4000
    erased = torch.isinf(torch.as_tensor(received.noise_var))
    assert float(erased.double().mean()) == pytest.approx(received.usage.outage)
    mean = torch.full_like(w[erased], float(w.mean(dtype=torch.float64)))
    torch.testing.assert_close(received.values[erased], mean)
    assert torch.equal(erased[::2], erased[1::2])  # a symbol carries two


def test_weights_that_were_all_erased_are_said_to_be() -> None:
    received = send(ofdm(model="rayleigh", threshold=50.0, outage="erase"), weights(100))
    assert bool(torch.isinf(torch.as_tensor(received.noise_var)).all())
    assert received.usage.outage == 1
    assert received.split == NoiseSplit()
    torch.testing.assert_close(received.values, weights(100).mean().expand(100))


@pytest.mark.parametrize("ends", ["num_rx", "num_tx"])
def test_full_inversion_of_several_antennas_costs_one_of_them(ends: str) -> None:
    """||h||^2 is Gamma(A): E[1 / ||h||^2] = 1 / (A - 1), of variance 1 / ((A - 1)(A - 2)) - 1 / (A - 1)^2."""
    antennas, slots = 4, 3000
    w = weights(2 * PER_SLOT * slots)
    received = send(ofdm(model="rayleigh", threshold=0.0, **{ends: antennas}), w)
    rho = float(w.double().var(correction=0)) * 0.1 / float(received.noise_var)
    assert 1 / rho == pytest.approx(1 / 3, abs=5 * math.sqrt((1 / 6 - 1 / 9) / slots))
    measured = float((received.values - w).double().square().mean())
    assert measured == pytest.approx(float(received.noise_var), rel=5 * math.sqrt(2 / len(w)))


def test_diversity_makes_outage_rare() -> None:
    """P(||h||^2 < t A) with ||h||^2 from Gamma(A), at the threshold that is an outage of 39 % with one antenna."""
    slots = 4000
    received = send(ofdm(model="rayleigh", num_rx=2, threshold=0.5, outage="erase"), weights(2 * PER_SLOT * slots))
    p = float(gammaincc(2, 1.0))
    assert 1 - received.usage.outage == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / slots))


@pytest.mark.parametrize(
    ("kwargs", "err_var"),
    [({"csi": "ls", "csi_esn0_db": 10.0}, 0.1 / 1.1), ({"csi": "quantised", "csi_bits": 1}, 1 - 2 / math.pi)],
)
def test_noise_of_imperfect_knowledge(kwargs: dict[str, object], err_var: float) -> None:
    """With v = err_var, h_hat ~ CN(0, 1 - v) (one bit: |h_hat|^2 = 1 - v always) and t' = threshold / (1 - v):

    outage 1 - exp(-t');   thermal a^2 no E1(t') / (1 - v);   csi a^2 v / (1 - v) E1(t') exp(t')
    """
    slots, threshold = 6000, 0.3
    w = weights(2 * PER_SLOT * slots)
    received = send(ofdm(model="rayleigh", threshold=threshold, **kwargs), w)
    var = float(w.double().var(correction=0))
    power, split = 1 - err_var, received.split
    if kwargs["csi"] == "quantised":
        assert received.usage.outage == 0
        assert split.thermal == pytest.approx(var * 0.1 / power)
        assert split.csi == pytest.approx(var * err_var / power)
        return
    t = threshold / power
    p, e1 = math.exp(-t), float(exp1(t))
    se = math.sqrt(((p - t * e1) / t - e1**2) / slots)  # of the mean of active / |h_hat|^2, with E|h_hat|^2 = 1
    assert 1 - received.usage.outage == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / slots))
    assert split.thermal / (var * 0.1) * power == pytest.approx(e1, abs=5 * se)
    assert split.csi / (var * err_var) * power * p == pytest.approx(e1, abs=10 * se)


def test_clipping_noise_is_bussgangs() -> None:
    clip_db, n = 0.0, 400_000
    w = weights(n)
    received = send(ofdm(model="awgn", clip_db=clip_db), w)
    left = 1 - math.exp(-1)
    alpha2 = (left + math.pi**0.5 / 2 * math.erfc(1)) ** 2 / left
    var = float(w.double().var(correction=0))
    assert received.split.clipping == pytest.approx(var * (1 / alpha2 - 1), rel=0.03)
    assert received.split.thermal == pytest.approx(var * 0.1 / alpha2, rel=0.01)
    assert received.source == "side-information"
    assert received.usage.side_info_bits == 3 * 32


def test_peak_power_turns_into_truncation_noise() -> None:
    w = weights(20_000)
    free, limited = (send(ofdm(model="tdl-a", precoder="inversion", peak_power_db=p), w) for p in (None, 3.0))
    assert free.split.truncation == 0
    assert limited.split.truncation > 0
    assert limited.split.thermal < free.split.thermal  # what weak positions may not take goes to the others
    noise_var = torch.as_tensor(limited.noise_var)
    assert float(noise_var.min()) == pytest.approx(limited.split.thermal, rel=1e-5)


def test_interference_of_a_short_prefix() -> None:
    w = weights(20_000)
    long = {"domain": "time", "delay_spread": 1e-6, "subcarrier_spacing": 120e3}
    with pytest.warns(InterferenceWarning, match="cyclic prefix"):
        short_prefix = send(ofdm(model="tdl-a", **long), w)
    assert short_prefix.split.interference > 0.1 * short_prefix.split.thermal
    assert short_prefix.source == "estimated"
    flat = send(ofdm(model="rayleigh", domain="time"), w)
    assert flat.split.interference < 1e-4 * flat.split.thermal
    assert send(ofdm(model="tdl-a", delay_spread=1e-6), w).split.interference == 0


def test_interleaving_scatters_a_fade() -> None:
    w = weights(20_000)
    for interleave, alike in ((False, True), (True, False)):
        noise_var = torch.as_tensor(send(ofdm(model="rayleigh", precoder="phase", interleave=interleave), w).noise_var)
        assert (float((noise_var[2:] == noise_var[:-2]).double().mean()) > 0.9) is alike
    received = send(ofdm(QUIET, model="rayleigh", interleave=True), w)
    torch.testing.assert_close(received.values, w, rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 2 * PER_SLOT + 1])
@pytest.mark.parametrize(
    "kwargs", [{"precoder": "phase"}, {"outage": "erase", "threshold": 1e-3}, {"interleave": True}]
)
def test_short_vectors(n: int, kwargs: dict[str, object]) -> None:
    w = weights(n)
    received = send(ofdm(QUIET, model="rayleigh", **kwargs), w)
    torch.testing.assert_close(received.values, w, rtol=0, atol=1e-4)
    assert torch.as_tensor(received.noise_var).expand(n).shape == (n,)


def test_a_batch_keeps_its_rows_apart() -> None:
    x = torch.stack([weights(101), 10 * weights(101, seed=1)]).view(1, 2, 101)
    received = send(ofdm(model="tdl-a", precoder="phase"), x)
    noise_var = torch.as_tensor(received.noise_var)
    assert noise_var.shape == x.shape
    assert received.split.thermal == pytest.approx(float(noise_var.double().mean()), rel=1e-5)
    first = send(ofdm(model="tdl-a", precoder="phase"), x[0, 0])
    assert torch.equal(first.values, received.values[0, 0])
    assert torch.equal(torch.as_tensor(first.noise_var), noise_var[0, 0])


def test_what_is_sent_reliably_is_counted() -> None:
    w = weights(2 * PER_SLOT * 10)
    fed_back = send(ofdm(model="tdl-a", csi="quantised", csi_bits=4, outage="erase"), w)
    assert fed_back.usage.side_info_bits == 64 + 2 * 4 * 12 * 10  # two parts of 4 bits for 12 carriers of 10 slots
    assert fed_back.usage.channel_uses == 10 * 48


def test_full_inversion_says_that_it_has_no_mean_power() -> None:
    with pytest.warns(UnboundedPowerWarning, match=re.escape("needs unbounded mean power: E[1/|h|^2] is infinite")):
        Ofdm(10.0, "rayleigh", threshold=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Ofdm(10.0, "awgn", threshold=0.0)
        Ofdm(10.0, "rayleigh", threshold=1e-3)
        Ofdm(10.0, "rayleigh", threshold=0.0, peak_power_db=6.0)
        Ofdm(10.0, "rayleigh", threshold=0.0, num_rx=2)
        Ofdm(10.0, "rayleigh", threshold=0.0, precoder="regularised")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"precoder": "equalise", "num_tx": 2}, "`Ofdm(num_tx=...)` must be 1 for precoder='equalise'"),
        ({"csi": "ls", "pilot_symbols": ()}, "`Ofdm(csi='ls')` needs pilots"),
        ({"csi": "outdated", "csi_delay": 1e-3}, "`Ofdm(csi='outdated')` needs a channel that moves; got speed=None"),
        ({"outage": "drop"}, "`Ofdm(outage=...)` must be one of skip, erase; got 'drop'"),
        ({"domain": "tiem"}, "Did you mean 'time'?"),
        ({"interleave": 1}, "`Ofdm(interleave=...)` must be true or false; got 1"),
        ({"clip_db": math.inf}, "`Ofdm(clip_db=...)` must be a finite number; got inf"),
    ],
)
def test_what_does_not_go_together(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        ofdm(**kwargs)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"precoder": "regularised", "peak_power_db": 2.0},
        {"precoder": "equalise", "clip_db": 1.0},
        {"outage": "erase", "threshold": 0.3},
        {"num_tx": 3, "csi": "ls"},
        {"num_tx": 2, "domain": "time", "precoder": "phase"},
    ],
    ids=str,
)
def test_average_power_is_that_of_the_constraint(kwargs: dict[str, object]) -> None:
    """Energy 1 per data position up to the last one used, and 1 per pilot, from all antennas together.

    sum |q|^2 is exact; |s|^2 of Gaussian weights has standard deviation 1 and |q|^2 <= 10 here: 5 standard errors.
    """
    n = 2 * PER_SLOT * 1000
    usage = send(ofdm(model="tdl-b", **kwargs), weights(n)).usage
    slots = usage.channel_uses / 48
    positions = (n / 2) / (1 - usage.outage) if kwargs.get("outage") != "erase" else n / 2
    assert usage.energy - slots * 12 == pytest.approx(positions, rel=5 * 10**0.5 / math.sqrt(n / 2))
