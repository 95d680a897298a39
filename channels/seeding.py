"""The one adapter between a generator of the caller and Sionna's global random state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import torch

from . import checks

if TYPE_CHECKING:
    from sionna.phy.config import Config


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Within it, Sionna's generator on ``device`` starts from ``seed``; afterwards it is as it was before."""
    rng = _sionna_config().torch_rng(device)
    state = rng.get_state()
    rng.manual_seed(seed)
    try:
        yield
    finally:
        rng.set_state(state)


def next_seed(generator: torch.Generator) -> int:
    """A seed drawn from ``generator``. 32 bits, because that is what a CPU generator makes use of."""
    checks.kind("transmit", "generator", generator, torch.Generator)
    return int(torch.randint(2**32, (), generator=generator, device=generator.device))


@cache
def _sionna_config() -> Config:
    # Importing Sionna reseeds torch's global generators.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        from sionna.phy import config
    return config
