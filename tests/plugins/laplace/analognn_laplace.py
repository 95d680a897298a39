"""A channel by a third party: additive Laplace noise, the whole of what such a package needs."""

from dataclasses import dataclass

import torch

from analognn.channels import Channel, Received, checks


@dataclass(frozen=True)
class Laplace(Channel):
    """Additive Laplace noise of a given variance (a third party's channel)."""

    noise_var: float

    def __post_init__(self):
        checks.real("Laplace", "noise_var", self.noise_var, ge=0)

    def transmit(self, x, *, generator):
        checks.signal("Laplace.transmit", x)
        uniform = torch.rand(2, *x.shape, generator=generator, dtype=x.dtype).to(x.device)
        first, second = -torch.log1p(-uniform)  # exponential, and finite: `uniform` may be 0, never 1
        return Received(x + (self.noise_var / 2) ** 0.5 * (first - second), self.noise_var, "exact")
