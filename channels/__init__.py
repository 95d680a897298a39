"""Media that carry a real vector: ``channel.transmit(x, generator=g) -> Received``. Nothing here knows a model."""

from .awgn import Awgn, AwgnMultipleAccess
from .base import Channel, MultipleAccess, NoiseSplit, Received, Source, Usage
from .fading import Fading
from .grid import Grid
from .mac import OfdmMultipleAccess
from .ofdm import Ofdm

__all__ = [
    "Awgn",
    "AwgnMultipleAccess",
    "Channel",
    "Fading",
    "Grid",
    "MultipleAccess",
    "NoiseSplit",
    "Ofdm",
    "OfdmMultipleAccess",
    "Received",
    "Source",
    "Usage",
]
