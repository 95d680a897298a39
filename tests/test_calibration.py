"""A calibration pattern tells the receiver what the clean weights would: gain, offset, noise variance, its shape."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from analognn import Backend, ChannelBackend, ParameterLayout, backends, effective_noise_per_tensor
from analognn.certificate import calibrate
from analognn.channels import Awgn, Received, Usage
from analognn.effective import pooled
from analognn.receiver.pattern import KNOTS, quantiles_of

DRAWS = 4
PCM_BIAS = 0.08
"""Stated bound for received quantiles, relative; the pattern's tails are those of noisy weights."""


@dataclass(frozen=True)
class Affine(Backend):
    """r = 0.9 (w + z) + 0.02, z ~ N(0, (0.1 w)^2): gain, offset and noise that grows with the weight."""

    def receive(self, packed, *, generator):
        w = packed.vector
        z = 0.1 * w * torch.randn(w.shape, generator=generator)
        return Received(0.9 * (w + z) + 0.02, 1e-4, "estimated", Usage(tiles=2))


@pytest.fixture(scope="module")
def packed():
    """Two tensors of one tile each, of different scale, and a vector."""
    model = nn.Sequential(nn.Linear(150, 200, bias=False), nn.Linear(200, 120))
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter, sigma in zip(model.parameters(), (0.3, 0.05, 0.1), strict=True):
            parameter.copy_(sigma * torch.randn(parameter.shape, generator=g))
    return ParameterLayout.from_model(model).pack(model)


def both(backend, packed, *, stated, fraction=1.0):
    """Noise by tensor, pooled over DRAWS: as the pattern told it, and as the clean weights do."""
    told, true = [], []
    for seed in range(DRAWS):
        g = torch.Generator().manual_seed(1000 + seed)
        received = backend.receive(packed, generator=g)
        quantiles = quantiles_of(packed) if stated else None
        found = calibrate(backend, received, packed.layout, fraction=fraction, quantiles=quantiles, generator=g)
        told.append(found.tensors)
        true.append(effective_noise_per_tensor(packed, received))
    return {name: (pooled([t[name] for t in told]), pooled([t[name] for t in true])) for name in told[0]}


def check_variances(noises, *, bias=0.0, factor=1.0):
    """Five standard errors of both, and a stated relative bias."""
    for told, true in noises.values():
        if true.noise_var == 0:
            assert told.noise_var == 0
            continue
        bound = 5 * math.hypot(told.noise_var_se, true.noise_var_se) + bias * true.noise_var
        assert abs(told.noise_var - factor * true.noise_var) < bound


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("fraction", [0.3, 1.0, 1.5])
@pytest.mark.parametrize("channel", [Awgn(noise_var=1e-3), Awgn(wnr_db=10.0)])
def test_awgn_is_found_from_patterns_of_any_size(packed, stated, fraction, channel):
    noises = both(ChannelBackend(channel), packed, stated=stated, fraction=fraction)
    assert list(noises) == ["0.weight", "1.weight", "1.bias"]
    check_variances(noises)
    for wrong in (0.0, 2.0):
        with pytest.raises(AssertionError):
            check_variances(noises, factor=wrong)


@pytest.mark.parametrize(("stated", "bias"), [(True, 0.0), (False, PCM_BIAS)])
def test_pcm_is_found(packed, stated, bias):
    """With stated quantiles within the standard error, with received ones within a stated bias."""
    noises = both(backends.create("pcm"), packed, stated=stated)
    check_variances(noises, bias=bias)
    for wrong in (0.0, 2.0):
        with pytest.raises(AssertionError):
            check_variances(noises, bias=bias, factor=wrong)


def check_affine(told, gain, offset):
    """Five standard errors of least squares; noise of std proportional to abs(w) triples the variance of the gain."""
    error = math.sqrt(told.noise_var / told.count)
    sigma = math.sqrt(told.noise_var * 10 ** (told.wnr_db / 10))
    assert abs(told.gain - gain) < 5 * math.sqrt(3) * error / sigma
    assert abs(told.offset - offset) < 5 * error


def test_gain_offset_and_variance_against_size_are_found_and_set_right(packed):
    g = torch.Generator().manual_seed(5)
    received = Affine().receive(packed, generator=g)
    calibration = calibrate(Affine(), received, packed.layout, generator=g)
    for told in calibration.tensors.values():
        check_affine(told, 0.9, 0.02)
        with pytest.raises(AssertionError):
            check_affine(told, 1.0, 0.02)
        with pytest.raises(AssertionError):
            check_affine(told, 0.9, 0.0)
    curve = calibration.shape.curve
    for m, variance, error in zip(curve.magnitude, curve.variance, curve.standard_error, strict=True):
        assert abs(variance - m * m) < 5 * error + 0.02
    corrected = calibration.correct(received, packed.layout)
    for name, noise in effective_noise_per_tensor(packed, corrected).items():
        told = calibration.tensors[name]
        assert abs(noise.gain - 1) < 0.1
        assert abs(noise.offset) < 5 * math.sqrt(told.noise_var / told.count) * 2
    assert corrected.source == "estimated"
    assert corrected.usage.tiles == 4


def test_the_offset_of_cmo_reram_is_set_right(packed):
    backend, g = backends.create("reram-cmo"), torch.Generator().manual_seed(6)
    received = backend.receive(packed, generator=g)
    corrected = calibrate(backend, received, packed.layout, generator=g).correct(received, packed.layout)

    def squared_error(values):
        return float((values - packed.vector).square().mean())

    assert squared_error(corrected.values) < 0.7 * squared_error(received.values)
    reported = float(corrected.noise_var.mean())
    assert abs(squared_error(corrected.values) / reported - 1) < 0.1
    assert torch.equal(corrected.values[-120:], packed.vector[-120:])  # biases came exactly and stay


def test_the_medium_sees_the_pattern_only_and_its_cost_is_told(packed):
    seen = []

    class Spy(Backend):
        def receive(self, packed, *, generator):
            seen.append(packed)
            return Awgn(noise_var=1e-3).transmit(packed.vector, generator=generator)

    received = Awgn(noise_var=1e-3).transmit(packed.vector, generator=torch.Generator().manual_seed(0))
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    first, again = (calibrate(Spy(), received, packed.layout, fraction=0.25, generator=g) for g in generators)
    assert first == again
    (pattern, _) = seen
    assert [tuple(slot.shape) for slot in pattern.layout.slots] == [(100, 75), (60, 100), (64,)]
    assert first.weights == pattern.vector.numel() == 13_564
    assert first.usage == Usage(channel_uses=6782, energy=6782.0, side_info_bits=3 * KNOTS * 32)
    for slot, values in pattern.tensors():
        part = next(s for s in packed.layout.slots if s.name == slot.name)
        arrived, clean = (vector[part.start : part.stop] for vector in (received.values, packed.vector))
        assert float(values.abs().max()) <= float(arrived.abs().max())
        assert float(values.std() / clean.std()) == pytest.approx(1.0, abs=0.1 if values.numel() > 64 else 0.5)


def test_erased_values_stay_erased_and_zeros_unharmed():
    model = nn.Sequential(nn.Linear(100, 100, bias=False), nn.Linear(100, 10, bias=False))
    nn.init.zeros_(model[1].weight)
    packed = ParameterLayout.from_model(model).pack(model)
    backend, g = backends.create("pcm"), torch.Generator().manual_seed(0)
    received = backend.receive(packed, generator=g)
    noise_var = received.noise_var.clone()
    noise_var[:5_000], values = math.inf, received.values.clone()
    values[:5_000] = 7.0
    received = Received(values, noise_var, "estimated", Usage(outage=0.5))
    calibration = calibrate(backend, received, packed.layout, generator=g)
    corrected = calibration.correct(received, packed.layout)
    assert bool((corrected.values[:5_000] == 7.0).all())
    assert bool(torch.isinf(corrected.noise_var[:5_000]).all())
    assert calibration.tensors["0.weight"].wnr_db > 10  # the erased 7.0 are not in the pattern
    assert not corrected.values[-1_000:].any()
    assert not corrected.noise_var[-1_000:].any()
    assert corrected.usage.outage == pytest.approx(0.5 * 11_000 / (11_000 + calibration.weights))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fraction": 0.0}, r"`calibrate\(fraction=...\)` must be a finite number > 0; got 0.0"),
        ({"received": Received(torch.zeros(3), 0.0, "exact")}, r"a layout of 54120 weights; got shape \[3\]"),
        ({"quantiles": {}}, r"needs \[65\] values for '0.weight'; got none"),
        ({"quantiles": {"0.weight": torch.zeros(2)}}, r"for '0.weight'; got shape \[2\]"),
    ],
)
def test_bad_input(packed, arguments, message):
    g = torch.Generator().manual_seed(0)
    received = arguments.pop("received", Received(packed.vector, 0.0, "exact"))
    with pytest.raises(ValueError, match=message):
        calibrate(Affine(), received, packed.layout, generator=g, **arguments)


def test_the_tables_hold_offset_and_variance_of_each_weight(packed):
    """r = 0.9 (w + z) + 0.02: offset 0.02 - 0.1 w and variance (0.09 w)^2, in every tensor."""
    g = torch.Generator().manual_seed(3)
    received = Affine().receive(packed, generator=g)
    tables = calibrate(Affine(), received, packed.layout, quantiles=quantiles_of(packed), generator=g).tables
    assert set(tables) == set(packed.layout.analog_names)
    for (slot, tensor), table in zip(packed.tensors(), tables.values(), strict=True):
        sigma = float(tensor.std()) if tensor.ndim > 1 else 0.1
        w = sigma * torch.tensor([-1.2, -0.6, 0.7, 1.5], dtype=torch.float64)
        offset, var = table.at(w)
        size = 4 if tensor.ndim > 1 else 40  # a vector's 120 values make a coarse table
        assert torch.allclose(offset, 0.02 - 0.1 * w, atol=size * 0.003 * sigma), slot.name
        assert torch.allclose(var, (0.09 * w).square(), rtol=0.1 * size, atol=1e-3 * size * sigma**2), slot.name


def test_tensors_without_noise_have_no_table(packed):
    g = torch.Generator().manual_seed(3)
    received = backends.create("pcm").receive(packed, generator=g)
    tables = calibrate(backends.create("pcm"), received, packed.layout, generator=g).tables
    assert set(tables) == {name for name in packed.layout.analog_names if name.endswith("weight")}
