"""Media that carry a real vector: ``channel.transmit(x, generator=g) -> Received``. Nothing here knows a model."""

from .awgn import Awgn, AwgnMultipleAccess
from .base import Channel, MultipleAccess, NoiseSplit, Received, Source, Usage
from .digital import Digital
from .fading import Fading
from .grid import Grid
from .mac import OfdmMultipleAccess
from .ofdm import Ofdm
from .precoding import UnboundedPowerWarning
from .quantization import Quantised
from .reliable import DeliveryError, Ideal, Ldpc, ReliablePath, Repetition
from .repetition import Repeated
from .waveform import InterferenceWarning

__all__ = [
    "Awgn",
    "AwgnMultipleAccess",
    "Channel",
    "DeliveryError",
    "Digital",
    "Fading",
    "Grid",
    "Ideal",
    "InterferenceWarning",
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
    "UnboundedPowerWarning",
    "Usage",
]
