"""Denoisers of received weights, each with what it needs to know; :mod:`.base` says what all of them share."""

from __future__ import annotations

from .base import Budget, Denoiser, Prior, PriorSource
from .linear import Ml, Mmse, MmseP, MmsePb, affine, lambda_prime_bound

__all__ = [
    "DENOISERS",
    "Budget",
    "Denoiser",
    "Ml",
    "Mmse",
    "MmseP",
    "MmsePb",
    "Prior",
    "PriorSource",
    "affine",
    "lambda_prime_bound",
]

DENOISERS: dict[str, type[Ml] | type[Mmse] | type[MmseP] | type[MmsePb]] = {
    "ml": Ml,
    "mmse": Mmse,
    "mmsep": MmseP,
    "mmsepb": MmsePb,
}
"""The denoisers by name, as scenarios and ``analognn list`` know them."""
