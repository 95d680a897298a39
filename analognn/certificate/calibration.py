"""What a receiver learns about its medium from a calibration pattern, without the clean weights.

    p = T(x),  x ~ N(0, 1)      pattern: pseudo-random values that both ends know, distributed as the weights
    r_p = g p + b + z'          beside the weights through the same medium: gain, offset, Var[z], Var[z | abs(p)]
    w + z = (r - b) / g         the received weights set right

T maps normal quantiles to those of each tensor. Either the sender states them over the reliable path, or they are those
of what was received, its spread reduced by the noise that the receiver was told of: u = m + c (r - m),
c^2 = 1 - s_z^2 / Var[r]. The ends of T are in the pattern, since the range of a tensor scales its noise on a crossbar,
and the pattern is a matrix where the tensor is one. What it leaves out is how large weights cluster in rows and tiles.

Measured on the MNIST network after a day: with stated quantiles Var[z] is right to its standard error in every tensor
of one tile (PCM, Hermes, both ReRAM), 8 to 14 % high where a tensor's two tiles differ in range. With received ones it
is 5 % high for PCM, 31 % for Hermes, whose outliers widen the range, and 7 % low for the ReRAM of Wan et al.

See :mod:`analognn.hardware.calibration` for what a crossbar's receiver reports without any pattern.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from analognn.backends import Backend
from analognn.channels import Received, Usage, checks
from analognn.channels.base import standard_normal
from analognn.denoise import NoiseTable
from analognn.effective import EffectiveNoise, effective_noise, effective_noise_per_tensor
from analognn.packing import PackedWeights, ParameterLayout, Slot

from .shape import NoiseShape, ShapeSums, align, standardised

KNOTS, KNOTS_END = 65, 4.5
"""T has so many knots, at equally spaced normal quantiles from -4.5 to 4.5."""
KNOT_BITS = 32
SAMPLES_AT_LEAST = 64
"""A tensor with less gets a larger pattern. The standard error of a variance from 64 Gaussian values is 18 %."""


@dataclass(frozen=True)
class Calibration:
    """What the pattern told. Everything in it is an estimate; ``noise_var_se`` of each noise is its standard error.

    Args:
        whole: all values with one gain and offset.
        tensors: for each tensor.
        shape: variance against abs(w), correlation and tails; None without noise.
        weights: values in the pattern.
        usage: what it cost to send; ``side_info_bits`` counts the knots of T, which one end tells the other.
        tables: offset and variance by weight for each tensor with noise, for
            :class:`analognn.denoise.StateDependent`.
    """

    whole: EffectiveNoise
    tensors: dict[str, EffectiveNoise]
    shape: NoiseShape | None
    weights: int
    usage: Usage
    tables: dict[str, NoiseTable] = field(default_factory=dict)

    def correct(self, received: Received, layout: ParameterLayout) -> Received:
        """Received weights [n] with gain and offset of each tensor removed and its noise variance as estimated.

        The usage of the pattern is added to that of the weights. Erased values stay erased.
        """
        values = received.values.clone()
        noise_var = torch.as_tensor(received.noise_var, dtype=values.dtype, device=values.device)
        noise_var = noise_var.expand(values.shape).clone()
        for slot in layout.slots:
            if (noise := self.tensors.get(slot.name)) is None:
                continue
            part = slice(slot.start, slot.stop)
            alive = torch.isfinite(noise_var[part])
            values[part] = torch.where(alive, align(values[part], noise), values[part])
            noise_var[part] = noise_var[part].masked_fill(alive, noise.noise_var)
        return Received(values, noise_var, "estimated", _both(received.usage, self.usage, values.numel(), self.weights))


def calibrate(
    backend: Backend,
    received: Received,
    layout: ParameterLayout,
    *,
    fraction: float = 1.0,
    quantiles: Mapping[str, Tensor] | None = None,
    generator: torch.Generator,
) -> Calibration:
    """Send a pattern through the medium that the weights took.

    Args:
        backend: the medium.
        received: the weights after it, [n].
        layout: what lies where in them.
        fraction: size of the pattern relative to the weights, > 0: the same share of each tensor, so that a medium that
            scales the whole vector by its power treats both alike. At least 64 values a tensor.
        quantiles: what the sender stated, see :func:`quantiles_of`; without them those of the received values serve.
        generator: draws the pattern and seeds the medium.

    Raises:
        ValueError: fraction <= 0, values that do not fit the layout, or quantiles that are not of its tensors.

    >>> from analognn import ChannelBackend
    >>> from analognn.channels import Awgn
    >>> model = torch.nn.Linear(200, 100)
    >>> layout = ParameterLayout.from_model(model)
    >>> backend, g = ChannelBackend(Awgn(noise_var=1e-4)), torch.Generator().manual_seed(0)
    >>> received = backend.receive(layout.pack(model), generator=g)
    >>> calibration = calibrate(backend, received, layout, generator=g)
    >>> noise = calibration.tensors["weight"]
    >>> abs(noise.noise_var - 1e-4) < 4 * noise.noise_var_se
    True
    """
    checks.real("calibrate", "fraction", fraction, gt=0)
    if received.values.shape != (layout.numel,):
        raise ValueError(
            f"`calibrate` needs the received values of a layout of {layout.numel} weights; got shape "
            f"{list(received.values.shape)}."
        )
    knots = quantiles if quantiles is not None else _received_quantiles(received, layout)
    pattern = make_pattern(knots, layout, fraction=fraction, generator=generator)
    back = backend.receive(pattern, generator=generator)
    tensors, sums = effective_noise_per_tensor(pattern, back), ShapeSums(pattern)
    sums.add(standardised(pattern, back, tensors))
    bits = back.usage.side_info_bits + KNOT_BITS * KNOTS * len(layout.slots)
    usage = dataclasses.replace(back.usage, side_info_bits=bits)
    whole, tables = effective_noise(pattern.vector, back), _tables(pattern, back, tensors)
    return Calibration(whole, tensors, sums.shape(), pattern.vector.numel(), usage, tables)


def _tables(pattern: PackedWeights, back: Received, tensors: Mapping[str, EffectiveNoise]) -> dict[str, NoiseTable]:
    noise_var = torch.as_tensor(back.noise_var, device=back.values.device).expand(back.values.shape)
    found = {}
    for slot in pattern.layout.slots:
        if (noise := tensors.get(slot.name)) is not None and noise.noise_var > 0:
            part = slice(slot.start, slot.stop)
            piece = dataclasses.replace(back, values=back.values[part], noise_var=noise_var[part])
            found[slot.name] = NoiseTable.from_pairs(pattern.vector[part], piece)
    return found


def quantiles_of(packed: PackedWeights) -> dict[str, Tensor]:
    """T of each tensor at its knots [65], for the sender to state over the reliable path."""
    return {slot.name: _knots(tensor.reshape(-1)) for slot, tensor in packed.tensors()}


def _received_quantiles(received: Received, layout: ParameterLayout) -> dict[str, Tensor]:
    """The same from the values that arrived, their spread reduced to that of the clean ones; 0 where none arrived."""
    noise_var = torch.as_tensor(received.noise_var, device=received.values.device).expand(received.values.shape)
    found = {}
    for slot in layout.slots:
        part = slice(slot.start, slot.stop)
        alive = torch.isfinite(noise_var[part])
        if not bool(alive.any()):
            found[slot.name] = received.values.new_zeros(KNOTS)
            continue
        values = received.values[part][alive]
        var, mean = torch.var_mean(values, correction=0)
        c = (1 - noise_var[part][alive].mean() / var).clamp_min(0).sqrt() if float(var) > 0 else 1.0
        found[slot.name] = mean + c * (_knots(values) - mean)
    return found


def make_pattern(
    quantiles: Mapping[str, Tensor], layout: ParameterLayout, *, fraction: float, generator: torch.Generator
) -> PackedWeights:
    """The pattern of :func:`calibrate`, with one tensor for each of ``layout``, of the same name."""
    slots: list[Slot] = []
    parts: list[Tensor] = []
    start = 0
    for slot in layout.slots:
        knots = quantiles.get(slot.name)
        if knots is None or knots.shape != (KNOTS,):
            got = "none" if knots is None else f"shape {list(knots.shape)}"
            raise ValueError(f"`calibrate(quantiles=...)` needs [{KNOTS}] values for {slot.name!r}; got {got}.")
        shape = _pattern_shape(slot.shape, fraction)
        parts.append(_draw(knots, shape, generator).reshape(-1))
        slots.append(Slot(slot.name, (), shape, slot.dtype, start))
        start = slots[-1].stop
    return PackedWeights(torch.cat(parts), ParameterLayout(tuple(slots), (), 0))


def _pattern_shape(shape: torch.Size, fraction: float) -> torch.Size:
    """Of the same proportions up to the whole tensor, with more rows beyond; vectors stay vectors."""
    if len(shape) < 2:
        return torch.Size([max(SAMPLES_AT_LEAST, math.ceil(fraction * shape.numel()))])
    columns = math.ceil(shape[1:].numel() * min(1.0, math.sqrt(fraction)))
    rows = math.ceil(fraction * shape.numel() / columns)
    return torch.Size([max(rows, -(-SAMPLES_AT_LEAST // columns)), columns])


def _grid(like: Tensor) -> Tensor:
    return torch.linspace(-KNOTS_END, KNOTS_END, KNOTS, dtype=like.dtype, device=like.device)


def _knots(values: Tensor) -> Tensor:
    """T at its knots [KNOTS], from values [n]; its ends are theirs."""
    ordered = values.sort().values
    rank = torch.special.ndtr(_grid(values).double()) * ordered.numel()
    table = ordered[rank.long().clamp_max(ordered.numel() - 1)]
    table[0], table[-1] = ordered[0], ordered[-1]
    return table


def _draw(knots: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """T(x) for normal x, piecewise linear; the first and the last value are the ends of T."""
    x = standard_normal(knots.new_empty(shape.numel()), generator).clamp(-KNOTS_END, KNOTS_END)
    place = (x + KNOTS_END) * (KNOTS - 1) / (2 * KNOTS_END)
    left = place.long().clamp_max(KNOTS - 2)
    values = knots[left] + (place - left) * (knots[left + 1] - knots[left])
    values[0], values[-1] = knots[0], knots[-1]
    return values.view(shape)


def _both(a: Usage, b: Usage, size_a: int, size_b: int) -> Usage:
    """The cost of two transmissions; outage is a share, so it averages."""
    total = {name: value + getattr(b, name) for name, value in vars(a).items()}
    return Usage(**{**total, "outage": (a.outage * size_a + b.outage * size_b) / (size_a + size_b)})
