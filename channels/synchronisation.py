"""Synchronisation errors of devices that send at once: what they do to a sum, and what its receiver can undo.

    theta_m(s, t, f) = phi_m(s) - 2 pi f tau_m(s) + 2 pi t T nu_m(s)    device m, slot s, OFDM symbol t, baseband f
    phi ~ N(0, phase_std^2),   tau ~ N(0, timing_std^2),   nu ~ N(0, cfo_std^2),   T the duration of a symbol

so that theta is Gaussian of variance V(t, f) = phase_std^2 + (2 pi f timing_std)^2 + (2 pi t T cfo_std)^2, and

    g = E[exp(j theta)] = exp(-V / 2)          E|exp(j theta) / g - 1|^2 = exp(V) - 1

The receiver of a sum cannot turn the devices back one by one, but it knows the mean gain g(t, f) from the three
standard deviations and takes it out: what is left has mean zero and a known variance. The interference between carriers
that a frequency offset causes, (pi nu / subcarrier_spacing)^2 / 3 of the signal's power, is left out of the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from . import checks
from .base import standard_normal
from .grid import Grid

MAX_CFO = 0.05
"""Largest cfo_std in subcarrier spacings: the interference that is left out stays below -20 dB."""


@dataclass(frozen=True)
class Synchronisation:
    """Standard deviations of the errors that are left after synchronisation; each device and slot draws its own.

    Args:
        phase_std: of the common phase [rad], 0 to pi: beyond it the angle is as good as random.
        timing_std: of the time of arrival [s], >= 0: a phase that is linear over the subcarriers, 0 at DC.
        cfo_std: of the carrier frequency [Hz], >= 0: a phase that grows over a slot, 0 in its first symbol.

    Raises:
        TypeError, ValueError: a number outside its bounds.

    >>> Synchronisation(phase_std=0.1).phase_var(Grid())
    tensor([[0.0100]], dtype=torch.float64)
    """

    phase_std: float = 0.0
    timing_std: float = 0.0
    cfo_std: float = 0.0

    def __post_init__(self) -> None:
        checks.real("Synchronisation", "phase_std", self.phase_std, ge=0, le=math.pi)
        checks.real("Synchronisation", "timing_std", self.timing_std, ge=0)
        checks.real("Synchronisation", "cfo_std", self.cfo_std, ge=0)

    @property
    def perfect(self) -> bool:
        """Whether there is no error at all."""
        return self.phase_std == self.timing_std == self.cfo_std == 0

    def check(self, grid: Grid) -> None:
        """Raise unless the model holds on ``grid``.

        Raises:
            ValueError: arrivals that leave the cyclic prefix, or an offset beyond MAX_CFO subcarrier spacings.
        """
        prefix = grid.cyclic_prefix_length / (grid.fft_size * grid.subcarrier_spacing)
        if 3 * self.timing_std > prefix:
            raise ValueError(
                f"`Synchronisation(timing_std=...)` must be <= {prefix / 3:.3g} s, a third of the cyclic prefix, or "
                f"symbols run into each other; got {self.timing_std:g}. Use a longer cyclic_prefix_length."
            )
        if self.cfo_std > MAX_CFO * grid.subcarrier_spacing:
            raise ValueError(
                f"`Synchronisation(cfo_std=...)` must be <= {MAX_CFO * grid.subcarrier_spacing:g} Hz, "
                f"{MAX_CFO} of subcarrier_spacing, or carriers interfere; got {self.cfo_std:g}."
            )

    def phase_var(self, grid: Grid) -> Tensor:
        """V [rad^2]: [num_symbols or 1, fft_size or 1], float64; a 1 where it does not depend on that axis."""
        variance = torch.full((1, 1), self.phase_std**2, dtype=torch.float64)
        if self.timing_std:
            variance = variance + (self.timing_std * _per_second(grid)).square()
        if self.cfo_std:
            variance = variance + (self.cfo_std * _per_hertz(grid)).square()
        return variance

    def rotations(
        self, num_devices: int, slots: int, grid: Grid, *, generator: torch.Generator, like: Tensor
    ) -> Tensor:
        """exp(j theta) for every device.

        Args:
            num_devices: k.
            slots: how many.
            grid: numbers of a slot.
            generator: three numbers per device and slot are drawn from it, whichever errors there are.
            like: the complex dtype and the device of the result.

        Returns:
            [k, slots, num_symbols or 1, fft_size or 1].
        """
        draws = torch.empty(3, num_devices, slots, 1, 1, dtype=like.dtype.to_real(), device=like.device)
        phi, tau, nu = standard_normal(draws, generator)
        rotation = _phasor(self.phase_std * phi)
        if self.timing_std:
            rotation = rotation * _phasor(-self.timing_std * tau * _per_second(grid).to(tau))
        if self.cfo_std:
            rotation = rotation * _phasor(self.cfo_std * nu * _per_hertz(grid).to(nu))
        return rotation


def _per_second(grid: Grid) -> Tensor:
    """[1, fft_size]: phase per second of delay."""
    carriers = torch.arange(grid.fft_size, dtype=torch.float64) - grid.fft_size // 2
    return 2 * math.pi * grid.subcarrier_spacing * carriers[None]


def _per_hertz(grid: Grid) -> Tensor:
    """[num_symbols, 1]: phase per hertz of frequency offset."""
    symbols = torch.arange(grid.num_symbols, dtype=torch.float64)
    return 2 * math.pi * grid.symbol_duration * symbols[:, None]


def _phasor(angle: Tensor) -> Tensor:
    return torch.polar(torch.ones_like(angle), angle)
