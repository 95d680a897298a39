"""Things by name, ours and third parties' side by side: one entry-point group a kind."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.metadata import EntryPoint
from typing import Any

from analognn.channels import checks


def entry_points(group: str) -> tuple[EntryPoint, ...]:
    """Those of all installed packages, looked for once for each ``sys.path``: a look takes 10 ms."""
    return _found(group, tuple(sys.path))


@lru_cache
def _found(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001 (other paths, other packages)
    return tuple(metadata.entry_points(group=group))


@dataclass(frozen=True)
class Group:
    """One kind of thing and the entry-point group where it is registered.

    Args:
        name: of the group.
        kind: what a message calls a member of it.
        help: where a message sends who lacks a parameter; ``{name}`` stands for the member.
    """

    name: str
    kind: str
    help: str

    def entries(self) -> dict[str, EntryPoint]:
        """Every registered member by name, sorted.

        Raises:
            ValueError: two installed packages register the same name.
        """
        found: dict[str, EntryPoint] = {}
        for entry in sorted(entry_points(group=self.name), key=lambda e: e.name):
            other = found.setdefault(entry.name, entry)
            if other.value != entry.value:
                raise ValueError(
                    f"Two installed packages register the {self.kind} {entry.name!r}: {other.value}, {entry.value}."
                )
        return found

    def load(self, name: str) -> Callable[..., Any]:
        """What is registered under ``name``: a class or a function.

        Raises:
            ValueError: no such name; the message gives the nearest.
        """
        known = self.entries()
        checks.choice(f"{self.name.rpartition('.')[2]}.create", "name", name, known)
        loaded: Callable[..., Any] = known[name].load()
        return loaded

    def create(self, name: str, parameters: dict[str, Any]) -> Any:
        """Call what is registered under ``name``; see :func:`called`."""
        return called(self.load(name), f"{self.kind.capitalize()} {name!r}", parameters, self.help.format(name=name))


def called(factory: Callable[..., Any], owner: str, parameters: dict[str, Any], help: str) -> Any:
    """What ``factory`` makes of ``parameters``, which it checks itself once their names are right.

    Args:
        factory: a class or a function.
        owner: what a message calls it.
        parameters: by name.
        help: where a message sends who lacks one.

    Raises:
        ValueError: an unknown parameter, or a missing one.
    """
    signature = inspect.signature(factory).parameters
    for key in parameters:
        if key not in signature:
            has = f"it has {', '.join(signature)}" if signature else "it has none"
            raise ValueError(f"{owner} has no parameter {key!r}; {has}.{checks.nearest(key, signature)}")
    for key, parameter in signature.items():
        if parameter.default is parameter.empty and key not in parameters:
            raise ValueError(f"{owner} needs the parameter {key!r}; {help}")
    return factory(**parameters)
