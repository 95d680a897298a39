"""Where the noise of a medium differs in shape from one independent Gaussian per tensor.

    z = (r - b_l) / g_l - w,   x = z / s_l      least squares and s_l^2 = Var[z] in each tensor l
    kurtosis         E[x^4] - 3                                     0 for AWGN
    variance curve   E[x^2 | abs(w) / sigma_l]                      1 everywhere
    autocorrelation  rho(k) = E[x_(i,j) x_(i,j+k)]                  0 for k > 0; along rows (inputs), columns (outputs)
    in order         rho(k) = E[x_i x_(i+k)]                        0 for k > 0; over the whole packed vector
    in symbols       corr(x_2i, x_(2i+1)), that of abs(x)           0; two weights that share a complex symbol
    row sums         E[(sum_j x_(i,j))^2] / columns                 1: what a neuron with equal inputs sees of it

Tensors are matrices [out, in * k * k], as crossbars hold them. In units of its tensor each x has variance 1, so tensors
of different noise do not look like heavy tails together. Everything is made of sums that add over tensors and draws.
Noise may be Gaussian value by value and still break a network where neighbours err together: sums of many weights,
which is all that a layer computes, do not average it out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from analognn.channels import Received
from analognn.effective import EffectiveNoise
from analognn.packing import PackedWeights, Slot

CURVE_BINS = 20
LAGS = 8
HISTOGRAM_END, HISTOGRAM_BINS = 8.0, 320


@dataclass(frozen=True)
class VarianceCurve:
    """Noise variance against the size of the weight, in bins that hold equally many weights.

    Args:
        magnitude: mean abs(w) in each bin, in standard deviations of the weights of its tensor.
        variance: of the noise in each bin, in units of the noise variance of its tensor: 1 where size does not matter.
        standard_error: of each variance.
    """

    magnitude: tuple[float, ...]
    variance: tuple[float, ...]
    standard_error: tuple[float, ...]


@dataclass(frozen=True)
class Autocorrelation:
    """Of the noise at distance 1, 2, ... in a matrix.

    Args:
        rho: one value a lag.
        standard_error: 1 / sqrt(pairs), that of independent noise.
    """

    rho: tuple[float, ...]
    standard_error: tuple[float, ...]


@dataclass(frozen=True)
class NoiseShape:
    """Noise in units of each tensor's standard deviation, over all tensors and draws.

    Args:
        excess_kurtosis: 0 for a Gaussian.
        ks_distance: largest distance of the distribution from N(0, 1), at the edges of the histogram's bins.
        magnitude_corr: correlation of abs(z) with abs(w), each in units of its tensor.
        curve: variance against abs(w).
        along_rows: autocorrelation between neighbouring inputs.
        along_columns: autocorrelation between neighbouring outputs.
        in_order: autocorrelation in the order of packing, which is that of transmission unless a medium interleaves.
        symbol_corr: correlation of the two values that share a complex symbol.
        symbol_magnitude_corr: that of their magnitudes: two that share a fade are large or small together.
        row_sum_var: variance of sums along rows, in units of that of independent noise.
        row_sum_var_se: its standard error for independent noise.
        histogram: counts in equal bins from -8 to 8; the first and the last also hold what lies outside.
        count: noise samples, over all draws.
    """

    excess_kurtosis: float
    ks_distance: float
    magnitude_corr: float
    curve: VarianceCurve
    along_rows: Autocorrelation
    along_columns: Autocorrelation
    in_order: Autocorrelation
    symbol_corr: float
    symbol_magnitude_corr: float
    row_sum_var: float
    row_sum_var_se: float
    histogram: tuple[int, ...]
    count: int


def standardised(packed: PackedWeights, received: Received, tensors: dict[str, EffectiveNoise]) -> Tensor:
    """The x of every weight [n], float64; NaN where a value was erased or a tensor has no noise.

    Args:
        packed: what was sent.
        received: what came back.
        tensors: its noise by tensor, see :func:`analognn.effective.effective_noise_per_tensor`.
    """
    x = torch.full(packed.vector.shape, math.nan, dtype=torch.float64, device=packed.vector.device)
    for slot in packed.layout.slots:
        noise = tensors.get(slot.name)
        if noise is not None and 0 < noise.noise_var < math.inf:
            part = slice(slot.start, slot.stop)
            aligned = align(received.values[part].double(), noise)
            x[part] = (aligned - packed.vector[part].double()) / math.sqrt(noise.noise_var)
    erased = torch.isinf(torch.as_tensor(received.noise_var, device=x.device)).expand(x.shape)
    return x.masked_fill_(erased, math.nan)


def align(values: Tensor, noise: EffectiveNoise) -> Tensor:
    """(r - b) / g, or as it is where the weights do not vary (no gain can be told) or nothing got through."""
    if not math.isfinite(noise.gain) or noise.gain == 0:
        return values - noise.offset if math.isnan(noise.gain) else values
    return (values - noise.offset) / noise.gain


@dataclass
class ShapeSums:
    """Collects draws, one :meth:`add` each, and gives the :class:`NoiseShape` of all. Holds sums, not samples.

    Args:
        packed: the weights.
    """

    packed: PackedWeights
    sums: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        vector = self.packed.vector.double()
        magnitude = torch.zeros_like(vector)
        for slot in self.packed.layout.slots:
            part = slice(slot.start, slot.stop)
            sigma = vector[part].std(correction=0)
            magnitude[part] = vector[part].abs() / sigma if float(sigma) > 0 else 0.0
        ordered = magnitude.sort().values
        cuts = torch.arange(1, CURVE_BINS, device=vector.device) * vector.numel() // CURVE_BINS
        self._magnitude, self._edges = magnitude, ordered[cuts]

    def add(self, x: Tensor) -> None:
        """Count one draw: x [n] from :func:`standardised`."""
        kept = ~x.isnan()
        found = _moment_sums(x[kept], self._magnitude[kept], self._edges) | self._lag_sums(x)
        self.sums = {name: value + self.sums.get(name, 0) for name, value in found.items()}

    def _lag_sums(self, x: Tensor) -> dict[str, Tensor]:
        found = {name: torch.zeros(LAGS, 2, dtype=torch.float64) for name in ("rows", "columns", "order")}
        sums = torch.zeros(2, dtype=torch.float64)
        for slot in self.packed.layout.slots:
            matrix = _matrix(x, slot)
            found["rows"] += _products(matrix)
            found["columns"] += _products(matrix.T)
            sums += _row_sums(matrix)
        found["order"] += _products(x[None])
        return found | {"row_sums": sums} | _symbol_sums(x)

    def shape(self) -> NoiseShape | None:
        """What the draws amount to; None without noise."""
        s = self.sums
        n = int(s["n"].sum()) if s else 0
        if n == 0:
            return None
        var = float(s["x2"].sum()) / n  # 1 but for erased values
        return NoiseShape(
            excess_kurtosis=float(s["x4"].sum()) / n / var**2 - 3,
            ks_distance=_ks_distance(s["histogram"]),
            magnitude_corr=_correlation(n, *(float(s[key].sum()) for key in ("a", "m", "am", "x2", "m2"))),
            curve=_curve(s),
            along_rows=_autocorrelation(s["rows"]),
            along_columns=_autocorrelation(s["columns"]),
            in_order=_autocorrelation(s["order"]),
            symbol_corr=_correlation(*s["symbols"].tolist()),
            symbol_magnitude_corr=_correlation(*s["symbol_magnitudes"].tolist()),
            row_sum_var=float(s["row_sums"][0] / s["row_sums"][1]) if s["row_sums"][1] > 0 else math.nan,
            row_sum_var_se=math.sqrt(2 / float(s["row_sums"][1])) if s["row_sums"][1] > 0 else math.nan,
            histogram=tuple(int(count) for count in s["histogram"]),
            count=n,
        )


def histogram_edges() -> Tensor:
    """[HISTOGRAM_BINS + 1], in standard deviations of the noise."""
    return torch.linspace(-HISTOGRAM_END, HISTOGRAM_END, HISTOGRAM_BINS + 1, dtype=torch.float64)


def _matrix(x: Tensor, slot: Slot) -> Tensor:
    return x[slot.start : slot.stop].reshape(slot.shape[0] if slot.shape else 1, -1)


def _products(rows: Tensor) -> Tensor:
    """[LAGS, 2]: sum of x_j x_(j+k) along each row and how many there are; NaN has no part in either."""
    found = torch.zeros(LAGS, 2, dtype=torch.float64)
    for lag in range(1, min(LAGS + 1, rows.shape[1])):
        products = rows[:, lag:] * rows[:, :-lag]
        found[lag - 1] = torch.tensor([float(products.nansum()), int((~products.isnan()).sum())])
    return found


def _row_sums(matrix: Tensor) -> Tensor:
    """[2]: squares of the row sums in units of independent noise, and their degrees of freedom.

    Taking the offset off a tensor ties its row sums together, which costs one degree.
    """
    counts = (~matrix.isnan()).sum(1)
    used = counts > 0
    if int(used.sum()) < 2:
        return torch.zeros(2, dtype=torch.float64)
    squares = matrix[used].nansum(1).square() / counts[used]
    return torch.tensor([float(squares.sum()), int(used.sum()) - 1], dtype=torch.float64)


def _symbol_sums(x: Tensor) -> dict[str, Tensor]:
    """What :func:`_correlation` asks for, of the two values in each symbol and of their magnitudes."""
    pairs = x[: x.numel() // 2 * 2].reshape(-1, 2)
    a, b = pairs[~pairs.isnan().any(1)].T
    return {
        name: torch.stack([torch.tensor(float(len(p))), p.sum(), q.sum(), (p * q).sum(), (p * p).sum(), (q * q).sum()])
        for name, p, q in (("symbols", a, b), ("symbol_magnitudes", a.abs(), b.abs()))
    }


def _moment_sums(x: Tensor, m: Tensor, edges: Tensor) -> dict[str, Tensor]:
    """Sums per bin of the curve, and the histogram."""
    bins = torch.bucketize(m, edges, right=True)
    a, square = x.abs(), x.square()
    terms = {"n": torch.ones_like(x), "x2": square, "x4": square.square(), "a": a, "m": m, "am": a * m, "m2": m * m}
    sums = {name: torch.bincount(bins, term, minlength=CURVE_BINS).cpu() for name, term in terms.items()}
    inside = x.clamp(-HISTOGRAM_END, HISTOGRAM_END)
    sums["histogram"] = torch.histc(inside, HISTOGRAM_BINS, -HISTOGRAM_END, HISTOGRAM_END).cpu()
    return sums


def _curve(s: dict[str, Tensor]) -> VarianceCurve:
    used = s["n"] > 0
    n, x2, x4, m = (s[name][used] for name in ("n", "x2", "x4", "m"))
    error = ((x4 / n - (x2 / n).square()).clamp_min(0) / n).sqrt()
    return VarianceCurve(tuple((m / n).tolist()), tuple((x2 / n).tolist()), tuple(error.tolist()))


def _correlation(n: float, a: float, m: float, am: float, a2: float, m2: float) -> float:
    scale = math.sqrt(max(a2 - a * a / n, 0) * max(m2 - m * m / n, 0))
    return (am - a * m / n) / scale if scale > 0 else math.nan


def _autocorrelation(sums: Tensor) -> Autocorrelation:
    products, pairs = sums.T
    used = pairs > 0
    rho, error = products[used] / pairs[used], pairs[used].rsqrt()
    return Autocorrelation(tuple(rho.tolist()), tuple(error.tolist()))


def _ks_distance(histogram: Tensor) -> float:
    below = histogram.cumsum(0)[:-1] / histogram.sum()
    return float((below - torch.special.ndtr(histogram_edges()[1:-1])).abs().max())
