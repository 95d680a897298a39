"""Training with noise on purpose: retraining for noisy weights, and the methods of the papers on noise as a friend.

Each name below brings its module (and torch) on first use; `analognn.training.study` names the experiments.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analognn.training.bam import Bam
    from analognn.training.likelihoods import Gaussian, Logistic, Softmax
    from analognn.training.nem import NemNoise
    from analognn.training.nem_hidden import hidden_noise
    from analognn.training.noise_aware import WeightNoise, train_noise_aware
    from analognn.training.rbm import Rbm, contrastive_divergence, nem_visible, pretrain
    from analognn.training.weight_noise import noisy_weights, residual_curvature, weight_noise_penalty

_HOME = {
    "Bam": "bam",
    "Gaussian": "likelihoods",
    "Logistic": "likelihoods",
    "NemNoise": "nem",
    "Rbm": "rbm",
    "Softmax": "likelihoods",
    "WeightNoise": "noise_aware",
    "train_noise_aware": "noise_aware",
    "contrastive_divergence": "rbm",
    "hidden_noise": "nem_hidden",
    "nem_visible": "rbm",
    "noisy_weights": "weight_noise",
    "pretrain": "rbm",
    "residual_curvature": "weight_noise",
    "weight_noise_penalty": "weight_noise",
}

__all__ = [
    "Bam",
    "Gaussian",
    "Logistic",
    "NemNoise",
    "Rbm",
    "Softmax",
    "WeightNoise",
    "contrastive_divergence",
    "hidden_noise",
    "nem_visible",
    "noisy_weights",
    "pretrain",
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
