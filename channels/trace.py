"""Recorded channels: impulse responses from a measurement or a ray tracer, replayed slot by slot.

    h(t, f) = sum_m a_m(t) exp(-j 2 pi f (tau_m - min tau)) / sqrt(P),    P = mean of sum_m |a_m|^2 over the recording

A recording is an ``.npz`` file with

    a                   [n, paths, steps] or, as in Sionna's CIR data sets for one pair of stations with one antenna
                        at one end, [n, num_rx = 1, num_rx_ant, num_tx = 1, num_tx_ant, paths, steps]; complex
    tau                 [paths], [n, paths] or [n, num_rx = 1, num_tx = 1, paths]; real, >= 0 [s]
    sampling_frequency  of the steps [Hz]; needed with more than one step

for n realisations. One of a single step is one slot that stands still. One of more steps holds as many consecutive
slots as fit in (steps - 1) / sampling_frequency, interpolated linearly between steps, its first ``delay`` seconds being
history only. Slots follow each other in the order of the file, and the first follows the last; each chunk of slots
starts at a random one. The receiver is synchronised to the earliest path of a realisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from . import checks
from .cir import SLOTS_PER_CHUNK, Cir, real_dtype


@dataclass(frozen=True)
class Trace:
    """A recording in memory, checked.

    Args:
        a: [n, num_rx_ant, num_tx_ant, paths, steps], complex.
        tau: [n, paths], from the earliest path on [s].
        sampling_frequency: of the steps [Hz].
    """

    a: NDArray[np.complexfloating]
    tau: NDArray[np.floating]
    sampling_frequency: float

    @property
    def mean_power(self) -> float:
        """P: mean over realisations, antennas and steps of the sum over the paths."""
        return float((np.abs(self.a.astype(np.complex128)) ** 2).sum(-2).mean())


def save_trace(
    path: str | PathLike[str], a: ArrayLike, tau: ArrayLike, *, sampling_frequency: float | None = None
) -> None:
    """Write a recording. Examples (a, tau) of a Sionna CIR data set need to be stacked first.

    Args:
        path: of the file, ending in ``.npz``.
        a: gains; see :mod:`analognn.channels.trace` for the shapes.
        tau: delays [s].
        sampling_frequency: of the steps of ``a`` [Hz]; needed with more than one.

    Raises:
        TypeError, ValueError: what the file could not be read back with.
    """
    entries = {"a": np.asarray(a), "tau": np.asarray(tau)}
    if sampling_frequency is not None:
        entries["sampling_frequency"] = np.asarray(sampling_frequency)
    _checked("save_trace", entries)
    if Path(path).suffix != ".npz":
        raise ValueError(f"`save_trace(path=...)` must end in .npz; got {str(path)!r}.")
    np.savez_compressed(path, allow_pickle=False, **entries)


def load_trace(path: str | PathLike[str]) -> Trace:
    """Read a recording; the last few are kept in memory for as long as the files do not change.

    Raises:
        OSError: no such file.
        ValueError: not an ``.npz`` file, an entry missing or of the wrong shape, NaN, a pickled entry.
    """
    file = Path(path)
    state = file.stat()
    return _load(file, (state.st_mtime_ns, state.st_size))


class TraceCirs:
    """Slots of a recording; see :class:`analognn.channels.cir.Cirs`.

    Args:
        trace: the recording.
        slot_duration: [s].
        device: "cpu" or "cuda:0".
        precision: "single" or "double".
        gain: factor on ``a``.

    Raises:
        ValueError: a recording shorter than a slot.
    """

    def __init__(self, trace: Trace, *, slot_duration: float, device: str, precision: str, gain: float) -> None:
        dtype = real_dtype(precision)
        self._a = torch.as_tensor(gain * trace.a).to(device, dtype.to_complex())
        self._tau = torch.as_tensor(trace.tau).to(device, dtype)
        self._rate = trace.sampling_frequency
        self._slot = slot_duration
        self.moves = trace.a.shape[-1] > 1
        self.max_delay = float(trace.tau.max())
        self._slots_each(0.0)

    def __call__(self, seed: int, steps: int, rate: float, delay: float = 0.0) -> Cir:
        """See :class:`Cirs`. ``a_then`` is the recording ``delay`` earlier."""
        each = self._slots_each(delay)
        generator = torch.Generator().manual_seed(seed)
        start = torch.randint(each * len(self._a), (), generator=generator)
        index = (start + torch.arange(SLOTS_PER_CHUNK)) % (each * len(self._a))
        realisation = index // each
        a, tau = self._a[realisation], self._tau[realisation][:, None, None]
        if not self.moves:
            still = a[:, None, :, None]
            return Cir(still, still, tau)
        times = (index % each)[:, None] * self._slot + torch.arange(steps, dtype=torch.float64) / rate
        then = self._at(a, times)
        return Cir(self._at(a, times + delay) if delay else then, then, tau)

    def _at(self, a: Tensor, times: Tensor) -> Tensor:
        """[slots, 1, num_rx, 1, num_tx, paths, steps]: a [slots, num_rx, num_tx, paths, -1] at times [slots, steps]."""
        position = times * self._rate
        left = position.floor().clamp(max=a.shape[-1] - 2)
        shape = (*a.shape[:-1], times.shape[-1])
        index = left.long().to(a.device)[:, None, None, None].expand(shape)
        share = (position - left).to(a.device, a.real.dtype)[:, None, None, None]
        between = a.gather(-1, index) * (1 - share) + a.gather(-1, index + 1) * share
        return between[:, None, :, None]

    def _slots_each(self, delay: float) -> int:
        """Slots a realisation holds after ``delay`` seconds of history."""
        if not self.moves:
            return 1
        lasts = (self._a.shape[-1] - 1) / self._rate
        slots = int((lasts - delay) / self._slot * (1 + 1e-9))
        if slots < 1:
            raise ValueError(
                f"A recording must last at least a slot of {self._slot:.6g} s"
                + (f" and the {delay:.6g} s before it" if delay else "")
                + f"; got {lasts:.6g} s ({self._a.shape[-1]} steps at {self._rate:g} Hz). Record longer, or give a "
                "single step for channels that stand still."
            )
        return slots


@lru_cache(maxsize=4)
def _load(file: Path, version: tuple[int, int]) -> Trace:  # noqa: ARG001 (another version is another file)
    owner = f"load_trace({str(file)!r})"
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            entries = {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged archive fails in zipfile, zlib, struct, numpy's header or for memory
        raise ValueError(
            f"`{owner}` needs an .npz file of plain arrays; got: {error or type(error).__name__}"
        ) from None
    return _checked(owner, entries)


def _checked(owner: str, entries: dict[str, NDArray[Any]]) -> Trace:
    for name in ("a", "tau"):
        if name not in entries:
            raise ValueError(f"`{owner}` needs the entries a and tau; got {', '.join(sorted(entries)) or 'none'}.")
        if not np.issubdtype(entries[name].dtype, np.number) or not np.isfinite(entries[name]).all():
            raise ValueError(f"`{owner}` needs finite numbers in {name}; got NaN, infinite or no numbers at all.")
    a, tau = entries["a"], entries["tau"]
    if not np.iscomplexobj(a) or np.iscomplexobj(tau):
        raise ValueError(f"`{owner}` needs complex a and real tau; got {a.dtype} and {tau.dtype}.")
    a, tau = _shaped(owner, a, tau)
    if not (tau >= 0).all():
        raise ValueError(f"`{owner}` needs tau >= 0; got {float(tau.min())!r}.")
    if not (tau <= 1).all():
        raise ValueError(f"`{owner}` needs tau in seconds, at most 1; got {float(tau.max())!r}.")
    if not a.any():
        raise ValueError(f"`{owner}` needs gains a that are not all 0.")
    if not 1e-30 < (largest := float(np.abs(a).max())) < 1e15:
        raise ValueError(f"`{owner}` needs gains a, the largest between 1e-30 and 1e15; got {largest:g}.")
    if a.shape[-1] > 1 and "sampling_frequency" not in entries:
        raise ValueError(f"`{owner}` needs sampling_frequency [Hz] for a of {a.shape[-1]} steps; got none.")
    rate = entries.get("sampling_frequency", np.array(1.0))
    if rate.size != 1 or not np.issubdtype(rate.dtype, np.number):
        raise ValueError(f"`{owner}` needs sampling_frequency as one number [Hz]; got {rate!r}.")
    frequency = float(rate.real.item())
    checks.real(owner, "sampling_frequency", frequency, gt=0)
    return Trace(a, tau - tau.min(-1, keepdims=True), frequency)


def _shaped(owner: str, a: NDArray[Any], tau: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """[n, num_rx_ant, num_tx_ant, paths, steps] and [n, paths]."""
    shapes = f"got a{list(a.shape)}, tau{list(tau.shape)}"
    if a.ndim == 3:
        a = a[:, None, None, None, None]
    if a.ndim != 7 or a.shape[1] != 1 or a.shape[3] != 1 or 0 in a.shape:
        raise ValueError(
            f"`{owner}` needs a[n, paths, steps] or a[n, 1, num_rx_ant, 1, num_tx_ant, paths, steps]; {shapes}."
        )
    if tau.ndim == 4 and tau.shape[1:3] == (1, 1):
        tau = tau[:, 0, 0]
    n, paths = a.shape[0], a.shape[5]
    if tau.shape not in ((paths,), (n, paths)):
        raise ValueError(f"`{owner}` needs tau[paths], tau[n, paths] or tau[n, 1, 1, paths] that fits a; {shapes}.")
    return a[:, 0, :, 0], np.broadcast_to(tau, (n, paths))
