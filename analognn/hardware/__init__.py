"""Analog in-memory hardware: weights as conductances on crossbar tiles, through IBM aihwkit's measured noise models."""

from .crossbar import Crossbar, DriftCompensation, WeightScaling
from .media import Pcm

__all__ = ["Crossbar", "DriftCompensation", "Pcm", "WeightScaling"]
