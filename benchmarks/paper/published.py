"""What the paper says, and what its authors' released records of Figure 8 say when the curves are read again.

The records (lynshao/NoisyNN, Reproduce_inference/, removed in Dec 2021) hold the test accuracy of every candidate of
ten draws at five points. The released plot_figures.py takes each draw's maximum over the grid. Read with our
:func:`analognn.experiments.gains.crossing_db` on the mean curves (``released.py``), those maxima give the gains of the
text, to the rounding; one pair a point, chosen on the other nine draws, gives less.

Versions of the paper differ: the journal's abstract says 4.1 dB for ResNet34, the text used here 1 dB.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One column of Table I and panel of Figure 8.

    Args:
        model: the same network here, by the name that ``analognn list`` prints; empty where there is none.
        parameters: as printed.
        accuracy: without noise, as printed.
        target: accuracy at which the gain is stated.
        gain_db: MMSEpb over ML there, as printed ("up to").
        maximum_db: the same from the released records, each draw with its best pair on the test set.
        common_db: the same, with the pair that is best on the other nine draws.
        ml_db: Es/N0 that ML needs in those records [dB].
    """

    model: str
    parameters: str
    accuracy: float
    target: float
    gain_db: float
    maximum_db: float
    common_db: float
    ml_db: float


PUBLISHED = {
    "ResNet34": Published("cifar10-resnet34", "21.3M", 0.9581, 0.60, 1.0, 1.05, 0.93, -6.85),
    "ResNet18": Published("cifar10-resnet18", "11.2M", 0.9535, 0.60, 0.8, 0.85, 0.81, -5.46),
    "ShuffleNetV2": Published("cifar10-shufflenetv2", "1.25M", 0.9212, 0.60, 0.5, 0.48, 0.28, -0.21),
    "BERT": Published("", "109.5M", 0.9270, 0.75, 1.1, 1.05, 0.71, 9.53),
}
FIGURE7 = "ResNet34 at -7 dB: 76.24 % at (1.01, -2.2), up to 31 points over ML; kappa = 10 finds (1, -2) with 72.06 %"
