"""How the packed vector is cut: as a whole, tensor by tensor, or output channel by output channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from analognn.packing import ParameterLayout

Per = Literal["model", "tensor", "channel"]


@dataclass(frozen=True)
class Piece:
    """One run of the packed vector.

    Args:
        part: where it lies.
        shape: what it is given to a denoiser as: a tensor in its own shape, an output channel of it as a vector.
    """

    part: slice
    shape: torch.Size


def pieces(layout: ParameterLayout, per: Per) -> Iterator[Piece]:
    """The pieces in order; together they are the whole vector.

    "channel" takes the rows of a weight one by one; a bias or another vector stays whole, since its channels are single
    values.
    """
    if per == "model":
        yield Piece(slice(0, layout.numel), torch.Size([layout.numel]))
        return
    for slot in layout.slots:
        if per == "tensor" or len(slot.shape) < 2:
            yield Piece(slice(slot.start, slot.stop), slot.shape)
            continue
        width = slot.shape[1:].numel()
        for start in range(slot.start, slot.stop, width):
            yield Piece(slice(start, start + width), torch.Size([width]))
