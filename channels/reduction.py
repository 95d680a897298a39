"""The noise per real weight that a transmission leaves, and what it is made of.

    Var[z_i] = a^2 ( (no + I) / |h_hat_i q_i|^2 + err_var_i / |h_hat_i|^2 + 1 - alpha^2 ) / alpha^2

    thermal       no / (rho |h_hat_i p_i|^2): at the gain that the average power allows
    truncation    no / |h_hat_i q_i|^2 - thermal: |q_i| < sqrt(rho) |p_i| where the peak power limits it
    interference  the term with I;    csi  that with err_var;    clipping  the rest

with a^2 = Var[w] and symbols of E|s|^2 = 1 that carry two weights each (:mod:`analognn.channels.units`). I is one
number for a transmission, its mean over the positions looked at: what is reported is right on average over them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from . import units
from .base import NoiseSplit
from .symbols import SideInfo


@dataclass
class Arrived:
    """What came through, symbol by symbol.

    Args:
        s: [symbols], complex, unit gain but for clipping; 0 where erased.
        gain: |h_hat q|^2, one number or [symbols]; inf where erased.
        wanted: rho |h_hat p|^2, the same without a limit on the peak power.
        csi: err_var / |h_hat|^2, one number or [symbols]; 0 where erased.
        alive: [symbols], false where erased; None for none erased.
        interference: I.
        energy: spent by the sender.
    """

    s: Tensor
    gain: float | Tensor
    wanted: float | Tensor
    csi: float | Tensor = 0.0
    alive: Tensor | None = None
    interference: float = 0.0
    energy: float = 0.0

    @classmethod
    def nothing(cls, s: Tensor, *, gain: float | None, limited: bool, erase: bool) -> Arrived:
        """Before anything came.

        Args:
            s: what is sent.
            gain: of every symbol, if it is the same for all and the channel is known perfectly.
            limited: whether there is a limit on the peak power.
            erase: whether symbols may be erased.
        """
        each = torch.full_like(s.real, math.inf) if gain is None else gain
        return cls(
            s=torch.zeros_like(s),
            gain=each,
            wanted=torch.full_like(s.real, math.inf) if limited else each,
            csi=torch.zeros_like(s.real) if gain is None else 0.0,
            alive=torch.zeros(s.shape, dtype=torch.bool, device=s.device) if erase else None,
        )

    def take(self, where: Tensor | slice, y: Tensor) -> None:
        """Symbols ``where`` [k], received as ``y`` at the gain of all."""
        assert isinstance(self.gain, float)
        self.s[where] = y / math.sqrt(self.gain)
        if self.alive is not None:
            self.alive[where] = True

    def take_each(
        self, where: Tensor | slice, y: Tensor, *, h_hat: Tensor, err_var: Tensor, q: Tensor, wanted: Tensor
    ) -> None:
        """Symbols ``where`` [k], received as ``y`` with the precoder ``q``, had ``wanted`` been allowed."""
        assert isinstance(self.gain, Tensor)
        assert isinstance(self.wanted, Tensor)
        assert isinstance(self.csi, Tensor)
        self.s[where] = y / (h_hat * q)
        self.gain[where] = _power(h_hat * q)
        if self.wanted is not self.gain:
            self.wanted[where] = _power(h_hat * wanted)
        self.csi[where] = err_var / _power(h_hat)
        if self.alive is not None:
            self.alive[where] = True


def reduce_noise(arrived: Arrived, *, no: float, alpha: float, side: SideInfo) -> tuple[float | Tensor, NoiseSplit]:
    """``noise_var``, one number or [n] (inf where erased), and its parts.

    Args:
        arrived: the symbols and their gains.
        no: variance of the receiver's complex noise.
        alpha: of clipping; 1 for none.
        side: deviation and number of the weights.

    >>> arrived = Arrived(torch.zeros(1, dtype=torch.complex64), gain=0.5, wanted=0.5, csi=0.1)
    >>> noise_var, split = reduce_noise(arrived, no=0.1, alpha=1.0, side=SideInfo(0.0, 0.5, 2, torch.float32))
    >>> round(noise_var, 4), round(split.csi, 4)
    (0.075, 0.025)
    """
    thermal = no / arrived.wanted
    terms = {
        "thermal": thermal,
        "csi": arrived.csi,
        "interference": arrived.interference / arrived.gain,
        "truncation": 0.0 if arrived.wanted is arrived.gain else no / arrived.gain - thermal,
        "clipping": 1 - alpha**2,
    }
    var = side.sigma**2 / alpha**2
    shares = {name: units.no_to_noise_var(1.0, var) * _mean(term, arrived, side) for name, term in terms.items()}
    total = thermal + terms["csi"] + terms["interference"] + terms["truncation"] + terms["clipping"]
    noise_var = total * var
    if arrived.alive is not None:
        noise_var = torch.where(arrived.alive, torch.as_tensor(noise_var, device=arrived.s.device), torch.inf)
    if isinstance(noise_var, Tensor):
        noise_var = noise_var.to(arrived.s.real.dtype).repeat_interleave(2)[: side.numel]
    return noise_var, NoiseSplit(**shares)


def _power(z: Tensor) -> Tensor:
    return z.real.square() + z.imag.square()


def _mean(term: float | Tensor, arrived: Arrived, side: SideInfo) -> float:
    """Of ``term``, one number or [symbols], over the weights that arrived; the last symbol may carry only one."""
    if arrived.alive is not None and not bool(arrived.alive.any()):
        return 0.0
    if not isinstance(term, Tensor):
        return term
    counts = torch.full_like(term, 2.0)
    counts[-1] -= side.numel % 2
    if arrived.alive is not None:
        counts *= arrived.alive
    return float((term * counts).sum(dtype=torch.float64) / counts.sum(dtype=torch.float64))
