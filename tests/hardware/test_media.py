import pytest
import torch
from crossbar_helpers import check_variance, generator, least_squares, pack
from torch import nn

from analognn import backends
from analognn.effective import effective_noise
from analognn.hardware import Hermes, Pcm, ReRamCmo, ReRamWan2022, StateIndependent
from analognn.hardware.adapters import converter

DAY = 86400.0
MEDIA = {
    "pcm": (Pcm(), 18.9, 14.6),
    "pcm dual pair": (Pcm(f_lst=(1.0, 1.0)), 22.4, 18.1),
    "hermes": (Hermes(), 15.8, 14.2),
    "hermes, one device": (Hermes(num_devices=1), 12.5, 11.2),
    "state-independent": (StateIndependent(), 27.1, 6.8),
    "reram-wan2022": (ReRamWan2022(), 13.5, 9.2),
    "reram-cmo": (ReRamCmo(), 44.5, 19.6),
}


@pytest.fixture(scope="module")
def packed():
    return pack(nn.Linear(512, 256, bias=False))


@pytest.mark.parametrize("name", MEDIA)
def test_noise_is_what_the_devices_were_measured_to_have(name, packed):
    medium, *expected = MEDIA[name]
    for received, wnr_db in zip(medium.receive_at(packed, (0.0, DAY), generator=generator()), expected, strict=True):
        noise = effective_noise(packed.vector, received)
        assert noise.wnr_db == pytest.approx(wnr_db, abs=0.4)  # the largest of 131,072 Gaussians moves it by 0.3 dB
        assert noise.gain == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("name", MEDIA)
def test_reported_variance_is_the_measured_one(name, packed):
    received = MEDIA[name][0].receive(packed, generator=generator())
    _, residual = least_squares(packed.vector, received.values)
    noise_var = float(torch.as_tensor(received.noise_var)[0])
    check_variance(residual, noise_var, bias=0.12)
    for wrong in (0 * residual, 2 * residual):
        with pytest.raises(AssertionError):
            check_variance(wrong, noise_var, bias=0.12)


@pytest.mark.parametrize("name", MEDIA)
@pytest.mark.parametrize("value", [0.0, 0.3, -0.3])
def test_equal_weights_stay_finite(name, value):
    packed = pack(nn.Linear(6, 5, bias=False))
    packed.vector.fill_(value)
    received = MEDIA[name][0].receive(packed, generator=generator())
    assert received.values.mean().item() == pytest.approx(value, abs=0.15)
    assert bool(torch.isfinite(torch.as_tensor(received.noise_var)).all())
    assert value != 0 or torch.equal(received.values, packed.vector)


@pytest.mark.parametrize("medium", [Pcm, Hermes, StateIndependent, ReRamCmo])
def test_noise_scales(medium, packed):
    quiet = medium(prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0)
    received = quiet.receive(packed, generator=generator())
    torch.testing.assert_close(received.values, packed.vector, rtol=1e-4, atol=1e-6)


def test_cmo_shifts_the_weights_but_not_their_gain(packed):
    noise = effective_noise(packed.vector, ReRamCmo().receive(packed, generator=generator()))
    assert -0.03 < noise.offset / float(packed.vector.abs().max()) < -0.02
    assert noise.gain == pytest.approx(1.0, abs=0.005)


def test_wan_is_fitted_at_40_microsiemens(packed):
    # The fit is in uS: at the same noise, weights that use half the conductance range lose 6 dB... unless the model
    # scales with g_max, as it does here: the ratio of noise to range is the same.
    wide, narrow = (
        effective_noise(packed.vector, ReRamWan2022(g_max=g_max).receive(packed, generator=generator())).wnr_db
        for g_max in (40.0, 20.0)
    )
    assert wide == pytest.approx(narrow, abs=0.1)


def test_converters_give_back_what_they_got():
    w = torch.linspace(-1, 1, 101).reshape(1, -1)
    for f_lst in ((1.0,), (1.0, 1.0), (1.0, 2.0, 4.0)):
        made = converter(f_lst, g_max=25.0)
        conductances, parameters = made.convert_to_conductances(w)
        assert len(conductances) == 2 * len(f_lst)
        torch.testing.assert_close(made.convert_back_to_weights(conductances, parameters), w)


@pytest.mark.parametrize(
    ("medium", "parameters", "message"),
    [
        (Hermes, {"num_devices": 3}, r"`Hermes\(num_devices=\.\.\.\)` must be 1 or 2; got 3"),
        (Hermes, {"g_max": 25.0}, r"`Hermes\(g_max=\.\.\.\)` must be a finite number > 0 and <= 20\.7; got 25\.0"),
        (Hermes, {"t_0": 0.0}, r"`Hermes\(t_0=\.\.\.\)` must be a finite number > 0"),
        (StateIndependent, {"prog_sigma": -0.1}, r"`StateIndependent\(prog_sigma=\.\.\.\)` must be .* >= 0"),
        (ReRamWan2022, {"t_inference": 3600.0}, r"must be one of 0, 1, 86400, 172800 s; got 3600\.0"),
        (ReRamCmo, {"t_inference": 0.5}, r"`ReRamCmo\(t_inference=\.\.\.\)` must be 0 or >= 1 s; got 0\.5"),
        (ReRamCmo, {"g_min": 90.0}, r"`ReRamCmo\(g_max=\.\.\.\)` must be a finite number > 90; got 88"),
        (ReRamCmo, {"acceptance_range": 1.0}, r"acceptance_range=\.\.\.\)` must be 0\.2 or 2\.0; got 1\.0"),
        (ReRamWan2022, {"reads": 2}, r"`ReRamWan2022\(reads=\.\.\.\)` must be 1, .* Use copies="),
        (ReRamCmo, {"f_lst": (1.0, 1.0)}, r"must be \(1\.0,\), it has one device per weight"),
    ],
)
def test_a_wrong_parameter_is_named(medium, parameters, message):
    with pytest.raises(ValueError, match=message):
        medium(**parameters)


def test_devices_out_of_their_range_are_an_error():
    packed = pack(nn.Linear(64, 64, bias=False))
    with pytest.raises(ValueError, match=r"`ReRamCmo`: the noise model gave NaN .* in 'weight' at t_inference=86400 s"):
        ReRamCmo(g_min=0.01).receive(packed, generator=generator())


@pytest.mark.parametrize("name", ["pcm", "hermes", "state-independent", "reram-wan2022", "reram-cmo"])
def test_every_medium_has_a_name(name, packed):
    backend = backends.create(name)
    received = backend.receive(packed, generator=generator())
    assert received.usage.tiles == 1
    again = backend.receive(packed, generator=generator())
    assert torch.equal(received.values, again.values)
