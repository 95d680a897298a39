from __future__ import annotations

import math

import pytest
import torch

from analognn.channels import Awgn, AwgnMultipleAccess


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_wnr_refers_to_the_variance_and_not_to_the_mean_square() -> None:
    w = 5 + 0.1 * torch.randn(100_000, generator=generator(), dtype=torch.float64)
    received = Awgn(wnr_db=10.0).transmit(w, generator=generator(1))
    assert received.noise_var == pytest.approx(float(w.var(correction=0)) / 10)
    measured = float((received.values - w).square().mean())
    assert measured / float(received.noise_var) == pytest.approx(1, abs=5 * math.sqrt(2 / w.numel()))


def test_wnr_of_a_batch_is_that_of_each_vector() -> None:
    x = torch.randn(2, 1000, generator=generator()) * torch.tensor([[1.0], [10.0]])
    noise_var = Awgn(wnr_db=0.0).transmit(x, generator=generator()).noise_var
    assert isinstance(noise_var, torch.Tensor)
    torch.testing.assert_close(noise_var, x.double().var(-1, keepdim=True, correction=0))


def test_usage_counts_two_weights_a_symbol() -> None:
    assert Awgn(noise_var=1.0).transmit(torch.zeros(2, 5), generator=generator()).usage.channel_uses == 6


def test_without_noise_the_bits_are_those_sent() -> None:
    w = torch.randn(9, generator=generator())
    assert torch.equal(Awgn(noise_var=0.0).transmit(w, generator=generator()).values, w)


def test_multiple_access_sums_the_devices() -> None:
    x = torch.randn(3, 50, generator=generator())
    received = AwgnMultipleAccess(noise_var=0.0).superpose(x, generator=generator())
    torch.testing.assert_close(received.values, x.sum(0))


@pytest.mark.parametrize("kind", [Awgn, AwgnMultipleAccess])
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "exactly one of noise_var and wnr_db"),
        ({"noise_var": 1.0, "wnr_db": 1.0}, "exactly one of noise_var and wnr_db"),
        ({"noise_var": -1.0}, "must be a finite number >= 0; got -1.0"),
        ({"noise_var": math.nan}, "got nan"),
        ({"wnr_db": math.inf}, "got inf"),
        ({"wnr_db": "3"}, r"got '3' \(str\)"),
    ],
)
def test_bad_parameters(kind: type[Awgn], kwargs: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        kind(**kwargs)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="needs weights that vary"):
        Awgn(wnr_db=0.0).transmit(torch.ones(3), generator=generator())
    with pytest.raises(ValueError, match="n >= 1"):
        Awgn(noise_var=1.0).transmit(torch.ones(0), generator=generator())
    with pytest.raises(ValueError, match=r"x\[k, n\]; got shape \[3\]"):
        AwgnMultipleAccess(noise_var=1.0).superpose(torch.ones(3), generator=generator())
