"""How far a medium is from AWGN: the noise it puts on weights, its shape, and the accuracy that AWGN would promise."""

from .calibration import Calibration, calibrate
from .checks import Check
from .measure import Certificate, certify
from .shape import Autocorrelation, NoiseShape, VarianceCurve
from .stand_ins import Accuracy

__all__ = [
    "Accuracy",
    "Autocorrelation",
    "Calibration",
    "Certificate",
    "Check",
    "NoiseShape",
    "VarianceCurve",
    "calibrate",
    "certify",
]
