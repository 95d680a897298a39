"""Quantisation: unit gain, the exact error variance, the models it must agree with, its side information."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import Tensor

from analognn.channels.quantization import FORMATS, Quantised, Quantiser
from analognn.channels.testing import check_channel


def weights(*shape: int, seed: int = 0) -> Tensor:
    return 0.05 + 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def send(channel: Quantised, w: Tensor, seed: int = 0):
    return channel.transmit(w, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "channel",
    [
        Quantised("int2", rounding="stochastic"),
        Quantised("int4", "symmetric", "stochastic"),
        Quantised("int8", "min-max", "stochastic", block_size=100),
    ],
    ids=str,
)
def test_the_contract(channel: Quantised) -> None:
    check_channel(channel)
    with pytest.raises(AssertionError, match="must return the same bits for another seed"):
        check_channel(channel, deterministic=True)


@pytest.mark.parametrize("name", ["int4", "int8", "bfloat16", "float8-e4m3", "mantissa3"])
def test_the_contract_without_chance(name: str) -> None:
    check_channel(Quantised(name), deterministic=True)
    with pytest.raises(AssertionError, match="must return other bits for another seed"):
        check_channel(Quantised(name))


@pytest.mark.parametrize("block_size", [None, 1000])
@pytest.mark.parametrize("name", [f for f in FORMATS if f not in ("mantissa0", "mantissa1")])
def test_nearest_rounding_has_unit_gain_and_the_error_it_reports(name: str, block_size: int | None) -> None:
    """The contract but for its seeds: nearest rounding draws nothing, so another seed gives the same bits."""
    w = weights(2, 3500)
    received = send(Quantised(name, block_size=block_size), w)
    again = send(Quantised(name, block_size=block_size), w, seed=1)
    assert torch.equal(received.values, again.values)
    z = (received.values - w).double()
    reported = torch.as_tensor(received.noise_var).double().expand(w.shape)
    for part in (slice(0, 1000), slice(3000, 3500)) if block_size else (slice(None),):
        measured = z[:, part].square().mean(-1)
        torch.testing.assert_close(measured, reported[:, part].mean(-1), rtol=1e-5, atol=1e-18)
        assert not torch.allclose(2 * measured, reported[:, part].mean(-1), rtol=1e-5, atol=1e-18)
    centred = w.double() - w.double().mean(-1, keepdim=True)
    gain = 1 + (centred * z).sum(-1) / centred.square().sum(-1)
    assert float((gain - 1).abs().max()) < (1e-6 if name.startswith(("int", "mantissa")) else 0.01)
    assert received.source == "side-information"


def test_the_error_is_that_of_a_uniform_quantiser() -> None:
    """D^2 / 12 nearest, D^2 / 6 stochastic, D = (hi - lo) / (2^b - 1); 5 standard errors of the error's square."""
    n = 100_000
    w = weights(n)
    step = float(w.max() - w.min()) / 255
    nearest, stochastic = (
        float(send(Quantised("int8", "min-max", rounding), w).noise_var) for rounding in ("nearest", "stochastic")
    )
    assert nearest == pytest.approx(step**2 / 12, rel=5 * math.sqrt(0.8 / n))
    assert stochastic == pytest.approx(step**2 / 6, rel=5 * math.sqrt(1.4 / n))
    assert nearest != pytest.approx(2 * step**2 / 12, rel=5 * math.sqrt(0.8 / n))


@pytest.mark.parametrize(("bits", "mse"), [(1, 0.3634), (2, 0.1188), (3, 0.03744), (4, 0.01154)])
def test_the_least_error_of_gaussian_weights(bits: int, mse: float) -> None:
    """Max, "Quantizing for minimum distortion", 1960, table II: uniform, Gaussian, after the MMSE shrinks r."""
    w = torch.randn(200_000, generator=torch.Generator().manual_seed(1))
    noise_var = float(send(Quantised(f"int{bits}"), w).noise_var)
    assert noise_var / (1 + noise_var) == pytest.approx(mse, rel=0.02)  # the clip is searched in steps of 19 %


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_a_short_float_is_torchs_cast(name: str) -> None:
    w = weights(1000)
    received = send(Quantised(name), w)
    assert torch.equal(received.values, w.to(getattr(torch, name)).float())
    assert received.usage.side_info_bits == 32


def test_what_the_format_holds_arrives_exactly() -> None:
    w = torch.tensor([-0.5, 0.0, 0.5, -0.5, 1.0])
    for name in ("int2", "float16", "mantissa2"):
        received = send(Quantised(name, "min-max" if name == "int2" else None), w)
        torch.testing.assert_close(received.values, w, rtol=0, atol=1e-7)
        assert float(received.noise_var) < 1e-14
    for name in FORMATS:
        constant = send(Quantised(name), torch.full((4,), 0.3))
        torch.testing.assert_close(constant.values, torch.full((4,), 0.3), rtol=0.13, atol=0)
    assert torch.equal(send(Quantised("int4"), torch.zeros(4)).values, torch.zeros(4))


def test_a_scale_a_block_helps_blocks_of_different_spread_and_is_counted() -> None:
    w = torch.cat([weights(1000), 100 * weights(1000, seed=1)])
    one, two = send(Quantised("int4"), w), send(Quantised("int4", block_size=1000), w)
    assert (one.usage.side_info_bits, two.usage.side_info_bits) == (96, 192)
    assert float(two.noise_var[0]) < 0.01 * float(one.noise_var)
    assert send(Quantised("float8-e4m3", block_size=300), w).usage.side_info_bits == 7 * 64


def test_dtype_follows_the_input() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        received = send(Quantised("int16"), weights(100).to(dtype))
        assert received.values.dtype == dtype


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"format": "int17"}, "must be one of int1"),
        ({"format": "flaot16"}, "Did you mean 'float16'?"),
        ({"span": "max"}, "must be one of mse, symmetric, min-max"),
        ({"rounding": "up"}, "must be one of nearest, stochastic"),
        ({"format": "float16", "rounding": "stochastic"}, "has no meaning for format='float16'; got 'stochastic'"),
        ({"format": "bfloat16", "span": "mse"}, "has no meaning for format='bfloat16'; got 'mse'"),
        ({"block_size": 1}, "`Quantised(block_size=...)` must be an integer >= 2; got 1"),
    ],
)
def test_bad_parameters(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        Quantised(**kwargs)
    with pytest.raises(ValueError, match="float16'\\)` holds magnitudes up to 65504; got 70000"):
        Quantiser("float16").encode(torch.full((1, 2), 7e4), torch.Generator())
