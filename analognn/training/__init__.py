"""Training with noise on purpose: retraining for noisy weights, and the methods of the papers on noise as a friend.

Each name below brings its module (and torch) on first use; `analognn.training.study` names the experiments.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analognn.training.likelihoods import Gaussian, Logistic, Softmax
    from analognn.training.nem import NemNoise
    from analognn.training.nem_hidden import hidden_noise
    from analognn.training.noise_aware import WeightNoise, train_noise_aware
    from analognn.training.weight_noise import noisy_weights, residual_curvature, weight_noise_penalty

_HOME = {
    "Gaussian": "likelihoods",
    "Logistic": "likelihoods",
    "NemNoise": "nem",
    "Softmax": "likelihoods",
    "WeightNoise": "noise_aware",
    "train_noise_aware": "noise_aware",
    "hidden_noise": "nem_hidden",
    "noisy_weights": "weight_noise",
    "residual_curvature": "weight_noise",
    "weight_noise_penalty": "weight_noise",
}

__all__ = [
    "Gaussian",
    "Logistic",
    "NemNoise",
    "Softmax",
    "WeightNoise",
    "hidden_noise",
    "noisy_weights",
    "residual_curvature",
    "train_noise_aware",
    "weight_noise_penalty",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"analognn.training.{_HOME[name]}"), name)
    raise AttributeError(f"module 'analognn.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
