"""Every medium of ours keeps the contract, and the contract catches the ways to break it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from analognn.channels import Awgn, AwgnMultipleAccess, Channel, MultipleAccess, NoiseSplit, Ofdm, Received
from analognn.channels.base import standard_normal
from analognn.channels.testing import check_channel, check_multiple_access

SMALL = {"fft_size": 64, "num_guard_carriers": (5, 6), "cyclic_prefix_length": 8}
LOUD, QUIET = 10.0, 300.0  # Es/N0 [dB]; the second leaves float rounding only

CHANNELS = [
    (Awgn(noise_var=0.01), Awgn(noise_var=0.0)),
    (Awgn(wnr_db=3.0), Awgn(wnr_db=300.0)),
    *((Ofdm(LOUD, model, **SMALL), Ofdm(QUIET, model, **SMALL)) for model in ("rayleigh", "tdl-a", "tdl-d")),
    (Ofdm(LOUD, "tdl-c", speed=30.0, **SMALL), Ofdm(QUIET, "tdl-c", speed=30.0, **SMALL)),
    (Ofdm(LOUD, "tdl-a", threshold=1e-9), Ofdm(QUIET, "tdl-a", threshold=1e-9)),
    (Ofdm(LOUD, "tdl-a", threshold=1.0, pilot_symbols=(), **SMALL), None),
]
MULTIPLE_ACCESS = [(AwgnMultipleAccess(noise_var=0.01), AwgnMultipleAccess(noise_var=0.0))]


@pytest.mark.parametrize(("channel", "noiseless"), CHANNELS, ids=lambda c: str(c)[:60])
def test_channel(channel: Channel, noiseless: Channel | None) -> None:
    check_channel(channel, noiseless=noiseless)


@pytest.mark.parametrize(("channel", "noiseless"), MULTIPLE_ACCESS, ids=lambda c: str(c)[:60])
def test_multiple_access(channel: MultipleAccess, noiseless: MultipleAccess | None) -> None:
    check_multiple_access(channel, noiseless=noiseless)


@pytest.mark.parametrize("seed", range(1, 11))
def test_a_sound_medium_passes_whatever_the_seed(seed: int) -> None:
    check_channel(Awgn(noise_var=0.01), n=512, seed=seed)


Transmit = Callable[[Tensor, torch.Generator], Received]


@dataclass(frozen=True)
class Rule(Channel, MultipleAccess):
    """A medium by one function of the (already superposed) signal."""

    rule: Transmit

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        return self.rule(x, generator)

    def superpose(self, x: Tensor, *, generator: torch.Generator) -> Received:
        return self.rule(x.sum(0) if x.ndim == 2 else x, generator)


def noise(x: Tensor, g: torch.Generator, sigma: float = 0.1) -> Tensor:
    return sigma * standard_normal(x, g)


def received(values: Tensor, noise_var: float | Tensor = 0.01) -> Received:
    return Received(values, noise_var, "exact")


def mutate(x: Tensor, g: torch.Generator) -> Received:
    return received(x.add_(noise(x, g)))


def fixed_noise(x: Tensor, g: torch.Generator) -> Received:
    return received(x + noise(x, torch.Generator().manual_seed(0)))


def stuck_generator(x: Tensor, g: torch.Generator) -> Received:
    return received(x + noise(x, torch.Generator().manual_seed(g.initial_seed())))


def unseeded(x: Tensor, g: torch.Generator) -> Received:
    fresh = torch.Generator()
    fresh.seed()
    return received(x + noise(x, fresh))


def global_torch(x: Tensor, g: torch.Generator) -> Received:
    return received(x + 0.1 * torch.randn_like(x))


def global_numpy(x: Tensor, g: torch.Generator) -> Received:
    np.random.rand()  # noqa: NPY002 (the mistake under test)
    return received(x + noise(x, g))


def global_random(x: Tensor, g: torch.Generator) -> Received:
    random.random()
    return received(x + noise(x, g))


def half_in_the_wrong_place(x: Tensor, g: torch.Generator) -> Received:
    """The right variance on average over the two halves would pass a test of the mean square error."""
    scale = torch.ones_like(x)
    scale[..., : x.shape[-1] // 2] = 3.0
    return received(x + noise(x, g) * scale, 0.01 * scale.flip(-1).square())


BROKEN: dict[str, tuple[Transmit, str]] = {
    "zero noise": (lambda x, g: received(x.clone()), "other bits for another seed"),
    "zero noise, random by a hair": (lambda x, g: received(x + noise(x, g, 1e-6)), "error variance / reported"),
    "doubled noise": (lambda x, g: received(x + noise(x, g, 0.1 * 2**0.5)), "error variance / reported"),
    "noise dropped in one half": (half_in_the_wrong_place, "error variance / reported"),
    "noise where none is reported": (lambda x, g: received(x + noise(x, g), 0.0), "noise_var is 0"),
    "gain .9": (lambda x, g: received(0.9 * x + noise(x, g)), "gain must be 1"),
    "offset": (lambda x, g: received(x + 0.02 + noise(x, g)), "offset must be 0"),
    "mutates": (mutate, "must not change its input"),
    "ignores the generator": (fixed_noise, "other bits for another seed"),
    "does not advance the generator": (stuck_generator, "moved on"),
    "not repeatable": (unseeded, "same bits"),
    "global torch": (global_torch, "global random states"),
    "global numpy": (global_numpy, "global random states"),
    "global random": (global_random, "global random states"),
    "shape": (lambda x, g: received((x + noise(x, g))[..., :-1]), "values of shape"),
    "dtype": (lambda x, g: received((x + noise(x, g)).float()), "values of dtype"),
    "all erased": (lambda x, g: received(x + noise(x, g), torch.inf), "deliver some value"),
}


def test_values_that_are_not_finite_are_not_received() -> None:
    with pytest.raises(ValueError, match=r"`Received\(values=...\)` must be finite"):
        check_channel(Rule(lambda x, g: received(torch.nan * x)))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_channel_fails(name: str) -> None:
    rule, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message):
        check_channel(Rule(rule))


@pytest.mark.parametrize(
    "name", sorted(BROKEN.keys() - {"mutates"})
)  # that rule changes the sum, which is not the input
def test_a_broken_multiple_access_fails(name: str) -> None:
    rule, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message):
        check_multiple_access(Rule(rule))


def test_one_noise_for_a_whole_batch_fails() -> None:
    def shared(x: Tensor, g: torch.Generator) -> Received:
        return received(x + noise(x.reshape(-1, x.shape[-1])[0], g))

    with pytest.raises(AssertionError, match="each vector of a batch"):
        check_channel(Rule(shared))


def test_a_noiseless_channel_must_be_the_identity() -> None:
    with pytest.raises(AssertionError, match="without noise must return what was sent"):
        check_channel(Awgn(noise_var=0.01), noiseless=Awgn(noise_var=1e-6))
    with pytest.raises(AssertionError, match="without noise must return what was sent"):
        check_multiple_access(AwgnMultipleAccess(noise_var=0.01), noiseless=AwgnMultipleAccess(noise_var=1e-6))


def test_erased_values_are_left_out() -> None:
    def erase(x: Tensor, g: torch.Generator) -> Received:
        erased = torch.rand(x.shape, generator=g) < 0.2
        return received(torch.where(erased, 0, x + noise(x, g)), torch.where(erased, torch.inf, 0.01))

    check_channel(Rule(erase))


def test_heavy_tails_widen_the_bound() -> None:
    """Student's t with 5 degrees of freedom, variance 0.01: kurtosis 9, where the Gaussian bound would be too tight."""

    def student(x: Tensor, g: torch.Generator) -> Received:
        chi2 = torch.randn((5, *x.shape), generator=g, dtype=x.dtype).square().sum(0)
        return received(x + noise(x, g) * (3 / chi2).sqrt())

    for seed in range(5):
        check_channel(Rule(student), seed=seed)


def shared_fate(x: Tensor, g: torch.Generator) -> Received:
    """Multiplicative noise that 64 neighbours share, as in block fading that nobody knows; its mean square is 0.01."""
    block = standard_normal(x[..., ::64], g).repeat_interleave(64, -1)[..., : x.shape[-1]]
    centred = x - x.mean(-1, keepdim=True)
    return received(x + 0.1 * block * centred, 0.01 * centred.square().mean(-1, keepdim=True).double())


def test_errors_that_share_a_fate_need_the_length_of_it() -> None:
    for seed in range(5):
        check_channel(Rule(shared_fate), coherence=64, n=8192, seed=seed)
    with pytest.raises(AssertionError):
        check_channel(Rule(shared_fate), seed=3)
    with pytest.raises(AssertionError, match="n >= 20 coherence = 1280"):
        check_channel(Rule(shared_fate), coherence=64, n=1024)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_coherence_does_not_hide_a_wrong_variance(factor: float) -> None:
    def wrong(x: Tensor, g: torch.Generator) -> Received:
        sound = shared_fate(x, g)
        return received(sound.values, factor * sound.noise_var)

    with pytest.raises(AssertionError, match="error variance / reported"):
        check_channel(Rule(wrong), coherence=64, n=65536)


def test_the_parts_of_a_split_add_up() -> None:
    def split(x: Tensor, g: torch.Generator, thermal: float) -> Received:
        return Received(x + noise(x, g), 0.01, "exact", split=NoiseSplit(thermal=thermal, csi=0.004))

    check_channel(Rule(lambda x, g: split(x, g, 0.006)))
    with pytest.raises(AssertionError, match="parts of split must add up to the mean finite noise_var 0.01"):
        check_channel(Rule(lambda x, g: split(x, g, 0.01)))


def test_only_media_are_checked() -> None:
    with pytest.raises(AssertionError, match="must be a Channel; got AwgnMultipleAccess"):
        check_channel(AwgnMultipleAccess(noise_var=0.1))
    with pytest.raises(AssertionError, match="must be a MultipleAccess; got Awgn"):
        check_multiple_access(Awgn(noise_var=0.1))
