"""The slow route: aihwkit's own crossbar modules, converted, programmed, drifted and read back.

    model -> convert_to_analog -> program -> drift to t_inference -> read    r = alpha W(G(t))

It is the reference that :class:`Crossbar` is held against: slower, and for fewer layers. What aihwkit cannot map is
refused. Products are exact; for converters and noise at every product see :mod:`analognn.hardware.forward`.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from analognn.compat import require_aihwkit
from analognn.packing import ParameterLayout, Slot

from .crossbar import Crossbar, seeded
from .mappable import check_mappable

COMPENSATION = {
    "global": "GlobalDriftCompensation",
    "global-exact": "GlobalDriftCompensationWithExactReference",
    "per-column": "PerColumnDriftCompensation",
}


def analog_model(model: nn.Module, medium: Crossbar, *, generator: torch.Generator) -> nn.Module:
    """A copy of ``model`` in evaluation mode whose layers compute on crossbar tiles, programmed and drifted.

    Args:
        model: any module whose weights lie in Linear and ungrouped convolutions; float32.
        medium: devices, tiles, time and compensation. ``copies`` and ``reads`` must be 1.
        generator: the only source of randomness.

    Raises:
        ValueError: a layer or a setting that aihwkit's modules do not have.
    """
    _check(model, medium)
    require_aihwkit()
    from aihwkit.nn.conversion import convert_to_analog

    with seeded(next(model.parameters()).device, generator):
        analog: Any = convert_to_analog(copy.deepcopy(model), rpu_config(medium)).eval()
        analog.program_analog_weights()
        if medium.t_inference > 0:
            analog.drift_analog_weights(medium.t_inference)
    converted: nn.Module = analog
    return converted


def read_back(analog: nn.Module, layout: ParameterLayout, weights: Tensor) -> Tensor:
    """The weights [n] that an analog model computes with, drift compensation included.

    Args:
        analog: made by :func:`analog_model`.
        layout: of the model it was made from.
        weights: [n], what was sent; kept where a tensor is digital (biases).
    """
    values = weights.clone()
    for slot in layout.slots:
        if len(slot.shape) > 1:
            values[slot.start : slot.stop] = _read(analog, slot).reshape(-1).to(values)
    return values


def rpu_config(medium: Crossbar) -> Any:
    """The ``InferenceRPUConfig`` of aihwkit for a medium."""
    from aihwkit.inference.compensation import drift
    from aihwkit.simulator.configs import InferenceRPUConfig, IOParameters, MappingParameter

    kind = COMPENSATION.get(medium.drift_compensation)
    return InferenceRPUConfig(
        noise_model=medium.noise_model(),
        drift_compensation=getattr(drift, kind)() if kind else None,
        forward=IOParameters(is_perfect=True),  # aihwkit reads alpha through its converters; the default ones lose it
        mapping=MappingParameter(
            digital_bias=True,
            max_input_size=medium.tile_size,
            max_output_size=medium.tile_size,
            weight_scaling_omega=1.0,
            weight_scaling_columnwise=medium.weight_scaling == "column",
        ),
    )


def _read(analog: nn.Module, slot: Slot) -> Tensor:
    """One weight matrix [out, in] from its tiles, each multiplied with its alpha."""
    module: Any = analog.get_submodule(slot.name.rpartition(".")[0])
    array = getattr(module.analog_module, "array", None)
    if array is None:
        return _read_tile(module.analog_module)
    return torch.cat([torch.cat([_read_tile(tile) for tile in column], 0) for column in array], 1)


def _read_tile(tile: Any) -> Tensor:
    alpha = tile.alpha.detach().cpu().reshape(-1, 1)  # get_weights() omits it
    read: Tensor = tile.get_weights()[0].detach() * alpha
    return read


def _check(model: nn.Module, medium: Crossbar) -> None:
    """Refuse what aihwkit's modules do not do, or do wrongly without a word."""
    averaged = medium.copies > 1 or medium.reads > 1
    if averaged or not medium.digital_bias or medium.drift_compensation == "per-column-exact":
        raise ValueError(
            f"aihwkit's tiles need digital_bias=True, copies=1, reads=1 and drift_compensation != 'per-column-exact'; "
            f"got {medium}. Use `{type(medium).__name__}.receive` instead."
        )
    check_mappable(model, simulator="c++", tile_size=medium.tile_size, digital=())
