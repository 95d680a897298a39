"""Media that carry a real vector: ``channel.transmit(x, generator=g) -> Received``. Nothing here knows a model."""

from .awgn import Awgn, AwgnMultipleAccess
from .base import Channel, MultipleAccess, Received, Source, Usage

__all__ = ["Awgn", "AwgnMultipleAccess", "Channel", "MultipleAccess", "Received", "Source", "Usage"]
