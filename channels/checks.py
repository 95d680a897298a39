"""Argument checks that all answer alike: owner, parameter, bound, value.

`Awgn(noise_var=...)` must be a finite number >= 0; got -1.0.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Iterable

import torch
from torch import Tensor

MAX_DB = 300.0
"""Largest level, up and down [dB]: its power ratio and that of its square root are still float32 numbers."""


def real(
    owner: str, name: str, value: object, *, ge: float = -math.inf, gt: float = -math.inf, le: float = math.inf
) -> None:
    """Raise unless ``value`` is a finite number with ``ge <= value <= le`` and ``value > gt``.

    A ``name`` that ends in "_db" is a level, and held within MAX_DB too.

    Raises:
        TypeError: ``value`` is not an int or a float (text, a bool, a tensor).
        ValueError: ``value`` is not finite or outside the bounds.
    """
    bounds = [f"> {gt:g}"] * (gt > -math.inf) + [f">= {ge:g}"] * (ge > -math.inf) + [f"<= {le:g}"] * (le < math.inf)
    wanted = " ".join(["a finite number", " and ".join(bounds)]).strip()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"`{owner}({name}=...)` must be {wanted}; got {value!r} ({type(value).__name__}).")
    if not abs(value) <= sys.float_info.max or not ge <= value <= le or not value > gt:
        raise ValueError(f"`{owner}({name}=...)` must be {wanted}; got {value!r}.")
    if name.endswith("_db") and abs(value) > MAX_DB:
        raise ValueError(f"`{owner}({name}=...)` must be between -{MAX_DB:g} and {MAX_DB:g} dB; got {value!r}.")


def integer(owner: str, name: str, value: object, *, ge: int) -> None:
    """Raise unless ``value`` is an int ``>= ge``.

    Raises:
        TypeError: ``value`` is not an int.
        ValueError: ``value`` is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"`{owner}({name}=...)` must be an integer >= {ge}; got {value!r} ({type(value).__name__}).")
    if value < ge:
        raise ValueError(f"`{owner}({name}=...)` must be an integer >= {ge}; got {value!r}.")


def kind(owner: str, name: str, value: object, wanted: type) -> None:
    """Raise ``TypeError`` unless ``value`` is a ``wanted``."""
    if not isinstance(value, wanted):
        raise TypeError(f"`{owner}({name}=...)` must be a {wanted.__name__}; got {value!r} ({type(value).__name__}).")


def counts(owner: str, name: str, value: int, *, of: int) -> None:
    """Raise ``ValueError`` unless ``value`` of ``of`` >= 1 can be right."""
    if not 0 <= value <= of or of < 1:
        raise ValueError(f"`{owner}({name}=...)` must be between 0 and the number of examples, {of} >= 1; got {value}.")


def choice(owner: str, name: str, value: object, allowed: Iterable[str]) -> None:
    """Raise ``ValueError`` unless ``value`` is one of ``allowed``; the message names the nearest."""
    options = list(allowed)
    if value not in options:
        raise ValueError(
            f"`{owner}({name}=...)` must be one of {', '.join(options)}; got {value!r}.{nearest(str(value), options)}"
        )


def nearest(word: str, options: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the option nearest to ``word``, or an empty text.

    >>> nearest("kapa", ["kappa", "betas"])
    " Did you mean 'kappa'?"
    """
    close = difflib.get_close_matches(word, list(options), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def signal(owner: str, x: Tensor, *, name: str = "x") -> None:
    """Raise unless ``x`` [..., n] is a real, floating, dense, finite tensor with n >= 1.

    Raises:
        TypeError: not such a tensor.
        ValueError: no elements, or NaN or infinite values.
    """
    floating(owner, x, name=f"{name}[..., n]")
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"`{owner}` needs {name}[..., n] with n >= 1; got shape {list(x.shape)}.")
    if not all_finite(x):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(f"`{owner}` needs finite {name}; got {bad} NaN or infinite of {x.numel()} values.")


def floating(owner: str, x: object, *, name: str) -> None:
    """Raise ``TypeError`` unless ``x`` is a real, dense tensor of floats that one can compute with."""
    if not isinstance(x, Tensor):
        raise TypeError(f"`{owner}` needs {name} as a real floating-point tensor; got {type(x).__name__}.")
    if not x.is_floating_point():
        raise TypeError(f"`{owner}` needs {name} as a real floating-point tensor; got {x.dtype}.")
    if torch.finfo(x.dtype).bits < 16 or x.layout != torch.strided:
        raise TypeError(
            f"`{owner}` needs {name} dense, of 16 bits a number or more; got {x.dtype}, {x.layout}. Convert it "
            "(.float(), .to_dense())."
        )


def all_finite(x: Tensor) -> bool:
    """Whether ``x`` holds no NaN and no infinity, found without memory of the size of ``x``."""
    return x.numel() == 0 or all(math.isfinite(extreme) for extreme in x.detach().aminmax())  # NaN propagates to both
