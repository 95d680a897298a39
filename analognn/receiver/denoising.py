"""A denoiser as a stage: on the whole vector, tensor by tensor, or output channel by output channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import repeat
from typing import get_args

import torch
from torch import Tensor

from analognn.channels import Received, checks
from analognn.denoise import Budget, Denoiser, Ml, Prior
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.pieces import Per, Piece, pieces
from analognn.receiver.side import BITS_PER_VALUE


@dataclass(frozen=True)
class Denoise(Stage):
    """Any denoiser, on each piece with a prior of its own.

    The prior of a piece comes from where the receiver's whole prior comes from: blind, from the values of that piece;
    side information, mean and variance of the piece's clean weights; given, the same for every piece.

    Args:
        denoiser: called once a piece.
        per: "model", "tensor" or "channel". A tensor comes in its own shape.
    """

    denoiser: Denoiser
    per: Per = "model"

    @property
    def budget(self) -> Budget:
        """That of the denoiser."""
        budget: Budget = getattr(self.denoiser, "budget", "none")
        return budget

    def __post_init__(self) -> None:
        checks.choice("Denoise", "per", self.per, get_args(Per))

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        return denoise(delivery, self, self.per, repeat(self.denoiser))


def denoise(delivery: Delivery, stage: Stage, per: Per, denoisers: Iterable[Denoiser]) -> Delivery:
    """What ``stage`` makes of ``delivery`` with one of ``denoisers`` a piece; the priors are as in :class:`Denoise`."""
    received = delivery.estimate
    cut = list(pieces(delivery.layout, per))
    weights = torch.empty_like(received.values)
    pays = False
    for piece, prior, denoiser in zip(cut, _priors(delivery, stage, received, per, cut), denoisers, strict=False):
        weights[piece.part] = denoiser(piece_of(received, piece), prior).reshape(-1)
        pays |= not isinstance(denoiser, Ml)  # which uses no prior
    bits = {}
    if delivery.prior.source == "side-information" and pays:
        bits = {f"prior of each {per}": 2 * BITS_PER_VALUE * len(cut)}
    return delivery.with_weights(weights).spending(side_info=bits)


def _priors(delivery: Delivery, stage: Stage, received: Received, per: Per, cut: list[Piece]) -> list[Prior]:
    if per == "model" or delivery.prior.source in ("given", "oracle"):
        return [delivery.prior] * len(cut)
    if delivery.prior.source == "side-information":
        return list(delivery.needs(stage, "side").priors[per])
    return [Prior.from_received(piece_of(received, piece)) for piece in cut]


def piece_of(received: Received, piece: Piece) -> Received:
    """What arrived of one piece, in its shape."""
    noise_var = received.noise_var
    if isinstance(noise_var, Tensor):
        noise_var = noise_var.expand(received.values.shape)[piece.part].reshape(piece.shape)
    return replace(received, values=received.values[piece.part].reshape(piece.shape), noise_var=noise_var)
