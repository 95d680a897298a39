"""analognn: neural-network weights through imperfect media, measured as noise, denoised, and judged by accuracy.

Importing this package loads nothing heavy; each name below brings its module (and torch) on first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analognn import backends
    from analognn.backends import Backend, ChannelBackend
    from analognn.denoise import Denoiser, Ml, Mmse, MmseP, MmsePb, Prior
    from analognn.effective import EffectiveNoise, effective_noise, effective_noise_per_tensor
    from analognn.evaluate import Evaluator, Score
    from analognn.experiments import Scenario, run
    from analognn.packing import PackedWeights, ParameterLayout
    from analognn.search import GridSearchResult, grid_search

__version__ = version("analognn")

_HOME = {
    "Backend": "backends",
    "ChannelBackend": "backends",
    "Denoiser": "denoise",
    "EffectiveNoise": "effective",
    "Evaluator": "evaluate",
    "GridSearchResult": "search",
    "Ml": "denoise",
    "Mmse": "denoise",
    "MmseP": "denoise",
    "MmsePb": "denoise",
    "PackedWeights": "packing",
    "ParameterLayout": "packing",
    "Prior": "denoise",
    "Scenario": "experiments",
    "Score": "evaluate",
    "effective_noise": "effective",
    "effective_noise_per_tensor": "effective",
    "grid_search": "search",
    "run": "experiments",
}

__all__ = [
    "Backend",
    "ChannelBackend",
    "Denoiser",
    "EffectiveNoise",
    "Evaluator",
    "GridSearchResult",
    "Ml",
    "Mmse",
    "MmseP",
    "MmsePb",
    "PackedWeights",
    "ParameterLayout",
    "Prior",
    "Scenario",
    "Score",
    "__version__",
    "backends",
    "effective_noise",
    "effective_noise_per_tensor",
    "grid_search",
    "run",
]


def __getattr__(name: str) -> Any:
    if name == "backends":
        return import_module("analognn.backends")
    if name in _HOME:
        return getattr(import_module(f"analognn.{_HOME[name]}"), name)
    raise AttributeError(f"module 'analognn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
