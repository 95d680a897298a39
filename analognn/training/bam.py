"""Discrete bidirectional associative memory: Hebbian storage, recall that settles, and why it must.

    W = sum_p v_p h_p'                                             Hebbian storage            (157)
    h <- sgn(v' W),  v <- sgn(W h);  a unit whose input is 0 stays as it is
    E(v, h) = -v' W h,    dE = -sum_i dv_i (W h)_i < 0 whenever a unit changes                (A.41), (A.43)

Adigun, Kosko, "Noise-boosted backpropagation", Theorem 7; Kosko, "Bidirectional associative memories", 1988. E falls
with every change and there are finitely many states, so every matrix settles. Units are 0 and 1, or -1 and 1; the
first are on where their input is positive.

A unit moves only where its input is beyond its own rounding error: what is then smaller than it looks may be zero, and
ties that rounding breaks at random could go round in circles.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from analognn.channels import checks
from analognn.training.rbm import Coding


@dataclass(frozen=True)
class Recall:
    """Where a memory settled.

    Args:
        v: [n, I], fixed point.
        h: [n, J], fixed point.
        energies: [n, steps + 1], of the start and after each update of one layer; as rounded.
        steps: [n], updates of one layer until nothing changed any more.
    """

    v: Tensor
    h: Tensor
    energies: Tensor
    steps: Tensor


@dataclass(frozen=True)
class Bam:
    """A matrix that associates the states of two layers of threshold units.

    Args:
        weight: W [I, J], finite.
        coding: values of the units, {0, 1} or {-1, 1}.

    Raises:
        TypeError, ValueError: not a finite matrix, or an unknown coding.

    >>> v, h = torch.tensor([[1.0, -1, 1, -1]]), torch.tensor([[1.0, 1, -1]])
    >>> recall = Bam.storing(v, h).recall(torch.tensor([[1.0, -1, 1, 1]]))
    >>> recall.v, recall.h
    (tensor([[ 1., -1.,  1., -1.]]), tensor([[ 1.,  1., -1.]]))
    """

    weight: Tensor
    coding: Coding = "bipolar"

    def __post_init__(self) -> None:
        checks.signal("Bam", self.weight, name="weight")
        if self.weight.ndim != 2:
            raise ValueError(f"`Bam(weight=...)` must be a matrix [I, J]; got shape {list(self.weight.shape)}.")
        checks.choice("Bam", "coding", self.coding, ("binary", "bipolar"))

    @classmethod
    def storing(cls, v: Tensor, h: Tensor, *, coding: Coding = "bipolar") -> Bam:
        """The Hebbian memory of pairs v [m, I], h [m, J].

        Raises:
            ValueError: not as many of one as of the other, or states that are not of the coding.
        """
        memory = cls(v.new_zeros(v.shape[-1], h.shape[-1]), coding)
        memory._check("v", v)
        memory._check("h", h)
        if len(v) != len(h):
            raise ValueError(f"`Bam.storing` needs pairs; got {len(v)} states v and {len(h)} states h.")
        return cls(v.T @ h, coding)

    @property
    def low(self) -> float:
        """The value of a unit that is off."""
        return 0.0 if self.coding == "binary" else -1.0

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) [n]."""
        return -((v @ self.weight) * h).sum(-1)

    def recall(self, v: Tensor, h: Tensor | None = None) -> Recall:
        """Pass states forth and back until nothing changes.

        Args:
            v: cues [n, I], states of the coding.
            h: states [n, J] that the other layer starts from; off by default.

        Raises:
            ValueError: states of another shape or coding.
        """
        h = v.new_full((len(v), self.weight.shape[1]), self.low) if h is None else h
        self._check("v", v)
        self._check("h", h)
        energies, steps = [self.energy(v, h)], torch.zeros(len(v), dtype=torch.long, device=v.device)
        forth, still = True, 0
        while still < 2:  # both layers in a row
            old = h if forth else v
            new = self._update(v, self.weight, h) if forth else self._update(h, self.weight.T, v)
            changed = (new != old).any(-1)
            v, h = (v, new) if forth else (new, h)
            energies.append(self.energy(v, h))
            steps[changed] = len(energies) - 1
            still = 0 if bool(changed.any()) else still + 1
            forth = not forth
        return Recall(v, h, torch.stack(energies, -1), steps)

    def _update(self, states: Tensor, weight: Tensor, old: Tensor) -> Tensor:
        """The layer that receives ``states`` [n, .] through ``weight``; ``old`` where the input is none."""
        field = states @ weight
        rounding = len(weight) * torch.finfo(weight.dtype).eps * (states.abs() @ weight.abs())
        return torch.where(field > rounding, 1.0, torch.where(field < -rounding, self.low, old)).to(old)

    def _check(self, name: str, states: Tensor) -> None:
        width = self.weight.shape["vh".index(name)]
        if states.ndim != 2 or states.shape[1] != width or not bool(((states == 1) | (states == self.low)).all()):
            raise ValueError(
                f"`Bam` needs {name} [n, {width}] of {self.low:g} and 1 ({self.coding}); got shape "
                f"{list(states.shape)} with values from {states.min():g} to {states.max():g}."
            )
