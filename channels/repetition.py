"""The same weights several times over one medium, averaged by how good each reception is.

    r = sum_k r_k / s_k^2 / sum_k 1 / s_k^2,    s^2 = 1 / sum_k 1 / s_k^2          per value: inverse-variance weights

The analog repetition code: K times the airtime and energy for 10 log10(K) dB of WNR where the noise is the same each
time, more where fades or erasures differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import checks
from .base import Channel, Received, Usage, least_known
from .ofdm import Ofdm

NOISELESS = 1e-200
"""Variance that stands for none: such a reception outweighs every other."""


@dataclass(frozen=True)
class Repeated(Channel):
    """A channel used several times for the same weights.

    Args:
        channel: the medium; each use draws anew.
        times: uses, >= 1.

    >>> from analognn.channels import Awgn
    >>> w = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    >>> received = Repeated(Awgn(noise_var=0.04), times=4).transmit(w, generator=torch.Generator())
    >>> round(received.noise_var, 6), received.usage.channel_uses
    (0.01, 2000)
    """

    channel: Channel
    times: int

    def __post_init__(self) -> None:
        checks.kind("Repeated", "channel", self.channel, Channel)
        checks.integer("Repeated", "times", self.times, ge=1)

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """See :meth:`Channel.transmit`. Side information is the same each time and counts once."""
        checks.signal("Repeated.transmit", x)
        precision = torch.zeros((), dtype=torch.float64, device=x.device)
        weighted = mean = torch.zeros_like(x, dtype=torch.float64)
        usages, sources = [], []
        for _ in range(self.times):
            received = self.channel.transmit(x, generator=generator)
            var = torch.as_tensor(received.noise_var, dtype=torch.float64, device=x.device)
            weight = 1 / var.clamp(min=NOISELESS)
            precision = precision + weight
            values = received.values.double()  # a 0-dimensional weight would not make it so
            weighted = weighted + weight * values
            mean = mean + values / self.times
            usages.append(received.usage)
            sources.append(received.source)
        values = torch.where(precision > 0, weighted / precision, mean)  # erased every time
        noise_var = torch.where(precision < 1 / NOISELESS, 1 / precision, 0.0)
        usage = replace(Usage.total(usages), side_info_bits=usages[0].side_info_bits)  # sent once
        found = float(noise_var) if noise_var.ndim == 0 else noise_var
        return Received(values.to(x.dtype), found, least_known(sources), usage)


def repeated_ofdm(
    esn0_db: float,
    times: int = 4,
    model: str = "tdl-a",
    delay_spread: float | None = None,
    carrier_frequency: float | None = None,
    speed: float | None = None,
    threshold: float | None = None,
) -> Repeated:
    """Ofdm, sent several times and averaged: the analog repetition code.

    Args:
        esn0_db: of each transmission [dB]; see :class:`Ofdm`, also for the parameters from ``model`` on.
        times: transmissions, >= 1.
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
    return Repeated(link, times)
