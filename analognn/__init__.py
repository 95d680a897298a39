"""analognn: neural-network weights through imperfect media, measured as noise, denoised, and judged by accuracy.

Importing this package loads nothing heavy; each name below brings its module (and torch) on first use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analognn import backends
    from analognn.affine import AffineFamily, affine_scores
    from analognn.backends import Backend, ChannelBackend
    from analognn.denoise import Denoiser, Ml, Mmse, MmseP, MmsePb, Prior
    from analognn.effective import EffectiveNoise, effective_noise, effective_noise_per_tensor
    from analognn.evaluate import Evaluator, Execution, Score
    from analognn.experiments import Scenario, run
    from analognn.packing import PackedWeights, ParameterLayout
    from analognn.receiver import Delivery, Receiver, Stage
    from analognn.search import GridSearchResult, fast_search, grid_search

__version__ = version("analognn")

_HOME = {
    "AffineFamily": "affine",
    "Backend": "backends",
    "ChannelBackend": "backends",
    "Delivery": "receiver",
    "Denoiser": "denoise",
    "EffectiveNoise": "effective",
    "Evaluator": "evaluate",
    "Execution": "evaluate",
    "GridSearchResult": "search",
    "Ml": "denoise",
    "Mmse": "denoise",
    "MmseP": "denoise",
    "MmsePb": "denoise",
    "PackedWeights": "packing",
    "ParameterLayout": "packing",
    "Prior": "denoise",
    "Receiver": "receiver",
    "Scenario": "experiments",
    "Score": "evaluate",
    "Stage": "receiver",
    "affine_scores": "affine",
    "effective_noise": "effective",
    "effective_noise_per_tensor": "effective",
    "fast_search": "search",
    "grid_search": "search",
    "run": "experiments",
}

__all__ = [
    "AffineFamily",
    "Backend",
    "ChannelBackend",
    "Delivery",
    "Denoiser",
    "EffectiveNoise",
    "Evaluator",
    "Execution",
    "GridSearchResult",
    "Ml",
    "Mmse",
    "MmseP",
    "MmsePb",
    "PackedWeights",
    "ParameterLayout",
    "Prior",
    "Receiver",
    "Scenario",
    "Score",
    "Stage",
    "__version__",
    "affine_scores",
    "backends",
    "effective_noise",
    "effective_noise_per_tensor",
    "fast_search",
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
