"""Corrections without any data at the receiver, from what the transmitter measured on its own (side information).

With r = w + z received, p the patch a layer is fed and y = w p, noise z of variance s_z^2 a weight

    shifts the mean     E[y'] = w mu + z mu                       mu = E[p]
    widens the variance Var[y'] = w C w + 2 z C w + z C z         C = E[p p^T] - mu mu^T

A few numbers a layer put the largest part right:

    protect    w <- r + ((w - r) U^T) U             U = k leading directions of p; w U^T travels reliably
    project    w <- r - mu (r mu - m) / |mu|^2      the same along mu alone, m = E[y] of the clean layer
    variance   running_var <- running_var + s_z^2 tr C      the mean over z of z C z; 2 z C w has mean zero

``m`` may be the running mean of the batch norm behind the layer, which travels anyway, but only where that is what the
layer puts out: statistics gathered under augmentation, or with other weights, are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from analognn.channels import Received, checks
from analognn.denoise import Budget
from analognn.packing import ParameterLayout
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.layers import Layer, batch_norms, by_group, flat, linear_layers, statistics, weight_name
from analognn.receiver.moments import DIRECTION_BITS, LayerMoments
from analognn.receiver.side import BITS_PER_VALUE, DIRECTIONS

Target = Literal["measured", "running-mean"]
Residue = Literal["all", "project", "protect"]


@dataclass(frozen=True)
class Protect(Stage):
    """Weights along the k strongest directions of each layer's input, sent reliably: no noise is left along them.

    The first direction is nearly the layer's mean input. Each costs in + out values of 8 bits a layer. Instead of the
    noise their rounding is left, as much as noise at a WNR of 33 to 49 dB in the layers of the MNIST network. A layer
    that came without noise stays as it is, bit by bit.

    Args:
        directions: k, 1 to 16; a layer with fewer input channels has fewer.
    """

    directions: int = 4

    budget: ClassVar[Budget] = "side-information"
    measured: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.integer("Protect", "directions", self.directions, ge=1)
        if self.directions > DIRECTIONS:
            raise ValueError(f"`Protect(directions=...)` must be <= {DIRECTIONS}; got {self.directions}.")

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        model = delivery.copied_model()
        bits = 0
        for layer, moments, noisy in _measured(self, delivery, model):
            basis = moments.basis[:, : self.directions].to(layer.weight)
            if basis.shape[1] < min(self.directions, basis.shape[2]):
                raise ValueError(
                    f"`Protect(directions=...)` must be <= {basis.shape[1]}, the directions that were measured; got "
                    f"{self.directions}. Measure as many: measure(..., directions={self.directions})."
                )
            sent = moments.sent_coordinates[..., : self.directions].to(layer.weight)
            if noisy:
                _protect(layer, flat(layer, basis), sent)
            bits += DIRECTION_BITS * (basis.numel() + sent.numel()) + 2 * BITS_PER_VALUE  # and the two scales
        return delivery.with_model(model).spending(side_info={f"{self.directions} directions": bits})


@dataclass(frozen=True)
class Project(Stage):
    """Noise along each layer's mean input taken out of its weights, so that its mean output is the clean one again.

    A layer that came without noise stays as it is, bit by bit.

    Args:
        target: the mean output, "measured" by the transmitter (one value an output channel), or the "running-mean" of
            the batch norm behind the layer, which is free but may not be the layer's mean; layers without one stay.
    """

    target: Target = "measured"

    budget: ClassVar[Budget] = "side-information"
    measured: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.choice("Project", "target", self.target, get_args(Target))

    def check(self, model: nn.Module) -> None:
        """See :meth:`Stage.check`."""
        if self.target == "running-mean" and not batch_norms(model):
            raise ValueError(
                f"`Project(target='running-mean')`: {type(model).__name__} has no batch norm with running statistics; "
                "use target='measured'."
            )

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        model = delivery.copied_model()
        self.check(model)
        norms = batch_norms(model)
        sent = 0
        for layer, moments, noisy in _measured(self, delivery, model):
            if self.target == "measured":
                mean_output = moments.output_mean
                sent += mean_output.numel()
            elif moments.norm is not None:
                mean_output = statistics(norms[moments.norm])[0]
            else:
                continue
            if noisy:
                _project(layer, moments.mean.to(layer.weight), mean_output.to(layer.weight))
            sent += moments.mean.numel()
        item = f"mean patches, {self.target} means"
        return delivery.with_model(model).spending(side_info={item: BITS_PER_VALUE * sent})


@dataclass(frozen=True)
class CorrectVariance(Stage):
    """The variance that noise adds to a layer's output, on average, added to the batch norm's running variance.

    Args:
        after: whose noise is left: "all" of it, or what :class:`Project` or :class:`Protect` left before.
        directions: of that :class:`Protect`.
    """

    after: Residue = "all"
    directions: int = 4

    budget: ClassVar[Budget] = "side-information"
    measured: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.choice("CorrectVariance", "after", self.after, get_args(Residue))

    def check(self, model: nn.Module) -> None:
        """See :meth:`Stage.check`."""
        if not batch_norms(model):
            raise ValueError(
                f"`CorrectVariance`: {type(model).__name__} has no batch norm with running statistics to correct; use "
                "'protect', which needs none."
            )

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        model = delivery.copied_model()
        self.check(model)
        norms, noise = batch_norms(model), noise_per_channel(delivery.received, delivery.layout)
        sent = 0
        for name, moments in delivery.needs(self, "side").layers.items():
            if moments.norm is None:
                continue
            running_var = statistics(norms[moments.norm])[1]
            power = self._power(moments).repeat_interleave(len(running_var) // len(moments.power))
            running_var += noise[weight_name(name)].to(running_var) * power.to(running_var)
            sent += moments.power.numel()
        bits = {f"input power after {self.after}": BITS_PER_VALUE * sent}
        return delivery.with_model(model).spending(side_info=bits)

    def _power(self, moments: LayerMoments) -> Tensor:
        """Variance of the patch in the directions that noise is left in: [groups]."""
        if self.after == "project":
            return moments.power - moments.mean_power
        if self.after == "protect":
            return moments.power - moments.captured[:, : self.directions].sum(1)
        return moments.power


def noise_per_channel(received: Received, layout: ParameterLayout) -> dict[str, Tensor]:
    """Analog tensor -> mean noise variance of each row [out]; an erased value counts as none."""
    values = received.values
    precise = torch.promote_types(values.dtype, torch.float32)
    noise_var = torch.as_tensor(received.noise_var, dtype=precise, device=values.device)
    noise_var = noise_var.nan_to_num(posinf=0.0).expand(values.shape)
    return {slot.name: noise_var[slot.start : slot.stop].reshape(slot.shape[0], -1).mean(1) for slot in layout.slots}


def _measured(stage: Stage, delivery: Delivery, model: nn.Module) -> Iterator[tuple[Layer, LayerMoments, bool]]:
    """Each layer, what was measured of it, and whether any of its weights came with noise or not at all."""
    layers = linear_layers(model, delivery.layout)
    noise_var = delivery.received.noise_var_per_value
    slots = {slot.name: slot for slot in delivery.layout.slots}
    for name, moments in delivery.needs(stage, "side").layers.items():
        slot = slots[weight_name(name)]
        yield layers[name], moments, bool((noise_var[slot.start : slot.stop] > 0).any())


def _protect(layer: Layer, u: Tensor, sent: Tensor) -> None:
    weight = by_group(layer)
    error = sent - torch.einsum("god,gkd->gok", weight, u)
    _write(layer, weight + torch.einsum("gok,gkd->god", error, u))


def _project(layer: Layer, mu: Tensor, mean_output: Tensor) -> None:
    weight = by_group(layer)
    bias = 0.0 if layer.bias is None else layer.bias.detach()
    surplus = torch.einsum("god,gd->go", weight, mu) - (mean_output - bias).view(len(weight), -1)
    step = mu / mu.square().sum(1, keepdim=True).clamp_min(torch.finfo(mu.dtype).tiny)
    _write(layer, weight - surplus[..., None] * step[:, None])


def _write(layer: Layer, weight: Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight.view_as(layer.weight))
