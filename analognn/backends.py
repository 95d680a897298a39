"""Backends: a packed model goes in, a :class:`Received` comes out; by object or by name.

Names come from the entry-point group ``analognn.backends``, where our own media and third parties' stand side by side.
An entry may be a :class:`Backend` or a :class:`Channel` class (or a function that makes one); its parameters are those
of its constructor, and the first line of its docstring is its line in ``analognn list``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import torch

from analognn.channels import Channel, Received, checks
from analognn.packing import PackedWeights
from analognn.plugins import Group

GROUP = Group("analognn.backends", "backend", "`analognn show medium {name}` explains it.")


class Backend(ABC):
    """A medium for the weights of a model. Subclass as a frozen dataclass whose fields are its parameters."""

    @abstractmethod
    def receive(self, packed: PackedWeights, *, generator: torch.Generator) -> Received:
        """Take the analog weights through the medium.

        Args:
            packed: the weights and the layout that says which tensor lies where; never changed.
            generator: the only source of randomness; the same state gives the same bits.

        Returns:
            ``values`` [n] in the units of the weights, unit gain.
        """


@dataclass(frozen=True)
class ChannelBackend(Backend):
    """A channel that carries the packed vector as it is.

    >>> from torch import nn
    >>> from analognn.channels import Awgn
    >>> from analognn.packing import ParameterLayout
    >>> model = nn.Linear(4, 2)
    >>> backend = ChannelBackend(Awgn(noise_var=0.0))
    >>> packed = ParameterLayout.from_model(model).pack(model)
    >>> bool((backend.receive(packed, generator=torch.Generator()).values == packed.vector).all())
    True
    """

    channel: Channel

    def __post_init__(self) -> None:
        checks.kind("ChannelBackend", "channel", self.channel, Channel)

    def receive(self, packed: PackedWeights, *, generator: torch.Generator) -> Received:
        """See :meth:`Backend.receive`."""
        return self.channel.transmit(packed.vector, generator=generator)


def entries() -> dict[str, EntryPoint]:
    """Every registered medium by name, sorted; see :meth:`analognn.plugins.Group.entries`."""
    return GROUP.entries()


def load(name: str) -> Callable[..., Backend | Channel]:
    """What is registered under ``name``: a class or a function that makes a backend or a channel.

    Raises:
        ValueError: no such name; the message gives the nearest.
    """
    return GROUP.load(name)


def create(name: str, **parameters: Any) -> Backend:
    """A backend by name, its parameters checked by their owner.

    Raises:
        ValueError: no such name, an unknown parameter, or a value outside its bounds.

    >>> create("awgn", noise_var=0.01)
    ChannelBackend(channel=Awgn(noise_var=0.01, wnr_db=None))
    """
    made: Backend | Channel = GROUP.create(name, parameters)
    return ChannelBackend(made) if isinstance(made, Channel) else made
