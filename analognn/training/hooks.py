"""What changes on the way into a module, for as long as a block runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def changed_inputs(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """``module`` sees ``change(x)`` instead of its first argument x; afterwards it is as it was, whatever happened."""

    def before(_module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return change(arguments[0]), *arguments[1:]

    handle = module.register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()
