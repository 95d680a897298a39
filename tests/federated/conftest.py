"""A federation of seconds: stripes in noise, a network of a few hundred weights with a projected shortcut."""

from __future__ import annotations

import pytest
import torch
from federated_helpers import Small, small

from analognn.federated import Federation


@pytest.fixture
def federation() -> Federation:
    return Federation(
        num_devices=5, num_active=3, num_rounds=6, local_epochs=2, batch_size=16, learning_rate=0.1, random_share=0.5
    )


@pytest.fixture
def world(federation: Federation) -> Small:
    torch.set_num_threads(1)
    return small(federation)
