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
        shape: what it is given to a denoiser as: a weight is a matrix [out, in * kernel], all else a vector.
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
        whole = slot.shape.numel()
        matrix = torch.Size([slot.shape[0], whole // slot.shape[0]]) if len(slot.shape) > 1 else torch.Size([whole])
        if per == "tensor" or len(matrix) == 1:
            yield Piece(slice(slot.start, slot.stop), matrix)
            continue
        for start in range(slot.start, slot.stop, matrix[1]):
            yield Piece(slice(start, start + matrix[1]), matrix[1:])
