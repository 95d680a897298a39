"""The closed forms of Shao, Liew and Gunduz, derived again and held against simulation.

`estimator` (Propositions 1 and 2, Figure 2), `quadratic` (Theorem 3), `taylor` (Lemma 4) and `shallow` (Theorem 5) each
open with the equations and with what is wrong in print. `claims` lists the paper's claims beside ours, `figures` has
what Figures 3, 5 and 6 show. Numbers are float64; variances are per real weight.
"""

from analognn.theory.estimator import (
    ML,
    Affine,
    NoisyWeights,
    Optimum,
    Temperatures,
    affine,
    compensation,
    effective_prior,
    ml,
    mmse,
    temperatures,
)
from analognn.theory.monte_carlo import Simulation
from analognn.theory.quadratic import Quadratic, theorem3
from analognn.theory.shallow import Shallow, theorem5

__all__ = [
    "ML",
    "Affine",
    "NoisyWeights",
    "Optimum",
    "Quadratic",
    "Shallow",
    "Simulation",
    "Temperatures",
    "affine",
    "compensation",
    "effective_prior",
    "ml",
    "mmse",
    "temperatures",
    "theorem3",
    "theorem5",
]
