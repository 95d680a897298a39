"""Denoisers of received weights, each with what it needs to know; :mod:`.base` says what all of them share."""

from __future__ import annotations

from .base import Budget, Denoiser, EstimateWarning, Prior, PriorSource
from .generalised import GeneralisedGaussian
from .kernel import KernelWiener
from .laplace import Laplace
from .linear import Ml, Mmse, MmseP, MmsePb, affine, lambda_prime_bound
from .mixture import Mixture
from .npmle import Npmle
from .singular import Svd, SvdHard, SvdInvariant
from .state import NoiseTable, StateDependent
from .threshold import Soft

__all__ = [
    "DENOISERS",
    "Budget",
    "Denoiser",
    "EstimateWarning",
    "GeneralisedGaussian",
    "KernelWiener",
    "Laplace",
    "Mixture",
    "Ml",
    "Mmse",
    "MmseP",
    "MmsePb",
    "NoiseTable",
    "Npmle",
    "Prior",
    "PriorSource",
    "Soft",
    "StateDependent",
    "Svd",
    "SvdHard",
    "SvdInvariant",
    "affine",
    "lambda_prime_bound",
]

DENOISERS: dict[str, type[Denoiser]] = {
    "ml": Ml,
    "mmse": Mmse,
    "mmsep": MmseP,
    "mmsepb": MmsePb,
    "laplace": Laplace,
    "generalised-gaussian": GeneralisedGaussian,
    "mixture": Mixture,
    "npmle": Npmle,
    "soft": Soft,
    "svd": Svd,
    "svd-hard": SvdHard,
    "svd-invariant": SvdInvariant,
    "kernel-wiener": KernelWiener,
}
"""The denoisers by name, as scenarios and ``analognn list`` know them. All but those with budget "labelled" need no
argument."""
