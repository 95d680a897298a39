"""A receiver: stages one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from analognn.denoise import Budget
from analognn.receiver.delivery import Delivery, Stage, dearest


@dataclass(frozen=True)
class Receiver:
    """A chain of stages.

    Args:
        stages: in the order in which they are applied; none leaves the received values as they are.
    """

    stages: tuple[Stage, ...]

    @property
    def budget(self) -> Budget:
        """What its dearest stage needs."""
        return dearest(*(stage.budget for stage in self.stages))

    def needs(self, budget: Budget) -> bool:
        """Whether a stage needs just that."""
        return any(stage.budget == budget for stage in self.stages)

    @property
    def measured(self) -> bool:
        """Whether a stage asks for what the transmitter measured on the layers of its clean model."""
        return any(stage.measured for stage in self.stages)

    def check(self, model: nn.Module) -> None:
        """Raise ``ValueError`` where a stage cannot work on ``model``."""
        for stage in self.stages:
            stage.check(model)

    def __call__(self, delivery: Delivery) -> Delivery:
        """What all stages make of ``delivery``, which stays as it is."""
        for stage in self.stages:
            delivery = stage(delivery)
        return delivery
