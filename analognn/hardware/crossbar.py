"""Weights on crossbar tiles: programmed as conductances, drifted, read back at unit gain.

    tile     W [out, in] is cut into tiles of at most tile_size x tile_size, scale s = max|W| of a tile (or of each row)
    program  G = G(W / s) + programming noise               [uS], the conductances of the devices
    drift    G(t) = G (t / t_0)^-nu + 1/f noise             at t_inference [s] after programming
    read     r = s alpha W(G(t)),  alpha = mean|W(G(0))| / mean|W(G(t))|        global drift compensation

Noise models and conductance converters are aihwkit's own (Rasch et al., "A flexible and fast PyTorch toolkit for
simulating training and inference on analog crossbar arrays", AICAS 2021), called tile by tile without its tile modules:
that takes every tensor that is a matrix once flattened, at a fraction of the cost. alpha is computed as above because
aihwkit's own read-out quantises it away at its default converter settings.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Protocol, get_args

import torch
from torch import Tensor

from analognn.backends import Backend
from analognn.channels import Received, Usage, checks
from analognn.compat import require_aihwkit
from analognn.packing import PackedWeights, Slot

from .calibration import Fit, bootstrap

DriftCompensation = Literal["none", "global", "global-exact", "per-column", "per-column-exact"]
WeightScaling = Literal["tile", "column"]
SCALE_BITS = 32
"""A crossbar keeps the scale of each tile (or column) as a digital number beside it."""
FLOOR = 1e-12
"""Least mean|W|, in units of the scale, that drift compensation divides by: a column may read exactly 0."""


class NoiseModel(Protocol):
    """The two steps of an aihwkit noise model. Weights are [out, in], drawn from torch's global generator."""

    def apply_programming_noise(self, weights: Tensor) -> tuple[Tensor, Any]:
        """The programmed weights, and what drift needs to know of each device."""
        ...

    def apply_drift_noise(self, weights: Tensor, drift_noise_parameters: Any, t_inference: float) -> Tensor:
        """The programmed ``weights`` as read at ``t_inference`` [s]."""
        ...


class Reading(NamedTuple):
    """What is read at one time: t [s], values [n] and noise_var [n], both filled tensor by tensor."""

    t: float
    values: Tensor
    noise_var: Tensor


@dataclass(frozen=True, kw_only=True)
class Crossbar(Backend):
    """What all crossbar media share. Subclass as a frozen dataclass whose further fields describe the devices.

    The matrix of a tensor is [out, in * k * k], so grouped and depthwise convolutions and embeddings fit as they are.

    Args:
        t_inference: time from programming to reading [s], >= 0. At 0 the weights are as programmed.
        tile_size: rows and columns of a tile at most, >= 1. Tensors are cut evenly, as aihwkit cuts them.
        drift_compensation: "none" leaves the gain that drift took in the values; "global" restores mean|W| of each tile
            as read right after programming, "per-column" that of each output of a tile; "...-exact" refers to the
            target weights instead of a first (noisy) reading.
        weight_scaling: one scale max|W| per "tile", or one per "column" (output).
        digital_bias: deliver vectors (biases) exactly, as aihwkit does by default; else each is one column.
        copies: independent programmings that are averaged, >= 1.
        reads: readings of each programming that are averaged, >= 1: less read noise, the same programming and drift.
        f_lst: significance of each pair of devices that holds a weight: (1.0,) is a single pair, two factors a dual
            pair, and so on. Lower pairs fill up first.
    """

    t_inference: float = 86400.0
    tile_size: int = 512
    drift_compensation: DriftCompensation = "global"
    weight_scaling: WeightScaling = "tile"
    digital_bias: bool = True
    copies: int = 1
    reads: int = 1
    f_lst: Sequence[float] = (1.0,)

    def __post_init__(self) -> None:
        owner = type(self).__name__
        self.check_time(self.t_inference)
        checks.integer(owner, "tile_size", self.tile_size, ge=1)
        checks.integer(owner, "copies", self.copies, ge=1)
        checks.integer(owner, "reads", self.reads, ge=1)
        checks.choice(owner, "drift_compensation", self.drift_compensation, get_args(DriftCompensation))
        checks.choice(owner, "weight_scaling", self.weight_scaling, get_args(WeightScaling))
        if not isinstance(self.digital_bias, bool):
            raise TypeError(f"`{owner}(digital_bias=...)` must be true or false; got {self.digital_bias!r}.")
        if not isinstance(self.f_lst, (list, tuple)) or not self.f_lst:
            raise ValueError(f"`{owner}(f_lst=...)` needs one factor per pair of devices; got {self.f_lst!r}.")
        for factor in self.f_lst:
            checks.real(owner, "f_lst", factor, gt=0)
        object.__setattr__(self, "f_lst", tuple(map(float, self.f_lst)))  # a list from TOML: keep the object hashable

    @abstractmethod
    def noise_model(self) -> NoiseModel:
        """The noise model with these parameters. Called once per transmission, after aihwkit was checked."""

    def check_time(self, t_inference: float) -> None:
        """Raise unless the devices can be read at ``t_inference`` [s]."""
        checks.real(type(self).__name__, "t_inference", t_inference, ge=0)

    def receive(self, packed: PackedWeights, *, generator: torch.Generator) -> Received:
        """Program, drift to ``t_inference`` and read; see :meth:`Backend.receive` and :meth:`receive_at`."""
        return self.receive_at(packed, (self.t_inference,), generator=generator)[0]

    def receive_at(
        self, packed: PackedWeights, times: Sequence[float], *, generator: torch.Generator
    ) -> list[Received]:
        """Program once and read at each of ``times`` [s]: the same devices, new read noise.

        ``noise_var`` is constant per tensor and estimated by the receiver (:func:`.calibration.bootstrap`). Vectors
        that are delivered digitally have 0. ``usage.side_info_bits`` counts them and the scales of the tiles.

        Raises:
            ValueError: a time out of range, weights that are not finite, or devices driven out of their model's range.
        """
        owner = type(self).__name__
        for t in times:
            self.check_time(t)
        checks.signal(f"{owner}.receive", packed.vector, name="weights")
        require_aihwkit()
        precise = torch.promote_types(packed.vector.dtype, torch.float32)  # variances leave the range of a half
        readings = [Reading(t, packed.vector.clone(), torch.zeros_like(packed.vector, dtype=precise)) for t in times]
        tiles = bits = 0
        with seeded(packed.vector.device, generator):
            model = self.noise_model()
            for slot, tensor in packed.tensors():
                if tensor.numel() == 0:
                    continue
                if self.digital_bias and tensor.ndim < 2:
                    bits += tensor.numel() * tensor.element_size() * 8
                    continue
                matrix = tensor.reshape(-1, 1) if tensor.ndim < 2 else tensor.reshape(tensor.shape[0], -1)
                tiles += self._carry(matrix, slot, model, readings)
                bits += self._scale_bits(matrix)
        usage = Usage(tiles=tiles * self.copies, side_info_bits=bits)
        return [Received(reading.values, reading.noise_var, "estimated", usage) for reading in readings]

    def _carry(self, matrix: Tensor, slot: Slot, model: NoiseModel, readings: Sequence[Reading]) -> int:
        """Write what is read of one tensor into ``readings``, its noise variance too; returns the number of tiles."""
        times = [reading.t for reading in readings]
        fits: list[Fit | None] = [None] * len(readings)
        squares = [0.0] * len(readings)
        parts = list(tile_slices(matrix.shape, self.tile_size))
        for part in parts:
            tile = matrix[part].to(torch.promote_types(matrix.dtype, torch.float32))
            scale = self._scale(tile)
            if not bool(scale.any()):
                continue  # nothing to program: zeros stay zeros
            reads = self._read(model, tile, scale, times)
            for i, (reading, read) in enumerate(zip(readings, reads, strict=True)):
                self._check_finite(read, slot, reading.t)
                reading.values[slot.start : slot.stop].view(matrix.shape)[part] = read
                fits[i] = fit = bootstrap(partial(self._read_once, model, reading.t), read, scale, fits[i])
                squares[i] += tile.numel() * float(fit.noise_var)
        for reading, total in zip(readings, squares, strict=True):
            reading.noise_var[slot.start : slot.stop] = total / matrix.numel()
        return len(parts)

    def _read(self, model: NoiseModel, tile: Tensor, scale: Tensor, times: Sequence[float]) -> list[Tensor]:
        """One tile [out, in], mapped at its scale, programmed, and read at each time; the mean over the copies."""
        x = tile / torch.where(scale > 0, scale, 1.0)  # aihwkit's converters lose weights below 1e-7
        reads = self._program_and_read(model, x, times)
        for _ in range(self.copies - 1):
            for read, copy in zip(reads, self._program_and_read(model, x, times), strict=True):
                read += copy
        return [read.mul_(scale / self.copies) for read in reads]

    def _program_and_read(self, model: NoiseModel, x: Tensor, times: Sequence[float]) -> list[Tensor]:
        programmed, devices = model.apply_programming_noise(x)
        reads = []
        for t in times:
            if t == 0:
                reads.append(programmed.clone())
                continue
            drifted = model.apply_drift_noise(programmed, devices, t)
            for _ in range(self.reads - 1):
                drifted += model.apply_drift_noise(programmed, devices, t)
            if self.reads > 1:
                drifted /= self.reads
            reads.append(drifted.mul_(self.alpha(x, programmed, drifted)))
        return reads

    def _read_once(self, model: NoiseModel, t: float, tile: Tensor, scale: Tensor) -> Tensor:
        return self._read(model, tile, scale, (t,))[0]

    def alpha(self, target: Tensor, programmed: Tensor, drifted: Tensor) -> Tensor:
        """What drift compensation multiplies the outputs of a tile [out, in] with, [] or [out, 1].

        That is a reference reading over the present one, of all one-hot inputs and without converter noise.
        """
        if self.drift_compensation == "none":
            return torch.ones_like(drifted[0, 0])
        reference = target if self.drift_compensation.endswith("exact") else programmed
        if self.drift_compensation.startswith("global"):
            return reference.abs().mean() / drifted.abs().mean().clamp_min(FLOOR)
        return reference.abs().mean(1, keepdim=True) / drifted.abs().mean(1, keepdim=True).clamp_min(FLOOR)

    def _scale(self, tile: Tensor) -> Tensor:
        """max|W| of a tile [] or of each of its outputs [out, 1]."""
        return tile.abs().amax(1, keepdim=True) if self.weight_scaling == "column" else tile.abs().amax()

    def _scale_bits(self, matrix: Tensor) -> int:
        across, down = (math.ceil(size / self.tile_size) for size in (matrix.shape[1], matrix.shape[0]))
        return SCALE_BITS * across * (matrix.shape[0] if self.weight_scaling == "column" else down)

    def _check_finite(self, read: Tensor, slot: Slot, t: float) -> None:
        if not bool(torch.isfinite(read.sum())):  # one pass without a temporary
            raise ValueError(
                f"`{type(self).__name__}`: the noise model gave NaN or infinite weights in {slot.name!r} at "
                f"t_inference={t:g} s: its devices left the measured range. Use a shorter time or smaller noise scales."
            )


def tile_slices(shape: Sequence[int], tile_size: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each tile of a matrix, cut into parts that differ by one at most.

    >>> list(tile_slices((3, 5), 4))
    [(slice(0, 3, None), slice(0, 3, None)), (slice(0, 3, None), slice(3, 5, None))]
    """

    def cuts(size: int) -> list[slice]:
        count = -(-size // tile_size)
        base, extra = divmod(size, count)
        edges = [i * base + min(i, extra) for i in range(count + 1)]
        return [slice(a, b) for a, b in pairwise(edges)]

    return ((rows, columns) for rows in cuts(shape[0]) for columns in cuts(shape[1]))


@contextmanager
def seeded(device: torch.device, generator: torch.Generator) -> Iterator[None]:
    """Seed torch's global generators, which aihwkit draws from, by one draw of ``generator``; restore them after."""
    checks.kind("receive", "generator", generator, torch.Generator)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    cuda = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed: it would touch every other device too
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield
