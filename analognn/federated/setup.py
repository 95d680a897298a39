"""What a federated training is made of: what was chosen, and what the base station holds."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from analognn.channels import MultipleAccess
from analognn.federated.config import Federation
from analognn.federated.layout import AirLayout
from analognn.federated.state import State
from analognn.federated.station import BaseStation
from analognn.receiver import Labelled


@dataclass(frozen=True)
class Setup:
    """All that is chosen of a training.

    Args:
        federation: devices and rounds.
        uplink: medium of the updates. Its path gains, where there is a list of them, are of all devices.
        station: what is made of their sum.
        seed: of everything random.

    Raises:
        ValueError: path gains of another number of devices.
    """

    federation: Federation
    uplink: MultipleAccess
    station: BaseStation
    seed: int = 0

    def __post_init__(self) -> None:
        gains, devices = getattr(self.uplink, "path_gain_db", 0.0), self.federation.num_devices
        if isinstance(gains, tuple) and len(gains) != devices:
            raise ValueError(
                f"`{type(self.uplink).__name__}(path_gain_db=...)` must be one number or one for each of the "
                f"num_devices = {devices} devices of the federation; got {len(gains)}."
            )


@dataclass(frozen=True)
class Cell:
    """What the base station holds.

    Args:
        model: the architecture; its weights do not count.
        layout: of ``model``.
        examples: labelled, on the device to compute on; None where the station needs none.
    """

    model: nn.Module
    layout: AirLayout
    examples: Labelled | None = None

    @classmethod
    def of(cls, model: nn.Module, federation: Federation, examples: Labelled | None = None) -> Cell:
        """With the layout that the federation's rules ask for."""
        return cls(model, AirLayout.from_model(model, contaminated=federation.rules.contaminated), examples)

    def at(self, state: State) -> nn.Module:
        """A model with the weights of ``state``."""
        model = copy.deepcopy(self.model)
        state.write(model)
        return model
