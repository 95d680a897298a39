"""What is known of a round after it: the row that pictures and reports are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RoundRecord:
    """What a round did. Numbers that do not exist are None.

    Args:
        round: from 0.
        devices: whose updates went into the sum.
        refused: device -> why its update was not sent.
        dropped: active devices that dropped out.
        loss: mean training loss of the devices [nat].
        update_power: variance of the clean sum per real weight.
        noise_var: mean noise variance per real weight of the sum.
        effective_wnr_db: the ratio of the two [dB].
        gain: factor between the received and the denoised sum, by least squares.
        lambda_prime: of MMSEpb, where the plan uses it.
        beta: likewise [1 / weight].
        validation_correct: of the chosen candidate, on the base station's examples.
        validation_total: their number.
        channel_uses: complex channel uses of the uplink.
        outage: fraction of its positions left unused or erased.
        side_info_bits: over the reliable path so that the sum can be read: the medium's, the norms of ``normalise``,
            the moments of the plan. The reliable part of the model comes on top.
        diverged: the training is given up here.
        note: what else happened, in one line.
        seconds_training: of all devices, one after the other.
        seconds_air: packing, channel and unpacking.
        seconds_station: denoising, search and re-calibration.
    """

    round: int
    devices: tuple[int, ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict)
    dropped: tuple[int, ...] = ()
    loss: float | None = None
    update_power: float | None = None
    noise_var: float | None = None
    effective_wnr_db: float | None = None
    gain: float | None = None
    lambda_prime: float | None = None
    beta: float | None = None
    validation_correct: int | None = None
    validation_total: int | None = None
    channel_uses: int = 0
    outage: float = 0.0
    side_info_bits: int = 0
    diverged: bool = False
    note: str = ""
    seconds_training: float = field(default=0.0, compare=False)
    seconds_air: float = field(default=0.0, compare=False)
    seconds_station: float = field(default=0.0, compare=False)
