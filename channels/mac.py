"""Over-the-air computation: k devices invert their fading channels to one common level, and their symbols add up.

    x_m = sqrt(rho) s_m / (sqrt(G_m) h_m) where active,  s_m = (w_m - mu_m) / (sqrt(2) a), two weights a symbol
    y   = sum_m sqrt(G_m) h_m x_m + n,   n ~ CN(0, no),  no = 1 / (Es/N0),   E|h_m|^2 = 1,   G_m the path gain
    r   = sqrt(2) a y / sqrt(rho) + sum_m mu_m = sum_m w_m + z,      z ~ N(0, a^2 no / rho)

At the receiver a symbol must mean the same number of weight units whoever sent it: the scale a and the level rho are
common (:mod:`analognn.channels.superposition`: how they are chosen, and the variance). A fade can be met in two ways:

``common``: only positions where all k channels are strong are used. Nothing is lost and the noise is white. With
    Rayleigh fading exp(-k threshold) of the positions are used, and for equal devices 1 / rho ->
    exp(-(k - 1) threshold) E1(threshold). The base station must tell the devices which positions these are.
``individual``: every position is used and each device goes by its own channel. Where it is silent its part of the sum
    is missing; the base station knows where, and the variance per element says what that costs.

Zhu, Wang, Huang, "Broadband Analog Aggregation for Low-Latency Federated Edge Learning", IEEE TWC 2020; Shao, Liew,
Gunduz, "Denoising Noisy Neural Networks", eq. (3) and Remark 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from . import checks, units
from .base import MultipleAccess, NoiseSplit, Received, Usage, standard_normal
from .fading import MODELS as FADING_MODELS
from .fading import Fading
from .grid import Grid
from .symbols import to_symbols
from .synchronisation import Synchronisation
from .uplink import Uplink

MASKS = ("common", "individual")
MODELS = tuple(model for model in FADING_MODELS if model != "trace")
"""A recording is of one channel: replayed for each of k devices it would not be independent."""


@dataclass(frozen=True)
class OfdmMultipleAccess(MultipleAccess):
    """Many devices over OFDM and fading at once, each inverting its own channel to a common receive level.

    Every slot is an independent realisation of every channel. Base station and devices know the channels, save for
    errors of synchronisation, which nobody knows: they turn each device by an angle of its own.

    Args:
        esn0_db: average energy a device may spend per data position, over the noise per complex symbol [dB], as
            received at a path gain of 0 dB and E|h|^2 = 1.
        path_gain_db: path gain [dB]: one number for all devices, or a list with one for each.
        path_gain_spread_db: standard deviation of a shadowing on top of it [dB], drawn per device and superposition.
        mask: how a fade is met, "common" or "individual"; see :mod:`analognn.channels.mac`.
        phase_std: error of phase [rad]; see :class:`Synchronisation`, also for the next two.
        timing_std: error of the time of arrival [s].
        cfo_std: error of the carrier frequency [Hz].
        model: fading model, one of MODELS; see :class:`Fading`, also for the next four.
        delay_spread: RMS delay spread [s].
        carrier_frequency: [Hz].
        speed: [m/s].
        k_factor_db: Rician factor [dB].
        threshold: least |h|^2 / E|h|^2 that is inverted, >= 0.
        num_symbols: OFDM symbols a slot; see :class:`Grid`, also for the rest.
        fft_size: subcarriers.
        subcarrier_spacing: [Hz].
        cyclic_prefix_length: [samples].
        num_guard_carriers: silent carriers at the two edges.
        dc_null: whether the DC carrier is silent.
        pilot_symbols: OFDM symbols of a slot that carry pilots; the devices share their carriers.

    Raises:
        TypeError, ValueError: a parameter outside its bounds.

    >>> OfdmMultipleAccess(esn0_db=10.0, model="rayleigh", path_gain_db=[0.0, -3.0]).path_gain_db
    (0.0, -3.0)
    """

    esn0_db: float
    path_gain_db: float | tuple[float, ...] = 0.0
    path_gain_spread_db: float = 0.0
    mask: str = "common"
    phase_std: float = 0.0
    timing_std: float = 0.0
    cfo_std: float = 0.0
    model: str = "tdl-a"
    delay_spread: float | None = None
    carrier_frequency: float | None = None
    speed: float | None = None
    k_factor_db: float | None = None
    threshold: float = 0.1
    num_symbols: int = Grid.num_symbols
    fft_size: int = Grid.fft_size
    subcarrier_spacing: float = Grid.subcarrier_spacing
    cyclic_prefix_length: int = Grid.cyclic_prefix_length
    num_guard_carriers: tuple[int, int] = Grid.num_guard_carriers
    dc_null: bool = Grid.dc_null
    pilot_symbols: tuple[int, ...] = Grid.pilot_symbols

    def __post_init__(self) -> None:
        for name in ("path_gain_db", "num_guard_carriers", "pilot_symbols"):  # TOML and JSON have lists only
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        checks.real("OfdmMultipleAccess", "esn0_db", self.esn0_db)
        for gain_db in self.path_gain_db if isinstance(self.path_gain_db, tuple) else (self.path_gain_db,):
            checks.real("OfdmMultipleAccess", "path_gain_db", gain_db)
        checks.real("OfdmMultipleAccess", "path_gain_spread_db", self.path_gain_spread_db, ge=0)
        checks.choice("OfdmMultipleAccess", "mask", self.mask, MASKS)
        checks.choice("OfdmMultipleAccess", "model", self.model, MODELS)
        checks.real("OfdmMultipleAccess", "threshold", self.threshold, ge=0)
        _ = self.fading
        self.synchronisation.check(self.grid)

    @property
    def fading(self) -> Fading:
        """The fading model of every device."""
        return Fading(self.model, self.delay_spread, self.carrier_frequency, self.speed, self.k_factor_db)

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
    def synchronisation(self) -> Synchronisation:
        """The errors of synchronisation."""
        return Synchronisation(self.phase_std, self.timing_std, self.cfo_std)

    @property
    def no(self) -> float:
        """Variance of the noise per complex symbol."""
        return units.esn0_db_to_no(self.esn0_db)

    def superpose(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Send the rows of ``x`` [k, n]; see :meth:`MultipleAccess.superpose`.

        A device whose weights are all alike keeps silent: its mean says it all. ``noise_var`` is one number where all
        positions are alike ("common", no error of timing or frequency), else [n], infinite where nobody was active.
        The split counts errors of synchronisation as ``csi``, a device's missing part as ``truncation``. Computed in
        complex64, and in complex128 for float64 weights.

        ``usage``: the energy of all devices; as outage the fraction of positions left out ("common"), or of pairs of
        device and position that are silent ("individual"). Side information is the mean and the deviation of each
        device; with k > 1 also the level, and for "common" a bit for every position that fades by itself (each carrier
        of a slot; of each symbol with ``speed``).

        Raises:
            TypeError, ValueError: not a real, finite tensor [k, n] on a CPU or CUDA device, a k that does not fit
                ``path_gain_db``, or a threshold above nearly every channel gain.
        """
        self._check(x)
        gains = self._path_gains(len(x), generator)
        sides = [to_symbols(row)[1] for row in x]
        mean = math.fsum(side.mean for side in sides)
        bits = sum(side.bits for side in sides)
        busy = [m for m, side in enumerate(sides) if side.num_symbols > 0]
        if not busy:
            return Received(torch.full_like(x[0], mean), 0.0, "exact", Usage(side_info_bits=bits), NoiseSplit())
        uplink = Uplink(self, [x[m] for m in busy], [sides[m] for m in busy], gains[busy].to(x.device))
        return uplink.send(mean, bits, generator)

    def _check(self, x: Tensor) -> None:
        if isinstance(x, Tensor) and (x.ndim != 2 or x.numel() == 0):
            raise ValueError(
                f"`OfdmMultipleAccess.superpose` needs x[k, n] with k >= 1 and n >= 1; got shape {list(x.shape)}."
            )
        for m, row in enumerate(x):
            checks.signal("OfdmMultipleAccess.superpose", row, name=f"x[{m}]")
        checks.choice("OfdmMultipleAccess.superpose", "x.device", x.device.type, ("cpu", "cuda"))
        if isinstance(self.path_gain_db, tuple) and len(self.path_gain_db) != len(x):
            raise ValueError(
                f"`OfdmMultipleAccess(path_gain_db=...)` must be one number or one for each of the {len(x)} devices "
                f"that send; got {len(self.path_gain_db)}."
            )

    def _path_gains(self, num_devices: int, generator: torch.Generator) -> Tensor:
        """[k], linear, float64."""
        gain_db = torch.tensor(self.path_gain_db, dtype=torch.float64).expand(num_devices)
        if self.path_gain_spread_db > 0:
            gain_db = gain_db + self.path_gain_spread_db * standard_normal(gain_db, generator)
        return 10 ** (gain_db / 10)
