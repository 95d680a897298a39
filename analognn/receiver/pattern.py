"""A pattern that both ends know, sent through the medium of the weights: its noise as a table by weight.

    p = T(x),  x ~ N(0, 1)      pattern: pseudo-random values, distributed as the weights
    o(p) = E[r_p] - p,   v(p) = Var[r_p]        of what came back, tensor by tensor: a :class:`NoiseTable`

T maps normal quantiles to those of each tensor: those of what was received, their spread reduced by the noise that the
receiver was told of, u = m + c (r - m), c^2 = 1 - s_z^2 / Var[r]; or what the sender states. Never the clean weights.
The ends of T are in the pattern, since the range of a tensor scales its noise on a crossbar, and it is a matrix where
the tensor is one. What it leaves out is how large weights cluster in rows and tiles.

:func:`analognn.certificate.calibrate` measures more on the same pattern: gain, correlation and tails.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from analognn.backends import Backend
from analognn.channels import Received, Usage, checks
from analognn.channels.base import standard_normal
from analognn.denoise import NoiseTable
from analognn.packing import PackedWeights, ParameterLayout, Slot

KNOTS, KNOTS_END = 65, 4.5
"""T has so many knots, at equally spaced normal quantiles from -4.5 to 4.5."""
KNOT_BITS = 32
SAMPLES_AT_LEAST = 64
"""A tensor with less gets a larger pattern. The standard error of a variance from 64 Gaussian values is 18 %."""
FRACTION = 0.25
"""Of the weights: measured on five crossbar media, four times as many gain 0.05 dB of WNR."""


@dataclass(frozen=True)
class NoiseTables:
    """What the pattern told, and what it cost.

    Args:
        tables: offset and variance of the noise by weight, for each tensor whose noise is not known value by value.
        weights: values in the pattern.
        usage: of sending it; ``side_info_bits`` counts the knots of T, which one end tells the other.
    """

    tables: Mapping[str, NoiseTable]
    weights: int
    usage: Usage


def noise_tables(
    backend: Backend,
    received: Received,
    layout: ParameterLayout,
    *,
    fraction: float = FRACTION,
    generator: torch.Generator,
) -> NoiseTables:
    """Send a pattern through the medium that the weights took, for the tensors that it may tell something about.

    These are the tensors with one noise variance for all their values. One that came without noise, or whose variances
    the medium states value by value (fading, erasures left out), is not in the pattern and gets no table.

    Args:
        backend: the medium.
        received: the weights after it, [n].
        layout: what lies where in them.
        fraction: size of the pattern relative to the weights, > 0: the same share of each tensor, at least 64 values.
        generator: draws the pattern and seeds the medium.

    Raises:
        ValueError: fraction <= 0.

    >>> from analognn import ChannelBackend
    >>> from analognn.channels import Awgn
    >>> model = torch.nn.Linear(200, 100)
    >>> layout = ParameterLayout.from_model(model)
    >>> backend, g = ChannelBackend(Awgn(noise_var=1e-4)), torch.Generator().manual_seed(0)
    >>> found = noise_tables(backend, backend.receive(layout.pack(model), generator=g), layout, generator=g)
    >>> found.tables["weight"].offset, found.weights  # a quarter of the weights, and 64 for the bias
    ((0.0,), 5064)
    """
    checks.real("noise_tables", "fraction", fraction, gt=0)
    noise_var = received.noise_var_per_value
    asked = ParameterLayout(tuple(s for s in layout.slots if _one_variance(noise_var[s.start : s.stop])), (), 0)
    if not asked.slots:
        return NoiseTables({}, 0, Usage())
    pattern = make_pattern(received_quantiles(received, asked), asked, fraction=fraction, generator=generator)
    back = backend.receive(pattern, generator=generator)
    return NoiseTables(tables_of(pattern, back), pattern.vector.numel(), usage_of(pattern, back))


def tables_of(pattern: PackedWeights, back: Received) -> dict[str, NoiseTable]:
    """The table of each tensor of the pattern that came ``back`` with noise."""
    noise_var = back.noise_var_per_value
    found = {}
    for slot in pattern.layout.slots:
        part = slice(slot.start, slot.stop)
        error = (back.values[part] - pattern.vector[part])[torch.isfinite(noise_var[part])]
        if bool((error != error[:1]).any()):
            piece = dataclasses.replace(back, values=back.values[part], noise_var=noise_var[part])
            found[slot.name] = NoiseTable.from_pairs(pattern.vector[part], piece)
    return found


def usage_of(pattern: PackedWeights, back: Received) -> Usage:
    """What the medium took for the pattern, and the knots of T over the reliable path."""
    bits = back.usage.side_info_bits + KNOT_BITS * KNOTS * len(pattern.layout.slots)
    return dataclasses.replace(back.usage, side_info_bits=bits)


def _one_variance(noise_var: Tensor) -> bool:
    """Whether the values of a tensor that arrived share one noise variance, above 0."""
    there = noise_var[torch.isfinite(noise_var)]
    return bool((there > 0).any()) and bool((there == there[0]).all())


def quantiles_of(packed: PackedWeights) -> dict[str, Tensor]:
    """T of each tensor at its knots [65], for the sender to state over the reliable path."""
    return {slot.name: _knots(tensor.reshape(-1)) for slot, tensor in packed.tensors()}


def received_quantiles(received: Received, layout: ParameterLayout) -> dict[str, Tensor]:
    """The same from the values [n] that arrived, their spread reduced to that of the clean ones; 0 where none did."""
    noise_var = received.noise_var_per_value
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
    """The pattern, with one tensor for each of ``layout``, of the same name.

    Args:
        quantiles: T of each tensor at its knots [65].
        layout: of the weights.
        fraction: values in it, of those in each tensor; at least 64 a tensor.
        generator: draws it.

    Raises:
        ValueError: T of a tensor is missing or has another shape.
    """
    slots: list[Slot] = []
    parts: list[Tensor] = []
    start = 0
    for slot in layout.slots:
        knots = quantiles.get(slot.name)
        if knots is None or knots.shape != (KNOTS,):
            got = "none" if knots is None else f"shape {list(knots.shape)}"
            raise ValueError(f"`make_pattern(quantiles=...)` needs [{KNOTS}] values for {slot.name!r}; got {got}.")
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
