"""Analog in-memory hardware: weights as conductances on crossbar tiles, through IBM aihwkit's measured noise models."""

from .crossbar import Crossbar, DriftCompensation, WeightScaling
from .forward import AnalogForward, AnalogModel
from .measured import Measured
from .media import Hermes, Pcm, ReRamCmo, ReRamWan2022, StateIndependent
from .presets import preset

__all__ = [
    "AnalogForward",
    "AnalogModel",
    "Crossbar",
    "DriftCompensation",
    "Hermes",
    "Measured",
    "Pcm",
    "ReRamCmo",
    "ReRamWan2022",
    "StateIndependent",
    "WeightScaling",
    "preset",
]
