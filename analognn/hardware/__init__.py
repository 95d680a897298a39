"""Analog in-memory hardware: weights as conductances on crossbar tiles, through IBM aihwkit's measured noise models."""

from .crossbar import Crossbar, DriftCompensation, WeightScaling
from .measured import Measured
from .media import Hermes, Pcm, ReRamCmo, ReRamWan2022, StateIndependent

__all__ = [
    "Crossbar",
    "DriftCompensation",
    "Hermes",
    "Measured",
    "Pcm",
    "ReRamCmo",
    "ReRamWan2022",
    "StateIndependent",
    "WeightScaling",
]
