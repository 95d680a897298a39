"""What a medium costs in accuracy, and whether AWGN of the same variance would cost the same.

    medium      r = g_l w + b_l + z'        as received
    aligned     (r - b_l) / g_l = w + z     gain and offset of each tensor removed with the true weights
    per layer   w + s_l n                   AWGN with the variance of z in each tensor,  n ~ N(0, 1)
    global      w + s n                     AWGN with one variance for all: s^2 = sum n_l s_l^2 / sum n_l
    gap         accuracy(stand-in) - accuracy(medium)         > 0: the stand-in is optimistic

The four are scored on the same data, the two stand-ins on the same n, once per draw of the medium; gaps are paired over
draws. Values that were erased or came without noise are in all four what the medium delivered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analognn.channels import Received
from analognn.channels.base import standard_normal
from analognn.effective import EffectiveNoise, effective_noise, effective_noise_per_tensor, pooled
from analognn.estimates import Estimate, estimate
from analognn.evaluate import Score
from analognn.packing import PackedWeights

from .shape import align

ARMS = ("medium", "aligned", "per_layer", "global_")

ScoreWeights = Callable[[Tensor], Score]
"""Scores weights [n]: ``lambda values: evaluator(layout.unpack(values, model))``."""


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of the medium and its stand-ins at one time, over the draws.

    Args:
        t: time since programming [s]; None for a medium that does not age.
        wnr_db: effective WNR, all tensors with one gain and offset [dB].
        medium: as received.
        aligned: with gain and offset of each tensor removed.
        per_layer: AWGN of the same variance in each tensor.
        global_: AWGN of one variance.
        gap_per_layer: per_layer - medium, paired.
        gap_shape: per_layer - aligned: what is left of the gap once gain and offset are right.
        gap_global: global_ - medium.
    """

    t: float | None
    wnr_db: float
    medium: Estimate
    aligned: Estimate
    per_layer: Estimate
    global_: Estimate
    gap_per_layer: Estimate
    gap_shape: Estimate
    gap_global: Estimate


@dataclass(frozen=True)
class Scores:
    """Accuracy of each of ARMS in one draw at one time."""

    t: float | None
    noise: EffectiveNoise
    accuracy: dict[str, float]


def scores(
    packed: PackedWeights, t: float | None, received: Received, score: ScoreWeights, generator: torch.Generator
) -> Scores:
    """Score every arm of one reading; the stand-ins draw from ``generator``."""
    arms = _arms(packed, received, generator)
    noise = effective_noise(packed.vector, received)
    return Scores(t, noise, {name: score(values).accuracy for name, values in arms.items()})


def _arms(packed: PackedWeights, received: Received, generator: torch.Generator) -> dict[str, Tensor]:
    """The weights [n] of each of ARMS."""
    tensors = effective_noise_per_tensor(packed, received)
    noisy = [noise for noise in tensors.values() if 0 < noise.noise_var < math.inf]
    count = sum(noise.count for noise in noisy)
    sigma = math.sqrt(sum(noise.count * noise.noise_var for noise in noisy) / count) if count else 0.0
    arms = {name: received.values.clone() for name in ARMS}
    normal = standard_normal(packed.vector, generator)
    erased = torch.isinf(torch.as_tensor(received.noise_var, device=normal.device)).expand(normal.shape)
    for slot in packed.layout.slots:
        noise = tensors.get(slot.name)
        if noise is None or not 0 < noise.noise_var < math.inf:
            continue
        part = slice(slot.start, slot.stop)
        w, n, lost = packed.vector[part], normal[part], erased[part]
        stand_ins = {
            "aligned": align(received.values[part], noise),
            "per_layer": w + math.sqrt(noise.noise_var) * n,
            "global_": w + sigma * n,
        }
        for name, values in stand_ins.items():
            arms[name][part] = torch.where(lost, received.values[part], values)
    return arms


def accuracy(rows: Sequence[Scores]) -> Accuracy:
    """One time over the draws."""
    by_arm = {name: [row.accuracy[name] for row in rows] for name in ARMS}

    def gap(stand_in: str, real: str) -> Estimate:
        return estimate([a - b for a, b in zip(by_arm[stand_in], by_arm[real], strict=True)])

    return Accuracy(
        t=rows[0].t,
        wnr_db=pooled([row.noise for row in rows]).wnr_db,
        gap_per_layer=gap("per_layer", "medium"),
        gap_shape=gap("per_layer", "aligned"),
        gap_global=gap("global_", "medium"),
        **{name: estimate(values) for name, values in by_arm.items()},
    )
