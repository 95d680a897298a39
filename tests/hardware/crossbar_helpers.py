import math

import torch
from torch import Tensor, nn

from analognn.packing import PackedWeights, ParameterLayout


def pack(model: nn.Module, *, seed: int = 0) -> PackedWeights:
    """The model's analog tensors, Gaussian with standard deviation 0.05."""
    packed = ParameterLayout.from_model(model).pack(model)
    packed.vector.normal_(0.0, 0.05, generator=generator(seed))
    return packed


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def least_squares(w: Tensor, r: Tensor) -> tuple[float, Tensor]:
    """Gain, and residual after gain and offset."""
    w, r = w.double() - w.double().mean(), r.double() - r.double().mean()
    gain = float((w * r).mean() / w.square().mean())
    return gain, r - gain * w


def check_variance(residual: Tensor, noise_var: float, *, bias: float) -> None:
    """The sample variance of ``residual`` is ``noise_var`` within 4 standard errors of either, plus a known bias.

    The standard error of a sample variance is s^2 sqrt((kurtosis - 1) / n); the reported one comes from 8192 weights.
    """
    measured = float(residual.square().mean())
    kurtosis = float((residual.square() / max(measured, 1e-30)).square().mean())
    error = measured * math.sqrt(max(kurtosis - 1, 2) * (1 / residual.numel() + 1 / 8192))
    assert abs(measured - noise_var) < 4 * error + bias * noise_var, (measured, noise_var, error)
