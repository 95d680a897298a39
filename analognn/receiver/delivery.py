"""What a receiver holds, what it has spent, and the stages that turn one into a better one.

    delivery -> stage -> delivery -> stage -> delivery -> model

A stage sees a :class:`Delivery` and nothing else: never the clean weights, never the test set. What it used beyond the
received values is booked in :class:`Spent`, so that every result names its price:

    none < side-information (bits over the reliable path) < unlabelled (n examples) < labelled (k examples) < oracle
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from analognn.channels import Received
from analognn.denoise import Budget, Prior
from analognn.evaluate import Evaluator, Inputs
from analognn.packing import ParameterLayout
from analognn.receiver.inputs import Labelled
from analognn.receiver.pattern import NoiseTables
from analognn.receiver.side import SideInformation

BUDGETS: tuple[Budget, ...] = get_args(Budget)
"""What a receiver may know, from the cheapest to what no receiver has."""


def dearest(*budgets: Budget) -> Budget:
    """The highest of ``budgets``; "none" without any.

    >>> dearest("none", "labelled", "unlabelled")
    'labelled'
    """
    return max(budgets, key=BUDGETS.index, default="none")


@dataclass(frozen=True)
class Spent:
    """What a receiver used beyond the values that arrived.

    Args:
        side_info: item -> bits over the reliable path; an item that two stages use travels once.
        unlabelled: examples without labels.
        labelled: examples with labels.
        pattern: values of a calibration pattern sent through the medium; their side information is in ``side_info``.
    """

    side_info: Mapping[str, int] = field(default_factory=dict)
    unlabelled: int = 0
    labelled: int = 0
    pattern: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            {**self.side_info, **other.side_info},
            max(self.unlabelled, other.unlabelled),
            max(self.labelled, other.labelled),
            max(self.pattern, other.pattern),
        )

    @property
    def side_info_bits(self) -> int:
        """Bits of all items together."""
        return sum(self.side_info.values())


@dataclass(frozen=True)
class Oracle:
    """What no receiver has, for upper bounds only.

    Args:
        weights: [n], the clean analog weights.
        test: the examples that results are reported on.
    """

    weights: Tensor
    test: Evaluator


@dataclass(frozen=True)
class Delivery:
    """All that the receiver holds. Make the first one with :meth:`arrived`.

    Args:
        model: reliable tensors as delivered, analog tensors as currently estimated. Never changed: stages copy.
        layout: of ``model``.
        received: the analog weights [n] as they came out of the medium.
        prior: of the analog weights as one vector; its source says where smaller pieces get theirs from.
        side: what came over the reliable path besides the reliable tensors.
        unlabelled: inputs without labels, on the device to compute on.
        labelled: examples with labels, on the same device.
        calibration: what a pattern told of the medium's noise, as it applies to ``received``.
        oracle: for oracle stages alone.
        spent: what the stages so far used.
        chosen: what they chose, by name of the record's column.
    """

    model: nn.Module
    layout: ParameterLayout
    received: Received
    prior: Prior
    side: SideInformation | None = None
    unlabelled: Inputs | None = None
    labelled: Labelled | None = None
    calibration: NoiseTables | None = None
    oracle: Oracle | None = None
    spent: Spent = field(default_factory=Spent)
    chosen: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def arrived(cls, model: nn.Module, layout: ParameterLayout, received: Received, prior: Prior) -> Delivery:
        """The received weights put into a copy of ``model``: maximum likelihood, before any stage."""
        return cls(layout.unpack(received.values, model), layout, received, prior)

    @property
    def estimate(self) -> Received:
        """The current estimate of the weights [n], with the noise it arrived with."""
        return replace(self.received, values=self.layout.pack(self.model).vector.to(self.received.values))

    def with_model(self, model: nn.Module, **chosen: Any) -> Delivery:
        """The same with ``model`` and, by column of the record, what led to it."""
        return replace(self, model=model, chosen={**self.chosen, **chosen})

    def with_weights(self, weights: Tensor) -> Delivery:
        """The same with ``weights`` [n] as the estimate."""
        return replace(self, model=self.layout.unpack(weights, self.model))

    def spending(self, **spent: Any) -> Delivery:
        """The same with more spent: the fields of :class:`Spent`."""
        return replace(self, spent=self.spent + Spent(**spent))

    def copied_model(self, device: torch.device | None = None) -> nn.Module:
        """A copy of the model, moved to ``device`` if named, in eval mode, for a stage to work on."""
        return copy.deepcopy(self.model).to(device).eval()

    def needs(self, stage: object, name: Literal["side", "unlabelled", "labelled", "calibration", "oracle"]) -> Any:
        """What the receiver holds under ``name``.

        Raises:
            ValueError: it holds nothing there.
        """
        held = getattr(self, name)
        if held is None:
            raise ValueError(f"`{type(stage).__name__}` needs `Delivery.{name}`, which this receiver does not hold.")
        return held


class Stage(ABC):
    """One step of a receiver. Subclass as a frozen dataclass whose fields are its parameters."""

    @property
    @abstractmethod
    def budget(self) -> Budget:
        """The dearest thing it needs; ``budget: ClassVar[Budget] = ...`` where that is always the same."""

    @property
    def measured(self) -> bool:
        """Whether it asks for what the transmitter measured on the layers of its clean model."""
        return False

    @property
    def calibrated(self) -> bool:
        """Whether it asks for what a calibration pattern told; such a stage is the first of its receiver."""
        return False

    @abstractmethod
    def __call__(self, delivery: Delivery) -> Delivery:
        """A better delivery; the one given, its model included, stays as it is.

        Raises:
            ValueError: the receiver does not hold what the stage needs.
        """

    def check(self, model: nn.Module) -> None:  # noqa: B027  # most stages work on every model
        """Raise ``ValueError`` where the stage cannot work on ``model``, before anything is computed."""
