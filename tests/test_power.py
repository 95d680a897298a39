"""Unequal power per layer: the shares, the total, and the noise each tensor gets."""

import math

import pytest
import torch
from torch import nn

from analognn import ParameterLayout
from analognn.channels import Awgn, Ofdm
from analognn.power import PowerAllocated


@pytest.fixture(scope="module")
def packed():
    """Two layers: many small weights, few large ones; biases that do not vary."""
    generator = torch.Generator().manual_seed(0)
    model = nn.ModuleList([nn.Linear(300, 100), nn.Linear(100, 50)])
    for module, std in zip(model, (0.02, 0.5), strict=True):
        nn.init.normal_(module.weight, mean=0.01, std=std, generator=generator)
        nn.init.constant_(module.bias, 0.3)
    return ParameterLayout.from_model(model).pack(model)


def wnrs_db(packed, backend):
    received = backend.receive(packed, generator=torch.Generator().manual_seed(1))
    found = []
    for slot, tensor in packed.tensors():
        z = received.values[slot.start : slot.stop].view(slot.shape) - tensor
        reported = float(received.noise_var[slot.start : slot.stop].mean())
        if tensor.std(correction=0) < 1e-6:
            assert float(z.abs().max()) < 1e-6
            assert reported == 0
            continue
        measured = float(z.double().square().mean())
        bound = 5 * math.sqrt(2 / z.numel())
        assert measured == pytest.approx(reported, rel=bound)
        assert measured != pytest.approx(2 * reported, rel=bound)
        found.append(10 * math.log10(float(tensor.var(correction=0)) / reported))
    return found


def test_the_exponents_do_what_they_say(packed):
    channel = Awgn(wnr_db=10.0)
    small, large = wnrs_db(packed, PowerAllocated(channel, 0.0))
    assert small == pytest.approx(large, abs=1e-4)
    small, large = wnrs_db(packed, PowerAllocated(channel, 2.0))
    assert large - small == pytest.approx(20 * math.log10(0.5 / 0.02), abs=0.2)  # same noise for every weight
    small, large = wnrs_db(packed, PowerAllocated(channel, 0.0, 1.0))
    assert large - small == pytest.approx(10 * math.log10(30_000 / 5_000), abs=0.2)  # six times the energy a weight


def test_an_exponent_of_one_makes_the_total_error_least(packed):
    errors = {}
    for exponent in (0.0, 0.8, 1.0, 1.2, 2.0):
        received = PowerAllocated(Awgn(wnr_db=10.0), exponent).receive(packed, generator=torch.Generator())
        errors[exponent] = float(received.noise_var.mean())
    assert min(errors, key=errors.__getitem__) == 1.0


def test_the_total_energy_is_that_of_the_plain_channel(packed):
    link = Ofdm(10.0, "awgn", fft_size=76, num_guard_carriers=(2, 1))
    plain = link.transmit(packed.vector, generator=torch.Generator().manual_seed(2)).usage
    shared = PowerAllocated(link).receive(packed, generator=torch.Generator().manual_seed(2)).usage
    assert shared.channel_uses == plain.channel_uses
    assert shared.energy == pytest.approx(plain.energy, rel=1e-3)
    assert shared.side_info_bits == 64 + 4 * 64


def test_bad_parameters():
    with pytest.raises(ValueError, match="sigma_exponent"):
        PowerAllocated(Awgn(wnr_db=1.0), -1.0)
