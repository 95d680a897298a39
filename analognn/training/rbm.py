"""Restricted Boltzmann machines, learned by contrastive divergence; NEM noise for them; stacks for deep networks.

    E(v, h) = -v' W h - b' v - a' h                        Bernoulli visible units           (168)
    E(v, h) = -v' W h + |v - b|^2 / 2 - a' h               Gaussian ones of unit variance    (169)
    p(v, h) = exp(-E) / Z,    F(v) = -ln sum_h exp(-E(v, h))
    -grad ln p(v) = grad F(v) - E_model grad F  ~  grad F(v) - grad F(v_k)                   (171), CD-k

Equations of Adigun, Kosko, "Noise-boosted backpropagation"; CD-k of Hinton, "Training products of experts by minimizing
contrastive divergence", 2002: v_k is where k steps of Gibbs sampling from the data end. (171) is the gradient of
ln p(v), not of ln p(v, h) as printed: that one has no average over h. Bipolar units take -1 and 1 instead of 0 and 1.

Given h the visible layer is a logistic or a Gaussian one with output W h + b, so the conditions for NEM noise on it,
the half-space n . (W h + b) >= 0 (181) and the sphere |n|^2 / 2 <= n . (W h + b - v) (182), are those of
:mod:`.likelihoods`, and :class:`.nem.NemNoise` draws it. Both set the change of ln Z to zero, as the source does.

scikit-learn's BernoulliRBM is fitted by its own loop: binary units, persistent chains, nowhere to put noise into, no
Gaussian layer and no autograd. Here the loss is a scalar of PyTorch, and the loop is the user's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analognn.channels import checks
from analognn.training.em import MAX_UNITS
from analognn.training.likelihoods import Gaussian, Likelihood, Logistic
from analognn.training.nem import NemNoise

Visible = Literal["bernoulli", "gaussian"]
Coding = Literal["binary", "bipolar"]


class Rbm(nn.Module):
    """Two layers joined by one matrix, used forth and (transposed) back. Called with v, it gives the mean of h.

    Args:
        num_visible: I >= 1.
        num_hidden: J >= 1.
        generator: draws the first weights, N(0, .01^2); biases start at 0.
        visible: kind of the visible units.
        coding: values of all units of two states, {0, 1} or {-1, 1}.

    >>> g = torch.Generator().manual_seed(0)
    >>> rbm = Rbm(6, 3, generator=g)
    >>> optimiser = torch.optim.SGD(rbm.parameters(), lr=0.1)
    >>> contrastive_divergence(rbm, torch.ones(8, 6), generator=g).backward()
    >>> optimiser.step()
    """

    def __init__(
        self,
        num_visible: int,
        num_hidden: int,
        *,
        generator: torch.Generator,
        visible: Visible = "bernoulli",
        coding: Coding = "binary",
    ) -> None:
        super().__init__()
        checks.integer("Rbm", "num_visible", num_visible, ge=1)
        checks.integer("Rbm", "num_hidden", num_hidden, ge=1)
        checks.choice("Rbm", "visible", visible, get_args(Visible))
        checks.choice("Rbm", "coding", coding, get_args(Coding))
        self.visible = visible
        self.low = 0.0 if coding == "binary" else -1.0
        self.weight = nn.Parameter(0.01 * torch.randn(num_visible, num_hidden, generator=generator))
        self.visible_bias = nn.Parameter(torch.zeros(num_visible))
        self.hidden_bias = nn.Parameter(torch.zeros(num_hidden))

    def forward(self, v: Tensor) -> Tensor:
        """E[h | v] [..., J]; probabilities of 1 where units are binary."""
        return self._mean(self.hidden_output(v))

    def hidden_output(self, v: Tensor) -> Tensor:
        """What the hidden layer receives, v' W + a [..., J]."""
        return v @ self.weight + self.hidden_bias

    def visible_output(self, h: Tensor) -> Tensor:
        """What the visible layer receives, W h + b [..., I]: log-odds of binary units, mean of Gaussian ones."""
        return h @ self.weight.T + self.visible_bias

    def visible_mean(self, h: Tensor) -> Tensor:
        """E[v | h] [..., I]."""
        output = self.visible_output(h)
        return output if self.visible == "gaussian" else self._mean(output)

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) [...], (168) or (169)."""
        return -(self.hidden_output(v) * h).sum(-1) + self._own_energy(v)

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) [...]; ln p(v) = -F(v) - ln Z."""
        return self._own_energy(v) - self._log_sum(self.hidden_output(v)).sum(-1)

    @property
    def likelihood(self) -> Likelihood:
        """Of the visible layer given the hidden one.

        Raises:
            ValueError: bipolar units; a logistic likelihood lives on [0, 1].
        """
        if self.visible == "gaussian":
            return Gaussian()
        if self.low < 0:
            raise ValueError("`Rbm(coding='bipolar')` has no logistic likelihood; take coding='binary' for NEM noise.")
        return Logistic()

    def sample_hidden(self, v: Tensor, generator: torch.Generator) -> Tensor:
        """A draw of h [..., J] given v."""
        return self._draw(self(v), generator)

    def sample_visible(self, h: Tensor, generator: torch.Generator) -> Tensor:
        """A draw of v [..., I] given h."""
        mean = self.visible_mean(h)
        if self.visible == "gaussian":
            return mean + torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return self._draw(mean, generator)

    def layer(self) -> nn.Linear:
        """The way forth as a layer of a feed-forward network, with weights of its own."""
        visible, hidden = self.weight.shape
        with torch.device("meta"):  # draws nothing
            linear = nn.Linear(visible, hidden)
        linear.weight = nn.Parameter(self.weight.detach().T.clone(memory_format=torch.contiguous_format))
        linear.bias = nn.Parameter(self.hidden_bias.detach().clone())
        return linear

    def _own_energy(self, v: Tensor) -> Tensor:
        if self.visible == "gaussian":
            return (v - self.visible_bias).square().sum(-1) / 2
        return -(v @ self.visible_bias)

    def _mean(self, output: Tensor) -> Tensor:
        return self.low + (1 - self.low) * torch.sigmoid((1 - self.low) * output)

    def _log_sum(self, output: Tensor) -> Tensor:
        """For each unit, ln of the sum of exp(u output) over its two states u."""
        return self.low * output + F.softplus((1 - self.low) * output)

    def _draw(self, mean: Tensor, generator: torch.Generator) -> Tensor:
        high = torch.rand(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return torch.where(self.low + (1 - self.low) * high < mean, 1.0, self.low).to(mean)


def contrastive_divergence(
    rbm: Rbm,
    v: Tensor,
    *,
    generator: torch.Generator,
    steps: int = 1,
    mean_visible: bool = False,
) -> Tensor:
    """A loss whose gradient is that of CD-k: mean F(v) - mean F(v_k), with v_k held fixed. Its value means nothing.

    Args:
        rbm: to be learned.
        v: data [n, I]; binary units take intensities in [0, 1] as probabilities. Noisy data for NEM, see
            :func:`nem_visible`.
        generator: of the chain.
        steps: k >= 1 of Gibbs sampling.
        mean_visible: the chain goes on from the mean of v given h, not from a draw, as in Hinton's published code.

    Returns:
        Scalar.

    Raises:
        ValueError: ``steps`` < 1, or data of another width than the visible layer.
    """
    checks.integer("contrastive_divergence", "steps", steps, ge=1)
    _check_width("contrastive_divergence", rbm, v)
    with torch.no_grad():
        model = v
        for _ in range(steps):
            h = rbm.sample_hidden(model, generator)
            model = rbm.visible_mean(h) if mean_visible else rbm.sample_visible(h, generator)
    return rbm.free_energy(v).mean() - rbm.free_energy(model).mean()


def nem_visible(rbm: Rbm, v: Tensor, noise: NemNoise, *, step: int, generator: torch.Generator) -> Tensor:
    """Data [n, I] with the noise that makes them, with h = E[h|v], more probable, sample by sample: (181), (182).

    Raises:
        ValueError: bipolar units, data outside the support, or noise that leaves it and ``noise.support="strict"``.

    >>> g = torch.Generator().manual_seed(0)
    >>> rbm, v = Rbm(6, 3, generator=g, visible="gaussian"), torch.zeros(4, 6)
    >>> noisy = nem_visible(rbm, v, NemNoise(variance=0.1), step=0, generator=g)
    >>> bool((rbm.energy(noisy, rbm(v)) <= rbm.energy(v, rbm(v))).all())
    True
    """
    _check_width("nem_visible", rbm, v)
    with torch.no_grad():
        output = rbm.visible_output(rbm(v))
        return noise.on_target(output, v, rbm.likelihood, step=step, generator=generator)


def log_partition(rbm: Rbm) -> Tensor:
    """The exact ln Z, by the 2^J states of the hidden layer.

    Raises:
        ValueError: more than 16 hidden units.
    """
    visible, hidden = rbm.weight.shape
    if hidden > MAX_UNITS:
        raise ValueError(f"`log_partition` enumerates at most {MAX_UNITS} hidden units; got {hidden}.")
    states = torch.tensor(list(itertools.product((rbm.low, 1.0), repeat=hidden))).to(rbm.weight)
    output = rbm.visible_output(states)
    if rbm.visible == "gaussian":  # ln of the integral of exp(v' W h - |v - b|^2 / 2) over v
        shift = output - rbm.visible_bias
        terms = (shift * (rbm.visible_bias + shift / 2)).sum(-1) + visible / 2 * math.log(2 * math.pi)
    else:
        terms = rbm._log_sum(output).sum(-1)
    return (terms + states @ rbm.hidden_bias).logsumexp(0)


def pretrain(rbms: Sequence[Rbm], data: Tensor, learn: Callable[[Rbm, Tensor], object]) -> list[nn.Module]:
    """Learn a stack from below, each machine on the hidden means of the one beneath it.

    Args:
        rbms: machines of binary units whose widths fit; changed.
        data: [n, I] of the lowest.
        learn: fits one machine to its data.

    Returns:
        Alternating ``nn.Linear`` and ``nn.Sigmoid``: the layers of a deep network to be tuned by backpropagation.

    Raises:
        ValueError: a width that does not fit, or bipolar units.

    >>> g = torch.Generator().manual_seed(0)
    >>> stack = [Rbm(6, 4, generator=g), Rbm(4, 3, generator=g)]
    >>> layers = pretrain(stack, torch.ones(8, 6), lambda rbm, v: contrastive_divergence(rbm, v, generator=g))
    >>> nn.Sequential(*layers, nn.Linear(3, 10))(torch.ones(8, 6)).shape
    torch.Size([8, 10])
    """
    layers: list[nn.Module] = []
    for rbm in rbms:
        if rbm.low < 0:
            raise ValueError("`pretrain` makes logistic layers, and needs Rbm(coding='binary').")
        _check_width("pretrain", rbm, data)
        learn(rbm, data)
        layers += [rbm.layer(), nn.Sigmoid()]
        data = rbm(data).detach()
    return layers


def _check_width(owner: str, rbm: Rbm, v: Tensor) -> None:
    if v.shape[-1] != rbm.weight.shape[0]:
        raise ValueError(
            f"`{owner}` needs data [n, {rbm.weight.shape[0]}], one value for each visible unit; got {list(v.shape)}."
        )
