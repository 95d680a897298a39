"""Digital transmission in the analog airtime: what fits, what is lost, what it costs."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import Tensor

from analognn.channels import Ofdm, Received
from analognn.channels.digital import Digital, Plan
from analognn.channels.quantization import Quantised, Quantiser

SMALL = {"fft_size": 64, "num_guard_carriers": (5, 6), "cyclic_prefix_length": 8}


def weights(n: int, seed: int = 0) -> Tensor:
    return 0.03 + 0.2 * torch.randn(n, generator=torch.Generator().manual_seed(seed))


def send(channel: Digital, w: Tensor, seed: int = 0) -> Received:
    return channel.transmit(w, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "airtime"), [("int1", 1.0), ("int4", 1.0), ("int8", 2.0), ("float16", 4.0), ("mantissa3", 4.0)]
)
def test_on_a_good_channel_what_arrives_is_the_quantised_weight(name: str, airtime: float) -> None:
    w, state = weights(3001), torch.get_rng_state()
    channel = Digital(40.0, "awgn", format=name, airtime=airtime, **SMALL)
    received = send(channel, w)
    assert received.usage.outage == 0
    plan = Plan.of(Quantiser(name), 3001, 10_000)
    by_blocks = Quantised(name, block_size=plan.weights).transmit(w, generator=torch.Generator())
    full = plan.weights * (3001 // plan.weights)  # the last block repeats some weights, and has another scale
    assert torch.equal(received.values[:full], by_blocks.values[:full])
    torch.testing.assert_close(received.noise_var[:full], torch.as_tensor(by_blocks.noise_var).expand(3001)[:full])
    z = (received.values - w).double().square().mean()
    assert float(z) == pytest.approx(float(received.noise_var.double().mean()), rel=0.02)  # repeated weights count
    assert torch.equal(send(channel, w).values, received.values)
    assert torch.equal(torch.get_rng_state(), state)
    assert received.values.dtype == w.dtype


@pytest.mark.parametrize("model", ["rayleigh", "tdl-a"])
def test_airtime_and_energy_are_those_of_the_analog_transmission(model: str) -> None:
    """Channel uses within the slot that rounding takes; energy within the fluctuation of the outage."""
    n = 40_000
    w, link = weights(n), {"model": model, "threshold": 0.3, **SMALL}
    analog, digital = send(Ofdm(10.0, **link), w).usage, send(Digital(10.0, format="int1", **link), w).usage
    positions = n / 2 / (1 - analog.outage)
    slots = positions / 624
    assert digital.channel_uses / analog.channel_uses == pytest.approx(1, abs=5 * 0.5 / math.sqrt(slots))
    assert digital.energy / analog.energy == pytest.approx(1, abs=5 * 0.6 / math.sqrt(slots))
    assert digital.side_info_bits == 0
    twice = send(Digital(10.0, format="int1", airtime=2.0, **link), w).usage
    assert twice.channel_uses / digital.channel_uses == pytest.approx(2, abs=0.05)
    assert twice.energy / digital.energy == pytest.approx(2, abs=0.05)


def test_a_block_that_fails_is_erased_and_never_silently_wrong() -> None:
    """Es/N0 at the edge of what int4 needs over AWGN: some blocks arrive exactly, the others are the mean and inf."""
    w = weights(12_000)
    found = [send(Digital(esn0_db, "awgn", format="int3", **SMALL), w) for esn0_db in (20.0, 20.5, 21.0)]
    lost = [received.usage.outage for received in found]
    assert lost[0] == 1
    assert lost[-1] == 0
    edge = next((r for r in found if 0 < r.usage.outage < 1), None)
    assert edge is not None, lost
    erased = torch.isinf(edge.noise_var)
    assert float(erased.double().mean()) == edge.usage.outage
    assert torch.isfinite(edge.values).all()
    assert edge.values[erased].unique().numel() == 1
    z = (edge.values - w)[~erased].double().square().mean()
    assert float(z) == pytest.approx(float(edge.noise_var[~erased].double().mean()), rel=1e-3)


def test_fit_takes_the_finest_integers_that_get_through() -> None:
    """Finer with a better channel, nothing lost, and one bit more would not have arrived."""
    w = weights(8000)
    noise = []
    for esn0_db in (10.0, 16.0, 22.0):
        received = send(Digital(esn0_db, "tdl-a"), w)
        assert received.usage.outage == 0
        noise.append(float(received.noise_var.mean()))
    assert noise == sorted(noise, reverse=True)
    assert noise[0] > 10 * noise[-1]
    assert send(Digital(22.0, "tdl-a", format="int4"), w).usage.outage == 1
    assert send(Digital(-10.0, "tdl-a"), w).usage.outage == 1


def test_spare_airtime_repeats_the_code() -> None:
    """One bit a weight in 8 times the airtime: QPSK 1/3 and each symbol twice or three times."""
    plan = Plan.of(Quantiser("int1"), 2000, 8000)
    assert str(plan.mcs) == "QPSK rate 0.333"
    assert plan.symbols > 2 * plan.encode(Quantiser("int1").encode(weights(2000)[None], torch.Generator())).shape[0]
    received = send(Digital(-4.0, "awgn", format="int1", airtime=8.0, **SMALL), weights(2000))
    assert received.usage.outage == 0


def test_a_batch_and_constant_weights() -> None:
    x = torch.stack([weights(500), torch.full((500,), 0.3)])
    received = send(Digital(30.0, "awgn", format="int2", **SMALL), x)
    assert received.values.shape == x.shape
    assert torch.equal(received.values[1], x[1])
    assert float(received.noise_var[1].max()) == 0


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    message = (
        r"`Digital\(format='int8'\)` does not fit into airtime = 1 .* 4000 weights in 2000 symbols need 16\.\d bits"
    )
    with pytest.raises(
        ValueError, match=message + r'.* Use int4 or less, format="fit", or airtime >= 1\.\d+\.$'
    ) as error:
        send(Digital(30.0, "awgn", format="int8", **SMALL), weights(4000))
    enough = float(re.search(r">= ([\d.]+)\.$", str(error.value))[1])
    assert send(Digital(50.0, "awgn", format="int8", airtime=enough, **SMALL), weights(4000)).usage.outage == 0


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"esn0_db": math.inf}, "`Digital(esn0_db=...)` must be a finite number; got inf"),
        ({"format": "int0"}, "`Digital(format=...)` must be one of fit, int1"),
        ({"airtime": 0.0}, "`Digital(airtime=...)` must be a finite number > 0; got 0.0"),
        ({"margin_db": -1.0}, "`Digital(margin_db=...)` must be a finite number >= 0; got -1.0"),
        ({"model": "tdla"}, "Did you mean 'tdl-a'?"),
        ({"threshold": -1.0}, "threshold"),
    ],
)
def test_bad_parameters(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        Digital(**{"esn0_db": 10.0, **kwargs})
