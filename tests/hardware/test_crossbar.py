import dataclasses

import pytest
import torch
from crossbar_helpers import check_variance, generator, least_squares, pack
from torch import nn
from torchvision.models import VisionTransformer

from analognn import backends
from analognn.hardware import Crossbar, Pcm, ReRamCmo
from analognn.hardware.crossbar import tile_slices
from analognn.packing import PackedWeights, ParameterLayout, Slot

DAY = 86400.0


def matrix(out=256, columns=256):
    return pack(nn.Linear(columns, out, bias=False))


@pytest.mark.parametrize("t_inference", [0.0, 20.0, DAY, 365 * DAY])
@pytest.mark.parametrize("drift_compensation", ["none", "global", "per-column"])
def test_reported_variance_is_the_measured_one(t_inference, drift_compensation):
    packed = matrix()
    received = Pcm(t_inference=t_inference, drift_compensation=drift_compensation).receive(
        packed, generator=generator()
    )
    _, residual = least_squares(packed.vector, received.values)
    noise_var = float(received.noise_var[0])
    check_variance(residual, noise_var, bias=0.07)
    for wrong in (0 * residual, 2 * residual):
        with pytest.raises(AssertionError):
            check_variance(wrong, noise_var, bias=0.07)


@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_the_variance_is_still_known_where_noise_is_strong(scale):
    packed = matrix()
    received = Pcm(prog_noise_scale=scale, read_noise_scale=scale).receive(packed, generator=generator())
    _, residual = least_squares(packed.vector, received.values)
    check_variance(residual, float(received.noise_var[0]), bias=0.15)


def test_drift_takes_gain_and_compensation_restores_it():
    packed = matrix()
    gain = {}
    for kind in ("none", "global", "global-exact", "per-column", "per-column-exact"):
        received = Pcm(t_inference=365 * DAY, drift_compensation=kind).receive(packed, generator=generator())
        gain[kind], _ = least_squares(packed.vector, received.values)
    assert gain["none"] < 0.6
    # The mean |W| counts noise as signal, so a few percent of gain are lost (or won) at a WNR of 12 dB.
    assert all(gain[kind] == pytest.approx(1.0, abs=0.04) for kind in gain if kind != "none")


def test_same_seed_same_bits_and_the_global_generator_is_left_alone():
    packed, backend = matrix(64, 64), Pcm()
    state = torch.random.get_rng_state()
    first, second, third = (backend.receive(packed, generator=generator(s)) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.values, second.values)
    assert torch.equal(torch.as_tensor(first.noise_var), torch.as_tensor(second.noise_var))
    assert not torch.equal(first.values, third.values)


def test_the_packed_weights_are_not_changed():
    packed = matrix(64, 64)
    before = packed.vector.clone()
    Pcm().receive(packed, generator=generator())
    assert torch.equal(packed.vector, before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_without_noise_the_weights_come_back_in_their_dtype(dtype):
    packed = pack(nn.Linear(32, 16, dtype=dtype))
    quiet = Pcm(prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0, tile_size=10)
    received = quiet.receive(packed, generator=generator())
    assert received.values.dtype == dtype
    torch.testing.assert_close(
        received.values, packed.vector, rtol=1e-2 if dtype == torch.bfloat16 else 1e-5, atol=1e-6
    )
    assert float(torch.as_tensor(received.noise_var).max()) < 1e-12


@pytest.mark.parametrize("weight_scaling", ["tile", "column"])
def test_zeros_pass_unharmed(weight_scaling):
    packed = pack(nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 6, bias=False)))
    packed.vector[:64] = 0
    received = Pcm(weight_scaling=weight_scaling).receive(packed, generator=generator())
    assert torch.equal(received.values[:64], torch.zeros(64))
    assert torch.equal(torch.as_tensor(received.noise_var)[:64], torch.zeros(64))
    assert not torch.equal(received.values[64:], packed.vector[64:])


def test_a_zero_column_stays_zero_under_column_scaling():
    packed = matrix(4, 16)
    packed.vector[:16] = 0
    received = Pcm(weight_scaling="column").receive(packed, generator=generator())
    assert torch.equal(received.values[:16], torch.zeros(16))


@pytest.mark.parametrize("medium", [Pcm(), ReRamCmo()])
@pytest.mark.parametrize("factor", [2.0**-40, 2.0**20])
def test_noise_is_relative_to_the_weights(medium, factor):
    packed = matrix(32, 32)
    small = dataclasses.replace(packed, vector=packed.vector * factor)
    received, scaled = (medium.receive(p, generator=generator()) for p in (packed, small))
    torch.testing.assert_close(scaled.values, received.values * factor, rtol=1e-3, atol=1e-4 * factor)
    assert float(scaled.noise_var[0]) == pytest.approx(float(received.noise_var[0]) * factor**2, rel=0.01)


def test_biases_are_digital_by_default():
    packed = pack(nn.Linear(16, 8))
    digital = Pcm().receive(packed, generator=generator())
    assert torch.equal(digital.values[128:], packed.vector[128:])
    assert float(torch.as_tensor(digital.noise_var)[128:].max()) == 0
    assert (digital.usage.tiles, digital.usage.side_info_bits) == (1, 8 * 32 + 32)
    analog = Pcm(digital_bias=False).receive(packed, generator=generator())
    assert bool((analog.values[128:] != packed.vector[128:]).any())
    assert float(torch.as_tensor(analog.noise_var)[128:].min()) > 0
    assert (analog.usage.tiles, analog.usage.side_info_bits) == (2, 64)


def test_every_kind_of_layer_is_a_matrix():
    model = nn.Sequential(
        nn.Conv1d(4, 8, 3),
        nn.Conv2d(8, 8, 3, groups=8, padding="same", padding_mode="reflect"),
        nn.Conv2d(8, 8, 3, groups=2),
        nn.Conv3d(2, 4, 3),
        nn.Embedding(50, 12),
        nn.MultiheadAttention(16, 4, add_bias_kv=True),
        nn.LSTM(4, 4),
    )
    packed = pack(model)
    received = Pcm(tile_size=16).receive(packed, generator=generator())
    noise_var = torch.as_tensor(received.noise_var)
    for slot in packed.layout.slots:
        assert bool((noise_var[slot.start : slot.stop] > 0).all()) == (len(slot.shape) > 1), slot.name


def test_tiles_cover_a_matrix_once_and_are_counted():
    seen = torch.zeros(70, 33)
    for part in tile_slices(seen.shape, 32):
        seen[part] += 1
        assert max(seen[part].shape) <= 32
    assert torch.equal(seen, torch.ones(70, 33))
    received = Pcm(tile_size=32, copies=2).receive(matrix(70, 33), generator=generator())
    assert received.usage.tiles == 3 * 2 * 2
    assert received.usage.side_info_bits == 6 * 32


def test_column_scaling_and_copies_and_more_pairs_lower_the_noise():
    packed = matrix(128, 128)

    def noise(**parameters):
        received = Pcm(**parameters).receive(packed, generator=generator())
        _, residual = least_squares(packed.vector, received.values)
        check_variance(residual, float(torch.as_tensor(received.noise_var).mean()), bias=0.1)
        return float(residual.square().mean())

    plain = noise()
    assert noise(weight_scaling="column") < 0.9 * plain
    assert noise(copies=4) == pytest.approx(plain / 4, rel=0.1)
    assert noise(f_lst=[1.0, 1.0]) < 0.5 * plain


def test_reads_average_the_read_noise_alone():
    packed = matrix(128, 128)

    def noise(**parameters):
        _, residual = least_squares(packed.vector, Pcm(**parameters).receive(packed, generator=generator()).values)
        return float(residual.square().mean())

    only_read = {"prog_noise_scale": 0.0, "drift_scale": 0.0}
    assert noise(reads=4, **only_read) == pytest.approx(noise(**only_read) / 4, rel=0.1)
    only_programming = {"read_noise_scale": 0.0}
    assert noise(reads=4, **only_programming) == pytest.approx(noise(**only_programming), rel=0.1)


def test_transformers_go_through():
    encoder = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    bert_like = nn.Sequential(nn.Embedding(100, 16), encoder, nn.Linear(16, 2))
    vit = VisionTransformer(image_size=16, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32)
    policy = {"class_token": "reliable", "encoder.pos_embedding": "reliable"}
    for model, layout in (
        (bert_like, ParameterLayout.from_model(bert_like)),
        (vit, ParameterLayout.from_model(vit, policy=policy)),
    ):
        packed = layout.pack(model)
        packed.vector.add_(0.01)  # a head may begin with zeros, which pass unharmed
        received = Pcm().receive(packed, generator=generator())
        assert bool(torch.isfinite(received.values).all())
        different = received.values != packed.vector
        changed = {slot.name for slot in layout.slots if bool(different[slot.start : slot.stop].any())}
        assert changed == {slot.name for slot in layout.slots if len(slot.shape) > 1}


def test_several_times_share_one_programming():
    packed = matrix()
    still = Pcm(read_noise_scale=0.0, drift_scale=0.0)
    first, second = still.receive_at(packed, (0.0, DAY), generator=generator())
    torch.testing.assert_close(first.values, second.values)
    early, late = Pcm().receive_at(packed, (3600.0, DAY), generator=generator())
    errors = torch.stack([early.values - packed.vector, late.values - packed.vector])
    assert float(torch.corrcoef(errors)[0, 1]) > 0.5
    assert float(late.noise_var[0]) > float(early.noise_var[0])


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"g_max": 0.0}, ValueError, r"`Pcm\(g_max=\.\.\.\)` must be a finite number > 0; got 0\.0"),
        ({"t_inference": -1.0}, ValueError, r"`Pcm\(t_inference=\.\.\.\)` must be a finite number >= 0; got -1\.0"),
        ({"t_inference": float("nan")}, ValueError, r"t_inference=\.\.\.\)` must be a finite number >= 0; got nan"),
        ({"t_inference": "1 day"}, TypeError, r"must be a finite number >= 0; got '1 day' \(str\)"),
        ({"tile_size": 0}, ValueError, r"`Pcm\(tile_size=\.\.\.\)` must be an integer >= 1; got 0"),
        ({"reads": 1.5}, TypeError, r"`Pcm\(reads=\.\.\.\)` must be an integer >= 1; got 1\.5"),
        ({"copies": 0}, ValueError, r"`Pcm\(copies=\.\.\.\)` must be an integer >= 1; got 0"),
        ({"drift_compensation": "globl"}, ValueError, r"got 'globl'\. Did you mean 'global'\?"),
        ({"weight_scaling": "row"}, ValueError, r"must be one of tile, column; got 'row'"),
        ({"f_lst": []}, ValueError, r"needs one factor per pair of devices; got \[\]"),
        ({"f_lst": [1.0, -1.0]}, ValueError, r"`Pcm\(f_lst=\.\.\.\)` must be a finite number > 0; got -1\.0"),
        ({"digital_bias": "yes"}, TypeError, r"must be true or false; got 'yes'"),
        ({"read_noise_scale": -0.5}, ValueError, r"`Pcm\(read_noise_scale=\.\.\.\)` must be a finite number >= 0"),
    ],
)
def test_a_wrong_parameter_is_named(parameters, error, message):
    with pytest.raises(error, match=message):
        Pcm(**parameters)


def test_weights_that_are_not_finite_are_refused():
    packed = matrix(4, 4)
    packed.vector[0] = float("nan")
    with pytest.raises(ValueError, match=r"`Pcm.receive` needs finite weights; got 1 NaN or infinite of 16 values"):
        Pcm().receive(packed, generator=generator())


def test_variances_of_half_precision_weights_are_no_halves():
    """A tenth of a percent of a small weight squared is below the least half."""
    packed = matrix(16, 16)
    small = PackedWeights((1e-3 * packed.vector).half(), packed.layout)
    received = Pcm(t_inference=0.0).receive(small, generator=generator())
    assert received.values.dtype == torch.float16
    assert received.noise_var.dtype == torch.float32
    assert 0 < float(received.noise_var[0]) < 2**-24


def test_a_tensor_without_weights_needs_no_tile():
    shapes = {"none": torch.Size([4, 0]), "some": torch.Size([4, 4])}
    layout = ParameterLayout(tuple(Slot(name, (), shape, torch.float32, 0) for name, shape in shapes.items()), (), 0)
    received = Pcm().receive(PackedWeights(torch.ones(16), layout), generator=generator())
    assert received.usage.tiles == 1


def test_by_name_and_hashable():
    backend = backends.create("pcm", t_inference=3600.0, f_lst=[1.0, 2.0])
    assert backend == Pcm(t_inference=3600.0, f_lst=(1.0, 2.0))
    assert isinstance(backend, Crossbar)
    assert hash(backend) == hash(dataclasses.replace(backend))
