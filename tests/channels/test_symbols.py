from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analognn.channels.symbols import SideInfo, clip, from_symbols, to_symbols

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def vectors(width: int = 32, limit: float = 2.0**100) -> st.SearchStrategy[list[float]]:
    number = st.floats(-limit, limit, width=width, allow_subnormal=False)
    return st.lists(number, min_size=1, max_size=40)


@given(values=vectors())
@settings(max_examples=200, deadline=None)
def test_round_trip_to_float_precision(values: list[float]) -> None:
    w = torch.tensor(values)
    w_hat = from_symbols(*to_symbols(w))
    assert w_hat.shape == w.shape
    assert w_hat.dtype == w.dtype
    assert float((w_hat - w).abs().max()) <= 8 * torch.finfo(w.dtype).eps * float(w.abs().max()) + 1e-44


@given(values=vectors(width=64, limit=1e200))
@settings(max_examples=100, deadline=None)
def test_round_trip_in_double_precision(values: list[float]) -> None:
    w = torch.tensor(values, dtype=torch.float64)
    w_hat = from_symbols(*to_symbols(w))
    assert float((w_hat - w).abs().max()) <= 8 * torch.finfo(w.dtype).eps * float(w.abs().max()) + 1e-307


@given(values=vectors())
@settings(max_examples=100, deadline=None)
def test_average_power_is_one(values: list[float]) -> None:
    s, side = to_symbols(torch.tensor(values, dtype=torch.float64))
    if side.sigma > 1e-300:
        energy = 2 * float(s.abs().square().sum()) / len(values)  # the pad of an odd vector carries no energy
        assert energy == pytest.approx(1, rel=1e-9)


@given(value=st.floats(-(2.0**100), 2.0**100, width=32), n=st.integers(1, 1000))
@settings(max_examples=50, deadline=None)
def test_constant_vectors_are_unharmed_and_need_no_symbol(value: float, n: int) -> None:
    w = torch.full((n,), value)
    s, side = to_symbols(w)
    assert s.shape == (0,)
    assert torch.equal(from_symbols(s, side), w)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_and_side_information(dtype: torch.dtype) -> None:
    w = torch.randn(11, generator=torch.Generator().manual_seed(0)).to(dtype)
    s, side = to_symbols(w)
    assert s.shape == (6,)
    assert s.dtype == (torch.complex128 if dtype == torch.float64 else torch.complex64)
    assert side.bits == (128 if dtype == torch.float64 else 64)
    torch.testing.assert_close(from_symbols(s, side), w)


def test_pairs_and_normalisation_are_those_of_the_equation() -> None:
    w = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
    s, side = to_symbols(w)
    mu, a = 3.0, w.var(correction=0).sqrt()
    assert side == SideInfo(mu, pytest.approx(float(a)), 4, torch.float64)
    torch.testing.assert_close(s, torch.complex(w[::2] - mu, w[1::2] - mu) / (2**0.5 * a))


def test_noise_on_symbols_becomes_noise_on_weights() -> None:
    """Complex noise ``no`` gives a^2 no per weight; 5 standard errors of a variance are 5 sqrt(2 / n)."""
    g, n, no = torch.Generator().manual_seed(0), 200_000, 0.1
    w = 0.02 + 0.3 * torch.randn(n, generator=g, dtype=torch.float64)
    s, side = to_symbols(w)
    noise = (no / 2) ** 0.5 * torch.randn(n // 2, 2, generator=g, dtype=torch.float64)
    z = from_symbols(s + torch.view_as_complex(noise), side) - w
    assert float(z.var() / (side.sigma**2 * no)) == pytest.approx(1, abs=5 * (2 / n) ** 0.5)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"needs w\[n\]; got shape \[2, 2\]"):
        to_symbols(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="finite w; got 1 NaN"):
        to_symbols(torch.tensor([1.0, torch.nan]))
    with pytest.raises(ValueError, match="spread fits torch.float32"):
        to_symbols(torch.tensor([3e38, 3e38, 3e38, -3e38]))
    s, side = to_symbols(torch.arange(4.0))
    with pytest.raises(ValueError, match=r"s\[2\] for 4 weights; got shape \[1\]"):
        from_symbols(s[:1], side)


@pytest.mark.parametrize("clip_db", [-3.0, 0.0, 3.0, 6.0])
def test_clipping_has_bussgangs_gain(clip_db: float) -> None:
    """Complex Gaussian symbols: alpha = (1 - exp(-A^2) + sqrt(pi) / 2 A erfc(A)) / sqrt(1 - exp(-A^2)).

    Bounds: the means that alpha is made of have standard deviations below 1, hence 5 / sqrt(n).
    """
    n = 400_000
    parts = torch.randn(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    s = torch.view_as_complex(parts) / 2**0.5
    clipped, alpha = clip(s, clip_db)
    a = 10 ** (clip_db / 20)
    left = 1 - math.exp(-(a**2))
    assert alpha == pytest.approx((left + math.pi**0.5 / 2 * a * math.erfc(a)) / left**0.5, abs=5 / n**0.5)
    power = float(s.abs().square().mean())
    assert float(clipped.abs().square().mean()) == pytest.approx(power)
    assert float(clipped.abs().max()) == pytest.approx((power * a**2 / left) ** 0.5, rel=5 / n**0.5)
    d = clipped - alpha * s
    assert float((d * s.conj()).mean().real) == pytest.approx(0, abs=1e-9)
    assert float(d.abs().square().mean() / power) == pytest.approx(1 - alpha**2, rel=1e-9)


def test_nothing_to_clip_is_left_alone() -> None:
    s = torch.tensor([1 + 0j, 1j, -1 + 0j], dtype=torch.complex128)
    clipped, alpha = clip(s, 0.0)
    torch.testing.assert_close(clipped, s)
    assert alpha == pytest.approx(1.0)
