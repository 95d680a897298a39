"""Media that carry a real vector: ``channel.transmit(x, generator=g) -> Received``. Nothing here knows a model."""

from .awgn import Awgn, AwgnMultipleAccess
from .base import Channel, MultipleAccess, NoiseSplit, Received, Source, Usage
from .digital import Digital
from .fading import Fading
from .grid import Grid
from .mac import OfdmMultipleAccess
from .ofdm import Ofdm
from .quantization import Quantised
from .reliable import DeliveryError, Ideal, Ldpc, ReliablePath, Repetition
from .repetition import Repeated

__all__ = [
    "Awgn",
    "AwgnMultipleAccess",
    "Channel",
    "DeliveryError",
    "Digital",
    "Fading",
    "Grid",
    "Ideal",
    "Ldpc",
    "MultipleAccess",
    "NoiseSplit",
    "Ofdm",
    "OfdmMultipleAccess",
    "Quantised",
    "Received",
    "ReliablePath",
    "Repeated",
    "Repetition",
    "Source",
    "Usage",
]
