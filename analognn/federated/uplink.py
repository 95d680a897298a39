"""What the devices send at once, and how loud the noise is.

    r = sum_m w~_m + z,    WNR = Var[sum_m w~_m] / s_z^2

**The noise power has one definition**: ``noise_var`` is the variance of z per real value of the sum, and a WNR relates
it to the variance of the superposed update, before the division by M. An AWGN uplink by ``wnr_db`` takes it anew from
the clean sum of each round (so noise falls as updates do); by ``noise_var`` it stays what it is; over fading the power
budget of the devices sets it (:mod:`analognn.channels.mac`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from analognn.channels import AwgnMultipleAccess, MultipleAccess, OfdmMultipleAccess, Received, checks, units
from analognn.federated.config import Federation
from analognn.federated.layout import AirLayout
from analognn.federated.local import Update
from analognn.federated.rules import Power


@dataclass(frozen=True)
class RefusedUpdate(ValueError):
    """An update that cannot be sent, in a federation that stops on it.

    Args:
        why: one line that names the device.
    """

    why: str

    def __str__(self) -> str:
        return self.why


class Arrivals(NamedTuple):
    """Whose updates go into the sum, and whose do not."""

    accepted: dict[int, Update]
    refused: dict[int, str]
    dropped: tuple[int, ...]


def admit(updates: Mapping[int, Update | None], layout: AirLayout, federation: Federation) -> Arrivals:
    """Sort the updates of a round; in ascending order of the device, whatever the order they came in.

    A device checks its own update before it sends: once superposed, a NaN could not be told apart.

    Args:
        updates: by device; None for one that dropped out.
        layout: they must have.
        federation: whether a refusal stops the round.

    Raises:
        RefusedUpdate: a refused update, where ``federation.on_refusal`` is "stop".
    """
    present = {device: update for device, update in sorted(updates.items()) if update is not None}
    faults = {device: fault for device, update in present.items() if (fault := _fault(device, update, layout))}
    if faults and federation.on_refusal == "stop":
        raise RefusedUpdate(" ".join(faults.values()))
    accepted = {device: update for device, update in present.items() if device not in faults}
    return Arrivals(accepted, faults, tuple(sorted(set(updates) - set(present))))


def stacked(updates: Mapping[int, Update], *, normalise: bool) -> Tensor:
    """What the devices send, [k, n]; on request all rows scaled to their mean norm."""
    x = torch.stack([update.vector for update in updates.values()])
    if not normalise:
        return x
    norms = x.double().norm(dim=1, keepdim=True)
    return x * torch.where(norms > 0, norms.mean() / norms, 1.0).to(x)


def medium_of(uplink: MultipleAccess, sent: Tensor, devices: Sequence[int], power: Power) -> MultipleAccess:
    """``uplink`` as it is for the rows ``sent`` [k, n] of these ``devices``.

    Path gains, one for each device of the federation, become those of the devices that send. With ``power``
    "mean-square" the WNR of an AWGN uplink is read against the mean square of the sum.
    """
    if isinstance(uplink, OfdmMultipleAccess) and isinstance(uplink.path_gain_db, tuple):
        return replace(uplink, path_gain_db=tuple(uplink.path_gain_db[m] for m in devices))
    if power == "variance" or not isinstance(uplink, AwgnMultipleAccess) or uplink.wnr_db is None:
        return uplink
    mean_square = float(sent.sum(0).double().square().mean())
    return AwgnMultipleAccess(noise_var=units.wnr_db_to_noise_var(uplink.wnr_db, mean_square))


def superposed(uplink: MultipleAccess, x: Tensor, *, generator: torch.Generator) -> Received | None:
    """What arrives of the rows of ``x`` [k, n]; None where all are zero and there is nothing to send."""
    return uplink.superpose(x, generator=generator) if bool(x.any()) else None


def averaged(updates: Mapping[int, Update]) -> dict[str, Tensor]:
    """Mean of the reliable parts, exact in float64; integers round down."""
    rows = [update.reliable for update in updates.values()]
    return {name: _mean(torch.stack([row[name] for row in rows])) for name in rows[0]}


def _mean(x: Tensor) -> Tensor:
    if x.is_floating_point():
        return x.double().mean(0).to(x.dtype)
    return x.sum(0).div(len(x), rounding_mode="floor").to(x.dtype)


def _fault(device: int, update: Update, layout: AirLayout) -> str:
    """Why this update cannot be sent, or an empty text."""
    if update.digest != layout.digest or update.vector.shape != (layout.numel,):
        return (
            f"Device {device} has another model: its layout is {update.digest!r} with {update.vector.numel()} analog "
            f"weights, the global one {layout.digest!r} with {layout.numel}."
        )
    bad = update.vector.numel() - int(update.vector.isfinite().sum())
    if bad:
        return f"Device {device} has an update with {bad} NaN or infinite of {layout.numel} analog weights."
    for name, tensor in update.reliable.items():
        if tensor.is_floating_point() and not checks.all_finite(tensor):
            return f"Device {device} has an update with NaN or infinite values in {name!r}."
    return ""
