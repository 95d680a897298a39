"""The contract of every registered medium, on a model; a new one joins with one line in EXAMPLES."""

import pytest
import torch
from torch import nn

from analognn import ChannelBackend, ParameterLayout, backends, effective_noise
from analognn.channels import Awgn
from analognn.per_tensor import PerTensor
from analognn.power import PowerAllocated

EXAMPLES = {
    "awgn": {"wnr_db": 10.0},
    "digital": {"esn0_db": 40.0, "format": "int4", "fft_size": 76, "num_guard_carriers": (2, 1)},
    "hermes": {},
    "ofdm": {"esn0_db": 10.0, "fft_size": 76, "num_guard_carriers": (2, 1)},
    "ofdm-power": {"esn0_db": 10.0},
    "ofdm-repeated": {"esn0_db": 10.0, "times": 2},
    "pcm": {},
    "quantised": {"format": "int4"},
    "quantised-per-tensor": {"format": "int4"},
    "reram-cmo": {},
    "reram-wan2022": {},
    "state-independent": {},
}
NOTHING_RANDOM = {"digital", "quantised", "quantised-per-tensor"}  # rounding to the nearest, and every block decoded


@pytest.fixture(scope="module")
def packed():
    """Convolution, grouped convolution, linear, embedding and their biases."""
    generator = torch.Generator().manual_seed(0)
    model = nn.ModuleList([nn.Conv2d(4, 32, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Linear(40, 60), nn.Embedding(50, 20)])
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1, generator=generator)
    return ParameterLayout.from_model(model).pack(model)


def test_every_registered_medium_is_under_the_contract():
    assert set(EXAMPLES) <= set(backends.entries())
    ours = {name for name, entry in backends.entries().items() if entry.value.startswith("analognn.")}
    missing = ours - set(EXAMPLES) - {"measured-table"}  # needs a file; it has tests of its own
    assert not missing


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_medium_keeps_the_contract(name, packed):
    backend = backends.create(name, **EXAMPLES[name])
    before, state = packed.vector.clone(), torch.get_rng_state()
    first, again, other = (backend.receive(packed, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(packed.vector, before)
    assert (first.values.shape, first.values.dtype) == (before.shape, before.dtype)
    assert torch.isfinite(first.values).all()
    assert torch.equal(first.values, again.values)
    assert torch.equal(first.values, other.values) == (name in NOTHING_RANDOM)
    noise = effective_noise(packed.vector, first)
    assert 0.85 < noise.gain < 1.15
    assert 3.0 < noise.wnr_db < 60.0


def test_by_name_is_the_same_as_by_object(packed):
    by_name = backends.create("awgn", noise_var=0.01)
    assert by_name == ChannelBackend(Awgn(noise_var=0.01))


def test_every_medium_is_frozen_and_can_be_compared():
    for name, parameters in EXAMPLES.items():
        backend = backends.create(name, **parameters)
        assert backend == backends.create(name, **parameters)
        assert hash(backend) == hash(backends.create(name, **parameters))


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("pmc", {}, "must be one of .* got 'pmc'. Did you mean 'pcm'"),
        ("pcm", {"t_inferense": 0.0}, "Backend 'pcm' has no parameter 't_inferense'; .* Did you mean 't_inference'"),
        ("pcm", {"t_inference": -1.0}, r"`Pcm\(t_inference=...\)` must be a finite number >= 0; got -1.0"),
        ("ofdm", {"esn0_db": 10.0, "model": "tdl-z"}, "got 'tdl-z'"),
    ],
)
def test_what_does_not_fit_is_refused(name, parameters, message):
    with pytest.raises(ValueError, match=message):
        backends.create(name, **parameters)


def test_a_required_parameter_that_is_missing_is_named():
    with pytest.raises(ValueError, match="Backend 'ofdm' needs the parameter 'esn0_db'"):
        backends.create("ofdm")


@pytest.mark.parametrize("make", [ChannelBackend, PerTensor, PowerAllocated])
def test_a_backend_of_a_channel_takes_a_channel(make):
    with pytest.raises(TypeError, match=rf"`{make.__name__}\(channel=...\)` must be a Channel; got None"):
        make(None)
