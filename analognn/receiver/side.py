"""Side information: what the transmitter measures on the clean model and sends over the reliable path, bits counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from analognn.denoise import Prior
from analognn.packing import ParameterLayout
from analognn.receiver.pieces import Per, pieces

BITS_PER_VALUE = 32
"""Every value travels as a float32."""


@dataclass(frozen=True)
class SideInformation:
    """What the transmitter can send; a stage pays for what it uses.

    Args:
        priors: mean and variance of the clean weights, piece by piece.
    """

    priors: Mapping[Per, tuple[Prior, ...]]


def measure(weights: Tensor, layout: ParameterLayout) -> SideInformation:
    """Measure everything on the clean model.

    Args:
        weights: [n], the clean analog weights.
        layout: of these weights.
    """
    return SideInformation({per: _priors(weights, layout, per) for per in ("model", "tensor", "channel")})


def _priors(weights: Tensor, layout: ParameterLayout, per: Per) -> tuple[Prior, ...]:
    return tuple(Prior.from_weights(weights[piece.part], source="side-information") for piece in pieces(layout, per))
