"""Weights over an OFDM link with fading, inverted by the transmitter where the channel is strong enough.

    w -> s (two weights a symbol) -> x = p s on the active data positions -> y = h x + n -> y / sqrt(rho) -> r = w + z
    n ~ CN(0, no),   no = 1 / (Es/N0),   z ~ N(0, a^2 no / rho),   a^2 = Var[w]

so that WNR = Es/N0 + 10 log10(rho): with perfect channel knowledge at both ends, truncated inversion turns any fading
into white Gaussian noise (:mod:`analognn.channels.precoding`). Channel, grid and noise are Sionna's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import checks, precoding, units
from .base import Channel, Received, Usage
from .fading import SLOTS_PER_CHUNK, Fading, next_seed, seeded
from .grid import Grid
from .symbols import from_symbols, part_dtype, to_symbols

MAX_OUTAGE = 0.99
MIN_SLOTS = 256
"""A transmission is given up when more than MAX_OUTAGE of the positions of at least MIN_SLOTS slots are out."""


@dataclass(frozen=True)
class Ofdm(Channel):
    """OFDM over Rayleigh or TDL fading, with truncated channel inversion.

    Both ends know the channel, hence which positions are silent: the weights move on to the next active position. An
    outage costs channel uses and never a weight. Every slot is an independent realisation of the channel. The link is
    computed in the frequency domain: no interference between carriers or symbols, however long the channel.

    Args:
        esn0_db: average transmitted energy per data position, over the noise per complex symbol [dB], at E|h|^2 = 1.
        model: fading model; see :class:`Fading`, also for the next three.
        delay_spread: RMS delay spread [s]; TDL only.
        carrier_frequency: [Hz]; TDL only.
        speed: [m/s]; TDL only.
        threshold: least |h|^2 / E|h|^2 that is inverted, >= 0. 0 is full inversion, whose power has no mean with
            Rayleigh fading (TDL-A to C included): rho then depends on the worst position.
        num_symbols: OFDM symbols a slot; see :class:`Grid`, also for the rest.
        fft_size: subcarriers.
        subcarrier_spacing: [Hz].
        cyclic_prefix_length: [samples].
        num_guard_carriers: silent carriers at the two edges.
        dc_null: whether the DC carrier is silent.
        pilot_symbols: OFDM symbols of a slot that carry pilots (of energy 1, not precoded).

    Raises:
        TypeError, ValueError: a parameter outside its bounds.

    >>> Ofdm(esn0_db=10.0, model="rayleigh", threshold=0.3).no
    0.1
    """

    esn0_db: float
    model: str = "tdl-a"
    delay_spread: float | None = None
    carrier_frequency: float | None = None
    speed: float | None = None
    threshold: float = 0.1
    num_symbols: int = Grid.num_symbols
    fft_size: int = Grid.fft_size
    subcarrier_spacing: float = Grid.subcarrier_spacing
    cyclic_prefix_length: int = Grid.cyclic_prefix_length
    num_guard_carriers: tuple[int, int] = Grid.num_guard_carriers
    dc_null: bool = Grid.dc_null
    pilot_symbols: tuple[int, ...] = Grid.pilot_symbols

    def __post_init__(self) -> None:
        for name in ("num_guard_carriers", "pilot_symbols"):  # TOML and JSON have lists only
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        checks.real("Ofdm", "esn0_db", self.esn0_db)
        checks.real("Ofdm", "threshold", self.threshold, ge=0)
        _ = self.fading, self.grid

    @property
    def fading(self) -> Fading:
        """The fading model."""
        return Fading(self.model, self.delay_spread, self.carrier_frequency, self.speed)

    @property
    def grid(self) -> Grid:
        """The numbers of a slot."""
        return Grid(
            self.num_symbols,
            self.fft_size,
            self.subcarrier_spacing,
            self.cyclic_prefix_length,
            self.num_guard_carriers,
            self.dc_null,
            self.pilot_symbols,
        )

    @property
    def no(self) -> float:
        """Variance of the noise per complex symbol, for symbols of average energy 1."""
        return units.esn0_db_to_no(self.esn0_db)

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Send ``x`` [..., n]; see :meth:`Channel.transmit`.

        Each vector is a transmission of its own, with its own slots, side information (mean and deviation; the
        receiver works out rho from the channel it knows) and power constraint: average energy 1 per data position, up
        to the last one used. ``noise_var`` is one number for a vector, and [..., 1] for a batch. Computed in complex64
        (above some 100 dB its rounding exceeds the noise), and in complex128 for float64 weights. Channel uses are the
        data and pilot positions of every slot used, silent ones included; guard and DC carriers are none.

        Raises:
            TypeError, ValueError: not a real, finite tensor on a CPU or CUDA device, or a threshold above nearly every
                channel gain.
        """
        checks.signal("Ofdm.transmit", x)
        checks.choice("Ofdm.transmit", "x.device", x.device.type, ("cpu", "cuda"))
        link = _Link(self, str(x.device), "double" if part_dtype(x.dtype) == torch.float64 else "single")
        rows = [link.send(row, generator) for row in x.reshape(-1, x.shape[-1])]
        values = torch.stack([row.values for row in rows]).view(x.shape)
        variances = [float(row.noise_var) for row in rows]
        noise_var = (
            variances[0]
            if x.ndim == 1
            else torch.tensor(variances, dtype=torch.float64, device=x.device).view(*x.shape[:-1], 1)
        )
        return Received(values, noise_var, "exact", _total([row.usage for row in rows]))


class _Link:
    """Sionna's blocks for one channel, device and precision; what they draw comes from the caller's generator."""

    def __init__(self, channel: Ofdm, device: str, precision: str) -> None:
        self._channel = channel
        self._device = device
        self._responses = channel.fading.responses(channel.grid, device=device, precision=precision)
        with seeded(0, device):  # pilots are known to both ends: the same in every transmission
            from sionna.phy.channel import ApplyOFDMChannel
            from sionna.phy.mimo import StreamManagement
            from sionna.phy.ofdm import ResourceGridDemapper, ResourceGridMapper

            grid = channel.grid.resource_grid(device=device, precision=precision)
            self._map = ResourceGridMapper(grid, precision=precision, device=device)
            self._apply = ApplyOFDMChannel(precision=precision, device=device)
            streams = StreamManagement(np.ones([1, 1]), 1)
            self._demap = ResourceGridDemapper(grid, streams, precision=precision, device=device)
            self._data = (grid.build_type_grid().flatten() == 0).nonzero().squeeze(-1)

    def send(self, w: Tensor, generator: torch.Generator) -> Received:
        """One transmission of w [n]."""
        s, side = to_symbols(w)
        if side.num_symbols == 0:  # all alike: the side information says everything
            return Received(from_symbols(s, side), 0.0, "exact", Usage(side_info_bits=side.bits))
        h, precoder = self._reserve(side.num_symbols, generator)
        rho = precoding.power_scale(precoder)
        s_hat, energy = self._carry(s, h, math.sqrt(rho) * precoder, generator)
        grid = self._channel.grid
        slots = sum(block.shape[0] for block in h)
        usage = Usage(
            channel_uses=slots * (grid.num_data + grid.num_pilots),
            energy=energy + slots * grid.num_pilots,
            outage=1 - side.num_symbols / precoder.numel(),
            side_info_bits=side.bits,
        )
        noise_var = units.no_to_noise_var(self._channel.no / rho, side.sigma**2)
        return Received(from_symbols(s_hat / math.sqrt(rho), side), noise_var, "exact", usage)

    def _reserve(self, num: int, generator: torch.Generator) -> tuple[list[Tensor], Tensor]:
        """Slots with ``num`` active positions.

        Returns:
            h: blocks [slots, num_symbols or 1, fft_size] of at most SLOTS_PER_CHUNK slots.
            precoder: [positions], 1/h where active, over the data positions in the order of transmission; the last one
                is active and carries the last symbol.
        """
        h: list[Tensor] = []
        precoders: list[Tensor] = []
        missing = num
        while missing > 0:
            h.append(self._responses(next_seed(generator)))
            precoders.append(self._precoder(h[-1]))
            active = precoders[-1].nonzero().squeeze(-1)
            if len(active) >= missing:
                precoders[-1] = precoders[-1][: int(active[missing - 1]) + 1]
                h[-1] = h[-1][: -(-len(precoders[-1]) // self._channel.grid.num_data)]
            missing -= len(active)
            self._check_outage(num - missing, len(h) * SLOTS_PER_CHUNK)
        return h, torch.cat(precoders)

    def _precoder(self, h: Tensor) -> Tensor:
        """[slots x data positions], 1/h where active, for h [slots, num_symbols or 1, fft_size]."""
        channel = self._channel
        mean_power = channel.fading.mean_power
        active = precoding.active_positions(h, threshold=channel.threshold, mean_power=mean_power)
        inverse = precoding.inverse(h, active).expand(-1, channel.num_symbols, -1)
        return inverse.flatten(1)[:, self._data].flatten()

    def _check_outage(self, active: int, slots: int) -> None:
        outage = 1 - active / (slots * self._channel.grid.num_data)
        if slots >= MIN_SLOTS and outage > MAX_OUTAGE:
            raise ValueError(
                f"`Ofdm(threshold=...)` must leave at least {1 - MAX_OUTAGE:.0%} of the data positions active; "
                f"threshold = {self._channel.threshold} left {active} in {slots} slots of {self._channel.model}. "
                "Use a lower threshold."
            )

    def _carry(self, s: Tensor, h: list[Tensor], precoder: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
        """The symbols as received, [n], before the gain sqrt(rho) is taken out, and the energy their sender spent."""
        num_data = self._channel.grid.num_data
        s_hat = torch.empty_like(s)
        energy, done = 0.0, 0
        for block, p in zip(h, torch.split(precoder, SLOTS_PER_CHUNK * num_data), strict=True):
            active = p.nonzero().squeeze(-1)
            part = slice(done, done + len(active))
            x = p.new_zeros(block.shape[0] * num_data)
            x[active] = p[active] * s[part]
            energy += float(torch.view_as_real(x).square().sum(dtype=torch.float64))
            s_hat[part] = self._air(x.view(-1, num_data), block, next_seed(generator)).flatten()[active]
            done = part.stop
        return s_hat, energy

    def _air(self, x: Tensor, h: Tensor, seed: int) -> Tensor:
        """Y [slots, num_data] for x [slots, num_data] and h [slots, num_symbols or 1, fft_size]."""
        with seeded(seed, self._device):
            y = self._apply(self._map(x[:, None, None]), h[:, None, None, None, None], self._channel.no)
        received: Tensor = self._demap(y)[:, 0, 0]
        return received


def _total(usages: list[Usage]) -> Usage:
    """The sum over transmissions; outage per transmission, on average."""
    return Usage(
        channel_uses=sum(usage.channel_uses for usage in usages),
        energy=sum(usage.energy for usage in usages),
        outage=sum(usage.outage for usage in usages) / len(usages),
        side_info_bits=sum(usage.side_info_bits for usage in usages),
    )
