"""Weights as integers or short floats: the error of a number format as noise at unit gain.

    q_i = round((w_i - lo) / D),  D = (hi - lo) / (2^b - 1)          integers of b bits, clipped to 0 .. 2^b - 1
    r_i = mu + g (q_i - mean(q)),  g = <w - mu, w - mu> / <w - mu, q>

The receiver's step g makes the gain exactly 1: the error z = r - w is uncorrelated with w, and a denoiser that knows
its variance shrinks r to the least mean square error. Where D is small against the spread of the weights, g = D and
Var[z] = D^2 / 12 with rounding to the nearest, D^2 / 6 with stochastic rounding (Widrow, Kollar, "Quantization Noise",
2008, ch. 4). No such model is trusted here: the sender knows its error exactly and sends the variance along.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from . import checks
from .base import Channel, Received, Usage

FLOATS = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float8-e4m3": torch.float8_e4m3fn,
    "float8-e5m2": torch.float8_e5m2,
}
INTS = {f"int{bits}": bits for bits in range(1, 17)}
MANTISSAS = {f"mantissa{bits}": bits for bits in range(23)}
FORMATS = (*INTS, *FLOATS, *MANTISSAS)
SPANS = ("mse", "symmetric", "min-max")

CLIPS = tuple(2.0 ** (-j / 4) for j in range(16))
"""Fractions of the largest magnitude at which "mse" tries to clip."""


@dataclass(frozen=True)
class Codes:
    """Blocks of quantised weights: all that has to be sent.

    Args:
        codes: [blocks, size], int64, each of :attr:`Quantiser.bits` bits.
        step: [blocks, 1], float32: weight per unit of a code.
        offset: [blocks, 1], float32: weight at code 0.
        noise_var: [blocks, 1], float32: mean square error of a block.
    """

    codes: Tensor
    step: Tensor
    offset: Tensor
    noise_var: Tensor


@dataclass(frozen=True)
class Quantiser:
    """A number format and how weights are fitted to it.

    Args:
        format: ``int1`` to ``int16``; ``float16``, ``bfloat16``; ``float8-e4m3``, ``float8-e5m2`` (scaled to the
            largest weight); ``mantissa0`` to ``mantissa22``, float32 cut after so many bits of its mantissa.
        span: range of the integers: "mse" clips where the error is least, "symmetric" reaches to the largest magnitude
            about the mean, "min-max" from the least to the largest weight. None is "mse"; integers only.
        rounding: "nearest", or "stochastic" (up with the probability that makes it unbiased); integers only.

    Raises:
        ValueError: unknown names, or a choice the format does not have.

    >>> Quantiser("int4").bits, Quantiser("bfloat16").bits, Quantiser("mantissa3").bits
    (4, 16, 12)
    """

    format: str = "int8"
    span: str | None = None
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        checks.choice("Quantiser", "format", self.format, FORMATS)
        checks.choice("Quantiser", "rounding", self.rounding, ("nearest", "stochastic"))
        if self.span is not None:
            checks.choice("Quantiser", "span", self.span, SPANS)
        for name, default in (("span", None), ("rounding", "nearest")):
            if getattr(self, name) != default and self.format not in INTS:
                raise ValueError(
                    f"`Quantiser({name}=...)` has no meaning for format={self.format!r}; got {getattr(self, name)!r}. "
                    "Leave it out, or choose an integer format."
                )

    @cached_property
    def bits(self) -> int:
        """Of one code."""
        if self.format in INTS:
            return INTS[self.format]
        if self.format in MANTISSAS:
            return 9 + MANTISSAS[self.format]
        return torch.finfo(FLOATS[self.format]).bits

    @property
    def side_info_bits(self) -> int:
        """Per block: the error variance, and where the format has them step and offset, 32 bits each."""
        return 32 if self.format.endswith("float16") else 64 if self.format in FLOATS else 96

    def encode(self, w: Tensor, generator: torch.Generator) -> Codes:
        """Quantise blocks.

        Args:
            w: [blocks, size], real, finite.
            generator: source of stochastic rounding; nearest rounding draws nothing.

        Raises:
            ValueError: weights beyond the range of float16.
        """
        x = w.detach().double()
        codes, step, offset = self._integers(x, generator) if self.format in INTS else self._floats(x)
        step, offset = step.float(), offset.float()
        error = self.values(Codes(codes, step, offset, step), w.dtype).double() - x
        return Codes(codes, step, offset, error.square().mean(-1, keepdim=True).float())

    def values(self, sent: Codes, dtype: torch.dtype) -> Tensor:
        """Weights [blocks, size] as the receiver reads them, at unit gain."""
        exact = self._levels(sent.codes) * sent.step.double() + sent.offset.double()
        return exact.to(dtype)

    def _levels(self, codes: Tensor) -> Tensor:
        if self.format in INTS:
            return codes.double()
        if self.format in MANTISSAS:
            short: Tensor = (codes << (23 - MANTISSAS[self.format])).to(torch.int32).view(torch.float32)
        else:
            short = codes.to(torch.uint8 if self.bits == 8 else torch.int16).view(FLOATS[self.format])
        return short.double()

    def _integers(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(-1, keepdim=True)
        if self.span == "min-max":
            low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
            q = self._rounded(x, low, high, generator)
        else:
            reach = (x - mean).abs().amax(-1, keepdim=True)
            if self.span != "symmetric":
                reach = self._best_reach(x - mean, reach)
            q = self._rounded(x, mean - reach, mean + reach, generator)
        step = _unit_gain(x - mean, q)
        return q.long(), step, mean - step * q.mean(-1, keepdim=True)

    def _best_reach(self, centred: Tensor, reach: Tensor) -> Tensor:
        """The clipping range [blocks, 1] whose codes correlate best with the weights: least error at unit gain."""
        best, score = reach, torch.full_like(reach, -1.0)
        for clip in CLIPS if self.bits > 1 else CLIPS[:1]:
            q = self._rounded(centred, -clip * reach, clip * reach, None)
            q -= q.mean(-1, keepdim=True)
            found = (centred * q).sum(-1, keepdim=True).square() / q.square().sum(-1, keepdim=True)
            better = found > score  # false for NaN: a block without spread
            best, score = torch.where(better, clip * reach, best), torch.where(better, found, score)
        return best

    def _rounded(self, x: Tensor, low: Tensor, high: Tensor, generator: torch.Generator | None) -> Tensor:
        top = 2**self.bits - 1
        scaled: Tensor = ((x - low) * (top / (high - low))).nan_to_num_(0.0, 0.0, 0.0)
        if generator is None or self.rounding == "nearest":
            return scaled.round_().clamp_(0, top)
        dither = torch.rand(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
        return scaled.add_(dither.to(x.device)).floor_().clamp_(0, top)

    def _floats(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        one, zero = torch.ones_like(x[:, :1]), torch.zeros_like(x[:, :1])
        if self.format in MANTISSAS:
            codes = (x.float().view(torch.int32) >> (23 - MANTISSAS[self.format])).long()
            mean, levels = x.mean(-1, keepdim=True), self._levels(codes)
            step = _unit_gain(x - mean, levels)
            return codes, step, mean - step * levels.mean(-1, keepdim=True)
        dtype, largest = FLOATS[self.format], float(x.abs().max())
        if self.bits == 16 and largest > torch.finfo(dtype).max:
            raise ValueError(
                f"`Quantiser(format={self.format!r})` holds magnitudes up to {torch.finfo(dtype).max:g}; got "
                f"{largest:g}. Use bfloat16 or an integer format."
            )
        peak = x.abs().amax(-1, keepdim=True)
        step = torch.where(peak > 0, peak / torch.finfo(dtype).max, one).float() if self.bits == 8 else one
        short = (x / step).clamp(-torch.finfo(dtype).max, torch.finfo(dtype).max).to(dtype)
        return short.view(torch.uint8 if self.bits == 8 else torch.int16).long(), step, zero


@dataclass(frozen=True)
class Quantised(Channel):
    """Rounding to integers or short floats, in blocks with a scale each; the error variance travels along.

    Args:
        format: of a weight; see :class:`Quantiser`, also for the next two.
        span: of the integers.
        rounding: "nearest" (which draws no random number: one input, one output) or "stochastic".
        block_size: consecutive weights that share a scale, >= 2; None for the whole vector.

    Raises:
        TypeError, ValueError: a parameter outside its bounds.

    >>> w = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    >>> received = Quantised("int4").transmit(w, generator=torch.Generator())
    >>> received.source, round(10 * torch.log10(w.var() / received.noise_var).item(), 1), received.usage.side_info_bits
    ('side-information', 19.1, 96)
    """

    format: str = "int8"
    span: str | None = None
    rounding: str = "nearest"
    block_size: int | None = None

    def __post_init__(self) -> None:
        _ = self.quantiser
        if self.block_size is not None:
            checks.integer("Quantised", "block_size", self.block_size, ge=2)

    @property
    def quantiser(self) -> Quantiser:
        """The number format."""
        return Quantiser(self.format, self.span, self.rounding)

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Quantise each vector of ``x``; see :meth:`Channel.transmit`. Nothing goes on air but side information.

        ``noise_var`` is one number for a vector that is one block, [..., 1] for a batch of such, else per weight.
        """
        checks.signal("Quantised.transmit", x)
        n = x.shape[-1]
        size = min(self.block_size or n, n)
        whole = n - n % size
        rows = x.reshape(-1, n)
        values, noise_var, blocks = torch.empty_like(rows), torch.empty_like(rows, dtype=torch.float32), 0
        for part, length in ((slice(0, whole), size), (slice(whole, n), n - whole)):
            if length:
                pieces = rows[:, part].reshape(-1, length)
                sent = self.quantiser.encode(pieces, generator)
                values[:, part] = self.quantiser.values(sent, x.dtype).view(len(rows), -1)
                noise_var[:, part] = sent.noise_var.expand(-1, length).reshape(len(rows), -1)
                blocks += len(pieces)
        usage = Usage(side_info_bits=blocks * self.quantiser.side_info_bits)
        return Received(values.view(x.shape), _smallest(noise_var, x.shape, size == n), "side-information", usage)


def _unit_gain(centred: Tensor, q: Tensor) -> Tensor:
    """The step [blocks, 1] at which q has gain 1 on the weights; 0 for a block without spread."""
    return (centred.square().sum(-1, keepdim=True) / (centred * q).sum(-1, keepdim=True)).nan_to_num(0.0, 0.0, 0.0)


def _smallest(noise_var: Tensor, shape: torch.Size, one_block: bool) -> float | Tensor:
    if not one_block:
        return noise_var.view(shape)
    return float(noise_var[0, 0]) if len(shape) == 1 else noise_var[:, :1].reshape(*shape[:-1], 1)
