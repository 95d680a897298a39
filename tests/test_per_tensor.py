"""Each tensor as a transmission of its own: its scale, its noise, its side information."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from analognn import ParameterLayout, backends, effective_noise
from analognn.channels import Awgn, Quantised
from analognn.effective import effective_noise_per_tensor
from analognn.per_tensor import PerTensor


@pytest.fixture(scope="module")
def packed():
    """Two layers whose weights differ by a factor of 30, and a bias."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 80, bias=False), nn.Linear(80, 2))
    for layer, std in zip(model, (0.03, 1.0), strict=True):
        nn.init.normal_(layer.weight, std=std, generator=generator)
    nn.init.normal_(model[1].bias, generator=generator)
    return ParameterLayout.from_model(model).pack(model)


def receive(backend, packed):
    return backend.receive(packed, generator=torch.Generator().manual_seed(1))


def test_every_tensor_is_what_the_channel_makes_of_it_alone(packed):
    received = receive(PerTensor(Quantised("int4")), packed)
    for slot, tensor in packed.tensors():
        want = Quantised("int4").transmit(tensor.reshape(-1), generator=torch.Generator())
        part = slice(slot.start, slot.stop)
        assert torch.equal(received.values[part], want.values)
        assert received.noise_var[part].unique().tolist() == [pytest.approx(float(want.noise_var))]


def test_one_step_for_all_drowns_the_small_tensor(packed):
    small, wnr_db = packed.layout.slots[0].name, {}
    for medium in ("quantised", "quantised-per-tensor"):
        received = receive(backends.create(medium, format="int4", span="symmetric"), packed)
        wnr_db[medium] = effective_noise_per_tensor(packed, received)[small].wnr_db
    assert wnr_db["quantised"] < 5 < 15 < wnr_db["quantised-per-tensor"]


def test_side_information_and_source_are_those_of_all_tensors(packed):
    received = receive(backends.create("quantised-per-tensor", format="int4"), packed)
    assert received.usage.side_info_bits == 3 * 96
    assert received.source == "side-information"
    assert receive(PerTensor(Awgn(noise_var=0.1)), packed).source == "exact"


def test_one_wnr_for_every_tensor_by_awgn(packed):
    """Within 5 standard errors of a variance; a doubled one is not."""
    received = receive(PerTensor(Awgn(wnr_db=10.0)), packed)
    first = slice(0, packed.layout.slots[0].stop)
    noise = effective_noise(packed.vector[first], replace(received, values=received.values[first], noise_var=0.0))
    bound = 5 * math.sqrt(2 / noise.count) * 10 / math.log(10)
    assert abs(noise.wnr_db - 10) < bound < 10 * math.log10(2)
