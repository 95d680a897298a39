"""Real weights <-> complex symbols of average power one, two weights a symbol.

    s_i = ((w_{2i-1} - mu) + j (w_{2i} - mu)) / (sqrt(2) a),    mu = E[w],  a^2 = Var[w],    E|s|^2 = 1

    s_c = alpha s + d,   |s_c| <= c A,   E|s_c|^2 = 1,   E[d conj(s)] = 0,   E|d|^2 = 1 - alpha^2

clips symbols at an amplitude A for a smaller peak (c makes up for the power lost; Bussgang 1952 splits what comes out
into signal and noise; Ochiai, Imai, IEEE Trans. Commun. 2002). For complex Gaussian s, alpha =
(1 - exp(-A^2) + sqrt(pi) / 2 A erfc(A)) / sqrt(1 - exp(-A^2)).

mu and a take the reliable path as side information: sent in the air, the mean would cost power and carry nothing.
Complex noise of variance ``no`` on s becomes noise of variance a^2 no on each weight (:mod:`analognn.channels.units`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from . import checks, units


@dataclass(frozen=True)
class SideInfo:
    """What the receiver must know, without error, to turn symbols into weights again.

    Args:
        mean: mu, in units of the weights; exact in ``dtype``.
        sigma: a, standard deviation of the weights, >= 0; exact in ``dtype``. 0 for weights that are all alike.
        numel: how many weights there are, >= 1. It follows from the model, so it costs nothing.
        dtype: of the weights.
    """

    mean: float
    sigma: float
    numel: int
    dtype: torch.dtype

    @property
    def bits(self) -> int:
        """Bits on the reliable path: two numbers in the dtype of the symbols' parts, 2 x 32 for float32 weights."""
        return 2 * torch.finfo(part_dtype(self.dtype)).bits

    @property
    def num_symbols(self) -> int:
        """Complex symbols that carry the weights: two weights a symbol, none where ``sigma`` is 0."""
        return -(-self.numel // 2) if self.sigma > 0 else 0


def part_dtype(dtype: torch.dtype) -> torch.dtype:
    """Real dtype of a symbol's parts: float64 for float64 weights, float32 for every other.

    >>> part_dtype(torch.bfloat16)
    torch.float32
    """
    return torch.float64 if dtype == torch.float64 else torch.float32


def to_symbols(w: Tensor) -> tuple[Tensor, SideInfo]:
    """Symbols for ``w`` and the side information that reads them.

    Args:
        w: [n], real, finite, any unit. An odd n is padded with the mean.

    Returns:
        s: [ceil(n / 2)], complex64 (complex128 for float64 weights), average power 1 (over the weights, so an odd n
            gives a little less); [0] for weights that are all alike, which travel as their mean.
        side: what :func:`from_symbols` needs.

    Raises:
        TypeError, ValueError: not a real, finite vector.

    >>> s, side = to_symbols(torch.tensor([1.0, 3.0, 3.0, 1.0]))
    >>> torch.view_as_real(2**0.5 * s).round(decimals=6).tolist()
    [[-1.0, 1.0], [1.0, -1.0]]
    >>> side.mean, side.sigma, side.bits
    (2.0, 1.0, 64)
    """
    checks.signal("to_symbols", w, name="w")
    if w.ndim != 1:
        raise ValueError(f"`to_symbols` needs w[n]; got shape {list(w.shape)}. Send one vector at a time.")
    real = w.detach().to(part_dtype(w.dtype))
    low, high = (float(end) for end in real.aminmax())
    if low == high:
        return real.new_empty(0, dtype=real.dtype.to_complex()), SideInfo(low, 0.0, w.numel(), w.dtype)
    mean = _rounded(float(real.mean(dtype=torch.float64)), real)
    peak = max(high - mean, mean - low)
    if not peak <= torch.finfo(real.dtype).max:
        raise ValueError(f"`to_symbols` needs w whose spread fits {real.dtype}; got w from {low:g} to {high:g}.")
    parts = real.new_zeros(-(-w.numel() // 2), 2)
    parts.view(-1)[: w.numel()] = (real - mean).div_(peak)  # squares of what is tiny or huge would leave the floats
    rms = float(torch.linalg.vector_norm(parts, dtype=torch.float64)) / math.sqrt(w.numel())
    side = SideInfo(mean, _rounded(peak * rms, real), w.numel(), w.dtype)
    if side.num_symbols == 0:  # the deviation is below the smallest float
        return real.new_empty(0, dtype=real.dtype.to_complex()), side
    return torch.view_as_complex(parts.mul_(peak / side.sigma / math.sqrt(2))), side


def from_symbols(s: Tensor, side: SideInfo) -> Tensor:
    """The inverse of :func:`to_symbols`.

    Args:
        s: [ceil(n / 2)], complex, at unit gain (noise is welcome).
        side: from :func:`to_symbols`.

    Returns:
        w: [n], real, in the units and the dtype of the weights.

    Raises:
        ValueError: the number of symbols does not fit ``side``.

    >>> from_symbols(*to_symbols(torch.tensor([1.0, 3.0, 5.0]))).round(decimals=6)
    tensor([1., 3., 5.])
    """
    if s.shape != (side.num_symbols,):
        raise ValueError(
            f"`from_symbols` needs s[{side.num_symbols}] for {side.numel} weights; got shape {list(s.shape)}."
        )
    if side.num_symbols == 0:
        return torch.full((side.numel,), side.mean, dtype=side.dtype, device=s.device)
    parts = torch.view_as_real(s).reshape(-1)[: side.numel]
    return (parts * (math.sqrt(2) * side.sigma)).add_(side.mean).to(side.dtype)


def clip(s: Tensor, clip_db: float) -> tuple[Tensor, float]:
    """Symbols whose amplitude is limited, at the power they had.

    Args:
        s: [n], complex.
        clip_db: A^2, the largest power before c, over the average power of ``s`` [dB].

    Returns:
        s_c [n], complex, and alpha, 0 < alpha <= 1, exact in the dtype of the symbols' parts: side information.

    >>> clipped, alpha = clip(torch.tensor([1 + 0j, -3j]), 0.0)
    >>> clipped.abs().square().mean().round(decimals=5).item(), round(alpha, 4)
    (5.0, 0.9951)
    """
    power = float(s.abs().square().mean(dtype=torch.float64))
    amplitude = math.sqrt(power * units.db_to_linear(clip_db))
    clipped = s * (amplitude / s.abs().clamp_min(amplitude))
    left = float(clipped.abs().square().mean(dtype=torch.float64))
    clipped = clipped * math.sqrt(power / left)
    both = float((clipped * s.conj()).real.mean(dtype=torch.float64))
    return clipped, _rounded(both / power, s.real)


def _rounded(value: float, like: Tensor) -> float:
    """``value`` as it arrives when sent in the dtype of ``like``: both ends must use the same number."""
    return float(torch.tensor(value, dtype=like.dtype))
