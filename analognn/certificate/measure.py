"""The certificate of a medium: how far it is from AWGN on the weights, and what that costs in accuracy.

A medium is drawn once per seed. Its noise is reduced to :class:`EffectiveNoise` (per tensor and whole, pooled over the
draws), its shape measured in units of each tensor (:mod:`.shape`), held against AWGN (:mod:`.checks`), and the accuracy
compared with that after matched AWGN (:mod:`.stand_ins`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from analognn.backends import Backend
from analognn.channels import Received, Usage
from analognn.effective import EffectiveNoise, effective_noise, effective_noise_per_tensor, pooled
from analognn.packing import PackedWeights

from .checks import Check, SquaredRatio, checks, squared_ratio
from .shape import NoiseShape, ShapeSums, standardised
from .stand_ins import Accuracy, Scores, ScoreWeights, accuracy, scores

TIMES = (0.0, 20.0, 3600.0, 86400.0, 30 * 86400.0, 365 * 86400.0)
"""From programming to a year [s]: where a medium that ages is scored unless told otherwise."""


@runtime_checkable
class Aging(Protocol):
    """A backend that programs once and reads at several times, such as a crossbar."""

    @property
    def t_inference(self) -> float:
        """The time it is read at by default [s]."""
        ...

    def check_time(self, t_inference: float) -> None:
        """Raise ``ValueError`` for a time it cannot be read at."""
        ...

    def receive_at(
        self, packed: PackedWeights, times: Sequence[float], *, generator: torch.Generator
    ) -> list[Received]:
        """One reading a time [s]."""
        ...


@dataclass(frozen=True)
class Certificate:
    """How far a medium is from AWGN. Made by :func:`certify`.

    Args:
        whole: all weights with one gain and offset, pooled over the draws.
        tensors: the same for each tensor.
        shape: of the noise in units of each tensor's standard deviation; None without noise.
        checks: what would hold for AWGN of a known variance per tensor.
        accuracy: by time; empty where nothing was scored.
        clean: accuracy of the weights as sent; None where nothing was scored.
        t: time since programming that ``whole``, ``tensors`` and ``shape`` belong to [s]; None where nothing ages.
        draws: of the medium.
        usage: cost of one of them.
    """

    whole: EffectiveNoise
    tensors: dict[str, EffectiveNoise]
    shape: NoiseShape | None
    checks: tuple[Check, ...]
    accuracy: tuple[Accuracy, ...]
    clean: float | None
    t: float | None
    draws: int
    usage: Usage

    def to_dict(self) -> dict[str, Any]:
        """Nested tables of numbers and text for JSON; None for what is infinite or does not exist."""
        tables: dict[str, Any] = _finite(dataclasses.asdict(self))
        for table, check in zip(tables["checks"], self.checks, strict=True):
            table["ok"] = check.ok
        return tables


@dataclass(frozen=True)
class _Draw:
    """What one draw gave."""

    whole: EffectiveNoise
    tensors: dict[str, EffectiveNoise]
    ratio: SquaredRatio
    usage: Usage
    scores: tuple[Scores, ...] = ()


def certify(
    packed: PackedWeights,
    backend: Backend,
    *,
    score: ScoreWeights | None = None,
    seeds: Iterable[int] = range(10),
    times: Sequence[float] | None = None,
) -> Certificate:
    """Send weights through a medium once per seed and hold what comes back against AWGN.

    Args:
        packed: the weights.
        backend: the medium. One that ages is diagnosed at its own ``t_inference``.
        score: gives accuracy; None leaves it out.
        seeds: one independent draw each. An iterator that reports progress is welcome.
        times: at which a medium that ages is scored [s]; those of TIMES that it can be read at unless given.

    Raises:
        ValueError: no seed, times for a medium that does not age, or a time that it cannot be read at.

    >>> from analognn import ChannelBackend, ParameterLayout
    >>> from analognn.channels import Awgn
    >>> model = torch.nn.Linear(100, 100)
    >>> packed = ParameterLayout.from_model(model).pack(model)
    >>> certificate = certify(packed, ChannelBackend(Awgn(wnr_db=10.0)), seeds=range(3))
    >>> all(check.ok for check in certificate.checks)
    True
    """
    points = _times(backend, times)
    sums, draws = ShapeSums(packed), []
    for seed in seeds:
        generator = _generator(seed)
        received, readings = _receive(backend, packed, points if score else (), generator)
        draw, x = _draw(packed, received)
        sums.add(x)
        scored = tuple(scores(packed, t, r, score, generator) for t, r in readings) if score else ()
        draws.append(dataclasses.replace(draw, scores=scored))
    if not draws:
        raise ValueError("`certify(seeds=...)` needs at least one seed; got none.")
    whole, shape = pooled([draw.whole for draw in draws]), sums.shape()
    names = [name for name in draws[0].tensors if all(name in draw.tensors for draw in draws)]
    return Certificate(
        whole=whole,
        tensors={name: pooled([draw.tensors[name] for draw in draws]) for name in names},
        shape=shape,
        checks=checks(packed, whole, shape, [draw.ratio for draw in draws]),
        accuracy=tuple(accuracy(rows) for rows in zip(*(draw.scores for draw in draws), strict=True)),
        clean=score(packed.vector).accuracy if score else None,
        t=backend.t_inference if isinstance(backend, Aging) else None,
        draws=len(draws),
        usage=draws[0].usage,
    )


def _generator(seed: int) -> torch.Generator:
    """Not ``manual_seed(seed)``: weights initialised from the same small seed would equal their own noise."""
    digest = hashlib.sha256(f"certificate/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _times(backend: Backend, times: Sequence[float] | None) -> Sequence[float]:
    if not isinstance(backend, Aging):
        if times is not None:
            raise ValueError(f"`certify(times=...)` needs a medium that ages; {type(backend).__name__} does not.")
        return ()
    if times is None:
        return sorted({backend.t_inference, *(t for t in TIMES if _readable(backend, t))})
    for t in times:
        backend.check_time(t)
    return times


def _readable(backend: Aging, t: float) -> bool:
    try:
        backend.check_time(t)
    except ValueError:
        return False
    return True


def _receive(
    backend: Backend, packed: PackedWeights, times: Sequence[float], generator: torch.Generator
) -> tuple[Received, list[tuple[float | None, Received]]]:
    """What is diagnosed, and what is scored with its time; a medium that ages is programmed once for all."""
    if not isinstance(backend, Aging):
        received = backend.receive(packed, generator=generator)
        return received, [(None, received)]
    points = tuple(dict.fromkeys((*times, backend.t_inference)))
    readings = dict(zip(points, backend.receive_at(packed, points, generator=generator), strict=True))
    return readings[backend.t_inference], [(t, readings[t]) for t in times]


def _draw(packed: PackedWeights, received: Received) -> tuple[_Draw, Tensor]:
    """The noise of one draw, and its x [n]."""
    tensors = effective_noise_per_tensor(packed, received)
    whole, ratio = effective_noise(packed.vector, received), squared_ratio(packed, received)
    draw = _Draw(whole, tensors, ratio, received.usage)
    return draw, standardised(packed, received, tensors)


def _finite(value: Any) -> Any:
    """The same with None in place of NaN and infinities."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
