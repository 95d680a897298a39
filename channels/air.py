"""The air between the transmitter's resource grid and the receiver's: in the frequency domain, or in time.

    y[t, f] = h[t, f] x[t, f] + i[t, f] + n[t, f],    n ~ CN(0, no)        OFDM symbol t, subcarrier f

In the frequency domain subcarriers do not disturb each other: i = 0. In the time domain
(:mod:`analognn.channels.waveform`) i holds what other symbols and subcarriers leave where the cyclic prefix is shorter
than the channel or the user is fast, and h is the gain of a subcarrier onto itself, averaged over the symbol: what
pilots would tell. Slots are frames of their own: symbols of a slot disturb each other, slots do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from . import checks
from .cir import frequency_response, merge_antennas
from .fading import Fading
from .grid import Grid
from .seeding import seeded


@dataclass(frozen=True)
class Draw:
    """One realisation of the channel over some slots.

    Args:
        h: [slots, antennas, num_symbols or 1, fft_size], complex: the gain of each position.
        h_then: the same at another time, ``delay`` away: what a transmitter or receiver with old news believes.
        taps: [slots, antennas, num_symbols or 1, nodes, taps], complex, from lag -PULSE on; empty in frequency.
    """

    h: Tensor
    h_then: Tensor
    taps: Tensor = field(default_factory=lambda: torch.empty(0))

    def first(self, num_slots: int) -> Draw:
        """The first ``num_slots`` of them."""
        return replace(self, h=self.h[:num_slots], h_then=self.h_then[:num_slots], taps=self.taps[:num_slots])


class Air(Protocol):
    """A fading channel, ready to draw from and to send over."""

    def draw(self, seed: int, delay: float = 0.0) -> Draw:
        """SLOTS_PER_CHUNK slots from ``seed``.

        Args:
            seed: h depends on nothing else.
            delay: between ``h`` and ``h_then`` [s], >= 0; 0 makes them the same.
        """

    def __call__(self, x: Tensor, draw: Draw, no: float, seed: int) -> Tensor:
        """Send ``x``.

        Args:
            x: [slots, num_tx, num_symbols, fft_size], complex.
            draw: of as many slots.
            no: variance of the complex noise, >= 0.
            seed: of the noise, the same for both domains.

        Returns:
            y: [slots, num_rx, num_symbols, fft_size].
        """


def make_air(domain: str, fading: Fading, grid: Grid, *, device: str, precision: str) -> Air:
    """The air in the ``frequency`` or the ``time`` domain.

    Args:
        domain: "frequency" or "time".
        fading: the channel.
        grid: numbers of a slot.
        device: "cpu" or "cuda:0".
        precision: "single" (complex64) or "double" (complex128).
    """
    checks.choice("make_air", "domain", domain, ("frequency", "time"))
    if domain == "frequency":
        return FrequencyAir(fading, grid, device=device, precision=precision)
    from .waveform import TimeAir

    return TimeAir(fading, grid, device=device, precision=precision)


class FrequencyAir:
    """Each subcarrier sees its own gain, however long the channel and fast the user. See :class:`Air`."""

    def __init__(self, fading: Fading, grid: Grid, *, device: str, precision: str) -> None:
        self._grid = grid
        self._device = device
        self._num_tx = fading.num_tx
        self._cirs = fading.cirs(grid, device=device, precision=precision)
        with seeded(0, device):
            from sionna.phy.channel import ApplyOFDMChannel

            self._apply = ApplyOFDMChannel(precision=precision, device=device)

    def draw(self, seed: int, delay: float = 0.0) -> Draw:
        """See :class:`Air`."""
        cir = self._cirs(seed, self._grid.num_symbols if self._cirs.moves else 1, 1 / self._grid.symbol_duration, delay)
        h = self._response(cir.a, cir.tau)
        return Draw(h, h if cir.a_then is cir.a else self._response(cir.a_then, cir.tau))

    def __call__(self, x: Tensor, draw: Draw, no: float, seed: int) -> Tensor:
        """See :class:`Air`."""
        h = draw.h[:, None, None, None] if self._num_tx > 1 else draw.h[:, None, :, None, None]
        with seeded(seed, self._device):
            y: Tensor = self._apply(x[:, None], h, no)
        return y[:, 0]

    def _response(self, a: Tensor, tau: Tensor) -> Tensor:
        return merge_antennas(frequency_response(a, tau, self._grid.fft_size, self._grid.subcarrier_spacing))
