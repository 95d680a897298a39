from __future__ import annotations

import math

import pytest
import torch

from analognn.channels import Awgn, Received, Repeated, Usage, checks
from analognn.channels.base import standard_normal


@pytest.mark.parametrize("noise_var", [0.0, math.inf, torch.ones(3), torch.tensor(2.0), torch.ones(2, 1)])
def test_received_takes_one_variance_or_one_a_value(noise_var: float | torch.Tensor) -> None:
    Received(torch.zeros(2, 3), noise_var, "exact")


@pytest.mark.parametrize(
    ("noise_var", "message"),
    [
        (-1.0, "must be >= 0 and not NaN; got -1.0"),
        (math.nan, "must be >= 0 and not NaN; got nan"),
        (torch.tensor([1.0, -2.0, 1.0]), "got -2.0"),
        (torch.ones(2), r"values' shape \[3\]; got shape \[2\]"),
        (torch.ones(2, 3), r"values' shape \[3\]; got shape \[2, 3\]"),
    ],
)
def test_received_refuses_what_is_no_variance(noise_var: float | torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Received(torch.zeros(3), noise_var, "exact")


@pytest.mark.parametrize(
    ("values", "noise_var", "error", "message"),
    [
        ([1.0], 1.0, TypeError, "`Received` needs values as a real floating-point tensor; got list"),
        (torch.arange(3), 1.0, TypeError, "got torch.int64"),
        (torch.zeros(3, dtype=torch.complex64), 1.0, TypeError, "got torch.complex64"),
        (
            torch.tensor([1.0, math.nan]),
            1.0,
            ValueError,
            "must be finite, where erased too; got 1 NaN or infinite of 2",
        ),
        (torch.zeros(3), None, TypeError, "must be a real number or tensor; got None"),
        (torch.zeros(3), "0.1", TypeError, "must be a real number or tensor; got '0.1'"),
        (torch.zeros(3), 1j * torch.ones(3), TypeError, "must be a real number or tensor; got tensor"),
    ],
)
def test_received_refuses_what_one_cannot_compute_with(
    values: object, noise_var: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Received(values, noise_var, "exact")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_variance_per_value_keeps_the_precision_of_both(dtype: torch.dtype) -> None:
    values = torch.zeros(2, 3, dtype=dtype)
    for noise_var in (0.1, torch.tensor(0.1), torch.full((2, 1), 0.1)):
        found = Received(values, noise_var, "exact").noise_var_per_value
        assert found.shape == values.shape
        assert found.dtype == torch.promote_types(dtype, torch.float32)
        assert bool((found == torch.tensor(0.1)).all())


def test_no_transmission_costs_nothing() -> None:
    assert Usage.total([]) == Usage()


def test_received_says_where_the_variance_is_from() -> None:
    with pytest.raises(ValueError, match="must be one of exact, side-information, estimated; got 'guess'"):
        Received(torch.zeros(3), 1.0, "guess")


def test_standard_normal_has_the_same_bits_for_the_same_state() -> None:
    x = torch.zeros(2, 3, dtype=torch.float64)
    first, again = (standard_normal(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.dtype == x.dtype
    assert torch.equal(first, again)


def test_randomness_comes_from_a_generator() -> None:
    with pytest.raises(TypeError, match=r"`transmit\(generator=...\)` must be a Generator; got None"):
        Awgn(noise_var=0.1).transmit(torch.zeros(3), generator=None)


def test_repeated_takes_a_channel() -> None:
    with pytest.raises(TypeError, match=r"`Repeated\(channel=...\)` must be a Channel; got 3 \(int\)"):
        Repeated(3, 2)


def test_real() -> None:
    checks.real("F", "a", 1, ge=1)
    for value, message in ((0.5, r"`F\(a=...\)` must be a finite number >= 1; got 0.5"), (math.inf, "got inf")):
        with pytest.raises(ValueError, match=message):
            checks.real("F", "a", value, ge=1)
    for wrong in ("1", True, None, torch.tensor(1.0)):
        with pytest.raises(TypeError, match="must be a finite number"):
            checks.real("F", "a", wrong)
    with pytest.raises(ValueError, match="a finite number > 0 and <= 1; got 0"):
        checks.real("F", "a", 0, gt=0, le=1)


def test_integer() -> None:
    checks.integer("F", "k", 1, ge=1)
    with pytest.raises(ValueError, match=r"`F\(k=...\)` must be an integer >= 1; got 0"):
        checks.integer("F", "k", 0, ge=1)
    for wrong in (1.0, True, "1"):
        with pytest.raises(TypeError, match="must be an integer"):
            checks.integer("F", "k", wrong, ge=1)


def test_choice_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'kappa'"):
        checks.choice("F", "name", "kapa", ["kappa", "beta"])
    assert checks.nearest("zzz", ["kappa"]) == ""


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (torch.arange(3), TypeError),
        (torch.zeros(3, dtype=torch.complex64), TypeError),
        ([1.0], TypeError),
        (torch.tensor(1.0), ValueError),
        (torch.zeros(0), ValueError),
        (torch.tensor([math.inf]), ValueError),
        (torch.zeros(3).to(torch.float8_e4m3fn), TypeError),
        (torch.eye(3).to_sparse(), TypeError),
    ],
)
def test_signal(x: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="`F.send` needs"):
        checks.signal("F.send", x)


def test_a_signal_may_carry_a_gradient() -> None:
    checks.signal("F.send", torch.zeros(3, requires_grad=True))
