"""Channel impulse responses, a chunk of slots at a time, in Sionna's shapes.

    h(t, f) = sum_m a_m(t) exp(-j 2 pi f tau_m)             paths m with gains a_m and delays tau_m

A channel that stands still within a slot (Rayleigh and Rician block fading) ages between the moment it was measured and
the moment it is used as a Gauss-Markov process, with the correlation of Clarke's isotropic scattering:

    g(t + delay) = rho g(t) + sqrt(1 - rho^2) w,    rho = J0(2 pi f_d delay),    f_d = speed f_c / c

Clarke, "A Statistical Theory of Mobile-Radio Reception", Bell Syst. Tech. J. 1968.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .seeding import seeded

SLOTS_PER_CHUNK = 32
"""Slots drawn from one seed. Part of the result: another size gives other (equally good) random numbers, so it is no
setting. Larger chunks were slower per slot on a CPU."""

SPEED_OF_LIGHT = 299_792_458.0
"""[m/s]"""


def real_dtype(precision: str) -> torch.dtype:
    """Of delays, and of the parts of gains, at Sionna's ``precision``."""
    return torch.float64 if precision == "double" else torch.float32


@dataclass(frozen=True)
class Cir:
    """Impulse responses of a chunk of slots.

    Args:
        a: [slots, 1, num_rx, 1, num_tx, paths, steps], complex: gains at the times asked for, or one step for all times
            where the channel stands still.
        a_then: the same, ``delay`` seconds away.
        tau: [slots or 1, 1, 1, paths], >= 0 [s]; one row where all slots share their delays.
    """

    a: Tensor
    a_then: Tensor
    tau: Tensor


class Cirs(Protocol):
    """What draws impulse responses. Times are step / rate [s], from the first sample of a slot."""

    @property
    def moves(self) -> bool:
        """Whether gains change within a slot."""

    @property
    def max_delay(self) -> float:
        """Longest delay of a path [s] (of random ones: the longest of a sample)."""

    def __call__(self, seed: int, steps: int, rate: float, delay: float = 0.0) -> Cir:
        """SLOTS_PER_CHUNK slots from ``seed``; another number of steps or delay samples the same channels."""


@dataclass(frozen=True)
class BlockFading:
    """awgn, Rayleigh, Rician: one path without delay, and no motion within a slot.

    The line of sight has the same phase at all antennas (a plane wave from broadside), drawn anew for each slot, and no
    Doppler; the scattered parts are independent between antennas.

    Args:
        los: power of the line of sight, 0 to 1; the scattered part has the rest, so that E|a|^2 = 1. 1 is awgn: a = 1.
        num_rx, num_tx: antennas.
        doppler: f_d [Hz].
        device: "cpu" or "cuda:0".
        precision: "single" or "double".
    """

    los: float
    num_rx: int
    num_tx: int
    doppler: float
    device: str
    precision: str

    moves = False
    max_delay = 0.0

    def __call__(self, seed: int, steps: int, rate: float, delay: float = 0.0) -> Cir:
        """See :class:`Cirs`."""
        dtype = real_dtype(self.precision)
        tau = torch.zeros(1, 1, 1, 1, dtype=dtype, device=self.device)
        shape = (SLOTS_PER_CHUNK, 1, self.num_rx, 1, self.num_tx, 1, 1)
        if self.los == 1:
            a = torch.ones((), dtype=dtype.to_complex(), device=self.device).expand(shape)
            return Cir(a, a, tau)
        with seeded(seed, self.device):
            from sionna.phy import config
            from sionna.phy.channel import RayleighBlockFading

            rayleigh = RayleighBlockFading(1, self.num_rx, 1, self.num_tx, precision=self.precision, device=self.device)
            scattered = rayleigh(SLOTS_PER_CHUNK, 1)[0]
            phase = torch.rand(
                SLOTS_PER_CHUNK, generator=config.torch_rng(self.device), device=self.device, dtype=dtype
            )
            fresh = rayleigh(SLOTS_PER_CHUNK, 1)[0] if delay and self.doppler else scattered
        rho = float(torch.special.bessel_j0(torch.tensor(2 * torch.pi * self.doppler * delay, dtype=torch.float64)))
        aged = rho * scattered + (1 - rho**2) ** 0.5 * fresh
        if self.los == 0:
            return Cir(scattered, aged, tau)
        direct = torch.polar(torch.full_like(phase, self.los**0.5), 2 * torch.pi * phase).view(-1, *[1] * 6)
        weight = (1 - self.los) ** 0.5
        return Cir(direct + weight * scattered, direct + weight * aged, tau)


def merge_antennas(h: Tensor) -> Tensor:
    """[slots, antennas, ...] of [slots, 1, num_rx, 1, num_tx, ...], where one of the two is 1."""
    return h[:, 0, :, 0].flatten(1, 2)


def frequency_response(a: Tensor, tau: Tensor, fft_size: int, subcarrier_spacing: float) -> Tensor:
    """Gains at the subcarriers, with DC at fft_size // 2.

    Args:
        a: [slots, 1, num_rx, 1, num_tx, paths, steps], complex.
        tau: [slots or 1, 1, 1, paths] [s].
        fft_size: subcarriers.
        subcarrier_spacing: [Hz].

    Returns:
        [slots, 1, num_rx, 1, num_tx, steps, fft_size].
    """
    if len(tau) == 1:  # delays that all slots share: Sionna's block, at a fraction of its cost
        from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies

        precision = "double" if tau.dtype == torch.float64 else "single"
        device = str(tau.device)
        frequencies = subcarrier_frequencies(fft_size, subcarrier_spacing, precision=precision, device=device)
        h: Tensor = cir_to_ofdm_channel(frequencies, a, tau)
        return h
    # f = coarse + fine, so that a few exponentials a path do instead of one a subcarrier.
    width = math.isqrt(fft_size - 1) + 1
    fine = torch.arange(width, dtype=tau.dtype, device=tau.device)
    coarse = fine[: -(-fft_size // width)] * width - fft_size // 2
    turn = -2 * math.pi * subcarrier_spacing * tau.view(len(tau), -1, 1)  # [slots, paths, 1]
    one = torch.ones_like(turn)
    blocks = torch.einsum("sxrytpn,spi->srtnip", a, torch.polar(one, turn * coarse))
    h = torch.einsum("srtnip,spj->srtnij", blocks, torch.polar(one, turn * fine))
    return h.flatten(-2)[..., :fft_size][:, None, :, None]


Sample = Callable[[int, float | Tensor], tuple[Tensor, Tensor]]
"""steps, rate -> a, tau of SLOTS_PER_CHUNK slots, drawn from Sionna's generator: a Sionna channel model. A tensor of
rates, one a sample, puts sample i at i / rate_i."""


class SionnaCirs:
    """A channel model of Sionna: TDL, CDL, or a 38.901 scenario.

    Args:
        sample: the model.
        moves: whether its gains change with time.
        device, precision: of the model.
        gain: factor on ``a``.
    """

    def __init__(self, sample: Sample, *, moves: bool, device: str, precision: str, gain: float = 1.0) -> None:
        self._sample = sample
        self._device = device
        self._dtype = real_dtype(precision)
        self._gain = gain
        self.moves = moves

    @property
    def max_delay(self) -> float:
        """Longest delay [s] of one chunk: exact for TDL and CDL, whose delays are fixed."""
        return float(self(0, 1, 1.0).tau.max())

    def __call__(self, seed: int, steps: int, rate: float, delay: float = 0.0) -> Cir:
        """See :class:`Cirs`. ``a_then`` is the channel ``delay`` later.

        These processes look the same forwards and backwards, but for the direction of the user: what is used and what
        is known of it have the statistics of a measurement that is ``delay`` old, and ``a`` does not depend on it.
        """
        aged = self.moves and delay > 0
        with seeded(seed, self._device):
            rates = _rates(steps, rate, delay).to(self._device, self._dtype) if aged else rate
            a, tau = self._sample(2 * steps if aged else steps, rates)
        if bool((tau == tau[:1]).all()):
            tau = tau[:1]
        a = a if self._gain == 1 else self._gain * a
        return Cir(a[..., :steps], a[..., steps:] if aged else a, tau)


def _rates(steps: int, rate: float, delay: float) -> Tensor:
    """A rate for each sample: Sionna's sample i, at i / rate_i, falls on step / rate, and then on that + delay."""
    index = torch.arange(2 * steps, dtype=torch.float64)
    times = index[:steps] / rate
    rates = index / torch.cat([times, times + delay])
    rates[0] = 1  # 0 / 0: the first sample is at 0, whatever its rate
    return rates
