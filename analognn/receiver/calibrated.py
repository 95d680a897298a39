"""What a calibration pattern told of the noise, put to use: its offset taken out, or the posterior mean under it.

    offset   r - o(w), with the variance of each value      for any denoiser after it
    state    E[w | r] under o(w) and v(w)                   the offset included

The noise of a tensor without a table (see :func:`.pattern.noise_tables`) is taken as the medium stated it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from analognn.channels import Received
from analognn.denoise import Budget, Denoiser, NoiseTable, Npmle, Prior, StateDependent
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.denoising import denoise, piece_of
from analognn.receiver.pattern import NoiseTables
from analognn.receiver.pieces import pieces


@dataclass(frozen=True)
class CorrectOffset(Stage):
    """Offset and gain of the noise taken out, tensor by tensor; each value then has a variance of its own.

    What comes after works on these values and variances, with a blind prior made of them where the prior is blind.
    """

    budget: ClassVar[Budget] = "side-information"

    @property
    def calibrated(self) -> bool:
        """See :attr:`Stage.calibrated`."""
        return True

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        found: NoiseTables = delivery.needs(self, "calibration")
        received = _corrected(delivery, found.tables)
        prior = Prior.from_received(received) if delivery.prior.source == "blind" else delivery.prior
        right = replace(delivery, received=received, prior=prior, calibration=None).with_weights(received.values)
        return _paid(right, found)


@dataclass(frozen=True)
class DenoiseState(Stage):
    """Posterior mean where the noise depends on the weight, tensor by tensor, its offset included.

    The prior is that of :class:`analognn.denoise.StateDependent`, from the received values; a tensor without a table
    takes :class:`analognn.denoise.Npmle`, which is the same for noise that is known value by value.
    """

    budget: ClassVar[Budget] = "side-information"

    @property
    def calibrated(self) -> bool:
        """See :attr:`Stage.calibrated`."""
        return True

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        found: NoiseTables = delivery.needs(self, "calibration")
        tables = (found.tables.get(name) for name in delivery.layout.analog_names)
        denoisers: list[Denoiser] = [Npmle() if table is None else StateDependent(table) for table in tables]
        return _paid(denoise(delivery, self, "tensor", denoisers), found)


def _corrected(delivery: Delivery, tables: Mapping[str, NoiseTable]) -> Received:
    received = delivery.received
    values = received.values.clone()
    noise_var = received.noise_var_per_value.to(torch.promote_types(values.dtype, torch.float32)).clone()
    for slot, piece in zip(delivery.layout.slots, pieces(delivery.layout, "tensor"), strict=True):
        if (table := tables.get(slot.name)) is not None:
            right = table.correct(piece_of(received, piece))
            values[piece.part], noise_var[piece.part] = (
                right.values.reshape(-1),
                torch.as_tensor(right.noise_var).reshape(-1),
            )
    return replace(received, values=values, noise_var=noise_var, source="estimated", split=None)


def _paid(delivery: Delivery, found: NoiseTables) -> Delivery:
    bits = {"calibration pattern": found.usage.side_info_bits} if found.weights else {}
    return delivery.spending(side_info=bits, pattern=found.weights)
