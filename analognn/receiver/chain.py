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

    Raises:
        ValueError: a stage that asks for a calibration is not the first.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        for stage in self.stages[1:]:
            if stage.calibrated:
                raise ValueError(
                    f"`Receiver(stages=...)`: {type(stage).__name__} knows the noise of the values as they came out of "
                    "the medium; put it first, and only one such stage."
                )

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

    @property
    def calibrated(self) -> bool:
        """Whether a stage asks for what a calibration pattern told."""
        return any(stage.calibrated for stage in self.stages)

    def check(self, model: nn.Module) -> None:
        """Raise ``ValueError`` where a stage cannot work on ``model``."""
        for stage in self.stages:
            stage.check(model)

    def __call__(self, delivery: Delivery) -> Delivery:
        """What all stages make of ``delivery``, which stays as it is."""
        for stage in self.stages:
            delivery = stage(delivery)
        return delivery
