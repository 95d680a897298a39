"""What the tests of over-the-air sums share."""

from __future__ import annotations

import torch
from torch import Tensor

from analognn.channels import OfdmMultipleAccess, Received

SMALL = {"fft_size": 64, "num_guard_carriers": (5, 6), "cyclic_prefix_length": 8}
PER_SLOT = 52 * 12  # data positions of a SMALL slot
TINY = {"fft_size": 16, "num_guard_carriers": (1, 1), "cyclic_prefix_length": 4, "pilot_symbols": ()}
TINY_SLOT = 13 * 14  # data positions of a TINY slot
LOUD, QUIET = 10.0, 300.0


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights(k: int, n: int, seed: int = 0) -> Tensor:
    return 0.03 + 0.2 * torch.randn(k, n, generator=generator(seed))


def send(channel: OfdmMultipleAccess, x: Tensor, seed: int = 0) -> Received:
    return channel.superpose(x, generator=generator(seed))


def error(received: Received, x: Tensor) -> tuple[Tensor, Tensor]:
    """Error and reported variance, float64, of the values that are not erased."""
    z = received.values.double() - x.double().sum(0)
    var = torch.as_tensor(received.noise_var, dtype=torch.float64).expand(z.shape)
    return z[var.isfinite()], var[var.isfinite()]


def agrees(terms: Tensor, wanted: float, *, per_slot: int = 1) -> bool:
    """Whether the mean is ``wanted`` within 5 standard errors, those of the means over slots where given."""
    means = terms[: len(terms) // per_slot * per_slot].view(-1, per_slot).mean(1)
    return bool((means.mean() - wanted).abs() <= 5 * means.std() / len(means) ** 0.5)
