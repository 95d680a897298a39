"""Between aihwkit's noise models and a crossbar: what differs in their calls, and the bugs that are routed around."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import Tensor


def converter(f_lst: Sequence[float], g_max: float) -> Any:
    """The conductance converter of aihwkit for pairs of devices with conductances from 0 to ``g_max`` [uS]."""
    from aihwkit.inference.converter.conductance import NPairConductanceConverter, SinglePairConductanceConverter

    if tuple(f_lst) == (1.0,):
        return SinglePairConductanceConverter(g_max=g_max)
    return NPairConductanceConverter(list(f_lst), g_max=g_max)


@dataclass(frozen=True)
class Redrawn:
    """A model whose noise at t is drawn from the target, not from what was programmed.

    aihwkit would apply it to target conductances scaled by the range of the programmed weights, which adds a gain.
    """

    model: Any

    def apply_programming_noise(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`NoiseModel`; what drift needs to know is the target."""
        return self.model.apply_programming_noise(weights)[0], weights

    def apply_drift_noise(self, weights: Tensor, drift_noise_parameters: Tensor, t_inference: float) -> Tensor:
        """See :class:`NoiseModel`."""
        read: Tensor = self.model.apply_noise(drift_noise_parameters, t_inference)
        return read


@dataclass(frozen=True)
class Quiet:
    """A model whose code calls torch and numpy in ways they warn of: lists of masks as index, numpy.log10(tensor)."""

    model: Any

    def apply_programming_noise(self, weights: Tensor) -> tuple[Tensor, Any]:
        """See :class:`NoiseModel`."""
        with _without_warnings():
            programmed: tuple[Tensor, Any] = self.model.apply_programming_noise(weights)
        return programmed

    def apply_drift_noise(self, weights: Tensor, drift_noise_parameters: Any, t_inference: float) -> Tensor:
        """See :class:`NoiseModel`."""
        with _without_warnings():
            read: Tensor = self.model.apply_drift_noise(weights, drift_noise_parameters, t_inference)
        return read


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings(), numpy.errstate(invalid="ignore"):  # the crossbar refuses what is not finite
        warnings.filterwarnings("ignore", "Using a non-tuple sequence for multidimensional indexing", UserWarning)
        warnings.filterwarnings("ignore", "__array_wrap__ must accept context", DeprecationWarning)
        yield


@dataclass(frozen=True)
class SingleDevice:
    """A model with one device per weight, which maps [min W, max W] to [g_min, g_max].

    aihwkit's loops over rows and calls numpy, and divides by zero where all weights are equal: so the tile goes in as
    one row on the CPU, and with a device that holds 0 where it would have no range.
    """

    model: Any

    def apply_programming_noise(self, weights: Tensor) -> tuple[Tensor, tuple[Tensor, Any]]:
        """See :class:`NoiseModel`; what drift needs to know is the whole row as programmed."""
        row = weights.cpu().reshape(1, -1)
        if bool(row.min() == row.max()):
            row = torch.cat([row, torch.zeros_like(row[:, :1])], 1)
        programmed, devices = self.model.apply_programming_noise(row)
        return self._tile(programmed, weights), (programmed, devices)

    def apply_drift_noise(
        self, weights: Tensor, drift_noise_parameters: tuple[Tensor, Any], t_inference: float
    ) -> Tensor:
        """See :class:`NoiseModel`."""
        return self._tile(self.model.apply_drift_noise(*drift_noise_parameters, t_inference), weights)

    def _tile(self, row: Tensor, weights: Tensor) -> Tensor:
        return row[0, : weights.numel()].reshape(weights.shape).to(weights)
