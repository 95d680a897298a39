"""Media that many devices share, by name: what :class:`analognn.channels.MultipleAccess` a name stands for.

    r = sum_m w_m + z

Names come from the entry-point group ``analognn.multiple_access``; an entry is a :class:`MultipleAccess` class, or a
function that makes one.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

from analognn.channels import MultipleAccess
from analognn.plugins import Group

GROUP = Group("analognn.multiple_access", "multiple access", "the docstring of its class explains it.")


def entries() -> dict[str, EntryPoint]:
    """Every registered medium by name, sorted; see :meth:`analognn.plugins.Group.entries`."""
    return GROUP.entries()


def load(name: str) -> Callable[..., MultipleAccess]:
    """What is registered under ``name``.

    Raises:
        ValueError: no such name; the message gives the nearest.
    """
    return GROUP.load(name)


def create(name: str, **parameters: Any) -> MultipleAccess:
    """A medium by name, its parameters checked by their owner.

    Raises:
        ValueError: no such name, an unknown parameter, or a value outside its bounds.

    >>> create("awgn", wnr_db=-5.0)
    AwgnMultipleAccess(noise_var=None, wnr_db=-5.0)
    """
    made: MultipleAccess = GROUP.create(name, parameters)
    return made
