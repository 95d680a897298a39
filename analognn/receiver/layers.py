"""The linear layers whose weights are analog, what they are fed, and which batch norm follows each.

    y = W p + b,   p = patch of the layer's input (for a convolution, at every position)

Both are found by running the network: a layer counts when it is called just once, and a batch norm follows it when it
is called with the very tensor that the layer returned, whatever the modules are named and in whatever order they stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analognn.evaluate import Inputs, logits_of
from analognn.packing import ParameterLayout
from analognn.receiver.inputs import batches, count, take

Statistics = tuple[Tensor, Tensor]
"""Mean and variance of each channel."""
BatchNorm = nn.modules.batchnorm._BatchNorm
Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


def linear_layers(model: nn.Module, layout: ParameterLayout) -> dict[str, Layer]:
    """Name -> Linear or convolution (transposed ones have no patches) whose weight is an analog tensor of its own."""
    alone = {slot.name for slot in layout.slots if not slot.aliases}
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)) and weight_name(name) in alone
    }


def weight_name(layer: str) -> str:
    """The parameter of the layer called so; the model itself is called ""."""
    return f"{layer}.weight" if layer else "weight"


def batch_norms(model: nn.Module) -> dict[str, BatchNorm]:
    """Name -> batch norm that keeps running statistics."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, BatchNorm) and module.running_mean is not None
    }


def statistics(norm: BatchNorm) -> Statistics:
    """Running mean and variance themselves, not copies."""
    mean, var = norm.running_mean, norm.running_var
    assert mean is not None  # see `batch_norms`
    assert var is not None
    return mean, var


def groups_of(layer: Layer) -> int:
    """Groups of output channels with inputs of their own; 1 for a Linear."""
    return 1 if isinstance(layer, nn.Linear) else layer.groups


def outputs_of(layer: Layer, weight: Tensor, x: Tensor) -> Tensor:
    """What ``layer`` makes of input ``x`` with ``weight`` [channels, ...] and no bias: [channels, positions]."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight).reshape(-1, len(weight)).T
    y: Tensor = layer._conv_forward(x, weight, None)  # keeps the padding mode, takes any number of output channels
    return y.movedim(-layer.weight.ndim + 1, 0).flatten(1)


def flat(layer: Layer, basis: Tensor) -> Tensor:
    """Rows v [groups, k, in / groups] as directions u of the patch [groups, k, d]."""
    kernel = layer.weight[0, 0].numel()
    return basis.repeat_interleave(kernel, 2) / math.sqrt(kernel)


def flat_sums(layer: Layer, rows: Tensor) -> Tensor:
    """The other way: [groups, k, d] projected on the flat directions, [groups, k, in / groups]."""
    kernel = layer.weight[0, 0].numel()
    return rows.view(*rows.shape[:2], -1, kernel).sum(3) / math.sqrt(kernel)


def by_group(layer: Layer) -> Tensor:
    """The layer's weight as [groups, out / groups, d], a copy."""
    return layer.weight.detach().clone().reshape(groups_of(layer), -1, layer.weight[0].numel())


@contextmanager
def hooked(modules: Mapping[str, nn.Module], see: Callable[[str, Tensor, Tensor], None]) -> Iterator[None]:
    """Call ``see(name, input, output)`` whenever one of ``modules`` has run."""

    def hook(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        return lambda _module, args, output: see(name, args[0], output)

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def followers(model: nn.Module, layers: dict[str, Layer], inputs: Inputs) -> dict[str, str | None]:
    """Layer -> the batch norm right behind it, or None. Layers not called, or called more than once, are left out."""
    returned: dict[str, list[tuple[Tensor, int]]] = {name: [] for name in layers}
    found: dict[str, str] = {}

    def see(name: str, x: Tensor, output: Tensor) -> None:
        if name in layers:
            returned[name].append((output, output._version))
        for layer, outputs in returned.items() if name in norms else ():
            if any(x is tensor and x._version == version for tensor, version in outputs):  # nor changed in place since
                found[layer] = name

    norms = batch_norms(model)
    with hooked({**layers, **norms}, see), torch.no_grad():
        logits_of(model, take(inputs, slice(0, 2)))
    return {name: found.get(name) for name, seen in returned.items() if len(seen) == 1}


def mean_over(
    model: nn.Module, layers: dict[str, Layer], inputs: Inputs, of: Callable[[str, Tensor], Tensor]
) -> dict[str, Tensor]:
    """Mean over the examples of ``of(name, input of that layer)``, itself a mean over a batch, layer by layer."""
    sums: dict[str, Tensor] = {}
    n = 0

    def see(name: str, x: Tensor, _output: Tensor) -> None:
        with torch.enable_grad():
            value = of(name, x.detach()) * len(x)
        sums[name] = sums[name] + value if name in sums else value

    with hooked(layers, see):
        for part in batches(inputs):
            n += count(part)
            with torch.no_grad():
                logits_of(model, part)
    return {name: total / n for name, total in sums.items()}
