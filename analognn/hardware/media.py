"""The media by name: each is a crossbar whose devices follow one of aihwkit's inference noise models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analognn.channels import checks

from .crossbar import Crossbar, NoiseModel


def converter(f_lst: tuple[float, ...], g_max: float) -> Any:
    """The conductance converter of aihwkit for pairs of devices with conductances from 0 to ``g_max`` [uS]."""
    from aihwkit.inference.converter.conductance import NPairConductanceConverter, SinglePairConductanceConverter

    if f_lst == (1.0,):
        return SinglePairConductanceConverter(g_max=g_max)
    return NPairConductanceConverter(list(f_lst), g_max=g_max)


@dataclass(frozen=True, kw_only=True)
class Pcm(Crossbar):
    """Phase-change memory crossbar (aihwkit PCM-like): programming noise, drift, 1/f read noise.

    Nandakumar et al., "Phase-change memory models for deep learning training and inference", ICECS 2019.

    Args:
        g_max: conductance of the largest weight of a tile [uS], > 0. The model was fitted at 25.
        t_0: time of the first reading of the drift fit [s], > 0; drift counts from it.
        t_read: duration of a reading, for 1/f noise [s], > 0.
        prog_noise_scale: factor on the programming noise, >= 0.
        read_noise_scale: factor on the read noise, >= 0.
        drift_scale: factor on the drift coefficients, >= 0.

    >>> import torch
    >>> from analognn.packing import ParameterLayout
    >>> model = torch.nn.Linear(64, 64)
    >>> packed = ParameterLayout.from_model(model).pack(model)
    >>> received = Pcm(t_inference=3600.0).receive(packed, generator=torch.Generator().manual_seed(0))
    >>> received.source, received.usage.tiles, received.noise_var[-1].item()
    ('estimated', 1, 0.0)
    """

    g_max: float = 25.0
    t_0: float = 20.0
    t_read: float = 250e-9
    prog_noise_scale: float = 1.0
    read_noise_scale: float = 1.0
    drift_scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("g_max", "t_0", "t_read"):
            checks.real("Pcm", name, getattr(self, name), gt=0)
        for name in ("prog_noise_scale", "read_noise_scale", "drift_scale"):
            checks.real("Pcm", name, getattr(self, name), ge=0)

    def _noise_model(self) -> NoiseModel:
        from aihwkit.inference.noise.pcm import PCMLikeNoiseModel

        model: NoiseModel = PCMLikeNoiseModel(
            g_converter=converter(tuple(self.f_lst), self.g_max),
            t_0=self.t_0,
            t_read=self.t_read,
            prog_noise_scale=self.prog_noise_scale,
            read_noise_scale=self.read_noise_scale,
            drift_scale=self.drift_scale,
        )
        return model
