"""The full analog forward pass: off it is weight noise alone, on it is aihwkit's; bits, refusals and ways out."""

import dataclasses

import pytest
import torch
from torch import nn

from analognn import models
from analognn.hardware import Hermes, Pcm, StateIndependent
from analognn.hardware.forward import AnalogForward
from analognn.packing import ParameterLayout

QUIET = {"dac_bits": None, "adc_bits": None, "out_noise": 0.0}


def seed(k=0):
    return torch.Generator().manual_seed(k)


def gaussian(out=128, inputs=128, k=1):
    """A linear layer with Gaussian weights and no bias."""
    layer = nn.Linear(inputs, out, bias=False)
    with torch.no_grad():
        layer.weight.normal_(0, 0.05, generator=seed(k))
    return layer


def read(model, inputs):
    """The weights [out, in] that a model of one linear layer computes with."""
    with torch.inference_mode():
        return model(torch.eye(inputs)).T


def noise(weight, reads):
    """Gain, and variance around it, of each read [out, in] of ``weight``."""
    gains = [float((weight * r).sum() / weight.square().sum()) for r in reads]
    variances = [float((r - g * weight).square().mean()) for r, g in zip(reads, gains, strict=True)]
    return torch.tensor(gains), torch.tensor(variances)


def assert_same_noise(weight, a, b):
    """Mean gain and variance of two lists of reads agree within 5 standard errors, from the spread over seeds."""
    for x, y in zip(noise(weight, a), noise(weight, b), strict=True):
        error = (x.var() / len(x) + y.var() / len(y)).sqrt() + 1e-7
        assert abs(x.mean() - y.mean()) < 5 * error


@pytest.mark.parametrize(
    "medium",
    [
        Pcm(),
        Pcm(t_inference=0.0, tile_size=100),
        Pcm(t_inference=2.6e6, drift_compensation="none"),
        Pcm(drift_compensation="per-column", weight_scaling="column"),
        Pcm(f_lst=(1.0, 2.0)),
        Hermes(drift_compensation="global-exact"),
        StateIndependent(),
    ],
    ids=lambda medium: f"{type(medium).__name__}-{medium.drift_compensation}-{medium.t_inference:g}",
)
def test_perfect_products_leave_the_weight_noise_of_the_fast_route(medium):
    layer, seeds = gaussian(), range(8)
    weight, layout = layer.weight.detach(), ParameterLayout.from_model(layer)
    fast = [medium.receive(layout.pack(layer), generator=seed(k)).values.view(weight.shape) for k in seeds]
    forward = AnalogForward(medium=medium, is_perfect=True)
    slow = [read(forward.convert(layer, generator=seed(100 + k)), 128) for k in seeds]
    assert_same_noise(weight, slow, fast)
    if isinstance(medium, Pcm):
        for wrong in ([2 * r - weight for r in slow], [weight + 0 * r for r in slow]):  # doubled, removed
            with pytest.raises(AssertionError):
                assert_same_noise(weight, wrong, fast)


def test_without_noise_or_rounding_it_is_the_digital_model():
    model, x = models.load("mnist-resnet8"), torch.rand(4, 1, 28, 28, generator=seed())
    for settings in ({"is_perfect": True}, {**QUIET, "out_bound": 1e4}):
        converted = AnalogForward(program=False, **settings).convert(model, generator=seed())
        assert converted.tiles == 9  # 576 inputs on tiles of 512: the last convolutions take two each
        with torch.inference_mode():
            torch.testing.assert_close(converted(x), model(x), rtol=1e-4, atol=1e-4)


def test_received_weights_go_onto_the_tiles_as_they_are():
    layer = gaussian()
    layout = ParameterLayout.from_model(layer)
    received = Pcm().receive(layout.pack(layer), generator=seed())
    forward = AnalogForward(program=False, is_perfect=True)
    converted = forward.convert(layout.unpack(received.values, layer), generator=seed())
    torch.testing.assert_close(read(converted, 128), received.values.view(128, 128), rtol=1e-5, atol=1e-6)


def test_same_seed_same_bits_and_every_call_draws_anew():
    layer, x = gaussian(), torch.rand(3, 128, generator=seed())
    state = torch.get_rng_state()
    a, b, c = (AnalogForward().convert(layer, generator=seed(k)) for k in (0, 0, 1))
    first = a(x)
    assert torch.equal(first, b(x))
    assert not torch.equal(first, a(x))
    assert not torch.equal(first, c(x))
    assert torch.equal(torch.get_rng_state(), state)


def devices(converted):
    return [tile.tile.get_weights() for tile in converted.model.analog_tiles()]


def test_same_seed_same_devices_whatever_the_converters():
    layer = gaussian()
    full, alone = (AnalogForward(is_perfect=p).convert(layer, generator=seed()) for p in (False, True))
    assert torch.equal(*devices(full), *devices(alone))


def test_output_noise_is_as_large_as_asked():
    """Relative to largest input times largest weight; SE of a standard deviation 1 / sqrt(2 n), n = 25,600."""
    layer, x = gaussian(), torch.rand(200, 128, generator=seed())
    converted = AnalogForward(program=False, **{**QUIET, "out_noise": 0.06}).convert(layer, generator=seed())
    with torch.inference_mode():
        error = (converted(x) - layer(x)) / (x.abs().amax(1, keepdim=True) * layer.weight.abs().max())

    def check(sigma):
        assert sigma == pytest.approx(0.06, rel=5 / (2 * error.numel()) ** 0.5)

    check(float(error.std()))
    for wrong in (0.0, 2.0):
        with pytest.raises(AssertionError):
            check(wrong * float(error.std()))


@pytest.mark.parametrize("name", ["dac_bits", "adc_bits"])
def test_converters_round_to_their_levels(name):
    """A single weight of 1: its output takes 2^b - 1 levels, in steps of 2 bounds / (2^b - 2)."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    settings = {**QUIET, name: 4, "out_bound": 1.0, "input_range": "calibrated", "bound_management": False}
    x = torch.linspace(-1, 1, 1001).view(-1, 1)
    converted = AnalogForward(program=False, **settings).convert(layer, generator=seed(), calibration=x)
    with torch.inference_mode():
        levels = converted(x).unique()
    torch.testing.assert_close(levels, torch.linspace(-1, 1, 15), rtol=0, atol=1e-6)


def test_ir_drop_takes_a_little_from_the_outputs():
    layer, x = gaussian(inputs=512), torch.ones(1, 512)
    with torch.no_grad():
        layer.weight.abs_()
    off, on = (
        AnalogForward(program=False, **{**QUIET, "out_bound": 1e4}, ir_drop=drop, simulator="c++")
        for drop in (0.0, 1.0)
    )
    with torch.inference_mode():
        exact, dropped = (forward.convert(layer, generator=seed())(x).sum() for forward in (off, on))
    assert exact == pytest.approx(layer(x).sum().item(), rel=1e-3)
    assert 0.9 < dropped / exact < 0.999


def test_the_cpp_simulator_has_the_same_devices():
    layer = gaussian()
    a, b = (AnalogForward(simulator=s).convert(layer, generator=seed()) for s in ("torch", "c++"))
    torch.testing.assert_close(devices(a), devices(b), rtol=1e-6, atol=1e-6)


def test_zero_weights_stay_zero():
    layer = nn.Linear(8, 4)
    nn.init.zeros_(layer.weight)
    converted = AnalogForward().convert(layer, generator=seed())
    with torch.inference_mode():
        assert (converted(torch.ones(2, 8)) - layer.bias).abs().max() < 1.0  # output noise, no NaN


def test_the_model_itself_stays_as_it_was():
    model = nn.Sequential(gaussian(), nn.ReLU()).train()
    before = model[0].weight.clone()
    AnalogForward().convert(model, generator=seed())
    assert torch.equal(model[0].weight, before)
    assert type(model[0]) is nn.Linear
    assert model.training


class MyLinear(nn.Linear):
    """A subclass, which aihwkit leaves digital without a word."""


def encoder():
    return nn.TransformerEncoderLayer(8, 2, dim_feedforward=8, batch_first=True)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), r"'0'.*groups=2, and only ungrouped"),
        (nn.Conv2d(4, 4, 3, padding="same"), r"padding='same', which must be given as numbers"),
        (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), r"padding_mode='reflect'"),
        (
            nn.Conv1d(4, 4, 3),
            r"type is Conv1d, and only Linear and Conv2d themselves.*; Conv1d and Conv3d are with simulator='c\+\+'",
        ),
        (nn.Embedding(4, 4), r"type is Embedding, and only"),
        (MyLinear(4, 4), r"type is MyLinear"),
        (nn.MultiheadAttention(8, 2), r"type is MultiheadAttention"),
        (encoder(), r"'0' of Sequential.*TransformerEncoderLayer reads the weights of its layers itself"),
        (nn.Linear(4, 4).double(), r"torch.float64, and tiles are float32"),
    ],
)
def test_what_aihwkit_cannot_map_is_refused_by_name_with_a_way_out(layer, message):
    model = nn.Sequential(layer, nn.Linear(8, 2))
    with pytest.raises(
        ValueError, match=rf"{message}.*Leave it digital with `AnalogForward\(digital=\('0',?.*`receive`"
    ):
        AnalogForward().convert(model, generator=seed())
    digital = AnalogForward(digital=["0"]).convert(model, generator=seed())
    assert digital.tiles == 1
    assert type(digital.model[0]) is type(layer)


def test_a_layer_left_digital_computes_as_before():
    model = nn.Sequential(encoder(), nn.Linear(8, 2)).eval()
    x = torch.rand(2, 3, 8, generator=seed())
    converted = AnalogForward(is_perfect=True, program=False, digital=("0",)).convert(model, generator=seed())
    with torch.inference_mode():
        torch.testing.assert_close(converted(x), model(x))


def test_conv1d_goes_through_the_cpp_simulator():
    model, x = nn.Conv1d(4, 4, 3, padding=1), torch.rand(2, 4, 9, generator=seed())
    forward = AnalogForward(is_perfect=True, program=False, simulator="c++")
    with torch.inference_mode():
        torch.testing.assert_close(forward.convert(model, generator=seed())(x), model(x))
    small = dataclasses.replace(forward, medium=Pcm(tile_size=8))
    with pytest.raises(ValueError, match=r"needs a tile of 12 \(tile_size=8\), and only Conv2d and Linear are cut"):
        small.convert(model, generator=seed())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dac_bits": 1}, r"`AnalogForward\(dac_bits=...\)` must be an integer >= 2; got 1"),
        ({"out_noise": -1.0}, r"out_noise=...\)` must be a finite number >= 0; got -1"),
        ({"out_bound": 0.0}, r"out_bound=...\)` must be a finite number > 0"),
        ({"ir_drop": 1.0}, r"AnalogForward\(ir_drop=1.0\)` needs simulator='c\+\+', whose noise per product cannot be"),
        ({"w_noise": 0.1}, r"AnalogForward\(w_noise=0.1\)` needs simulator"),
        ({"simulator": "cuda"}, r"simulator=...\)` must be one of torch, c\+\+"),
        ({"medium": Pcm(copies=2)}, r"must have copies=1, reads=1 and digital_bias=True.*copies=2"),
        ({"medium": Pcm(reads=2)}, r"got copies=1, reads=2"),
        ({"medium": Pcm(digital_bias=False)}, r"digital_bias=False"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        AnalogForward(**settings)


def test_bad_calls_are_refused():
    layer, x = gaussian(), torch.rand(2, 128)
    with pytest.raises(ValueError, match=r"'lin' is no module or parameter of Linear"):
        AnalogForward(digital=["lin"]).convert(layer, generator=seed())
    with pytest.raises(ValueError, match="no layer left to put on tiles"):
        AnalogForward(digital=["weight"]).convert(layer, generator=seed())
    with pytest.raises(ValueError, match=r"'calibrated'\).convert\(...\)` needs calibration inputs"):
        AnalogForward(input_range="calibrated").convert(layer, generator=seed())
    with pytest.raises(ValueError, match=r"'abs-max'\).convert\(...\)` takes no calibration inputs"):
        AnalogForward().convert(layer, generator=seed(), calibration=x)
    with pytest.raises(TypeError, match=r"digital=...\)` must be a sequence of names; got 'weight'"):
        AnalogForward(digital="weight")


def test_it_is_its_own_configuration():
    forward = AnalogForward(digital=["a"])
    assert hash(forward) == hash(dataclasses.replace(forward, digital=("a",)))
