"""aihwkit's presets by name: the two that are for inference, and a clear refusal of the others."""

import pytest
import torch
from torch import nn

from analognn.hardware.presets import names, preset


def test_only_two_presets_are_for_inference():
    assert names() == ("FloatingPointPreset", "StandardHWATrainingPreset")


def test_the_standard_preset_is_aihwkits_value_by_value():
    from aihwkit.simulator.presets import StandardHWATrainingPreset

    theirs, ours = StandardHWATrainingPreset(), preset("StandardHWATrainingPreset")
    io, mapped = theirs.forward, ours.rpu_config()
    for name in ("out_noise", "out_bound", "inp_noise", "w_noise", "w_noise_type", "ir_drop", "bound_management"):
        assert getattr(mapped.forward, name) == getattr(io, name), name
    assert (1 / mapped.forward.inp_res, 1 / mapped.forward.out_res) == pytest.approx((io.inp_res, io.out_res))
    for name in ("max_input_size", "weight_scaling_columnwise", "weight_scaling_omega", "digital_bias"):
        assert getattr(mapped.mapping, name) == getattr(theirs.mapping, name), name
    assert type(ours.medium.noise_model()) is type(theirs.noise_model)
    assert ours.medium.drift_compensation == "global"


def test_the_standard_preset_runs():
    model, x = nn.Linear(16, 4), torch.rand(8, 16)
    converted = preset("StandardHWATrainingPreset").convert(
        model, generator=torch.Generator().manual_seed(0), calibration=x
    )
    with torch.inference_mode():
        error = converted(x) - model(x)
    assert 0 < error.std() < 0.5 * model(x).std()


def test_the_floating_point_preset_changes_nothing():
    model, x = nn.Linear(16, 4), torch.rand(8, 16)
    converted = preset("FloatingPointPreset").convert(model, generator=torch.Generator())
    torch.testing.assert_close(converted(x), model(x))


@pytest.mark.parametrize("name", ["PCMPreset", "ReRamESPreset", "TikiTakaEcRamPreset"])
def test_a_training_preset_is_refused_with_the_valid_names(name):
    message = rf"one of FloatingPointPreset, StandardHWATrainingPreset; '{name}' describes training by pulses"
    with pytest.raises(ValueError, match=message):
        preset(name)


def test_an_unknown_preset_gets_the_nearest():
    with pytest.raises(ValueError, match=r"Did you mean 'StandardHWATrainingPreset'\?"):
        preset("StandardHWATraining")
