"""Unequal power per layer: each tensor gets its own share of the energy of one transmission.

    x_l = a_l (w_l - mu_l) / s_l,    a_l^2 proportional to s_l^p n_l^-q,    sum_l n_l a_l^2 = n    tensor l, n_l weights
    r_l = mu_l + (s_l / a_l) y_l,    Var[z_l] = (s_l / a_l)^2 Var[y_l - x_l]

p = 2 is one scale for all, what a channel does by itself: every weight gets the same noise. p = 1 makes the total
squared error least: minimise sum_l n_l s_l^2 / a_l^2 under the energy (Lee, Petersen, "Optimal linear coding for vector
channels", IEEE Trans. Commun. 1976). p = 0 gives every tensor the same WNR. q > 0 moves energy to small tensors, such
as the first and the last layer, where it is cheap; q = 1 with p = 0 gives each tensor the same energy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from analognn.backends import Backend
from analognn.channels import Channel, Ofdm, Received, checks
from analognn.packing import PackedWeights


@dataclass(frozen=True)
class PowerAllocated(Backend):
    """A channel that carries each tensor with its own share of the energy.

    Args:
        channel: carries the scaled weights as one vector.
        sigma_exponent: p, of the tensor's standard deviation, >= 0.
        size_exponent: q, of the number of its weights, >= 0.
    """

    channel: Channel
    sigma_exponent: float = 1.0
    size_exponent: float = 0.0

    def __post_init__(self) -> None:
        checks.kind("PowerAllocated", "channel", self.channel, Channel)
        checks.real("PowerAllocated", "sigma_exponent", self.sigma_exponent, ge=0)
        checks.real("PowerAllocated", "size_exponent", self.size_exponent, ge=0)

    def receive(self, packed: PackedWeights, *, generator: torch.Generator) -> Received:
        """See :meth:`Backend.receive`. Mean and deviation of every tensor are side information, 64 bits each."""
        numel = torch.tensor([slot.shape.numel() for slot in packed.layout.slots], device=packed.vector.device)
        pieces = [tensor.float() for _, tensor in packed.tensors()]
        mean = torch.stack([piece.mean() for piece in pieces])
        sigma = torch.stack([piece.std(correction=0) for piece in pieces])
        # a tensor that does not vary is its mean: it needs no energy
        scale = torch.where(sigma > 0, self.amplitudes(sigma, numel) / sigma, 0.0).repeat_interleave(numel)
        mean = mean.repeat_interleave(numel)
        sent = (packed.vector - mean) * scale
        received = self.channel.transmit(sent.to(packed.vector.dtype), generator=generator)
        inverse = torch.where(scale > 0, 1 / scale, 0.0)
        noise_var = torch.as_tensor(received.noise_var, device=scale.device) * inverse.square()
        usage = replace(received.usage, side_info_bits=received.usage.side_info_bits + 64 * len(numel))
        values = (received.values * inverse + mean).to(packed.vector.dtype)
        return Received(values, noise_var.nan_to_num(0.0, posinf=torch.inf), received.source, usage)

    def amplitudes(self, sigma: torch.Tensor, numel: torch.Tensor) -> torch.Tensor:
        """a_l [tensors], for tensors of these deviations and sizes; 0 where a tensor does not vary.

        >>> PowerAllocated(Ofdm(10.0), 0.0, 1.0).amplitudes(torch.tensor([0.1, 0.3]), torch.tensor([10, 30]))
        tensor([1.4142, 0.8165])
        """
        share = torch.where(sigma > 0, sigma**self.sigma_exponent * numel**-self.size_exponent, 0.0)
        return (share * numel.sum() / (share * numel).sum()).sqrt()


def power_allocated_ofdm(
    esn0_db: float,
    sigma_exponent: float = 1.0,
    size_exponent: float = 0.0,
    model: str = "tdl-a",
    delay_spread: float | None = None,
    carrier_frequency: float | None = None,
    speed: float | None = None,
    threshold: float | None = None,
) -> PowerAllocated:
    """Ofdm with unequal power per layer, under the same total energy.

    The energy of a weight goes with (deviation of its tensor)^sigma_exponent / (size of its tensor)^size_exponent.

    Args:
        esn0_db: average over all weights [dB]; see :class:`Ofdm`, also for the parameters from ``model`` on.
        sigma_exponent: 2 is plain ``ofdm``, 1 the least total squared error, 0 the same WNR for every tensor.
        size_exponent: above 0 small tensors get more.
        model: fading model.
        delay_spread: [s].
        carrier_frequency: [Hz].
        speed: [m/s].
        threshold: least |h|^2 / E|h|^2 that is inverted.
    """
    link = Ofdm(
        esn0_db,
        model,
        delay_spread=delay_spread,
        carrier_frequency=carrier_frequency,
        speed=speed,
        threshold=threshold,
    )
    return PowerAllocated(link, sigma_exponent, size_exponent)
