"""What the receiver's tests share."""

import pytest
import torch
from receiver_helpers import Plain, Residual, built, delivery, smooth_images
from torch import nn

from analognn.receiver import Delivery


@pytest.fixture(scope="session")
def residual() -> nn.Module:
    return built(Residual)


@pytest.fixture(scope="session")
def plain() -> nn.Module:
    return built(Plain)


@pytest.fixture(scope="session")
def of_residual(residual) -> Delivery:
    return delivery(residual, smooth_images(400))


@pytest.fixture(scope="session")
def of_plain(plain) -> Delivery:
    return delivery(plain, torch.randn(400, 5, generator=torch.Generator().manual_seed(4)) + 0.5)
