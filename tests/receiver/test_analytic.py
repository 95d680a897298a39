"""Corrections without data against their closed forms."""

import math
from dataclasses import replace

import pytest
import torch
from receiver_helpers import Plain, built, delivery, smooth_images
from torch import nn

from analognn import ParameterLayout, Prior
from analognn.channels import Awgn
from analognn.receiver import CorrectVariance, Delivery, Project, Protect, Receiver, measure
from analognn.receiver.analytic import noise_per_channel
from analognn.receiver.layers import by_group, flat, outputs_of


def outputs(model: nn.Module, name: str, inputs: torch.Tensor) -> torch.Tensor:
    """What layer ``name`` returns, [out, positions]."""
    kept = []
    handle = model.get_submodule(name).register_forward_hook(lambda _m, _i, output: kept.append(output))
    with torch.no_grad():
        model(inputs)
    handle.remove()
    return kept[0].movedim(1, 0).flatten(1)


def clean_model(found) -> nn.Module:
    return found.layout.unpack(found.oracle.weights, found.model)


def test_projection_makes_the_mean_output_the_clean_one(of_residual, residual):
    inputs = smooth_images(400)
    fixed = Project()(of_residual).model
    wanted = outputs(residual, "conv1", inputs).mean(1)  # its input is not noisy: the closed form holds exactly
    torch.testing.assert_close(outputs(fixed, "conv1", inputs).mean(1), wanted, rtol=1e-4, atol=1e-5)
    noisy = outputs(of_residual.model, "conv1", inputs).mean(1)
    assert float((noisy - wanted).abs().max()) > 0.1


def test_projection_is_the_formula_and_the_smallest_change(of_residual):
    moments = of_residual.side.layers["conv1"]
    r, w = (m.conv1.weight.detach().flatten(1) for m in (of_residual.model, Project("running-mean")(of_residual).model))
    mu, m = moments.mean[0], of_residual.model.norm1.running_mean - of_residual.model.conv1.bias.detach()
    torch.testing.assert_close(w, r - torch.outer((r @ mu - m) / (mu @ mu), mu), rtol=1e-4, atol=1e-5)
    change = w - r
    torch.testing.assert_close(change, torch.outer(change @ mu / (mu @ mu), mu), rtol=0, atol=1e-5)  # along mu alone


def test_running_means_do_as_well_where_they_are_the_layers_means(of_residual):
    free, measured = (Project(target)(of_residual).model.conv2.weight for target in ("running-mean", "measured"))
    torch.testing.assert_close(free, measured, rtol=0, atol=2e-3)


def test_nothing_is_left_of_the_noise_along_protected_directions(of_residual):
    fixed = Protect(directions=2)(of_residual)
    for name in ("conv1", "conv2", "head"):
        moments = of_residual.side.layers[name]
        noisy, got, clean = (
            by_group(model.get_submodule(name)) for model in (of_residual.model, fixed.model, clean_model(of_residual))
        )
        u = flat(fixed.model.get_submodule(name), moments.basis[:, :2])
        step = float(moments.sent_coordinates.abs().max()) / 127
        assert float(torch.einsum("god,gkd->gok", got - clean, u).abs().max()) <= step / 2 * 1.01
        across = (got - noisy) - torch.einsum("god,gkd,gke->goe", got - noisy, u, u)
        torch.testing.assert_close(across, torch.zeros_like(across), rtol=0, atol=1e-5)


@pytest.mark.parametrize("stage", [Protect(4), Project(), Project("running-mean")], ids=str)
def test_what_came_without_noise_stays_bit_by_bit(residual, of_residual, stage):
    layout, weights = of_residual.layout, of_residual.oracle.weights
    slot = next(slot for slot in layout.slots if slot.name == "conv2.weight")
    noise_var = torch.zeros(layout.numel)
    for lost in (0.01, math.inf, 0.0):
        noise_var[slot.start] = lost  # of one weight of one layer
        received = replace(of_residual.received, values=weights, noise_var=noise_var.clone())
        arrived = replace(Delivery.arrived(residual, layout, received, Prior(0.0, 1.0)), side=of_residual.side)
        changed = {
            name
            for (name, got), wanted in zip(stage(arrived).model.named_parameters(), residual.parameters(), strict=True)
            if not torch.equal(got, wanted)
        }
        assert changed == ({"conv2.weight"} if lost else set())
    assert stage(arrived).spent == stage(of_residual).spent  # the sender cannot know


def test_more_directions_leave_less_error_in_the_output(of_residual, residual):
    inputs = smooth_images(400)
    wanted = outputs(residual, "conv2", inputs)
    errors = [
        float((outputs(model, "conv2", inputs) - wanted).square().mean())
        for model in (of_residual.model, *(Protect(k)(of_residual).model for k in (1, 2, 3)))
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.6 * errors[0]


def draws(residual, count):
    """Deliveries that differ in their noise alone."""
    layout = ParameterLayout.from_model(residual)
    weights, side = layout.pack(residual).vector, measure(residual, layout, smooth_images(400))
    for seed in range(count):
        received = Awgn(noise_var=0.01).transmit(weights, generator=torch.Generator().manual_seed(seed))
        arrived = Delivery.arrived(residual, layout, received, Prior.from_received(received))
        yield replace(arrived, side=side)


@pytest.mark.parametrize(("after", "stage"), [("all", Receiver(())), ("project", Project())])
def test_the_variance_added_is_the_mean_over_the_noise(residual, after, stage):
    inputs, found = smooth_images(400), list(draws(residual, 200))
    with torch.no_grad():
        weights = [residual.conv1.weight, *(stage(one).model.conv1.weight for one in found)]
        clean, *noisy = (outputs_of(residual.conv1, weight, inputs).var(1, correction=0) for weight in weights)
    measured = torch.stack(noisy) - clean
    error = measured.std(0) / math.sqrt(len(measured))
    corrected = CorrectVariance(after)(found[0]).model.norm1.running_var - residual.norm1.running_var

    def check(value):
        assert bool(((value - measured.mean(0)).abs() < 4 * error).all())

    check(corrected)
    for wrong in (0.0, 2.0):
        with pytest.raises(AssertionError):
            check(wrong * corrected)


def test_noise_is_averaged_by_output_channel_and_erasures_count_as_none(of_residual):
    noise_var = torch.arange(of_residual.layout.numel, dtype=torch.float32)
    noise_var[-1] = math.inf
    found = noise_per_channel(replace(of_residual.received, noise_var=noise_var), of_residual.layout)
    slot = next(slot for slot in of_residual.layout.slots if slot.name == "conv1.weight")
    rows = noise_var[slot.start : slot.stop].reshape(6, -1)
    torch.testing.assert_close(found["conv1.weight"], rows.mean(1))
    assert all(bool(torch.isfinite(rows).all()) for rows in found.values())


def test_what_needs_a_batch_norm_says_what_to_do_without():
    found = delivery(built(Plain), torch.randn(120, 5))
    with pytest.raises(ValueError, match=r"Plain has no batch norm .*; use target='measured'"):
        Project("running-mean")(found)
    with pytest.raises(ValueError, match=r"`CorrectVariance`: Plain has no batch norm .*'protect'"):
        CorrectVariance()(found)


def test_directions_that_were_not_measured_are_not_made_up(residual, of_residual):
    side = measure(residual, of_residual.layout, smooth_images(20), directions=1)
    with pytest.raises(ValueError, match=r"must be <= 1, the directions that were measured; got 2. .*directions=2"):
        Protect(2)(replace(of_residual, side=side))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Protect(0), r"`Protect\(directions=...\)` must be an integer >= 1; got 0"),
        (lambda: Protect(17), r"`Protect\(directions=...\)` must be <= 16; got 17"),
        (lambda: Project("mean"), r"`Project\(target=...\)` must be one of measured, running-mean"),
        (lambda: CorrectVariance("none"), r"`CorrectVariance\(after=...\)` must be one of all, project, protect"),
    ],
)
def test_bad_parameters_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
