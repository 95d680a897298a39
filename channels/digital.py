"""The digital rival of analog transmission: the same weights as bits, in the same airtime with the same energy.

    w -> integers of b bits -> code blocks (CRC24A, 5G LDPC) -> QAM -> fading, equalised -> bits -> r
    N = airtime n / (2 (1 - outage))                  positions the analog link takes for n weights, two a symbol
    m R = blocks (b weights a block + header + 24) / N                 bits a symbol: modulation and rate follow

A block whose checksum fails when the airtime is spent is lost: its weights become the mean, with infinite variance.
Every block carries its own scale, offset and error variance, so that nothing rides free on the reliable path. All
symbols are spread at random over all slots: a block fails when the whole transmission is weak and not one fade.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from . import checks, units
from .base import Channel, Received, Usage
from .ldpc import BLOCKS_PER_BATCH, CRC_BITS, MAX_PAYLOAD, RATES, Mcs, codec, num_symbols
from .ofdm import Ofdm
from .qam import EqualisedLink
from .quantization import FORMATS, INTS, Codes, Quantiser
from .seeding import next_seed

FIT = "fit"
MODULATIONS = ((2, 1.18), (4, 2.58), (6, 5.12), (8, 7.41), (10, 10 * RATES[1]))
"""Bits per symbol, and the bits of information a symbol up to which 3GPP TS 38.214, tables 5.1.3.1-2 and -4, use it."""


@dataclass(frozen=True)
class Plan:
    """How n weights go into so many symbols.

    Args:
        quantiser: of the weights.
        blocks: code blocks.
        weights: in each of them; the last one repeats some to be full.
        symbols: of each of them on air.
    """

    quantiser: Quantiser
    blocks: int
    weights: int
    symbols: int

    @classmethod
    def of(cls, quantiser: Quantiser, n: int, num: int) -> Plan:
        """The fewest blocks that hold n weights, each with its header, over num symbols."""
        fewest = -(-n // ((MAX_PAYLOAD - quantiser.side_info_bits) // quantiser.bits))
        weights = -(-n // fewest)
        blocks = -(-n // weights)
        return cls(quantiser, blocks, weights, num // blocks)

    @property
    def payload(self) -> int:
        """Bits of a block without its checksum."""
        return self.quantiser.side_info_bits + self.weights * self.quantiser.bits

    @property
    def efficiency(self) -> float:
        """Information bits a symbol has to carry."""
        return (self.payload + CRC_BITS) / self.symbols if self.symbols else math.inf

    @property
    def fits(self) -> bool:
        """Whether there is a modulation and rate as dense as that."""
        return self.efficiency <= MODULATIONS[-1][1]

    @property
    def mcs(self) -> Mcs:
        """Modulation and rate that fill the airtime; QPSK at the lowest rate where they would not, and is repeated."""
        bits_per_symbol = next(m for m, most in MODULATIONS if self.efficiency <= most)
        # Half a symbol less than there are: the code rounds up to exactly what there is.
        rate = (self.payload + CRC_BITS) / (self.symbols - 0.5) / bits_per_symbol
        return Mcs(bits_per_symbol, min(max(rate, RATES[0]), RATES[1]))

    def encode(self, sent: Codes) -> Tensor:
        """Symbols [blocks, symbols], complex64."""
        scheme = codec(self.payload, self.mcs, str(sent.codes.device))
        parts = [scheme.encode(_to_bits(sent, part, self.quantiser)) for part in _batches(self.blocks)]
        s = torch.cat(parts)
        return s[:, torch.arange(self.symbols, device=s.device) % s.shape[1]]

    def decode(self, s_hat: Tensor, no: Tensor) -> tuple[Codes, Tensor]:
        """What was received of each block, and whether it passes its checksum [blocks]."""
        scheme, m = codec(self.payload, self.mcs, str(s_hat.device)), self.mcs.bits_per_symbol
        length = m * min(self.symbols, num_symbols(self.payload + CRC_BITS, self.mcs))
        received = []
        for part in _batches(self.blocks):
            llr = scheme.llr(s_hat[part], no[part])
            llr = torch.nn.functional.pad(llr, (0, -llr.shape[1] % length)).view(len(llr), -1, length).sum(1)
            received.append(scheme.decode(llr))
        payload, ok = (torch.cat(part) for part in zip(*received, strict=True))
        return _from_bits(payload, self.quantiser), ok


@dataclass(frozen=True)
class Digital(EqualisedLink, Channel):
    """Quantised weights over LDPC and QAM, in the airtime and with the energy that ``Ofdm`` takes for them.

    Modulation and code rate are those that fill the airtime. The sender needs no channel knowledge but for
    ``format="fit"``, where it picks the finest integers that the fades of this transmission let through.

    Args:
        format: of a weight, see :class:`Quantiser`; or "fit": ``int1`` to ``int16`` by what the channel carries.
        airtime: channel uses and energy, as a multiple of those of the analog transmission, > 0.
        threshold: of the analog transmission whose airtime this is; see :class:`Ofdm`.
        margin_db: of "fit": how much noisier than it is the channel is taken to be [dB], >= 0: what code and
            modulation lose against capacity.

    The other parameters are those of :class:`EqualisedLink`; ``esn0_db`` means the same energy per position.

    Raises:
        TypeError, ValueError: a parameter outside its bounds.
    """

    format: str = FIT
    airtime: float = 1.0
    threshold: float | None = None
    margin_db: float = 3.5

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("Digital", "format", self.format, (FIT, *FORMATS))
        checks.real("Digital", "airtime", self.airtime, gt=0)
        checks.real("Digital", "margin_db", self.margin_db, ge=0)
        _ = self.analog

    @property
    def analog(self) -> Ofdm:
        """The analog transmission this one is held against."""
        link = {item.name: getattr(self, item.name) for item in fields(EqualisedLink)}
        return Ofdm(threshold=self.threshold, **link)

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Send each vector of ``x`` as a transmission of its own; see :meth:`Channel.transmit`.

        Raises:
            ValueError: a format that does not fit into the airtime; the message says what would.
        """
        checks.signal("Digital.transmit", x)
        n = x.shape[-1]
        rows = [self._transmission(row, generator) for row in x.reshape(-1, n)]
        noise_var = torch.stack([torch.as_tensor(row.noise_var, device=x.device).expand(n) for row in rows])
        usage = Usage(
            channel_uses=sum(row.usage.channel_uses for row in rows),
            energy=sum(row.usage.energy for row in rows),
            outage=sum(row.usage.outage for row in rows) / len(rows),
            side_info_bits=sum(row.usage.side_info_bits for row in rows),
        )
        values = torch.stack([row.values for row in rows])
        return Received(values.view(x.shape), noise_var.view(x.shape), "side-information", usage)

    def _transmission(self, w: Tensor, generator: torch.Generator) -> Received:
        reference = self.analog.transmit(w, generator=torch.Generator().manual_seed(next_seed(generator)))
        if reference.usage.channel_uses == 0:  # all alike: they travel as their mean, here as there
            return reference
        num = int(self.airtime * round(-(-len(w) // 2) / (1 - reference.usage.outage)))
        gains = self.gains(num, device=str(w.device), generator=generator)
        plan = self._plan(len(w), num, gains)
        missing = plan.blocks * plan.weights - len(w)
        full = torch.cat([w, w[len(w) - missing :]]).view(plan.blocks, plan.weights)
        s = plan.encode(plan.quantiser.encode(full, generator))
        s_hat, no = self.send(s.flatten(), gains[: s.numel()], generator=generator)
        received, ok = plan.decode(s_hat.view_as(s), no.view_as(s))
        values, noise_var = _weights(plan.quantiser, received, ok, w.dtype)
        erased = torch.isinf(noise_var[: len(w)])
        usage = replace(self.usage(s.flatten()), outage=float(erased.double().mean()))
        return Received(values[: len(w)], noise_var[: len(w)], "side-information", usage)

    def _plan(self, n: int, num: int, gains: Tensor) -> Plan:
        if self.format != FIT:
            plan = Plan.of(Quantiser(self.format), n, num)
            if not plan.fits:
                raise ValueError(self._misfit(plan, n, num))
            return plan
        carried = torch.log2(1 + gains / (self.no * units.db_to_linear(self.margin_db)))
        most = min(float(carried.mean(dtype=torch.float64)), MODULATIONS[-1][1])
        plans = [Plan.of(Quantiser(name), n, num) for name in reversed(INTS)]
        fitting = [plan for plan in plans if plan.efficiency <= most]
        if not fitting and not plans[-1].fits:
            raise ValueError(self._misfit(plans[-1], n, num))
        return fitting[0] if fitting else plans[-1]

    def _misfit(self, plan: Plan, n: int, num: int) -> str:
        most = MODULATIONS[-1][1]
        fine = [name for name in INTS if Plan.of(Quantiser(name), n, num).fits]
        smaller = f'{fine[-1]} or less, format="fit", or ' if fine else ""
        needed = math.ceil(100 * self.airtime * plan.efficiency / most) / 100
        return (
            f"`Digital(format={plan.quantiser.format!r})` does not fit into airtime = {self.airtime:g} of the analog "
            f"transmission: {n} weights in {num} symbols need {plan.efficiency:.1f} bits a symbol, and 1024-QAM at "
            f"rate {RATES[1]} carries {most:.1f}. Use {smaller}airtime >= {needed:g}."
        )


def _weights(quantiser: Quantiser, received: Codes, ok: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Values and variances [blocks x weights]; of lost blocks the mean of the others, and inf."""
    values = quantiser.values(received, dtype)
    mean = values[ok].mean(dtype=torch.float64) if bool(ok.any()) else torch.zeros((), dtype=torch.float64)
    values = torch.where(ok[:, None], values, mean.to(values))
    noise_var = torch.where(ok[:, None], received.noise_var, torch.inf)
    return values.flatten(), noise_var.expand_as(values).flatten()


def _batches(blocks: int) -> Iterator[slice]:
    return (slice(start, start + BLOCKS_PER_BATCH) for start in range(0, blocks, BLOCKS_PER_BATCH))


def _to_bits(sent: Codes, part: slice, quantiser: Quantiser) -> Tensor:
    """Payloads [blocks, bits], uint8: what the format has of (noise_var, step, offset), then the codes."""
    header = torch.cat([sent.noise_var[part], sent.step[part], sent.offset[part]], -1)
    words = header[:, : quantiser.side_info_bits // 32].contiguous().view(torch.int32)
    return torch.cat([_binary(words.long(), 32), _binary(sent.codes[part], quantiser.bits)], -1)


def _from_bits(payload: Tensor, quantiser: Quantiser) -> Codes:
    """The inverse of :func:`_to_bits`; headers of lost blocks may say anything."""
    words = _numbers(payload[:, : quantiser.side_info_bits], 32).to(torch.int32).view(torch.float32)
    header = torch.tensor([0.0, 1.0, 0.0], device=payload.device).repeat(len(payload), 1)
    header[:, : words.shape[1]] = words
    noise_var, step, offset = torch.split(header, 1, -1)
    return Codes(_numbers(payload[:, quantiser.side_info_bits :], quantiser.bits), step, offset, noise_var)


def _binary(numbers: Tensor, bits: int) -> Tensor:
    """[blocks, numbers], int64, to [blocks, numbers x bits], uint8, the lowest bit first."""
    return (numbers[..., None] >> torch.arange(bits, device=numbers.device)).bitwise_and_(1).byte().flatten(1)


def _numbers(payload: Tensor, bits: int) -> Tensor:
    """The inverse of :func:`_binary` for numbers without sign."""
    spread = payload.view(len(payload), -1, bits).long()
    return (spread << torch.arange(bits, device=payload.device)).sum(-1)
