"""The noun every medium shares: a real vector goes in, a :class:`Received` comes out.

    r = w + z,    E[z] = 0,    Var[z_i] = noise_var_i

A channel normalises, maps, precodes and equalises as it likes, but what it returns is in the units of its input
(unit gain) and travels with the noise variance per real value and with where that variance was learned.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from . import checks

Source = Literal["exact", "side-information", "estimated"]
"""How a receiver knows a variance, from what is known best to what is known least."""


def least_known(sources: Iterable[Source]) -> Source:
    """The source of what is made of several.

    >>> least_known(["exact", "estimated", "exact"])
    'estimated'
    """
    return max(sources, key=get_args(Source).index)


@dataclass(frozen=True)
class Usage:
    """What one transmission cost.

    Args:
        channel_uses: complex channel uses (symbols on air), pilots included.
        energy: transmitted energy, in units of the average energy of one data symbol.
        outage: fraction of the data positions left unused or erased because the channel was too weak there.
        retransmissions: blocks sent again.
        side_info_bits: bits sent over the reliable path so that the values can be read.
        tiles: crossbar tiles programmed.
    """

    channel_uses: int = 0
    energy: float = 0.0
    outage: float = 0.0
    retransmissions: int = 0
    side_info_bits: int = 0
    tiles: int = 0

    @classmethod
    def total(cls, usages: Sequence[Usage]) -> Usage:
        """What several transmissions cost together; the outage is their average.

        >>> Usage.total([Usage(channel_uses=2, outage=0.5), Usage(channel_uses=1)])
        Usage(channel_uses=3, energy=0.0, outage=0.25, retransmissions=0, side_info_bits=0, tiles=0)
        """
        sums = {item.name: sum(getattr(usage, item.name) for usage in usages) for item in fields(cls)}
        return replace(cls(**sums), outage=sums["outage"] / max(1, len(usages)))


@dataclass(frozen=True)
class NoiseSplit:
    """What the noise variance is made of: mean variance per real value of each part, erased values left out.

    Args:
        thermal: receiver noise, at the gain the power budget allows.
        csi: the channel is not what both ends take it for.
        interference: between OFDM symbols or carriers.
        truncation: more receiver noise where the peak-power limit makes the transmitter send weaker.
        clipping: the transmitter clips symbols of large amplitude.

    >>> NoiseSplit(thermal=0.02, csi=0.01).total
    0.03
    """

    thermal: float = 0.0
    csi: float = 0.0
    interference: float = 0.0
    truncation: float = 0.0
    clipping: float = 0.0

    @property
    def total(self) -> float:
        """The sum: the mean of the finite ``noise_var``."""
        return math.fsum((self.thermal, self.csi, self.interference, self.truncation, self.clipping))


@dataclass(frozen=True)
class Received:
    """A vector after its medium: never an estimate without its variance and its provenance.

    Args:
        values: [..., n], real and floating, in the units of what was sent (unit gain). Finite also where a value was
            erased.
        noise_var: variance of ``values`` - sent per real value, >= 0: one number, or a tensor that broadcasts to
            ``values``. ``inf`` marks an erased value.
        source: how the receiver knows ``noise_var``: "exact" (a property of the medium), "side-information"
            (sent over the reliable path) or "estimated" (from what was received).
        usage: what it cost.
        split: what ``noise_var`` is made of, where the medium can tell.

    Raises:
        TypeError: values that are no real, floating tensor, or a variance that is no real number or tensor.
        ValueError: values that are not finite, a variance that is negative, NaN or of the wrong shape, or an unknown
            source.

    >>> Received(torch.zeros(3), noise_var=0.01, source="exact").noise_var
    0.01
    """

    values: Tensor
    noise_var: float | Tensor
    source: Source
    usage: Usage = field(default_factory=Usage)
    split: NoiseSplit | None = None

    def __post_init__(self) -> None:
        checks.choice("Received", "source", self.source, get_args(Source))
        checks.floating("Received", self.values, name="values")
        if not checks.all_finite(self.values):
            bad = int((~torch.isfinite(self.values)).sum())
            raise ValueError(
                f"`Received(values=...)` must be finite, where erased too; got {bad} NaN or infinite of "
                f"{self.values.numel()} values."
            )
        self._check_variance()

    def _check_variance(self) -> None:
        if not isinstance(self.noise_var, (int, float, Tensor)) or torch.is_complex(torch.as_tensor(self.noise_var)):
            raise TypeError(f"`Received(noise_var=...)` must be a real number or tensor; got {self.noise_var!r}.")
        variance = torch.as_tensor(self.noise_var)
        if not bool((variance >= 0).all()):  # false for NaN too
            raise ValueError(f"`Received(noise_var=...)` must be >= 0 and not NaN; got {variance.min().item()!r}.")
        try:
            variance.expand(self.values.shape)
        except RuntimeError:
            raise ValueError(
                f"`Received(noise_var=...)` must be one number or broadcast to the values' shape "
                f"{list(self.values.shape)}; got shape {list(variance.shape)}."
            ) from None

    @property
    def noise_var_per_value(self) -> Tensor:
        """``noise_var`` in the shape and on the device of ``values``, as a view, no less precise than they are."""
        noise_var = torch.as_tensor(self.noise_var, device=self.values.device)
        return noise_var.to(torch.promote_types(noise_var.dtype, self.values.dtype)).expand(self.values.shape)


class Channel(ABC):
    """A medium for one real vector. Subclass as a frozen dataclass whose fields are its parameters."""

    @abstractmethod
    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Send ``x``.

        Args:
            x: [..., n], real, finite; each vector along the last axis is one transmission. Never changed.
            generator: the only source of randomness; the same state gives the same bits.

        Returns:
            ``values`` with the shape, dtype and device of ``x``.
        """


class MultipleAccess(ABC):
    """A medium that many share at once: the receiver gets the sum of what was sent."""

    @abstractmethod
    def superpose(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Send the ``k`` rows of ``x`` at the same time.

        Args:
            x: [k, n], real, finite; row m is what device m sends. Never changed.
            generator: the only source of randomness.

        Returns:
            ``values`` [n], the sum over the k devices plus noise; ``noise_var`` refers to that sum.
        """


def standard_normal(x: Tensor, generator: torch.Generator) -> Tensor:
    """N(0, 1) in the shape, dtype and device of ``x``.

    Drawn on the generator's device, so that one CPU generator gives the same bits wherever the weights lie.
    """
    checks.kind("transmit", "generator", generator, torch.Generator)
    return torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
