"""Weights over an OFDM link with fading: mapping, precoding, channel knowledge and the noise that results.

    w -> s (two weights a symbol) -> x = q s on the active data positions -> y = h x + n -> y / (h_hat q) -> r = w + z
    n ~ CN(0, no),   no = 1 / (Es/N0),   Var[z_i] = a^2 no / |h_i q_i|^2 + what else is off,   a^2 = Var[w]

By default both ends know the channel and the transmitter inverts it where it is strong enough: then |h q|^2 = rho
everywhere, z is white and Gaussian on any fading, and WNR = Es/N0 + 10 log10(rho) (:mod:`analognn.channels.precoding`).
Grid, channels and noise are Sionna's. Every slot is an independent realisation of the channel.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from . import checks, units
from .base import Channel, NoiseSplit, Received, Usage, least_known
from .csi import Csi
from .fading import Fading
from .grid import Grid
from .knowledge import Knowledge
from .link import Link
from .precoding import Precoder, UnboundedPowerWarning
from .symbols import part_dtype


@dataclass(frozen=True)
class Ofdm(Channel):
    """OFDM over a fading channel, with a precoder at the transmitter and the knowledge of the channel it needs.

    Both ends know the same of the channel, hence which positions are silent: an outage costs channel uses and no
    weight, or is reported for each weight it erases. Parameters a choice has no use for must be left out.

    Args:
        esn0_db: average transmitted energy per data position, over the noise per complex symbol [dB], at E|h|^2 = 1.
        model: fading model; see :class:`Fading`, also for the next five.
        delay_spread: RMS delay spread [s].
        carrier_frequency: [Hz].
        speed: [m/s].
        k_factor_db: of rician [dB].
        path_loss: whether 38.901 scenarios and recordings keep their path loss.
        reference_loss_db: the loss at which ``esn0_db`` is received [dB].
        indoor_probability: of a drop.
        distance: of the drops from the base station [m].
        trace: path of a recording.
        num_rx: receive antennas, combined by MRC.
        num_tx: transmit antennas, beamforming (MRT); one of the two is 1.
        domain: ``frequency``, or ``time`` with cyclic prefix and the interference it lets through.
        precoder: ``inversion``, ``regularised``, ``phase`` or ``equalise``; see :class:`Precoder`.
        threshold: least |h_hat|^2 / E|h|^2 that is used; 0.1 for inversion unless given, 0 for the others.
        regularisation: of regularised inversion.
        peak_power_db: largest power of a position over the average [dB]. What would need more is sent weaker.
        outage: what happens to weights where the channel is too weak: ``skip`` moves on to the next active position,
            ``erase`` loses them (value: the mean; noise_var: inf).
        csi: what is known of the channel: ``perfect``, ``ls``, ``outdated``, ``quantised``; see :class:`Csi`.
        csi_esn0_db: Es/N0 of the pilots for ``ls`` [dB]; that of the link unless given.
        csi_delay: age of ``outdated`` knowledge [s].
        csi_bits: per real part of ``quantised`` feedback.
        interleave: whether weights travel in random order, known to both ends, so that a fade does not hit neighbours.
        clip_db: limit on the amplitude of a symbol, over the average power of all [dB].
        num_symbols: OFDM symbols a slot; see :class:`Grid`, also for the rest.
        fft_size: subcarriers.
        subcarrier_spacing: [Hz].
        cyclic_prefix_length: [samples].
        num_guard_carriers: silent carriers at the two edges.
        dc_null: whether the DC carrier is silent.
        pilot_symbols: OFDM symbols of a slot that carry pilots (of energy 1, not precoded).

    Raises:
        TypeError, ValueError: a parameter outside its bounds, or one that does not go with another.

    Warns:
        UnboundedPowerWarning: full inversion (threshold 0) of one antenna that can fade to nothing.

    >>> Ofdm(esn0_db=10.0, model="rayleigh", threshold=0.3).no
    0.1
    """

    esn0_db: float
    model: str = "tdl-a"
    delay_spread: float | None = None
    carrier_frequency: float | None = None
    speed: float | None = None
    k_factor_db: float | None = None
    path_loss: bool = False
    reference_loss_db: float | None = None
    indoor_probability: float | None = None
    distance: float | None = None
    trace: str | None = None
    num_rx: int = 1
    num_tx: int = 1
    domain: str = "frequency"
    precoder: str = "inversion"
    threshold: float | None = None
    regularisation: float | None = None
    peak_power_db: float | None = None
    outage: str = "skip"
    csi: str = "perfect"
    csi_esn0_db: float | None = None
    csi_delay: float | None = None
    csi_bits: int | None = None
    interleave: bool = False
    clip_db: float | None = None
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
        checks.choice("Ofdm", "domain", self.domain, ("frequency", "time"))
        checks.choice("Ofdm", "outage", self.outage, ("skip", "erase"))
        if not isinstance(self.interleave, bool):
            raise TypeError(f"`Ofdm(interleave=...)` must be true or false; got {self.interleave!r}.")
        if self.clip_db is not None:
            checks.real("Ofdm", "clip_db", self.clip_db)
        _ = self.knowledge, self.precoding
        self._check_pairs()
        self._warn_unbounded()

    @property
    def fading(self) -> Fading:
        """The fading model."""
        return Fading(**{field.name: getattr(self, field.name) for field in fields(Fading)})

    @property
    def grid(self) -> Grid:
        """The numbers of a slot."""
        return Grid(**{field.name: getattr(self, field.name) for field in fields(Grid)})

    @property
    def precoding(self) -> Precoder:
        """What the transmitter does with the channel."""
        return Precoder(self.precoder, self.threshold, self.regularisation, self.peak_power_db)

    @property
    def knowledge(self) -> Knowledge:
        """What both ends know of the channel."""
        csi = Csi(self.csi, self.csi_esn0_db, self.csi_delay, self.csi_bits)
        return Knowledge(csi, self.fading, self.grid, self.no)

    @property
    def no(self) -> float:
        """Variance of the noise per complex symbol, for symbols of average energy 1."""
        return units.esn0_db_to_no(self.esn0_db)

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Send ``x`` [..., n]; see :meth:`Channel.transmit`.

        Each vector is a transmission of its own, with its own slots, side information (mean and deviation; the
        receiver works out rho from the channel it knows) and power constraint: average energy 1 per data position, up
        to the last one used. Where all its values have the same noise, ``noise_var`` is one number, and [..., 1] for a
        batch; otherwise it has the shape of ``x``. Computed in complex64 (above some 100 dB its rounding exceeds the
        noise), and in complex128 for float64 weights. Channel uses are the data and pilot positions of every slot used,
        silent ones included; guard and DC carriers are none.

        Raises:
            TypeError, ValueError: not a real, finite tensor on a CPU or CUDA device, or a threshold above nearly every
                channel gain.
        """
        checks.signal("Ofdm.transmit", x)
        checks.choice("Ofdm.transmit", "x.device", x.device.type, ("cpu", "cuda"))
        link = Link(self, str(x.device), "double" if part_dtype(x.dtype) == torch.float64 else "single")
        rows = [link.send(row, generator) for row in x.reshape(-1, x.shape[-1])]
        return rows[0] if x.ndim == 1 else _batch(rows, x)

    def _check_pairs(self) -> None:
        if self.precoder == "equalise" and self.num_tx > 1:
            raise ValueError(
                f"`Ofdm(num_tx=...)` must be 1 for precoder='equalise', whose transmitter knows no channel to point "
                f"its antennas at; got {self.num_tx}. Use precoder='phase' for beamforming at constant power."
            )
        if self.csi == "ls" and not self.pilot_symbols:
            raise ValueError("`Ofdm(csi='ls')` needs pilots; got pilot_symbols=(). Give at least one pilot symbol.")
        if self.csi == "outdated" and not self.speed and self.model != "trace":
            raise ValueError(
                f"`Ofdm(csi='outdated')` needs a channel that moves; got speed={self.speed!r}. Give a speed > 0 [m/s]."
            )

    def _warn_unbounded(self) -> None:
        """Models whose h has a density > 0 at 0: all but the constant one and recordings, which are finite."""
        inverts = self.precoder == "inversion" and self.threshold == 0 and self.peak_power_db is None
        if inverts and self.num_rx * self.num_tx == 1 and self.model not in ("awgn", "trace"):
            warnings.warn(
                f"`Ofdm(threshold=0)` inverts {self.model} fading in full, which needs unbounded mean power: "
                "E[1/|h|^2] is infinite, the deepest fade met sets the power, and the noise it leaves does not settle "
                "with more weights. Use a threshold > 0 (truncation), peak_power_db, or a second antenna.",
                UnboundedPowerWarning,
                stacklevel=4,
            )


def _batch(rows: list[Received], x: Tensor) -> Received:
    """Transmissions of the rows of ``x`` [..., n] as one."""
    variances = [row.noise_var for row in rows]
    if all(isinstance(variance, float) for variance in variances):
        noise_var = torch.tensor(variances, dtype=torch.float64, device=x.device).view(*x.shape[:-1], 1)
    else:
        noise_var = torch.stack([torch.as_tensor(v, device=x.device).expand(x.shape[-1]) for v in variances])
        noise_var = noise_var.view(x.shape)
    values = torch.stack([row.values for row in rows]).view(x.shape)
    source = least_known(row.source for row in rows)
    return Received(values, noise_var, source, Usage.total([row.usage for row in rows]), _mean_split(rows))


def _mean_split(rows: list[Received]) -> NoiseSplit:
    """Over the values that arrived in all rows."""
    counts = [int(torch.as_tensor(row.noise_var).isfinite().expand(row.values.shape).sum()) for row in rows]
    total = max(1, sum(counts))
    return NoiseSplit(
        **{
            part.name: math.fsum(count * getattr(row.split, part.name) for count, row in zip(counts, rows, strict=True))
            / total
            for part in fields(NoiseSplit)
        }
    )
