"""The noise model of a measured table in aihwkit's form, so that aihwkit's own tiles take it too. Imports aihwkit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from aihwkit.inference.noise.base import BaseNoiseModel
from torch import Tensor

from .measured import Table


class TableNoiseModel(BaseNoiseModel):  # type: ignore[misc]  # aihwkit is not typed
    """Programming noise, drift and read noise interpolated from a table; see :mod:`analognn.hardware.measured`.

    Args:
        table: the measurements.
        g_converter: aihwkit's conductance converter.
        t_0: time of the first reading [s].
        scales: prog_noise_scale, read_noise_scale and drift_scale.
    """

    def __init__(self, table: Table, *, g_converter: Any, t_0: float, scales: Mapping[str, float]) -> None:
        super().__init__(g_converter)
        self.table = table
        self.t_0 = t_0
        self.scales = dict(scales)

    def apply_programming_noise_to_conductance(self, g_target: Tensor) -> Tensor:
        """[uS] -> [uS]."""
        sigma = self.scales["prog_noise_scale"] * self.table.at("prog_sigma", g_target)
        return (g_target + sigma * torch.randn_like(g_target)).clamp_min(0)

    def generate_drift_coefficients(self, g_target: Tensor) -> Tensor:
        """One nu per device."""
        nu, std = (self.table.at(column, g_target) for column in ("drift_nu", "drift_nu_std"))
        return self.scales["drift_scale"] * (nu + std * torch.randn_like(g_target)).clamp_min(0)

    def apply_drift_noise_to_conductance(self, g_prog: Tensor, drift_noise_param: Tensor, t_inference: float) -> Tensor:
        """[uS] as programmed -> [uS] as read at ``t_inference`` [s]."""
        drifted = g_prog * ((t_inference + self.t_0) / self.t_0) ** -drift_noise_param
        sigma = self.scales["read_noise_scale"] * self.table.at("read_sigma", drifted)
        return (drifted + sigma * torch.randn_like(drifted)).clamp_min(0)
