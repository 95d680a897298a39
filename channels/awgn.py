"""Ideal additive white Gaussian noise, the reference every other medium is held against.

r = w + z,   z ~ N(0, s_z^2)                    Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", eq. (2)
r = sum_m w_m + z                               eq. (3): the same at the end of a multiple-access channel
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from . import checks, units
from .base import Channel, MultipleAccess, Received, Usage, standard_normal


@dataclass(frozen=True)
class Awgn(Channel):
    """White Gaussian noise, by its variance or relative to the variance of what is sent.

    Args:
        noise_var: variance per real value, in squared units of the weights, >= 0.
        wnr_db: weight-variance-to-noise ratio 10 log10(Var[w] / s_z^2) [dB]. Give one of the two.

    >>> g = torch.Generator().manual_seed(0)
    >>> w = torch.randn(1000, generator=g)
    >>> received = Awgn(noise_var=0.01).transmit(w, generator=g)
    >>> received.source, received.noise_var
    ('exact', 0.01)
    """

    noise_var: float | None = None
    wnr_db: float | None = None

    def __post_init__(self) -> None:
        if (self.noise_var is None) == (self.wnr_db is None):
            raise ValueError(
                f"`Awgn` needs exactly one of noise_var and wnr_db; got noise_var={self.noise_var!r}, "
                f"wnr_db={self.wnr_db!r}."
            )
        if self.noise_var is not None:
            checks.real("Awgn", "noise_var", self.noise_var, ge=0)
        if self.wnr_db is not None:
            checks.real("Awgn", "wnr_db", self.wnr_db)

    def transmit(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Add the noise; see :meth:`Channel.transmit`. Two real values count as one complex channel use."""
        checks.signal("Awgn.transmit", x)
        noise_var = self._noise_var(x)
        values = x + torch.as_tensor(noise_var).sqrt().to(x) * standard_normal(x, generator)
        uses = x.shape[:-1].numel() * -(-x.shape[-1] // 2)
        return Received(values, noise_var, "exact", Usage(channel_uses=uses, energy=float(uses)))

    def _noise_var(self, x: Tensor) -> float | Tensor:
        if self.noise_var is not None:
            return self.noise_var
        assert self.wnr_db is not None
        var = x.double().var(-1, keepdim=True, correction=0)
        if not bool((var > 0).all()):
            raise ValueError("`Awgn(wnr_db=...)` needs weights that vary; got Var[x] = 0. Use noise_var=... instead.")
        noise_var = units.wnr_db_to_noise_var(self.wnr_db, 1.0) * var
        return float(noise_var) if x.ndim == 1 else noise_var


@dataclass(frozen=True)
class AwgnMultipleAccess(MultipleAccess):
    """The Gaussian multiple-access channel: perfect superposition, noise at the receiver only.

    Args:
        noise_var: variance per real value of the sum, >= 0.
        wnr_db: 10 log10(Var[sum_m w_m] / s_z^2) [dB], against the superposed signal. Give one of the two.

    >>> g = torch.Generator().manual_seed(0)
    >>> AwgnMultipleAccess(noise_var=0.0).superpose(torch.ones(4, 3), generator=g).values
    tensor([4., 4., 4.])
    """

    noise_var: float | None = None
    wnr_db: float | None = None

    def __post_init__(self) -> None:
        Awgn(self.noise_var, self.wnr_db)

    def superpose(self, x: Tensor, *, generator: torch.Generator) -> Received:
        """Sum over the devices and add the noise; see :meth:`MultipleAccess.superpose`."""
        checks.signal("AwgnMultipleAccess.superpose", x)
        if x.ndim != 2:
            raise ValueError(f"`AwgnMultipleAccess.superpose` needs x[k, n]; got shape {list(x.shape)}.")
        return Awgn(self.noise_var, self.wnr_db).transmit(x.sum(0), generator=generator)
