"""What the transmitter does with the channel it knows: precoders under an average-power and a peak-power limit.

    x_i = q_i s_i,   q_i = min(sqrt(rho), sqrt(P_peak) / |p_i|) p_i,    rho such that mean_i |q_i|^2 = P

    inversion     p = conj(h) / |h|^2              h p = 1: AWGN with Es/N0 = rho / no, however the channel fades
    regularised   p = conj(h) / (|h|^2 + reg)      h p = |h|^2 / (|h|^2 + reg): deep fades cost no power
    phase         p = conj(h) / |h|                h p = |h|: every position at the same power
    equalise      p = 1                            the transmitter knows nothing; the receiver divides by h

all on active positions, |h_i|^2 >= threshold E|h|^2, and 0 elsewhere; the mean is over all positions, silent ones
included. A position that would need more than the peak is sent at the peak: weaker, not lost. The receiver, who knows h
as well, always divides by the gain g_i = h_i q_i. So values are unbiased and position i has noise no / |g_i|^2; this
gives nothing away, for shrinking them by those variances is MMSE equalisation:

    s_w^2 / (s_w^2 + a^2 no / |g|^2) . y / g  =  conj(g) y / (|g|^2 + no)      for s_w^2 = a^2 (weights of unit symbols)

Goldsmith, Varaiya, "Capacity of Fading Channels with Channel Side Information", IEEE Trans. IT 1997 (inversion); Zhu,
Wang, Huang, "Broadband Analog Aggregation for Low-Latency Federated Edge Learning", IEEE TWC 2020 (analog symbols);
Cao, Zhu, Xu, Huang, "Optimized Power Control for Over-the-Air Computation in Fading Channels", IEEE TWC 2020
(regularised inversion; full power where inversion would need more than the peak).

With Rayleigh fading, reg = r, t = threshold and E1 the exponential integral: outage 1 - exp(-t); P E|h|^2 / rho is
E1(t) for inversion and exp(r) (1 + r) E1(r) - 1 for regularised inversion with t = 0. E1(0) is infinite: full inversion
has no mean power, and rho wanders from one realisation to the next with no limit (:class:`UnboundedPowerWarning`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from . import checks, units

PRECODERS = ("inversion", "regularised", "phase", "equalise")
DEFAULT_THRESHOLD = 0.1


class UnboundedPowerWarning(UserWarning):
    """Full inversion of a channel that can fade to nothing: the power it needs has no mean."""


@dataclass(frozen=True)
class Precoder:
    """A precoder by name, and its limits.

    Args:
        name: ``inversion``, ``regularised``, ``phase`` or ``equalise``.
        threshold: least |h|^2 / E|h|^2 that is used, >= 0. None is 0.1 for inversion and 0 for the others, which need
            none; ``equalise`` takes no other, since its transmitter cannot know where to be silent.
        regularisation: reg, in units of E|h|^2 of one antenna, > 0; ``regularised`` only, where None is ``no``.
        peak_power_db: largest |q|^2 over its average [dB], >= 0; None for no limit.

    Raises:
        TypeError, ValueError: an unknown name, a number outside its bounds, or one the precoder has no use for.

    >>> h = torch.tensor([2j, 0.1 + 0j])
    >>> Precoder("inversion")(h, mean_power=1.0, no=0.1).tolist()
    [-0.5j, 0j]
    """

    name: str = "inversion"
    threshold: float | None = None
    regularisation: float | None = None
    peak_power_db: float | None = None

    def __post_init__(self) -> None:
        checks.choice("Ofdm", "precoder", self.name, PRECODERS)
        if self.threshold is not None:
            checks.real("Ofdm", "threshold", self.threshold, ge=0)
            if self.name == "equalise" and self.threshold > 0:
                raise ValueError(
                    f"`Ofdm(threshold=...)` must be 0 or None for precoder='equalise', whose transmitter does not "
                    f"know where to be silent; got {self.threshold!r}. noise_var tells weak positions from strong ones."
                )
        if self.regularisation is not None:
            checks.real("Ofdm", "regularisation", self.regularisation, gt=0)
            if self.name != "regularised":
                raise ValueError(
                    f"`Ofdm(regularisation=...)` has no meaning for precoder={self.name!r}; "
                    f"got {self.regularisation!r}. Leave it out, or choose precoder='regularised'."
                )
        if self.peak_power_db is not None:
            checks.real("Ofdm", "peak_power_db", self.peak_power_db, ge=0)

    @property
    def least(self) -> float:
        """The threshold in force."""
        if self.threshold is not None:
            return self.threshold
        return DEFAULT_THRESHOLD if self.name == "inversion" else 0.0

    @property
    def peak(self) -> float:
        """P_peak, linear; inf for no limit."""
        return math.inf if self.peak_power_db is None else units.db_to_linear(self.peak_power_db)

    def __call__(self, h: Tensor, *, mean_power: float, no: float) -> Tensor:
        """P, before its power is set.

        Args:
            h: [...], complex or real, the channel as the transmitter knows it.
            mean_power: E|h|^2 of what it knows.
            no: variance of the receiver's noise, for the default ``regularisation``.
        """
        if self.name == "equalise":
            return torch.ones_like(h)
        active = active_positions(h, threshold=self.least, mean_power=mean_power)
        if self.name == "inversion":
            return inverse(h, active)
        if self.name == "phase":
            return torch.where(active, h.conj() / h.abs(), 0)
        reg = no if self.regularisation is None else self.regularisation
        return torch.where(active, h.conj() / (_power(h) + reg), 0)


def active_positions(h: Tensor, *, threshold: float, mean_power: float = 1.0) -> Tensor:
    """Where the channel is strong enough to be used.

    Args:
        h: [...], complex or real channel gains.
        threshold: least |h|^2 relative to ``mean_power``, >= 0 (linear). 0 takes every channel that is not 0.
        mean_power: E|h|^2 of the channel model (not of this realisation, so that the decision on one position does not
            depend on the others).

    Returns:
        [...], bool.

    >>> active_positions(torch.tensor([0.1 + 0j, 1 + 1j]), threshold=0.1)
    tensor([False,  True])
    """
    power = _power(h)
    return (power >= threshold * mean_power) & (power > 0)


def inverse(h: Tensor, active: Tensor) -> Tensor:
    """conj(h) / |h|^2 on active positions, 0 elsewhere: the precoder before its power is set.

    Args:
        h: [...], complex or real channel gains.
        active: [...], bool.

    >>> inverse(torch.tensor([2j, 0j]), torch.tensor([True, False])).tolist()
    [-0.5j, 0j]
    """
    return torch.where(active, h.reciprocal(), 0)


def power_scale(precoder: Tensor, *, power: float = 1.0, peak: float = math.inf) -> float:
    """rho: the factor on |precoder|^2 that makes the average power over all positions equal to ``power``.

    Args:
        precoder: [...], complex, as :class:`Precoder` returns it: every position counts, silent ones too.
        power: P, per position, in units of the average energy of a symbol.
        peak: P_peak, in the same units: what a position has no more than, whatever rho.

    Returns:
        rho >= 0; inf where every position is silent. Where ``peak`` on every active position is less than ``power`` on
        average, the least rho that brings them all there.

    >>> power_scale(torch.tensor([2 + 0j, 0j]))
    0.5
    >>> power_scale(torch.tensor([2 + 0j, 1 + 0j]), peak=1.5)
    0.5
    """
    energy = _power(precoder)
    mean = float(energy.mean(dtype=torch.float64))
    if mean == 0:
        return math.inf
    rho, full = power / mean, 0
    # Newton on mean(min(rho |p|^2, peak)), concave and piecewise linear in rho: from below, and exact in a few steps.
    while peak < math.inf:
        above = energy > peak / rho
        count = int(above.sum())
        if count == full:
            break
        full = count
        rest = float(torch.where(above, 0, energy).mean(dtype=torch.float64))
        missing = power - peak * full / energy.numel()
        if rest == 0 or missing <= 0:
            return peak / float(energy[energy > 0].min())
        rho = missing / rest
    return rho


def limited(q: Tensor, *, peak: float = math.inf) -> Tensor:
    """``q`` at the peak where it would need more power.

    >>> limited(torch.tensor([2 + 0j, 1 + 0j]), peak=2.25)
    tensor([1.5000+0.j, 1.0000+0.j])
    """
    return q if peak == math.inf else q * (math.sqrt(peak) / q.abs()).clamp(max=1.0)


def _power(z: Tensor) -> Tensor:
    return z.real.square() + z.imag.square() if z.is_complex() else z.square()
