"""One superposition through Sionna: slots drawn for k devices, inverted, sent at once, and the sum read block by block.

Two passes over the slots. The first draws the channels until there are enough positions, and adds up what each device's
inversion costs; then the common level is known. The second sends. In between only the channels are kept, so that memory
beyond the weights and the result is 8 bytes times k for each carrier and slot (each carrier and symbol with ``speed``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from . import precoding, units
from .air import FrequencyAir
from .base import NoiseSplit, Received, Source, Usage
from .cir import SLOTS_PER_CHUNK
from .link import MAX_OUTAGE, MIN_SLOTS
from .seeding import next_seed, seeded
from .superposition import Reading, common_level, read
from .symbols import SideInfo, part_dtype

if TYPE_CHECKING:
    from .mac import OfdmMultipleAccess


class Block(NamedTuple):
    """Up to SLOTS_PER_CHUNK slots."""

    h: Tensor
    """[k, slots, num_symbols or 1, fft_size], E|h|^2 = 1."""
    num_positions: int
    """Data positions in use, silent ones included; fewer than the slots hold in the last block."""


class Uplink:
    """One superposition of devices that have something to say; all that is random comes from the caller's generator."""

    def __init__(
        self, channel: OfdmMultipleAccess, rows: list[Tensor], sides: list[SideInfo], path_gains: Tensor
    ) -> None:
        self._channel, self._rows, self._sides, self._path_gains = channel, rows, sides, path_gains
        self._sigma = path_gains.new_tensor([side.sigma for side in sides])
        self._scale = float(self._sigma.max())
        self._device = str(rows[0].device)
        self._dtype = part_dtype(rows[0].dtype).to_complex()
        precision = "double" if self._dtype == torch.complex128 else "single"
        self._channels = FrequencyAir(channel.fading, channel.grid, device=self._device, precision=precision)
        with seeded(0, self._device):
            from sionna.phy.channel import ApplyOFDMChannel

            grid = channel.grid.resource_grid(device=self._device, precision=precision)
            self._apply = ApplyOFDMChannel(precision=precision, device=self._device)
            self._data = (grid.build_type_grid().flatten() == 0).nonzero().squeeze(-1)
        self._phase_var = self._at_data(channel.synchronisation.phase_var(channel.grid))
        self._alike = channel.mask == "common" and len(self._phase_var) == 1

    def _at_data(self, variance: Tensor) -> Tensor:
        """[data positions of a slot], or [1] where it is the same for all, from [num_symbols or 1, fft_size or 1]."""
        variance = variance.to(self._device)
        if variance.numel() == 1:
            return variance.flatten()
        return variance.expand(self._channel.num_symbols, self._channel.fft_size).flatten()[self._data]

    def send(self, mean: float, bits: int, generator: torch.Generator) -> Received:
        """The sum with ``mean`` added, and what it cost besides ``bits`` of side information."""
        n, dtype = len(self._rows[0]), self._rows[0].dtype
        blocks, cost, outage = self._reserve(-(-n // 2), generator)
        rho = common_level(cost, self._sigma, self._path_gains)
        sums, noise_var, split, energy = self._carry(blocks, rho, generator)
        values = torch.view_as_real(sums).view(-1)[:n].mul_(math.sqrt(2) * self._scale).add_(mean).to(dtype)
        grid, slots = self._channel.grid, sum(block.h.shape[1] for block in blocks)
        usage = Usage(
            channel_uses=slots * (grid.num_data + grid.num_pilots),
            energy=energy + slots * grid.num_pilots,
            outage=outage,
            side_info_bits=bits + self._agreement_bits(blocks),
        )
        source: Source = "exact" if split.total == split.thermal else "side-information"
        if self._alike:
            return Received(values, split.total, source, usage, split)
        return Received(values, noise_var.repeat_interleave(2)[:n], source, usage, split)

    def _reserve(self, num: int, generator: torch.Generator) -> tuple[list[Block], Tensor, float]:
        """Slots for ``num`` symbols; the mean inverse gains q [k] over their positions; the fraction that is silent."""
        blocks: list[Block] = []
        cost = torch.zeros_like(self._sigma)
        positions, active = 0, 0
        while num > 0:
            h = torch.stack([self._channels.draw(next_seed(generator)).h[:, 0] for _ in self._rows])
            p = self._precoders(h)
            used = self._used(p)[:num]
            num -= len(used)
            if num == 0:
                p = p[:, : int(used[-1]) + 1]
                h = h[:, : -(-p.shape[1] // self._channel.grid.num_data)]
            blocks.append(Block(h, p.shape[1]))
            positions += p.numel()
            active += int(p.count_nonzero())
            cost += torch.view_as_real(p).square().sum((1, 2), dtype=torch.float64)
            self._check_outage(1 - active / positions, len(blocks) * SLOTS_PER_CHUNK)
        return blocks, cost * len(cost) / positions, 1 - active / positions

    def _precoders(self, h: Tensor) -> Tensor:
        """[k, data positions], 1 / h_m where device m sends, for h [k, slots, num_symbols or 1, fft_size]."""
        channel = self._channel
        active = precoding.active_positions(h, threshold=channel.threshold, mean_power=channel.fading.mean_power)
        if channel.mask == "common":
            active = active.all(0)
        inverse = precoding.inverse(h, active).expand(-1, -1, channel.num_symbols, -1)
        return inverse.flatten(2)[..., self._data].flatten(1)

    def _used(self, p: Tensor) -> Tensor:
        """The positions that carry a symbol, for p [k, positions]."""
        if self._channel.mask == "common":
            return p[0].nonzero().squeeze(-1)
        return torch.arange(p.shape[1], device=p.device)

    def _check_outage(self, outage: float, slots: int) -> None:
        if slots >= MIN_SLOTS and outage > MAX_OUTAGE:
            ways = ", fewer devices or mask = 'individual'" if self._channel.mask == "common" else ""
            raise ValueError(
                f"`OfdmMultipleAccess(threshold=...)` must leave at least {1 - MAX_OUTAGE:.0%} of the data positions "
                f"active; threshold = {self._channel.threshold} with mask = {self._channel.mask!r} left "
                f"{1 - outage:.2%} in {slots} slots for {len(self._rows)} devices. "
                f"Use a lower threshold{ways}."
            )

    def _carry(
        self, blocks: list[Block], rho: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, NoiseSplit, float]:
        """Sums of symbols at unit gain and their variance per weight, both [n / 2]; its split; the energy spent."""
        sums = torch.empty(-(-len(self._rows[0]) // 2), dtype=self._dtype, device=self._device)
        noise_var = torch.empty_like(sums.real)
        amplitude = (rho / self._path_gains).sqrt().to(noise_var.dtype)[:, None]
        split = torch.zeros(4, dtype=torch.float64, device=self._device)
        energy, done = 0.0, 0
        for block in blocks:
            p = self._precoders(block.h)[:, : block.num_positions]
            used = self._used(p)
            part = slice(done, done + len(used))
            x = amplitude * p[:, used] * self._symbols(part)
            energy += float(torch.view_as_real(x).square().sum(dtype=torch.float64))
            reading = self._read(p[:, used] == 0, used, rho)
            sums[part] = self._air(x, used, block.h, generator) * (reading.factor / math.sqrt(rho)).to(noise_var.dtype)
            variances = torch.stack(reading[1:])
            noise_var[part] = variances.sum(0).to(noise_var.dtype)
            known = variances[:, variances[0].isfinite()]
            split += torch.cat([known, torch.ones_like(known[:1])]).sum(1) * (len(used) / variances.shape[1])
            done = part.stop
        thermal, csi, truncation = (split[:3] / split[3].clamp(min=1)).tolist()
        return sums, noise_var, NoiseSplit(thermal=thermal, csi=csi, truncation=truncation), energy

    def _symbols(self, part: slice) -> Tensor:
        """Symbols [k, len(part)] of all devices, on the common scale; an odd n is padded by the mean."""
        s = torch.zeros(len(self._rows), part.stop - part.start, 2, dtype=self._dtype.to_real(), device=self._device)
        for symbols, row, side in zip(s.flatten(1), self._rows, self._sides, strict=True):
            w = row.detach()[2 * part.start : 2 * part.stop].to(s.dtype)
            symbols[: len(w)] = (w - side.mean) / (math.sqrt(2) * self._scale)
        return torch.view_as_complex(s)

    def _air(self, x: Tensor, used: Tensor, h: Tensor, generator: torch.Generator) -> Tensor:
        """What the base station receives [len(used)], for x [k, len(used)] at these positions of h [k, slots, ...]."""
        channel, (k, slots) = self._channel, h.shape[:2]
        seed = next_seed(generator)
        h = h * self._path_gains.sqrt().to(h.real.dtype)[:, None, None, None]
        if not channel.synchronisation.perfect:
            h = h * channel.synchronisation.rotations(k, slots, channel.grid, generator=generator, like=h)
        data = x.new_zeros(k, slots * channel.grid.num_data)
        data[:, used] = x
        grid = x.new_zeros(slots, k, 1, channel.num_symbols * channel.fft_size)
        grid[..., self._data] = data.view(k, slots, 1, -1).transpose(0, 1)
        with seeded(seed, self._device):
            y = self._apply(
                grid.view(slots, k, 1, channel.num_symbols, -1), h.transpose(0, 1)[:, None, None, :, None], channel.no
            )
        received: Tensor = y.flatten(1)[:, self._data].flatten()[used]
        return received

    def _read(self, silent: Tensor, used: Tensor, rho: float) -> Reading:
        """How to read the sums at the positions ``used``, where ``silent`` [k, len(used)] devices are missing."""
        powers = self._sigma.square()
        var = float(powers.sum())
        if self._channel.mask == "common":
            share = torch.ones_like(powers[:1])
        else:
            share = torch.where(silent.all(0), 0.0, 1 - (silent * powers[:, None]).sum(0) / var)
        noise_var = units.no_to_noise_var(self._channel.no / rho, self._scale**2)
        phase_var = self._phase_var if len(self._phase_var) == 1 else self._phase_var[used % len(self._phase_var)]
        return read(share, phase_var, var=var, noise_var=noise_var)

    def _agreement_bits(self, blocks: list[Block]) -> int:
        """What k > 1 devices must be told: the level, and for a common mask the positions."""
        if len(self._rows) == 1:
            return 0
        level = torch.finfo(self._dtype.to_real()).bits
        if self._channel.mask == "individual" or self._channel.threshold == 0:
            return level
        grid = self._channel.grid
        moving = blocks[0].h.shape[2] > 1
        return level + sum(block.h.shape[1] for block in blocks) * (grid.num_data if moving else grid.num_carriers)
