"""One transmission of weights over an OFDM link.

    s_c -> x = q s_c -> y = h x + i + n -> y / (h_hat q alpha) -> r

s_c, alpha: :mod:`analognn.channels.symbols`; q: :mod:`analognn.channels.precoding`; h_hat: :mod:`analognn.channels.csi`
and :mod:`analognn.channels.knowledge`; h, i, n: :mod:`analognn.channels.air`; the noise on r:
:mod:`analognn.channels.reduction`.

The precoder's power depends on all positions, so a transmission goes through its slots twice: once to draw the channels
and work out p, once to send. What is kept in between is h of each slot and p of each position, a few bytes a weight
(some 14 times as much where the channel moves within a slot); waveforms exist for SLOTS_PER_CHUNK slots at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import precoding
from .air import Draw, make_air
from .base import NoiseSplit, Received, Source, Usage
from .cir import SLOTS_PER_CHUNK
from .knowledge import Knowledge, Known
from .reduction import Arrived, reduce_noise
from .seeding import next_seed, seeded
from .symbols import SideInfo, clip, from_symbols, part_dtype, to_symbols

if TYPE_CHECKING:
    from .ofdm import Ofdm

MAX_OUTAGE = 0.99
MIN_SLOTS = 256
"""A transmission is given up when more than MAX_OUTAGE of the positions of at least MIN_SLOTS slots are out."""

INTERFERENCE_CHUNKS = 4
"""Chunks of slots on which the power of the interference is estimated."""


@dataclass(frozen=True)
class Plan:
    """The slots of a transmission and what is sent at each of their data positions.

    Args:
        draws: chunks of at most SLOTS_PER_CHUNK slots.
        seeds: of the noise on the pilots of each chunk.
        precoder: p of each chunk's positions in the order of transmission, 0 where silent.
        rho: its power scale.
    """

    draws: list[Draw]
    seeds: list[int]
    precoder: list[Tensor]
    rho: float

    @property
    def num_slots(self) -> int:
        """Slots on air."""
        return sum(draw.h.shape[0] for draw in self.draws)

    @property
    def outage(self) -> float:
        """Fraction of the positions that are silent."""
        return 1 - sum(int(p.count_nonzero()) for p in self.precoder) / sum(len(p) for p in self.precoder)

    def __iter__(self) -> Iterator[tuple[Draw, int, Tensor]]:
        """Chunk by chunk."""
        return zip(self.draws, self.seeds, self.precoder, strict=True)


class Link:
    """Both ends and the air between them, for one channel, device and precision.

    Args:
        channel: the parameters.
        device: "cpu" or "cuda:0".
        precision: "single" (complex64) or "double" (complex128).
    """

    def __init__(self, channel: Ofdm, device: str, precision: str) -> None:
        self._channel = channel
        self._grid = channel.grid
        self._precoder = channel.precoding
        self._peak = self._precoder.peak
        exact = channel.csi == "perfect" and self._peak == math.inf
        self._uniform = exact and self._precoder.name == "inversion"  # all symbols arrive alike
        self._air = make_air(channel.domain, channel.fading, self._grid, device=device, precision=precision)
        self._knowledge = channel.knowledge
        if self._knowledge.needs_calibration(channel.domain):
            self._knowledge = _calibrated(channel, device, precision)
        with seeded(0, device):  # pilots are known to both ends: the same in every transmission
            from sionna.phy.ofdm import ResourceGridMapper

            grid = self._grid.resource_grid(device=device, precision=precision)
            self._map = ResourceGridMapper(grid, precision=precision, device=device)
            kinds = grid.build_type_grid()[0, 0]
        self._data = (kinds.flatten() == 0).nonzero().squeeze(-1)
        self._pilots = kinds == 1

    def send(self, w: Tensor, generator: torch.Generator) -> Received:
        """One transmission of w [n]."""
        order = _order(w, generator) if self._channel.interleave else None
        s, side = to_symbols(w if order is None else w[order])
        if side.num_symbols == 0:  # all alike: the side information says everything
            return Received(from_symbols(s, side), 0.0, "exact", Usage(side_info_bits=side.bits), NoiseSplit())
        s, alpha = (s, 1.0) if self._channel.clip_db is None else clip(s, self._channel.clip_db)
        plan = self._plan(side.num_symbols, generator)
        arrived = self._carry(s, plan, generator)
        noise_var, split = reduce_noise(arrived, no=self._channel.no, alpha=alpha, side=side)
        values = from_symbols(arrived.s if alpha == 1 else arrived.s / alpha, side)
        if order is not None:
            values = _scattered(values, order)
            noise_var = _scattered(noise_var, order) if isinstance(noise_var, Tensor) else noise_var
        return Received(values, noise_var, self._source, self._usage(plan, arrived, side), split)

    def _plan(self, num: int, generator: torch.Generator) -> Plan:
        """Slots with ``num`` positions ("erase"), or with ``num`` active ones ("skip"): the last carries a symbol."""
        draws, seeds, precoders = [], [], []
        missing, active = num, 0
        while missing > 0:
            draw, seed = self._knowledge.draw(self._air, generator)
            p = self._precode(self._knowledge(draw, seed))
            found = p.nonzero().squeeze(-1)
            if self._erases:
                p = p[:missing]
                missing -= len(p)
            else:
                p = p[: int(found[missing - 1]) + 1] if len(found) >= missing else p
                missing -= len(found)
            active += len(found)
            draws.append(draw.first(-(-len(p) // self._grid.num_data)))
            seeds.append(seed)
            precoders.append(p)
            self._check_outage(active, len(draws) * SLOTS_PER_CHUNK)
        rho = precoding.power_scale(torch.cat(precoders), peak=self._peak)
        return Plan(draws, seeds, precoders, rho if rho < math.inf else 1.0)  # inf: all are erased

    def _precode(self, known: Known) -> Tensor:
        """P [slots x data positions]."""
        mean_power = self._channel.fading.mean_power * self._channel.fading.num_antennas
        return self._at_data(self._precoder(known.h_hat, mean_power=mean_power, no=self._channel.no))

    def _carry(self, s: Tensor, plan: Plan, generator: torch.Generator) -> Arrived:
        """The symbols [n] through the air."""
        gain = plan.rho if self._uniform else None
        arrived = Arrived.nothing(s, gain=gain, limited=self._peak < math.inf, erase=self._erases)
        interference: list[Tensor] = []
        done = 0
        for draw, seed, p in plan:
            known = self._knowledge(draw, seed)
            active = p.nonzero().squeeze(-1)
            where = active + done if self._erases else slice(done, done + len(active))
            done += len(p) if self._erases else len(active)
            wanted = math.sqrt(plan.rho) * p[active]
            q = precoding.limited(wanted, peak=self._peak)
            x = s.new_zeros(draw.h.shape[0] * self._grid.num_data).index_put_((active,), q * s[where])
            arrived.energy += float(torch.view_as_real(x).square().sum(dtype=torch.float64))
            grid = self._map(x.view(-1, 1, 1, self._grid.num_data))[:, 0]
            y = self._through(grid, draw, known, self._channel.no, next_seed(generator))[active]
            if self._channel.domain == "time" and len(interference) < INTERFERENCE_CHUNKS:
                interference.append(self._interference(grid, draw, known, next_seed(generator))[active])
            if self._uniform:
                arrived.take(where, y)
                continue
            h_hat, err_var = (self._at_data(part)[active] for part in (known.h_hat, known.err_var))
            arrived.take_each(where, y, h_hat=h_hat, err_var=err_var, q=q, wanted=wanted)
        if interference:
            arrived.interference = float(torch.cat(interference).mean(dtype=torch.float64))
        return arrived

    def _through(self, grid: Tensor, draw: Draw, known: Known, no: float, seed: int) -> Tensor:
        """Y [slots x data positions] of x [slots, 1, num_symbols, fft_size], by one antenna's worth of each."""
        if self._channel.num_tx > 1:
            grid = grid * self._beam(known)
        y = self._air(grid, draw, no, seed)
        return self._at_data(y[:, 0] if self._channel.num_rx == 1 else known.combine(y))

    def _beam(self, known: Known) -> Tensor:
        """[slots, antennas, num_symbols, fft_size]; pilots are not precoded, their energy is spread over antennas."""
        assert known.beam is not None
        return torch.where(self._pilots, self._channel.num_tx**-0.5, known.beam)

    def _interference(self, grid: Tensor, draw: Draw, known: Known, seed: int) -> Tensor:
        """Power of what disturbs y [slots x data positions] besides noise, of data with the powers in ``grid``.

        One draw of random phases: unbiased, to be averaged. A receiver that knows statistics of the channel and the
        powers can work out that average without the data.
        """
        generator = torch.Generator().manual_seed(seed)
        turns = torch.randint(4, grid.shape, generator=generator).to(grid.device)
        grid = grid * torch.tensor([1, 1j, -1, -1j], dtype=grid.dtype, device=grid.device)[turns]
        y = self._through(grid, draw, known, 0.0, 0)
        own = self._at_data(known.combine(draw.h) * grid[:, 0])
        return torch.view_as_real(y - own).square().sum(-1)

    def _at_data(self, x: Tensor) -> Tensor:
        """[slots x data positions] in the order of transmission, of x [slots, num_symbols or 1, fft_size]."""
        return x.expand(-1, self._grid.num_symbols, -1).flatten(1)[:, self._data].flatten()

    def _usage(self, plan: Plan, arrived: Arrived, side: SideInfo) -> Usage:
        bits = side.bits + sum(self._knowledge.feedback_bits(draw) for draw in plan.draws)
        if self._channel.clip_db is not None:
            bits += torch.finfo(part_dtype(side.dtype)).bits  # alpha
        return Usage(
            channel_uses=plan.num_slots * (self._grid.num_data + self._grid.num_pilots),
            energy=arrived.energy + plan.num_slots * self._grid.num_pilots,
            outage=plan.outage,
            side_info_bits=bits,
        )

    @property
    def _erases(self) -> bool:
        return self._channel.outage == "erase"

    @property
    def _source(self) -> Source:
        if self._knowledge.calibration is not None or self._channel.domain == "time":
            return "estimated"
        return "exact" if self._channel.clip_db is None else "side-information"

    def _check_outage(self, active: int, slots: int) -> None:
        outage = 1 - active / (slots * self._grid.num_data)
        if slots >= MIN_SLOTS and outage > MAX_OUTAGE:
            raise ValueError(
                f"`Ofdm(threshold=...)` must leave at least {1 - MAX_OUTAGE:.0%} of the data positions active; "
                f"threshold = {self._precoder.least} left {active} in {slots} slots of {self._channel.model} with "
                f"{self._channel.csi} channel knowledge. Use a lower threshold, or better knowledge."
            )


@lru_cache(maxsize=16)
def _calibrated(channel: Ofdm, device: str, precision: str) -> Knowledge:
    """Measured once for a channel."""
    air = make_air(channel.domain, channel.fading, channel.grid, device=device, precision=precision)
    return channel.knowledge.calibrated(air)


def _order(w: Tensor, generator: torch.Generator) -> Tensor:
    """The order in which interleaved weights travel, [n]."""
    return torch.randperm(w.numel(), generator=generator, device=generator.device).to(w.device)


def _scattered(sent: Tensor, order: Tensor) -> Tensor:
    """Back from the order of transmission."""
    return torch.empty_like(sent).index_copy_(0, order, sent)
