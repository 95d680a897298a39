"""What the transmitter measures of a layer's patches p and outputs y = W p + b on its own training inputs.

    mu = E[p],   R = E[p p^T],   C = R - mu mu^T,   U = leading eigenvectors of R among the flat directions

A flat direction has one entry an input channel, the same at every position of the kernel: u = v (x) 1 / sqrt(kernel).
Neighbouring pixels are alike, so these hold nearly all the power there is in few directions, at 1/9 of the bits.

R is as large as a patch squared and is never formed. The layer itself, with weights V in place of W, applies it:

    d/dV E[V p] = mu,        d/dV E[(V p)^2] / 2 = R V,

so strides, padding and groups come from the module, and block power iteration gives U.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from analognn.evaluate import Inputs
from analognn.packing import ParameterLayout
from analognn.receiver.layers import (
    Layer,
    by_group,
    flat,
    flat_sums,
    followers,
    groups_of,
    linear_layers,
    mean_over,
    outputs_of,
)

DIRECTION_BITS = 8
"""Of each value of a direction, and of a weight along it."""
ITERATIONS = 4
"""Of the power iteration; directions of nearly equal power need not be told apart, so few are enough."""


@dataclass(frozen=True)
class LayerMoments:
    """One layer, by group of output channels (1 group unless the convolution is grouped).

    Args:
        norm: name of the batch norm that follows it, or None.
        mean: [groups, d], mu.
        power: [groups], trace of C: E|p|^2 - |mu|^2.
        mean_power: [groups], mu^T C mu / |mu|^2: the part of it along mu.
        basis: [groups, k, in / groups], orthonormal rows v, the one with most power first, as they arrive when sent
            with 8 bits a value: both ends make the rounded rows orthonormal again, one after the other.
        sent_coordinates: [groups, out / groups, k], the clean weights along u, likewise.
        captured: [groups, k], u^T C u.
        output_mean: [out], E[y], bias included.
        output_var: [out], variance of y.
    """

    norm: str | None
    mean: Tensor
    power: Tensor
    mean_power: Tensor
    basis: Tensor
    sent_coordinates: Tensor
    captured: Tensor
    output_mean: Tensor
    output_var: Tensor


def measure_layers(
    model: nn.Module, layout: ParameterLayout, inputs: Inputs, *, directions: int
) -> dict[str, LayerMoments]:
    """Every analog layer that runs just once a forward pass.

    Args:
        model: clean, in eval mode; not changed.
        layout: of ``model``.
        inputs: the transmitter's own, on the device of ``model``.
        directions: k, or as many as the layer has input channels.
    """
    layers = linear_layers(model, layout)
    follows = followers(model, layers, inputs)
    layers = {name: layers[name] for name in follows}
    means = mean_over(model, layers, inputs, lambda name, x: _mean_patch(layers[name], x))
    squares = mean_over(model, layers, inputs, lambda name, x: _mean_patch(layers[name], x.square()))
    outputs = mean_over(model, layers, inputs, lambda name, x: _output_moments(layers[name], x))
    rows = {name: _start(layer, means[name], directions) for name, layer in layers.items()}
    images = _images(model, layers, inputs, rows)
    for _ in range(ITERATIONS):
        rows = {name: _next(layers[name], means[name], image) for name, image in images.items()}
        images = _images(model, layers, inputs, rows)
    return {
        name: _moments(layer, follows[name], means[name], squares[name], outputs[name], rows[name], images[name])
        for name, layer in layers.items()
    }


def quantised(values: Tensor, bits: int) -> Tensor:
    """``values`` as they arrive when sent as ``bits``-bit integers times one scale.

    >>> quantised(torch.tensor([1.0, -0.26, 0.0]), 3)
    tensor([ 1.0000, -0.3333,  0.0000])
    """
    step: Tensor = values.abs().max().clamp_min(torch.finfo(values.dtype).tiny) / (2 ** (bits - 1) - 1)
    return (values / step).round() * step


def _mean_patch(layer: Layer, x: Tensor) -> Tensor:
    """E[p]: [groups, d]."""
    weight = layer.weight.new_zeros(groups_of(layer), *layer.weight.shape[1:]).requires_grad_()
    total = outputs_of(layer, weight, x).mean(1).sum()
    gradient: Tensor = torch.autograd.grad(total, weight)[0]
    return gradient.flatten(1)


def _images(model: nn.Module, layers: dict[str, Layer], inputs: Inputs, rows: dict[str, Tensor]) -> dict[str, Tensor]:
    return mean_over(model, layers, inputs, lambda name, x: _image(layers[name], rows[name], x))


def _image(layer: Layer, rows: Tensor, x: Tensor) -> Tensor:
    """``rows`` R: [groups, k, d]."""
    weight = rows.reshape(-1, *layer.weight.shape[1:]).clone().requires_grad_()
    total = outputs_of(layer, weight, x).square().mean(1).sum() / 2
    gradient: Tensor = torch.autograd.grad(total, weight)[0]
    return gradient.view_as(rows)


def _output_moments(layer: Layer, x: Tensor) -> Tensor:
    """Mean and mean square of W p: [2, out]."""
    y = outputs_of(layer, layer.weight.detach(), x)
    return torch.stack([y.mean(1), y.square().mean(1)])


def _start(layer: Layer, mean: Tensor, directions: int) -> Tensor:
    """Fixed random flat directions, and mu/|mu| as the last row."""
    channels = layer.weight.shape[1]
    shape = (groups_of(layer), min(directions, channels), channels)
    random = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(mean)
    return _with_mean(flat(layer, _orthonormal(random)), mean)


def _next(layer: Layer, mean: Tensor, image: Tensor) -> Tensor:
    return _with_mean(flat(layer, _orthonormal(flat_sums(layer, image[:, :-1]))), mean)


def _with_mean(directions: Tensor, mean: Tensor) -> Tensor:
    unit = mean / mean.norm(dim=1, keepdim=True).clamp_min(torch.finfo(mean.dtype).tiny)
    return torch.cat([directions, unit[:, None]], 1)


def _rounded(basis: Tensor) -> Tensor:
    return _orthonormal(quantised(basis, DIRECTION_BITS))


def _orthonormal(rows: Tensor) -> Tensor:
    """Rows [..., k, d] one after the other."""
    q: Tensor = torch.linalg.qr(rows.mT)[0]
    return q.mT


def _moments(
    layer: Layer, norm: str | None, mean: Tensor, square: Tensor, outputs: Tensor, rows: Tensor, image: Tensor
) -> LayerMoments:
    second = torch.einsum("gkd,gld->gkl", rows, image)  # U R U^T, the mean's direction last
    centred = second - torch.einsum("gk,gl->gkl", *[torch.einsum("gkd,gd->gk", rows, mean)] * 2)
    turn = torch.linalg.eigh(second[:, :-1, :-1])[1].flip(2).mT  # Rayleigh-Ritz, most power first
    basis = _rounded(turn @ flat_sums(layer, rows[:, :-1]))
    bias = 0.0 if layer.bias is None else layer.bias.detach()
    return LayerMoments(
        norm=norm,
        mean=mean,
        power=square.sum(1) - mean.square().sum(1),
        mean_power=centred[:, -1, -1],
        basis=basis,
        sent_coordinates=quantised(torch.einsum("god,gkd->gok", by_group(layer), flat(layer, basis)), DIRECTION_BITS),
        captured=torch.diagonal(turn @ centred[:, :-1, :-1] @ turn.mT, dim1=1, dim2=2),
        output_mean=outputs[0] + bias,
        output_var=outputs[1] - outputs[0].square(),
    )
