"""The reliable path: tensors that must arrive bit for bit, and what that costs on the air.

    tensors -> bits -> blocks -> [CRC -> code -> QAM -> fading air -> decoder -> CRC]  until every checksum is right

:class:`Ideal` takes the path for granted; :class:`Repetition` and :class:`Ldpc` pay for it over the fading link of the
analog payload, equalised with perfect channel knowledge. A block whose CRC24A fails is sent again over fresh slots, in
a bounded number of rounds. A wrong block passes its checksum with probability 2^-24.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import checks
from .base import Usage
from .ldpc import RATES, Blocks, Mcs, codec, into_blocks, uncoded
from .qam import EqualisedLink


class DeliveryError(RuntimeError):
    """A reliable path that gave up: its channel is too weak for the rounds it was given."""


class ReliablePath(ABC):
    """A path that delivers bits exactly or raises. Subclass as a frozen dataclass whose fields are its parameters."""

    @abstractmethod
    def carry(self, bits: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Usage]:
        """Send ``bits``.

        Args:
            bits: [n], uint8, each 0 or 1, n >= 1.
            generator: the only source of randomness.

        Returns:
            bits: [n], uint8, as they were received.
            usage: what it cost; ``side_info_bits`` is n, ``retransmissions`` counts blocks sent again.

        Raises:
            DeliveryError: blocks still fail their checksum after the last round.
        """

    def deliver(self, tensors: Mapping[str, Tensor], *, generator: torch.Generator) -> tuple[dict[str, Tensor], Usage]:
        """Send tensors of any dtype and shape, together, as the bytes they are.

        Returns:
            tensors: what was received, with the names, shapes, dtypes and devices of what was sent.
            usage: see :meth:`carry`.

        Raises:
            DeliveryError: see :meth:`carry`.

        >>> sent = {"steps": torch.tensor(7), "scale": torch.rand(3)}
        >>> received, usage = Ideal().deliver(sent, generator=torch.Generator())
        >>> received["steps"].item(), torch.equal(received["scale"], sent["scale"]), usage.side_info_bits
        (7, True, 160)
        """
        if not any(tensor.numel() for tensor in tensors.values()):
            return {name: tensor.clone() for name, tensor in tensors.items()}, Usage()
        bits, usage = self.carry(to_bits(tensors), generator=generator)
        return from_bits(bits, tensors), usage


@dataclass(frozen=True)
class Ideal(ReliablePath):
    """Delivers everything at no cost but the count of its bits."""

    def carry(self, bits: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Usage]:
        """See :meth:`ReliablePath.carry`."""
        return bits.clone(), Usage(side_info_bits=len(bits))


@dataclass(frozen=True)
class _Retransmitting(EqualisedLink, ReliablePath):
    """Rounds of blocks over the fading link until every checksum is right."""

    max_rounds: int = 12

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer(type(self).__name__, "max_rounds", self.max_rounds, ge=1)

    def carry(self, bits: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Usage]:
        """See :meth:`ReliablePath.carry`."""
        blocks = self._blocks(bits)
        received, pending = torch.empty_like(blocks), torch.arange(len(blocks), device=bits.device)
        llr, spent = None, Usage(side_info_bits=len(bits))
        for number in range(self.max_rounds):
            scheme = self._scheme(number, blocks.shape[1], str(bits.device))
            new, usage = self._round(scheme, blocks[pending], generator)
            llr = new if llr is None or new.shape != llr.shape else llr + new  # the same scheme again: both count
            payload, ok = scheme.decode(llr)
            received[pending[ok]] = payload[ok]
            spent = _sum(spent, usage, retransmissions=len(pending) if number else 0)
            pending, llr = pending[~ok], llr[~ok]
            if len(pending) == 0:
                return received.flatten()[: len(bits)], spent
        raise DeliveryError(
            f"`{type(self).__name__}` gave up: {len(pending)} of {len(blocks)} blocks still fail their checksum after "
            f"max_rounds = {self.max_rounds} at esn0_db = {self.esn0_db:g} over {self.model}, {self._story()}. Raise "
            f'esn0_db or max_rounds, {self._way_out()}, or take the path for granted: kind = "ideal".'
        )

    @abstractmethod
    def _blocks(self, bits: Tensor) -> Tensor:
        """Bits [n] as payloads [blocks, size]."""

    @abstractmethod
    def _scheme(self, number: int, payload: int, device: str) -> Blocks:
        """What carries the blocks in round ``number``, from 0."""

    @abstractmethod
    def _round(self, scheme: Blocks, payload: Tensor, generator: torch.Generator) -> tuple[Tensor, Usage]:
        """Ratios [blocks, coded bits] as received in one round, and what it cost."""

    @abstractmethod
    def _story(self) -> str:
        """What was tried, for the error."""

    @abstractmethod
    def _way_out(self) -> str:
        """Which parameter makes it more robust, for the error."""

    def _over_the_air(self, s: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Usage]:
        """Symbols of any shape as received, their noise, and the cost."""
        gains = self.gains(s.numel(), device=str(s.device), generator=generator)
        s_hat, no = self.send(s.flatten(), gains, generator=generator)
        return s_hat.view_as(s), no.view_as(s), self.usage(s.flatten())


@dataclass(frozen=True)
class Ldpc(_Retransmitting):
    """5G LDPC code blocks, sent again with a lower modulation and rate until their checksums are right.

    A block that fails goes again one modulation lower, at last as QPSK of rate 1/3; from then on what was received
    before is kept and added up (Chase combining), so that every further round helps. A scheme that needs more than
    log2(1 + Es/N0 / 2) bits a symbol, 3 dB off capacity at the mean gain, is not tried.

    Args:
        max_rounds: the first one included, >= 1.
        bits_per_symbol: of the first round at most: 2 (QPSK), 4 (16-QAM), ... 10.
        coderate: of every round but the last resort, 1/3 to 0.92.

    The other parameters are those of :class:`EqualisedLink`.

    >>> print(*Ldpc(esn0_db=10.0).schemes, sep=", ")
    16-QAM rate 0.5, QPSK rate 0.5, QPSK rate 0.333
    """

    bits_per_symbol: int = 4
    coderate: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.schemes

    @property
    def schemes(self) -> tuple[Mcs, ...]:
        """Of the rounds, in order; the last one is repeated."""
        first, last = Mcs(self.bits_per_symbol, self.coderate), Mcs(2, RATES[0])
        carried = math.log2(1 + self.num_rx * self.num_tx / self.no / 2)
        ladder = [Mcs(m, self.coderate) for m in range(first.bits_per_symbol, 0, -2)]
        return (*(scheme for scheme in ladder if last.efficiency < scheme.efficiency <= carried), last)

    def _blocks(self, bits: Tensor) -> Tensor:
        return into_blocks(bits)

    def _scheme(self, number: int, payload: int, device: str) -> Blocks:
        return codec(payload, self.schemes[min(number, len(self.schemes) - 1)], device)

    def _round(self, scheme: Blocks, payload: Tensor, generator: torch.Generator) -> tuple[Tensor, Usage]:
        s_hat, no, usage = self._over_the_air(scheme.encode(payload), generator)
        return scheme.llr(s_hat, no), usage

    def _story(self) -> str:
        used = self.schemes[: self.max_rounds]
        return f"as {used[0]}" if len(used) == 1 else f"from {used[0]} down to {used[-1]}"

    def _way_out(self) -> str:
        return "lower bits_per_symbol or coderate" if len(self.schemes) > 1 else "give it more antennas (num_rx)"


@dataclass(frozen=True)
class Repetition(_Retransmitting):
    """Every bit as QPSK, several times; the receiver adds up or counts votes, over all rounds so far.

    Args:
        max_rounds: the first one included, >= 1.
        times: copies of every bit in one round, >= 1.
        decision: "soft" adds the copies' log-likelihood ratios, "hard" lets each copy vote 0 or 1.

    The other parameters are those of :class:`EqualisedLink`.
    """

    times: int = 5
    decision: str = "soft"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer("Repetition", "times", self.times, ge=1)
        checks.choice("Repetition", "decision", self.decision, ("soft", "hard"))

    def _blocks(self, bits: Tensor) -> Tensor:
        return into_blocks(bits, limit=256, multiple=2)

    def _scheme(self, number: int, payload: int, device: str) -> Blocks:
        return uncoded(payload, device)

    def _round(self, scheme: Blocks, payload: Tensor, generator: torch.Generator) -> tuple[Tensor, Usage]:
        s = scheme.encode(payload)
        s_hat, no, usage = self._over_the_air(s.expand(self.times, *s.shape).contiguous(), generator)
        copies = scheme.llr(s_hat.flatten(0, 1), no.flatten(0, 1)).view(self.times, len(s), -1)
        return (copies if self.decision == "soft" else copies.sign()).sum(0), usage

    def _story(self) -> str:
        return f"QPSK with every bit {self.times} times a round, {self.decision} decision"

    def _way_out(self) -> str:
        return 'raise times, use kind = "ldpc"'


def to_bits(tensors: Mapping[str, Tensor]) -> Tensor:
    """The bytes of all tensors as bits [n], uint8, on the device of the first.

    >>> to_bits({"a": torch.tensor([3], dtype=torch.uint8)}).tolist()
    [1, 1, 0, 0, 0, 0, 0, 0]
    """
    device = next(iter(tensors.values())).device
    raw = [tensor.detach().to(device).contiguous().view(-1).view(torch.uint8) for tensor in tensors.values()]
    return (torch.cat(raw)[:, None] >> _shifts(device)).bitwise_and_(1).flatten()


def from_bits(bits: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`to_bits` for tensors of these names, shapes, dtypes and devices."""
    raw = (bits.view(-1, 8) << _shifts(bits.device)).sum(1, dtype=torch.uint8)
    parts = torch.split(raw, [tensor.numel() * tensor.element_size() for tensor in like.values()])
    return {
        name: part.clone().view(tensor.dtype).view(tensor.shape).to(tensor.device)
        for (name, tensor), part in zip(like.items(), parts, strict=True)
    }


def _shifts(device: torch.device) -> Tensor:
    return torch.arange(8, dtype=torch.uint8, device=device)


def _sum(spent: Usage, usage: Usage, *, retransmissions: int) -> Usage:
    return replace(
        spent,
        channel_uses=spent.channel_uses + usage.channel_uses,
        energy=spent.energy + usage.energy,
        retransmissions=spent.retransmissions + retransmissions,
    )
