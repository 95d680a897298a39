"""Training with noise on purpose, the other answer to noisy weights: retrain where denoising repairs."""

from .noise_aware import WeightNoise, train_noise_aware

__all__ = ["WeightNoise", "train_noise_aware"]
