"""What both ends know of the channel, and how far off it is.

    h = h_hat + e,    E[e | h_hat] = 0,    err_var = E[|e|^2 | h_hat]

h_hat is the conditional mean of the channel given what was observed of it. Inverting h_hat therefore leaves unit gain,
and each symbol gets noise err_var / |h_hat|^2 besides the receiver's. Of the channel's realisation the receiver uses
nothing else; its statistics it knows, as after long use. Where h ~ CN(0, 1) at each position (:data:`GAUSSIAN`) they
have closed forms. J(t) is the correlation of h over t seconds: J0(2 pi f_D t), f_D = speed carrier_frequency / c.

    perfect      h_hat = h                                            err_var = 0
    ls           o_t = sum_p A_tp (h_p + n_p), n_p ~ CN(0, s2)        c_t = sum_p A_tp J(t - p)
                 h_hat_t = (c_t / E|o_t|^2) o_t                       err_var_t = 1 - c_t^2 / E|o_t|^2
                 E|o_t|^2 = sum_pq A_tp A_tq (J(p - q) + [p = q] s2)
    outdated     h_hat(t) = J(delay) h(t - delay)                     err_var = 1 - J(delay)^2
    quantised    each real part: its mean in the cell it falls in     err_var = sum of the variances in the two cells

A is least squares at the pilots, averaged over a slot where the channel stands still in it, and a line through the two
nearest pilot symbols where it moves (Sionna's ``lin_time_avg`` and ``lin``; pilots fill every carrier). For the
standing channel c = 1: h_hat = o / (1 + s2 / P), err_var = s2 / (P + s2).

For every other model these are only the first step: :class:`analognn.channels.knowledge.Calibration`. The quantiser is
:mod:`analognn.channels.feedback`.

Kay, "Fundamentals of Statistical Signal Processing: Estimation Theory", 1993, ch. 10 and 12 (conditional mean, linear
MMSE); Clarke 1968 and Jakes 1974 (J0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from . import checks, units
from .base import standard_normal
from .feedback import MAX_BITS, quantise
from .grid import Grid

KINDS = ("perfect", "ls", "outdated", "quantised")
GAUSSIAN = ("rayleigh", "tdl-a", "tdl-b", "tdl-c")


@dataclass(frozen=True)
class Csi:
    """Channel state information of both ends, by kind.

    Args:
        kind: ``perfect``, ``ls``, ``outdated`` or ``quantised``.
        esn0_db: Es/N0 of the pilots [dB], ``ls`` only.
        delay: age of the channel that both ends know [s], > 0; ``outdated`` needs it.
        bits: per real part of h, 1 to 12; ``quantised`` needs it.

    Raises:
        TypeError, ValueError: an unknown kind, or a number outside its bounds, missing, or of no use to the kind.

    >>> Csi("outdated", delay=1e-3).kind
    'outdated'
    """

    kind: str = "perfect"
    esn0_db: float | None = None
    delay: float | None = None
    bits: int | None = None

    def __post_init__(self) -> None:
        checks.choice("Ofdm", "csi", self.kind, KINDS)
        for name, kind in (("esn0_db", "ls"), ("delay", "outdated"), ("bits", "quantised")):
            value = getattr(self, name)
            if value is not None and self.kind != kind:
                raise ValueError(
                    f"`Ofdm(csi_{name}=...)` has no meaning for csi={self.kind!r}; got {value!r}. Leave it out, or "
                    f"choose csi={kind!r}."
                )
            if value is None and self.kind == kind and kind != "ls":
                raise ValueError(f"`Ofdm(csi={kind!r})` needs csi_{name}.")
        if self.esn0_db is not None:
            checks.real("Ofdm", "csi_esn0_db", self.esn0_db)
        if self.delay is not None:
            checks.real("Ofdm", "csi_delay", self.delay, gt=0)
        if self.bits is not None:
            checks.integer("Ofdm", "csi_bits", self.bits, ge=1)
            if self.bits > MAX_BITS:
                raise ValueError(f"`Ofdm(csi_bits=...)` must be <= {MAX_BITS}; got {self.bits}.")

    def estimate(
        self, h: Tensor, h_then: Tensor, *, grid: Grid, doppler: float, no: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """What both ends know instead of ``h``, by the closed forms.

        Args:
            h: [slots, antennas, num_symbols or 1, fft_size], complex.
            h_then: the same, ``delay`` ago.
            grid: where the pilots are.
            doppler: f_D [Hz].
            no: of the pilots where ``esn0_db`` is None.
            generator: of the noise on the pilots.

        Returns:
            h_hat in the shape of ``h``, and err_var, which broadcasts to it.
        """
        if self.kind == "ls":
            no = no if self.esn0_db is None else units.esn0_db_to_no(self.esn0_db)
            gain, err_var = least_squares_lmmse(grid, no, doppler, still=h.shape[-2] == 1)
            return gain.to(h.real) * least_squares(h, grid, no, generator), err_var.to(h.real)
        if self.kind == "outdated":
            assert self.delay is not None
            gain = jakes(torch.tensor(doppler * self.delay, dtype=torch.float64))
            return gain.to(h.real) * h_then, (1 - gain.square()).to(h.real)
        if self.kind == "quantised":
            assert self.bits is not None
            return quantise(h, self.bits)
        return h, h.real.new_zeros(())


def least_squares(h: Tensor, grid: Grid, no: float, generator: torch.Generator) -> Tensor:
    """The channel as pilots of unit energy in noise ``no`` show it, o of the ``ls`` line.

    Args:
        h: [..., num_symbols or 1, fft_size], complex.
        grid: where the pilot symbols are.
        no: s2, variance of the complex noise on one pilot.
        generator: of that noise.

    Returns:
        o, in the shape of ``h``.
    """
    pilots = list(grid.pilot_symbols)
    still = h.shape[-2] == 1
    seen = h.expand(*h.shape[:-2], len(pilots), -1) if still else h[..., pilots, :]
    noise = standard_normal(torch.view_as_real(seen.contiguous()), generator)
    seen = seen + math.sqrt(no / 2) * torch.view_as_complex(noise)
    weights = interpolation(grid, still=still).to(h)
    return weights @ seen


def interpolation(grid: Grid, *, still: bool) -> Tensor:
    """A [num_symbols or 1, pilots], float64: how the channel at a symbol is made of that at the pilot symbols.

    >>> interpolation(Grid(num_symbols=4, pilot_symbols=(0, 2)), still=False)
    tensor([[ 1.0000,  0.0000],
            [ 0.5000,  0.5000],
            [ 0.0000,  1.0000],
            [-0.5000,  1.5000]], dtype=torch.float64)
    """
    at = grid.pilot_symbols
    if still or len(at) == 1:
        return torch.full((1 if still else grid.num_symbols, len(at)), 1 / len(at), dtype=torch.float64)
    spans = list(pairwise(sorted(range(len(at)), key=at.__getitem__)))
    weights = torch.zeros(grid.num_symbols, len(at), dtype=torch.float64)
    for t in range(grid.num_symbols):
        left, right = next((span for span in reversed(spans) if at[span[0]] <= t), spans[0])
        share = (t - at[left]) / (at[right] - at[left])
        weights[t, left], weights[t, right] = 1 - share, share
    return weights


def least_squares_lmmse(grid: Grid, no: float, doppler: float, *, still: bool) -> tuple[Tensor, Tensor]:
    """Gain c / E|o|^2 and err_var of the ``ls`` line, [num_symbols or 1, 1] each, float64.

    Args:
        grid: where the pilots are.
        no: s2, variance of the complex noise on one pilot.
        doppler: f_D [Hz]; of no concern to a channel that stands still.
        still: whether the channel stands still within a slot, at whatever speed the user moves.

    >>> gain, err_var = least_squares_lmmse(Grid(), 0.1, 0.0, still=True)
    >>> round(float(gain), 4), round(float(err_var), 4)
    (0.9524, 0.0476)
    """
    weights = interpolation(grid, still=still)
    doppler = 0.0 if still else doppler  # block fading ages from slot to slot alone
    pilots = torch.tensor(grid.pilot_symbols, dtype=torch.float64) * grid.symbol_duration
    times = pilots[:1] if still else torch.arange(grid.num_symbols, dtype=torch.float64) * grid.symbol_duration
    among = jakes(doppler * (pilots[:, None] - pilots)) + no * torch.eye(len(pilots), dtype=torch.float64)
    cross = (weights * jakes(doppler * (times[:, None] - pilots))).sum(-1, keepdim=True)
    power = ((weights @ among) * weights).sum(-1, keepdim=True)
    return cross / power, 1 - cross.square() / power


def jakes(cycles: Tensor) -> Tensor:
    """J0(2 pi x): correlation of the channel over a time of x = doppler * delay cycles."""
    correlation: Tensor = torch.special.bessel_j0(2 * math.pi * cycles)
    return correlation
