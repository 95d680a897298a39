"""Boltzmann machines small enough to enumerate: what the theorems on them say exactly.

6 Bernoulli visible and 4 hidden units, weights and biases N(0, 1), data of 20 random states. Every sum over states is
carried out: gradients, the chain of CD-1, and the change of ln Z under noise n on the visible layer,

    E_data n . (W h + b) >= ln Z_n / Z = ln E_model exp(n . (W h + b))                    (181), for one n

whose right-hand side the source takes as zero. By Jensen it is at least n . E_model(W h + b), and at maximum
likelihood, where data and model agree on E h, nothing but equality is left: no noise meets the condition there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from analognn.seeds import seeded
from analognn.training.rbm import Rbm, log_partition

VISIBLE, HIDDEN, EXAMPLES, DRAWS = 6, 4, 20, 2000
NOISE_STD = 0.1
STEPS, RATE = 400, 0.05
V, H = (torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64) for n in (VISIBLE, HIDDEN))


@dataclass(frozen=True)
class Exact:
    """What one machine shows.

    Args:
        hebbian: distance of (171) from the gradient of ln p(v), relative to it.
        surrogate: distance of the gradient of Q (Theorem 8), likewise.
        cosine: of the expected step of CD-1 and the gradient.
        accepted: share of noise that (181) with zero on the right accepts.
        holds: share of that for which (181) itself holds.
        learned: the same as ``holds``, at maximum likelihood.
    """

    hebbian: float
    surrogate: float
    cosine: float
    accepted: float
    holds: float
    learned: float


def exact(seed: int) -> Exact:
    """All of one seed."""
    g = seeded("rbm", seed, "exact")
    rbm = Rbm(VISIBLE, HIDDEN, generator=g).double()
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=g, dtype=torch.float64))
    data = torch.bincount(torch.randint(len(V), (EXAMPLES,), generator=g), minlength=len(V)).double() / EXAMPLES
    noise = NOISE_STD * torch.randn(DRAWS, VISIBLE, generator=g, dtype=torch.float64)
    gradient = _gradient(rbm, _likelihood(rbm, data))
    p = _joint(rbm)
    at_data, at_model = _hebbian(rbm, data), _hebbian(rbm, p.sum(1))
    chain = (p / p.sum(1, keepdim=True)) @ (p / p.sum(0)).T  # from v over h to v'
    contrastive = at_data - _hebbian(rbm, data @ chain)
    surrogate = _gradient(rbm, _surrogate(rbm, data))
    accepted, holds = _shares(rbm, data, noise)
    _learn(rbm, data)
    return Exact(
        hebbian=float((at_data - at_model - gradient).norm() / gradient.norm()),
        surrogate=float((surrogate - gradient).norm() / gradient.norm()),
        cosine=float((contrastive * gradient).sum() / contrastive.norm() / gradient.norm()),
        accepted=accepted,
        holds=holds,
        learned=_shares(rbm, data, noise)[1],
    )


def _joint(rbm: Rbm) -> Tensor:
    """p(v, h) [V, H], by the energies of all states."""
    energies = torch.stack([rbm.energy(V, h) for h in H], 1).detach()
    return (-energies).flatten().softmax(0).view_as(energies)


def _hebbian(rbm: Rbm, weights: Tensor) -> Tensor:
    """E[v h'] with visible states under ``weights`` [V]."""
    return torch.einsum("v,vi,vj->ij", weights, V, rbm(V).detach())


def _likelihood(rbm: Rbm, data: Tensor) -> Tensor:
    return -(data @ rbm.free_energy(V)) - log_partition(rbm)


def _surrogate(rbm: Rbm, data: Tensor) -> Tensor:
    """Q(Theta | Theta_n) at Theta = Theta_n: E ln p(v, h | Theta) with h drawn given v at Theta_n."""
    p = _joint(rbm)
    energies = torch.stack([rbm.energy(V, h) for h in H], 1)
    return -(data @ (p / p.sum(1, keepdim=True) * energies).sum(1)) - log_partition(rbm)


def _gradient(rbm: Rbm, value: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(value, rbm.weight)
    return found


def _shares(rbm: Rbm, data: Tensor, noise: Tensor) -> tuple[float, float]:
    """Share of ``noise`` [n, I] with E_data n . (W h + b) >= 0; share of that with (181)."""
    with torch.no_grad():
        left = noise @ rbm.visible_output(data @ rbm(V))
        right = (_joint(rbm).sum(0).log() + noise @ rbm.visible_output(H).T).logsumexp(1)
    accepted = left >= 0
    return float(accepted.double().mean()), float((left >= right)[accepted].double().mean())


def _learn(rbm: Rbm, data: Tensor) -> None:
    """Up the exact likelihood."""
    optimiser = torch.optim.Adam(rbm.parameters(), lr=RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        (-_likelihood(rbm, data)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
