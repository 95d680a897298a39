"""A channel used once for each tensor: every layer with a scale, a noise and side information of its own.

    r_l = w_l + z_l,    Var[z_l] = what the channel does to tensor l alone

Number formats are fitted to each layer by itself in practice, since layers differ in spread by an order of magnitude:
one step for a whole model drowns the small ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from analognn.backends import Backend
from analognn.channels import Channel, Quantised, Received, checks
from analognn.channels.base import Usage, least_known
from analognn.packing import PackedWeights


@dataclass(frozen=True)
class PerTensor(Backend):
    """A channel that carries the tensors one after another, each as a transmission of its own.

    Args:
        channel: carries one tensor as a vector.

    >>> from torch import nn
    >>> from analognn.packing import ParameterLayout
    >>> model = nn.Sequential(nn.Linear(30, 40, bias=False), nn.Linear(40, 10, bias=False))
    >>> packed = ParameterLayout.from_model(model).pack(model)
    >>> received = PerTensor(Quantised("int4")).receive(packed, generator=torch.Generator())
    >>> len(received.noise_var.unique()), received.usage.side_info_bits
    (2, 192)
    """

    channel: Channel

    def __post_init__(self) -> None:
        checks.kind("PerTensor", "channel", self.channel, Channel)

    def receive(self, packed: PackedWeights, *, generator: torch.Generator) -> Received:
        """See :meth:`Backend.receive`."""
        tensors = [tensor.reshape(-1) for _, tensor in packed.tensors()]
        parts = [self.channel.transmit(tensor, generator=generator) for tensor in tensors]
        return Received(
            values=torch.cat([part.values for part in parts]),
            noise_var=torch.cat([part.noise_var_per_value for part in parts]),
            source=least_known(part.source for part in parts),
            usage=Usage.total([part.usage for part in parts]),
        )


def quantised_per_tensor(
    format: str = "int8", span: str | None = None, rounding: str = "nearest", block_size: int | None = None
) -> PerTensor:
    """Rounding to integers or short floats, each tensor at a scale of its own; the error variance travels along.

    Args:
        format: of a weight; see :class:`Quantised`, also for the other parameters.
        span: of the integers.
        rounding: "nearest" or "stochastic".
        block_size: consecutive weights of a tensor that share a scale; None for the whole tensor.
    """
    return PerTensor(Quantised(format, span, rounding, block_size))
