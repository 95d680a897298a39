"""OFDM in the time domain: a slot's waveform with cyclic prefix over the taps of a fading channel.

    y(k) = sum_l g_l(k) x(k - l) + n(k),    g_l(k) = sum_m a_m(k / W) sinc(l - W tau_m)    sample k, tap l, bandwidth W

cut to the receiver's FFT windows, one a symbol. What a window holds of other symbols is inter-symbol interference; what
turns of the symbol's own subcarriers into each other, inter-carrier interference. Silence separates the slots.

Sionna's ApplyTimeChannel wants each tap at each sample, some hundred times the work. Here taps are known at the
beginning, the middle and the end of a symbol, a parabola runs between them (its error is 108 dB down at a Doppler shift
of 1 % of the subcarrier spacing, 54 dB at 10 %), and each window is a sum of fast convolutions.
"""

from __future__ import annotations

import math
import warnings

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from .air import Draw
from .cir import merge_antennas, real_dtype
from .fading import Fading
from .grid import Grid
from .seeding import seeded

PULSE = 6
"""Samples of the sinc pulse kept on either side, as Sionna has it; the receiver's window opens as much too early."""

MAX_DOPPLER = 0.25
"""Of the subcarrier spacing: beyond it a parabola is no good description of a tap within a symbol."""


class InterferenceWarning(UserWarning):
    """The cyclic prefix does not hold the channel."""


class TimeAir:
    """OFDM symbols with cyclic prefix over the channel's taps. See :class:`~analognn.channels.air.Air`.

    Raises:
        ValueError: a Doppler shift above MAX_DOPPLER of the subcarrier spacing.
    """

    def __init__(self, fading: Fading, grid: Grid, *, device: str, precision: str) -> None:
        self._grid = grid
        self._device = device
        self._num_tx = fading.num_tx
        self._dtype = real_dtype(precision)
        self._cirs = fading.cirs(grid, device=device, precision=precision)
        self._check(fading)
        advance = self._advance
        with seeded(0, device):
            from sionna.phy.channel import AWGN
            from sionna.phy.ofdm import OFDMDemodulator, OFDMModulator

            self._modulate = OFDMModulator(grid.cyclic_prefix_length, precision=precision, device=device)
            self._demodulate = OFDMDemodulator(grid.fft_size, -advance, 0, precision=precision, device=device)
            self._add_noise = AWGN(precision=precision, device=device)

    def draw(self, seed: int, delay: float = 0.0) -> Draw:
        """See :class:`~analognn.channels.air.Air`."""
        steps = 2 * self._grid.num_symbols + 1 if self._cirs.moves else 1
        cir = self._cirs(seed, steps, 2 / self._grid.symbol_duration, delay)
        taps = self._taps(cir.a, cir.tau)
        h = self._own_gain(taps)
        same = cir.a_then is cir.a
        return Draw(h, h if same else self._own_gain(self._taps(cir.a_then, cir.tau)), taps)

    def __call__(self, x: Tensor, draw: Draw, no: float, seed: int) -> Tensor:
        """See :class:`~analognn.channels.air.Air`."""
        y: Tensor = self._demodulate(self._convolve(x, draw.taps).flatten(-2))
        if no == 0:
            return y
        with seeded(seed, self._device):  # white before the unitary FFT is white after it
            noisy: Tensor = self._add_noise(y, no)
        return noisy

    @property
    def _advance(self) -> int:
        """Samples by which the receiver's window opens before the end of the prefix, for the pulse's precursors."""
        return min(PULSE, self._grid.cyclic_prefix_length)

    @property
    def _bandwidth(self) -> float:
        return self._grid.fft_size * self._grid.subcarrier_spacing

    @property
    def _symbol_length(self) -> int:
        return self._grid.fft_size + self._grid.cyclic_prefix_length

    def _check(self, fading: Fading) -> None:
        grid = self._grid
        if fading.doppler > MAX_DOPPLER * grid.subcarrier_spacing:
            raise ValueError(
                f"`TimeAir` needs a Doppler shift <= {MAX_DOPPLER} of the subcarrier spacing "
                f"{grid.subcarrier_spacing:g} Hz; got {fading.doppler:g} Hz. Use a lower speed or a wider spacing."
            )
        longest = self._cirs.max_delay * self._bandwidth
        room = grid.cyclic_prefix_length - self._advance
        if longest > room:
            warnings.warn(
                f"The channel's longest path comes {longest:.1f} samples late ({self._cirs.max_delay:.3g} s), and the "
                f"cyclic prefix of {grid.cyclic_prefix_length} holds {room} (less {self._advance} for the pulse): "
                "inter-symbol and inter-carrier interference.",
                InterferenceWarning,
                stacklevel=4,
            )

    def _taps(self, a: Tensor, tau: Tensor) -> Tensor:
        """[slots, antennas, num_symbols or 1, nodes, taps]: 3 nodes a symbol, or 1 where the channel stands still."""
        last = math.ceil(float(tau.max()) * self._bandwidth) + PULSE
        lags = torch.arange(-PULSE, last + 1, dtype=self._dtype, device=self._device)
        pulse = torch.sinc(lags - tau[:, 0, 0, :, None] * self._bandwidth)  # [slots or 1, paths, taps]
        a = merge_antennas(a)  # [slots, antennas, paths, steps]
        taps = torch.einsum("sapn,spl->sanl", a, pulse.to(a.dtype).expand(len(a), -1, -1))
        return taps.unfold(2, 3, 2).transpose(-1, -2) if self._cirs.moves else taps[:, :, None]

    def _weights(self, num_nodes: int) -> Tensor:
        """[nodes, fft_size]: the parabola through the nodes at each sample of the receiver's window."""
        start = self._grid.cyclic_prefix_length - self._advance
        u = torch.arange(start, start + self._grid.fft_size, dtype=self._dtype, device=self._device)
        u = u / self._symbol_length
        if num_nodes == 1:
            return torch.ones_like(u)[None]
        return torch.stack([2 * (u - 0.5) * (u - 1), 4 * u * (1 - u), 2 * u * (u - 0.5)])

    def _own_gain(self, taps: Tensor) -> Tensor:
        """h: the taps averaged over those samples of the window that are the symbol's own, at each subcarrier."""
        size, (num_nodes, num_taps) = self._grid.fft_size, taps.shape[-2:]
        lags = torch.arange(num_taps, device=self._device) - PULSE
        start = self._grid.cyclic_prefix_length - self._advance
        source = torch.arange(start, start + size, device=self._device) - lags[:, None]
        own = ((source >= 0) & (source < self._symbol_length)).to(self._dtype)  # [taps, fft_size]
        share = self._weights(num_nodes) @ own.T / size  # [nodes, taps]
        mean = (taps * share).sum(-2)
        response = mean.new_zeros(*mean.shape[:-1], size).index_add_(-1, lags % size, mean)
        h: Tensor = torch.fft.fftshift(torch.fft.fft(response), dim=-1)
        return h

    def _convolve(self, x: Tensor, taps: Tensor) -> Tensor:
        """The receiver's windows, [slots, num_rx, num_symbols, fft_size], by overlap-save."""
        size, (num_nodes, num_taps) = self._grid.fft_size, taps.shape[-2:]
        length = size + num_taps - 1
        last_lag = num_taps - 1 - PULSE
        first = (
            self._grid.cyclic_prefix_length - self._advance - last_lag
        )  # the sample that the first window needs first
        wave = torch.nn.functional.pad(self._modulate(x), (max(0, -first), PULSE))
        parts = wave[..., max(0, first) :].unfold(-1, length, self._symbol_length)
        fast = next_fast_len(length)
        spectrum = torch.fft.fft(parts, fast)[:, :, : self._grid.num_symbols, None] * torch.fft.fft(taps, fast)
        if self._num_tx > 1:
            spectrum = spectrum.sum(1, keepdim=True)
        windows: Tensor = torch.fft.ifft(spectrum)[..., num_taps - 1 : num_taps - 1 + size]
        if num_nodes > 1:
            windows = windows * self._weights(num_nodes)
        return windows.sum(-2)
