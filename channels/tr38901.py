"""The channels of 3GPP TR 38.901 by Sionna: TDL and CDL profiles (sec. 7.7), and drops in UMi, UMa and RMa (sec. 7.2).

Elements of CDL, UMi, UMa and RMa are vertical, omnidirectional and upright at both ends, so that E|h|^2 = 1 without
path loss whatever the direction; several antennas are a horizontal half-wavelength line at the base station, of one
polarisation, facing the middle of its sector. The single antenna is the user's, who moves: with ``num_rx`` > 1 the user
sends (uplink), with ``num_tx`` > 1 the base station does. TDL knows no direction: its antennas fade independently.

Each slot of UMi, UMa or RMa is another drop of the user: position, line of sight, indoor or not, large-scale
parameters, loss and shadowing. A transmission so sees the average over the cell, not the history of one user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .cir import SLOTS_PER_CHUNK

if TYPE_CHECKING:
    from sionna.phy.channel import ChannelModel
    from sionna.phy.channel.tr38901 import PanelArray


@dataclass(frozen=True)
class Site:
    """What the models have in common.

    Args:
        carrier_frequency: [Hz].
        speed: of the user [m/s].
        num_rx, num_tx: antennas, one of them 1.
        device: "cpu" or "cuda:0".
        precision: "single" or "double".
    """

    carrier_frequency: float
    speed: float
    num_rx: int
    num_tx: int
    device: str
    precision: str

    @property
    def direction(self) -> str:
        """Who sends."""
        return "downlink" if self.num_tx > 1 else "uplink"

    @property
    def sionna(self) -> dict[str, str]:
        """Where and how Sionna computes."""
        return {"device": self.device, "precision": self.precision}

    def arrays(self) -> dict[str, PanelArray]:
        """Antennas of the base station and of the user."""
        from sionna.phy.channel.tr38901 import PanelArray

        def line(num: int) -> PanelArray:
            return PanelArray(
                1,
                num,
                polarization="single",
                polarization_type="V",
                antenna_pattern="omni",
                carrier_frequency=self.carrier_frequency,
                **self.sionna,
            )

        return {"bs_array": line(max(self.num_rx, self.num_tx)), "ut_array": line(1)}


class Profile:
    """TDL or CDL by its letter: a fixed power-delay profile, drawn anew for each slot."""

    def __init__(self, model: str, delay_spread: float, site: Site) -> None:
        from sionna.phy.channel import tr38901

        kind, letter = model.split("-")
        antennas: dict[str, Any] = {"num_rx_ant": site.num_rx, "num_tx_ant": site.num_tx}
        if kind == "cdl":
            antennas = {"direction": site.direction, **site.arrays()}
        self._model: ChannelModel = getattr(tr38901, kind.upper())(
            letter.upper(),
            delay_spread=delay_spread,
            carrier_frequency=site.carrier_frequency,
            min_speed=site.speed,
            max_speed=site.speed,
            **antennas,
            **site.sionna,
        )

    def __call__(self, steps: int, rate: float | Tensor) -> tuple[Tensor, Tensor]:
        """See :data:`analognn.channels.cir.Sample`."""
        a, tau = self._model(SLOTS_PER_CHUNK, steps, rate)
        return a, tau


class Drops:
    """A 38.901 scenario: a sector of one base station, another user in each slot.

    Args:
        scenario: "umi", "uma" or "rma".
        site: what all models have in common.
        path_loss: whether gains include path loss, indoor loss and shadowing.
        indoor_probability: of a user; None is 38.901's for the scenario.
        distance: of the users from the base station, along the ground [m]; None is uniform over the sector.
    """

    def __init__(
        self,
        scenario: str,
        site: Site,
        *,
        path_loss: bool = False,
        indoor_probability: float | None = None,
        distance: float | None = None,
    ) -> None:
        from sionna.phy.channel import tr38901

        self._scenario = scenario
        self._site = site
        self._indoor_probability = indoor_probability
        self._distance = distance
        walls = {} if scenario == "rma" else {"o2i_model": "low"}
        model = {"umi": tr38901.UMi, "uma": tr38901.UMa, "rma": tr38901.RMa}[scenario]
        self._model = model(
            carrier_frequency=site.carrier_frequency,
            direction=site.direction,
            enable_pathloss=path_loss,
            enable_shadow_fading=path_loss,
            **walls,
            **site.arrays(),
            **site.sionna,
        )

    def __call__(self, steps: int, rate: float | Tensor) -> tuple[Tensor, Tensor]:
        """See :data:`analognn.channels.cir.Sample`."""
        from sionna.phy.channel import gen_single_sector_topology

        user, base, user_faces, base_faces, velocity, indoor = gen_single_sector_topology(
            SLOTS_PER_CHUNK,
            1,
            self._scenario,
            indoor_probability=self._indoor_probability,
            min_ut_velocity=self._site.speed,
            max_ut_velocity=self._site.speed,
            **self._site.sionna,
        )
        if self._distance is not None:
            user[..., :2] *= self._distance / user[..., :2].norm(dim=-1, keepdim=True)
        base_faces[..., 1:] = 0  # no tilt
        self._model.reset_topology()  # the first topology draws more numbers than those after it
        self._model.set_topology(user, base, torch.zeros_like(user_faces), base_faces, velocity, indoor, los="random")
        a, tau = self._model(steps, rate)
        there = a.abs().amax((2, 4, 6)) > 0  # Sionna gives clusters that a drop does not have delays of seconds
        return a, torch.where(there, tau, 0)
