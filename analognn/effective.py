"""How a medium looks as noise on the weights: the reduction to effective AWGN, and how far it is from it.

    r = g w + b + z'        least squares gives gain g and offset b
    z = z' / g              noise at unit gain;  noise_var = Var[z],  WNR = Var[w] / noise_var

This needs the true weights: it is for emulation, never for a denoiser.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analognn.channels import Received, checks, units
from analognn.packing import PackedWeights


@dataclass(frozen=True)
class EffectiveNoise:
    """The noise a medium put on weights, as one Gaussian, and what that leaves out.

    Args:
        gain: g, 1 for an ideal medium. NaN for weights that do not vary.
        offset: b, in units of the weights.
        noise_var: variance per real weight at unit gain.
        wnr_db: 10 log10(Var[w] / noise_var) [dB]; inf without noise.
        excess_kurtosis: of z; 0 for a Gaussian, NaN without noise.
        ks_distance: Kolmogorov-Smirnov distance of standardised z from N(0, 1); NaN without noise.
        magnitude_corr: correlation of abs(z) with abs(w); 0 where the noise does not depend on the weight.
        count: number of weights.
    """

    gain: float
    offset: float
    noise_var: float
    wnr_db: float
    excess_kurtosis: float
    ks_distance: float
    magnitude_corr: float
    count: int

    @property
    def noise_var_se(self) -> float:
        """Standard error of ``noise_var``, from the kurtosis found: s_z^2 sqrt((kurtosis + 2) / count)."""
        return 0.0 if self.noise_var == 0 else self.noise_var * math.sqrt((self.excess_kurtosis + 2) / self.count)


def effective_noise(weights: Tensor, received: Received) -> EffectiveNoise:
    """Reduce what a medium did to AWGN. Erased values (infinite ``noise_var``) do not count.

    Args:
        weights: [...], real, what was sent.
        received: what came back, ``values`` in the same shape.

    Raises:
        ValueError: the shapes differ, or every value was erased.

    >>> from analognn.channels import Awgn
    >>> g = torch.Generator().manual_seed(0)
    >>> w = torch.randn(100_000, generator=g)
    >>> noise = effective_noise(w, Awgn(wnr_db=10.0).transmit(w, generator=g))
    >>> round(noise.wnr_db, 1), round(noise.gain, 2)
    (10.0, 1.0)
    """
    checks.signal("effective_noise", weights, name="weights")
    if weights.shape != received.values.shape:
        raise ValueError(
            f"`effective_noise` needs what was sent and what was received in one shape; got "
            f"{list(weights.shape)} and {list(received.values.shape)}."
        )
    kept = torch.isfinite(torch.as_tensor(received.noise_var, device=weights.device)).expand(weights.shape)
    if not bool(kept.any()):
        raise ValueError(f"`effective_noise` needs values that arrived; all {weights.numel()} were erased.")
    if bool(kept.all()):
        return _reduce(weights.double().reshape(-1), received.values.double().reshape(-1))
    return _reduce(weights[kept].double(), received.values[kept].double())


def effective_noise_per_tensor(packed: PackedWeights, received: Received) -> dict[str, EffectiveNoise]:
    """The same for each analog tensor by name; a tensor that was erased whole is left out."""
    noise_var = torch.as_tensor(received.noise_var, device=packed.vector.device).expand(packed.vector.shape)
    found = {}
    for slot in packed.layout.slots:
        part = slice(slot.start, slot.stop)
        if bool(torch.isfinite(noise_var[part]).any()):
            piece = Received(received.values[part], noise_var[part], received.source)
            found[slot.name] = effective_noise(packed.vector[part], piece)
    return found


def pooled(noises: Sequence[EffectiveNoise]) -> EffectiveNoise:
    """One for several transmissions of the same weights: as if their noise were one sample.

    Counts add, the second and fourth moments of z average by count; so do gain, offset and the correlation. The KS
    distance is the average too, which sampling holds above 0 as far as it does for one transmission.

    Raises:
        ValueError: nothing to pool.
    """
    if not noises:
        raise ValueError("`pooled` needs the noise of at least one transmission; got none.")
    if len(noises) == 1:
        return noises[0]
    count = sum(noise.count for noise in noises)

    def mean(values: Iterable[float]) -> float:
        return math.fsum(n.count * value for n, value in zip(noises, values, strict=True)) / count

    noise_var = mean(n.noise_var for n in noises)
    fourth = mean((n.excess_kurtosis + 3) * n.noise_var**2 if n.noise_var > 0 else 0.0 for n in noises)
    noisy = 0 < noise_var < math.inf
    signal = mean(n.noise_var * units.db_to_linear(n.wnr_db) if 0 < n.noise_var < math.inf else 0.0 for n in noises)
    return EffectiveNoise(
        gain=mean(n.gain for n in noises),
        offset=mean(n.offset for n in noises),
        noise_var=noise_var,
        wnr_db=units.noise_var_to_wnr_db(noise_var, signal),
        excess_kurtosis=fourth / noise_var**2 - 3 if noisy else math.nan,
        ks_distance=mean(n.ks_distance for n in noises),
        magnitude_corr=mean(n.magnitude_corr for n in noises),
        count=count,
    )


def _reduce(w: Tensor, r: Tensor) -> EffectiveNoise:
    var = float(w.var(correction=0))
    gain, offset = (1.0, 0.0) if torch.equal(w, r) else _least_squares(w, r, var)
    slope = 1.0 if math.isnan(gain) else gain
    z = (r - slope * w - offset) / slope if slope != 0 else torch.full_like(r, math.inf)
    noise_var = float(z.square().mean())
    return EffectiveNoise(
        gain=gain,
        offset=offset,
        noise_var=noise_var,
        wnr_db=units.noise_var_to_wnr_db(noise_var, var),
        excess_kurtosis=_excess_kurtosis(z, noise_var),
        ks_distance=_ks_distance(z, noise_var),
        magnitude_corr=_correlation(z.abs(), w.abs()),
        count=w.numel(),
    )


def _least_squares(w: Tensor, r: Tensor, var: float) -> tuple[float, float]:
    """Gain and offset of r on w; no gain can be told from weights that do not vary."""
    if var == 0:
        return math.nan, float((r - w).mean())
    gain = float(((w - w.mean()) * r).mean()) / var
    return gain, float(r.mean() - gain * w.mean())


def _excess_kurtosis(z: Tensor, var: float) -> float:
    return float((z.square() / var).square().mean()) - 3.0 if 0 < var < math.inf else math.nan


def _ks_distance(z: Tensor, var: float) -> float:
    """Sup |F_n(z) - Phi(z)|, at both sides of every step of the empirical distribution F_n."""
    if not 0 < var < math.inf:
        return math.nan
    phi = torch.special.ndtr(z.sort().values / math.sqrt(var))
    steps = torch.arange(z.numel() + 1, device=z.device, dtype=z.dtype) / z.numel()
    return float(torch.maximum((phi - steps[:-1]).max(), (steps[1:] - phi).max()))


def _correlation(a: Tensor, b: Tensor) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(a.norm() * b.norm())
    return float((a * b).sum()) / scale if 0 < scale < math.inf else math.nan
