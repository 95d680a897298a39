"""Output moments of layers without a batch norm made the clean ones, on the receiver's own inputs.

    y <- m + sqrt(v / v') (y - m'),   m, v: mean and variance of the clean output (side information), m', v': found here

as a scale of the weights and a new bias, layer by layer in the order in which they run, so that each sees the corrected
inputs. Before a batch norm this is the same function as re-estimating its statistics (:mod:`.recalibration`); LayerNorm
networks have no statistics to re-estimate, and this is what is left to do there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from analognn.denoise import Budget
from analognn.evaluate import Inputs, logits_of
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.inputs import count, device_of
from analognn.receiver.layers import Layer, linear_layers
from analognn.receiver.moments import LayerMoments
from analognn.receiver.side import BITS_PER_VALUE


@dataclass(frozen=True)
class MatchMoments(Stage):
    """Mean and variance of the outputs of layers without a batch norm made the clean ones, by scale and bias.

    Takes all unlabelled inputs as one batch, and two values an output channel of side information.
    """

    budget: ClassVar[Budget] = "unlabelled"
    measured: ClassVar[bool] = True

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        inputs: Inputs = delivery.needs(self, "unlabelled")
        clean: dict[str, LayerMoments] = delivery.needs(self, "side").layers
        model = delivery.copied_model(device_of(inputs))
        layers = linear_layers(model, delivery.layout)
        free = {n: layers[n] for n, m in clean.items() if m.norm is None and layers[n].bias is not None}
        handles = [layer.register_forward_hook(_correction(clean[name])) for name, layer in free.items()]
        try:
            with torch.no_grad():
                logits_of(model, inputs)
        finally:
            for handle in handles:
                handle.remove()
        bits = BITS_PER_VALUE * sum(2 * clean[name].output_mean.numel() for name in free)
        return delivery.with_model(model).spending(unlabelled=count(inputs), side_info={"output moments": bits})


def _correction(clean: LayerMoments) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
    """A hook that corrects a layer's weights by its first output and returns that output as corrected."""

    def hook(layer: Layer, _args: tuple[Any, ...], output: Tensor) -> Tensor:
        assert layer.bias is not None  # it is hung on no other
        axis = output.ndim - 1 if isinstance(layer, nn.Linear) else output.ndim - layer.weight.ndim + 1
        y = output.movedim(axis, -1)
        mean, target = y.flatten(0, -2).mean(0), clean.output_mean.to(y)
        var = y.flatten(0, -2).var(0, correction=0).clamp_min(torch.finfo(y.dtype).tiny)
        scale = (clean.output_var.to(y) / var).sqrt()
        layer.weight *= scale.view(-1, *[1] * (layer.weight.ndim - 1))
        layer.bias.copy_(target + scale * (layer.bias - mean))
        return (target + scale * (y - mean)).movedim(-1, axis)

    return hook  # type: ignore[return-value]  # registered on layers alone
