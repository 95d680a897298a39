"""Inverse-variance averaging of several receptions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from analognn.channels import Awgn, Channel, Ofdm, Received
from analognn.channels.repetition import Repeated, repeated_ofdm
from analognn.channels.testing import check_channel

SMALL = {"fft_size": 64, "num_guard_carriers": (5, 6), "cyclic_prefix_length": 8}


def test_the_contract() -> None:
    check_channel(Repeated(Awgn(noise_var=0.04), 4), noiseless=Repeated(Awgn(noise_var=0.0), 4))
    check_channel(Repeated(Ofdm(5.0, **SMALL), 3))
    check_channel(Repeated(Ofdm(5.0, outage="erase", **SMALL), 2), coherence=2)


def test_k_times_is_k_times_better_and_dearer() -> None:
    w = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    once, four = (
        repeated_ofdm(10.0, times, model="awgn").transmit(w, generator=torch.Generator().manual_seed(1))
        for times in (1, 4)
    )
    assert float(four.noise_var) == pytest.approx(float(once.noise_var) / 4)
    assert four.usage.channel_uses == 4 * once.usage.channel_uses
    assert four.usage.side_info_bits == once.usage.side_info_bits == 64


class Alternating(Channel):
    """Good and bad receptions in turn, with an erasure in each."""

    def __init__(self) -> None:
        self.uses = 0

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        self.uses += 1
        noise_var = torch.full_like(x, 0.01 if self.uses % 2 else 1.0)
        values = x + noise_var.sqrt() * torch.randn(x.shape, generator=generator)
        noise_var[0] = torch.inf
        noise_var[self.uses % 2 + 1] = torch.inf
        source = "exact" if self.uses % 2 else "estimated"
        return Received(values.where(noise_var < torch.inf, 0.25), noise_var, source)


def test_weights_go_with_the_quality_and_erasures_only_with_what_arrived() -> None:
    n = 100_000
    w = torch.randn(n, generator=torch.Generator().manual_seed(0))
    received = Repeated(Alternating(), 2).transmit(w, generator=torch.Generator().manual_seed(1))
    assert received.noise_var[:4].tolist() == pytest.approx([math.inf, 0.01, 1.0, 1 / 101], rel=1e-6) or (
        received.noise_var[:4].tolist() == pytest.approx([math.inf, 1.0, 0.01, 1 / 101], rel=1e-6)
    )
    assert received.values[0] == 0.25
    z = (received.values - w)[3:].double()
    for wrong, passes in ((1.0, True), (0.0, False), (2.0, False)):
        close = abs(float(z.square().mean()) * wrong * 101 - 1) <= 5 * math.sqrt(2 / n)
        assert close is passes
    assert received.source == "estimated"


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match=r"`Repeated\(times=...\)` must be an integer >= 1; got 0"):
        Repeated(Awgn(noise_var=0.1), 0)
