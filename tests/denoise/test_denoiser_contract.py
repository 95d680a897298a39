"""Every denoiser keeps the contract; the contract refuses what breaks it."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from analognn.denoise import (
    DENOISERS,
    Budget,
    GeneralisedGaussian,
    KernelWiener,
    Laplace,
    Mixture,
    Ml,
    Mmse,
    MmseP,
    MmsePb,
    NoiseTable,
    Npmle,
    Soft,
    StateDependent,
    Svd,
    SvdHard,
    SvdInvariant,
)
from analognn.denoise.testing import check_denoiser

TABLE = NoiseTable(levels=(-1.0, 0.0, 1.0), offset=(0.0, 0.0, 0.0), var=(0.09, 0.08, 0.09))
CASES = {
    Mmse(): {},
    Ml(): {"prior_at_erasure": False},
    MmseP(0.2): {},
    MmsePb(0.2, 0.3): {},
    Laplace(): {},
    GeneralisedGaussian(): {},
    GeneralisedGaussian(shape=0.4): {},
    Mixture(): {},
    Npmle(): {},
    Soft(): {},
    Soft("universal"): {"better_than_ml": False},  # dense weights are not what it is for
    Svd(): {},
    SvdHard(): {},
    SvdInvariant(): {},
    KernelWiener(): {},
    StateDependent(TABLE): {},
}


@pytest.mark.parametrize("denoiser", CASES, ids=repr)
def test_contract(denoiser):
    check_denoiser(denoiser, **CASES[denoiser])


def test_every_denoiser_of_the_registry_is_checked():
    assert set(DENOISERS.values()) == {type(denoiser) for denoiser in CASES} - {StateDependent}


@dataclass(frozen=True)
class Broken:
    budget: ClassVar[Budget] = "none"
    fault: str = ""

    def __call__(self, received, prior):
        r = received.values
        return {
            "shape": lambda: r.reshape(-1),
            "dtype": lambda: r.half(),
            "mutates": lambda: r.mul_(0.5),
            "random": lambda: r + torch.randn(r.shape),
            "noise": lambda: r + torch.randn(r.shape, generator=torch.Generator().manual_seed(3), dtype=r.dtype),
            "nan": lambda: r / 0 * 0,
            "halves": lambda: 0.5 * r,
        }[self.fault]()


@dataclass
class Thawed:
    budget: ClassVar[Budget] = "none"

    def __call__(self, received, prior):
        return received.values


@dataclass(frozen=True)
class Unpriced:
    def __call__(self, received, prior):
        return received.values


@pytest.mark.parametrize(
    ("denoiser", "options", "message"),
    [
        (Thawed(), {}, "must be a frozen dataclass"),
        (Unpriced(), {}, "class variable budget, one of .*; got None"),
        (Broken("shape"), {}, r"must return shape torch.Size\(\[40, 30\]\); got torch.Size\(\[1200\]\)"),
        (Broken("dtype"), {}, "must return dtype torch.float32; got torch.float16"),
        (Broken("mutates"), {}, "must not change the received values"),
        (Broken("random"), {}, "must leave the global random states"),
        (Broken("nan"), {}, "must return finite values"),
        (Broken("halves"), {}, "must return the received values for noise_var=0.0 everywhere"),
        (Broken("halves"), {"identity": False}, "must return the prior's mean for noise_var=inf everywhere"),
        (
            Broken("noise"),
            {"identity": False, "prior_at_erasure": False},
            "must not raise the squared error over that of ML",
        ),
    ],
)
def test_the_contract_refuses(denoiser, options, message):
    with pytest.raises(AssertionError, match=message):
        check_denoiser(denoiser, **options)
