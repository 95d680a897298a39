"""Side information: what the transmitter measures on its clean model and sends over the reliable path, bits counted."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from analognn.denoise import Prior
from analognn.evaluate import Inputs
from analognn.packing import ParameterLayout
from analognn.receiver.layers import Statistics, batch_norms, statistics
from analognn.receiver.moments import LayerMoments, measure_layers
from analognn.receiver.pieces import Per, pieces
from analognn.receiver.statistics import recalibrate

BITS_PER_VALUE = 32
"""Of a value that travels as a float32."""
DIRECTIONS = 16
"""Directions of each layer's input that are measured at most; a stage pays for those that it uses."""


@dataclass(frozen=True)
class SideInformation:
    """What the transmitter can send; a stage pays for what it uses.

    Args:
        priors: mean and variance of the clean weights, piece by piece.
        layers: of each analog layer, on the transmitter's training inputs; empty unless measured.
        norms: likewise what each batch norm's statistics would be on these inputs.
    """

    priors: Mapping[Per, tuple[Prior, ...]]
    layers: Mapping[str, LayerMoments] = field(default_factory=dict)
    norms: Mapping[str, Statistics] = field(default_factory=dict)


def measure(
    model: nn.Module, layout: ParameterLayout, inputs: Inputs | None = None, *, directions: int = DIRECTIONS
) -> SideInformation:
    """Measure on the clean model; its layers only where ``inputs`` are given.

    Args:
        model: clean, in eval mode; not changed.
        layout: of ``model``.
        inputs: of the transmitter's training set, on the device of ``model``.
        directions: of each layer's input.
    """
    weights = layout.pack(model).vector
    side = SideInformation({per: _priors(weights, layout, per) for per in ("model", "tensor", "channel")})
    if inputs is None:
        return side
    again = copy.deepcopy(model).eval()
    recalibrate(again, inputs)
    return replace(
        side,
        layers=measure_layers(model, layout, inputs, directions=directions),
        norms={name: statistics(norm) for name, norm in batch_norms(again).items()},
    )


def _priors(weights: Tensor, layout: ParameterLayout, per: Per) -> tuple[Prior, ...]:
    return tuple(Prior.from_weights(weights[piece.part], source="side-information") for piece in pieces(layout, per))
