"""What a receiver learns about its medium from a calibration pattern, without the clean weights.

    p = T(x),  x ~ N(0, 1)      pattern: pseudo-random values that both ends know, distributed as the weights
    r_p = g p + b + z'          beside the weights through the same medium: gain, offset, Var[z], Var[z | abs(p)]
    w + z = (r - b) / g         the received weights set right

T maps normal quantiles to those of each tensor, stated by the sender or those of what was received: see
:mod:`analognn.receiver.pattern`.

Measured on the MNIST network after a day: with stated quantiles Var[z] is right to its standard error in every tensor
of one tile (PCM, Hermes, both ReRAM), 8 to 14 % high where a tensor's two tiles differ in range. With received ones it
is 5 % high for PCM, 31 % for Hermes, whose outliers widen the range, and 7 % low for the ReRAM of Wan et al.

See :mod:`analognn.hardware.calibration` for what a crossbar's receiver reports without any pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from analognn.backends import Backend
from analognn.channels import Received, Usage, checks
from analognn.denoise import NoiseTable
from analognn.effective import EffectiveNoise, effective_noise, effective_noise_per_tensor
from analognn.packing import ParameterLayout
from analognn.receiver.pattern import make_pattern, received_quantiles, tables_of, usage_of

from .shape import NoiseShape, ShapeSums, align, standardised


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
        noise_var = received.noise_var_per_value.to(torch.promote_types(values.dtype, torch.float32)).clone()
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
        quantiles: what the sender stated, see
            :func:`analognn.receiver.pattern.quantiles_of`; without them those of the received values serve.
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
    knots = quantiles if quantiles is not None else received_quantiles(received, layout)
    pattern = make_pattern(knots, layout, fraction=fraction, generator=generator)
    back = backend.receive(pattern, generator=generator)
    tensors, sums = effective_noise_per_tensor(pattern, back), ShapeSums(pattern)
    sums.add(standardised(pattern, back, tensors))
    whole, tables = effective_noise(pattern.vector, back), tables_of(pattern, back)
    return Calibration(whole, tensors, sums.shape(), pattern.vector.numel(), usage_of(pattern, back), tables)


def _both(a: Usage, b: Usage, size_a: int, size_b: int) -> Usage:
    """The cost of two transmissions; outage is a share, so it averages."""
    total = {name: value + getattr(b, name) for name, value in vars(a).items()}
    return Usage(**{**total, "outage": (a.outage * size_a + b.outage * size_b) / (size_a + size_b)})
