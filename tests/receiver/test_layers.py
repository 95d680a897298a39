"""Which layers there are, what follows them, and what is measured of their inputs, against patches laid out."""

import pytest
import torch
from receiver_helpers import Plain, Residual, built, smooth_images
from torch import nn
from torch.nn import functional as F

from analognn import ParameterLayout, models
from analognn.receiver.layers import by_group, followers, linear_layers
from analognn.receiver.moments import LayerMoments, measure_layers, quantised


def pairs_of(model: nn.Module, inputs: torch.Tensor) -> dict[str, str | None]:
    layers = linear_layers(model, ParameterLayout.from_model(model))
    return followers(model, layers, inputs)


def test_pairs_are_found_by_what_runs_not_by_the_order_of_modules(residual):
    assert pairs_of(residual, smooth_images(4)) == {"head": None, "conv2": "norm2", "conv1": "norm1"}


@pytest.mark.parametrize(
    ("name", "pairs", "free"),
    [("cifar10-resnet20", 19, ["linear"]), ("cifar10-crosssim-resnet14", 15, ["classifier.2"])],
)
def test_every_convolution_of_a_resnet_has_its_norm(name, pairs, free):
    model = models.build(name, generator=torch.Generator().manual_seed(0)).eval()
    found = pairs_of(model, torch.zeros(2, 3, 32, 32))
    assert [layer for layer, norm in found.items() if norm is None] == free
    assert len(found) == pairs + 1
    for layer, norm in found.items():
        if norm and "downsample" not in norm:
            assert norm == layer.replace("conv", "bn")


def test_every_convolution_of_shufflenet_has_its_norm_depthwise_ones_too():
    model = models.build("cifar10-shufflenetv2", generator=torch.Generator().manual_seed(0)).eval()
    found = pairs_of(model, torch.zeros(2, 3, 32, 32))
    convolutions = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    assert [layer for layer, norm in found.items() if norm is None] == ["fc"]
    for layer in convolutions:  # torchvision's sequences: the norm is the next entry
        head, _, index = layer.rpartition(".")
        assert found[layer] == f"{head}.{int(index) + 1}"


def test_a_layer_run_twice_or_changed_in_place_has_no_norm():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice, self.changed = nn.Linear(4, 4), nn.Linear(4, 4)
            self.norm = nn.BatchNorm1d(4)

        def forward(self, x):
            return self.norm(self.changed(self.twice(self.twice(x))).relu_())

    assert pairs_of(Odd().eval(), torch.randn(3, 4)) == {"changed": None}


def patches(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """[groups, positions, d] by laying them out."""
    mode = "reflect" if conv.padding_mode == "reflect" else "constant"
    columns = F.unfold(F.pad(x, (1, 1, 1, 1), mode=mode), 3, stride=conv.stride)
    return columns.unflatten(1, (conv.groups, -1)).permute(1, 0, 3, 2).flatten(1, 2)


def test_moments_are_those_of_the_patches(residual):
    inputs = smooth_images(300)
    layout = ParameterLayout.from_model(residual)
    found = measure_layers(residual, layout, inputs, directions=16)
    with torch.no_grad():
        hidden = torch.relu(residual.norm1(residual.conv1(inputs)))
    for name, x in (("conv1", inputs), ("conv2", hidden)):
        conv: nn.Conv2d = residual.get_submodule(name)
        p = patches(conv, x).double()
        mu = p.mean(1)
        second = torch.einsum("gnd,gne->gde", p, p) / p.shape[1]
        centred = second - mu[:, :, None] * mu[:, None]
        got: LayerMoments = found[name]
        torch.testing.assert_close(got.mean.double(), mu, rtol=1e-4, atol=1e-5)
        trace = torch.einsum("gdd->g", centred)
        torch.testing.assert_close(got.power.double(), trace, rtol=1e-4, atol=1e-4)
        along = torch.einsum("gd,gde,ge->g", mu, centred, mu) / mu.square().sum(1)
        torch.testing.assert_close(got.mean_power.double(), along, rtol=1e-3, atol=1e-3)
        flat = got.basis.repeat_interleave(9, 2).double() / 3
        power = torch.einsum("gkd,gde,gke->gk", flat, second, flat)
        full = second.unflatten(1, (-1, 9)).unflatten(3, (-1, 9)).sum((2, 4)) / 9
        best = torch.linalg.eigvalsh(full).flip(1)[:, : power.shape[1]]
        torch.testing.assert_close(power, best, rtol=0.02, atol=0.02 * float(best.max()))  # 8-bit directions
        y = torch.einsum("god,gnd->gon", by_group(conv).double(), p).flatten(0, 1)
        bias = 0.0 if conv.bias is None else conv.bias.detach()
        torch.testing.assert_close(got.output_mean.double(), y.mean(1) + bias, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(got.output_var.double(), y.var(1, correction=0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("make", [Residual, Plain])
def test_directions_are_orthonormal_and_the_strongest_come_first(make):
    model = built(make)
    inputs = smooth_images(50) if make is Residual else torch.randn(50, 5) + 1
    for moments in measure_layers(model, ParameterLayout.from_model(model), inputs, directions=4).values():
        gram = moments.basis @ moments.basis.mT
        torch.testing.assert_close(gram, torch.eye(gram.shape[1]).expand_as(gram), rtol=0, atol=1e-5)


def test_a_value_on_the_reliable_path_is_off_by_half_a_step_at_most():
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    step = float(values.abs().max()) / 127
    assert float((quantised(values, 8) - values).abs().max()) <= step / 2 * 1.0001
    assert torch.equal(quantised(torch.zeros(3), 8), torch.zeros(3))
