"""Noise-boosted backpropagation: noise on targets and hidden layers, where it makes the signal more probable.

    t' = t + n  where  ln p(t+n|x, Theta) / p(t|x, Theta) >= 0,   else  t' = t          n ~ N(0, v / (step + 1)^decay I)

sample by sample, as Algorithm 1 of Adigun, Kosko, "Noise-boosted backpropagation", tests it at the current Theta (its
Theorem 2 asks for the average at the unknown optimum). In a hidden layer of likelihood p(h|x) the same holds with
noise m, whose likelihood term adds m to the error that arrives at the layer (A.23-A.27).

Rules: "nem" as above; "blind" adds all noise; "mirrored" subtracts what "nem" would add: in law the reversed
inequality for softmax and logistic layers, and the sphere as (122) prints it for Gaussian ones. What the theorem
promises is a larger surrogate at the *same* Theta (115); that is no larger step up the likelihood of the *clean*
targets. For a Gaussian layer it is a smaller one with certainty: acceptance means 2 n . (t - a) <= -|n|^2 <= 0, so the
noise always points against the error that drives learning. :func:`first_order_gain` measures this for any layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from analognn.channels import checks
from analognn.training.likelihoods import Likelihood, Softmax, check_support

Rule = Literal["nem", "blind", "mirrored"]
Support = Literal["strict", "project", "extended"]
Generators = torch.Generator | Sequence[torch.Generator]
"""One generator, or one for each network of a stack (the leading axis)."""


def accepts(likelihood: Likelihood, output: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """Whether ``target + noise`` is at least as probable as ``target``, for each sample.

    Args:
        likelihood: of the layer.
        output: [..., K], logits or mean, see :class:`Likelihood`.
        target: [..., K].
        noise: [..., K].

    Returns:
        bool [...].

    >>> from analognn.training.likelihoods import Gaussian
    >>> accepts(Gaussian(), torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([[-0.5], [0.5], [-2.5]]))
    tensor([ True, False, False])
    """
    return likelihood.log_ratio(output, target, noise) >= 0


def chosen(rule: Rule, likelihood: Likelihood, output: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    """The noise that ``rule`` adds: ``noise`` [..., K] itself, minus it, or 0, for each sample."""
    if rule == "blind":
        return noise
    kept = noise * accepts(likelihood, output, target, noise).unsqueeze(-1)
    return kept if rule == "nem" else -kept


@dataclass(frozen=True, kw_only=True)
class NemNoise:
    """How noise is drawn, chosen and annealed.

    In a training loop, instead of ``F.cross_entropy(output, labels).backward()``::

        target = noise.on_target(output, labels, Softmax(), step=epoch, generator=g)
        F.cross_entropy(output, target).backward()

    Args:
        variance: of each component at step 0, >= 0.
        decay: the variance at ``step`` is ``variance / (step + 1)^decay``, >= 0.
        rule: which noise is added.
        support: of the targets. Theorem 2 holds only where noise keeps them in it, which Gaussian noise on a 1-in-K
            target never does: "strict" raises then, "project" takes the nearest target of the support before testing,
            "extended" uses the likelihood's formula off its support, as the source's simulations do.

    >>> noise = NemNoise(variance=0.1, support="extended")
    >>> labels = torch.tensor([0, 2])
    >>> noise.on_target(torch.randn(2, 3), labels, Softmax(), step=0, generator=torch.Generator()).shape
    torch.Size([2, 3])
    """

    variance: float
    decay: float = 0.0
    rule: Rule = "nem"
    support: Support = "strict"

    def __post_init__(self) -> None:
        checks.real("NemNoise", "variance", self.variance, ge=0)
        checks.real("NemNoise", "decay", self.decay, ge=0)
        checks.choice("NemNoise", "rule", self.rule, get_args(Rule))
        checks.choice("NemNoise", "support", self.support, get_args(Support))

    def variance_at(self, step: int) -> float:
        """Annealed variance at ``step`` = 0, 1, ...

        >>> NemNoise(variance=0.4, decay=2).variance_at(1)
        0.1
        """
        checks.integer("NemNoise.variance_at", "step", step, ge=0)
        return self.variance * math.pow(step + 1, -self.decay)

    def on_target(
        self, output: Tensor, target: Tensor, likelihood: Likelihood, *, step: int, generator: Generators
    ) -> Tensor:
        """Targets [..., K] with the noise this step adds to them.

        Args:
            output: [..., K], logits or mean; no gradient flows through the choice.
            target: [..., K], or class labels [...] for a softmax layer.
            likelihood: of the output layer.
            step: 0, 1, ... for the annealing.
            generator: draws the noise.

        Raises:
            ValueError: shapes that do not fit, targets outside the support, or ("strict") noise that takes them there.
        """
        output = output.detach()
        target = _as_target(output, target, likelihood)
        noise = self.draw(output, step=step, generator=generator)
        return noisy_target(likelihood, output, target, noise, rule=self.rule, support=self.support)

    def draw(self, like: Tensor, *, step: int, generator: Generators) -> Tensor:
        """Noise [..., K] of this step's variance, before any choice."""
        return math.sqrt(self.variance_at(step)) * standard_normal(like, generator)


def noisy_target(
    likelihood: Likelihood, output: Tensor, target: Tensor, noise: Tensor, *, rule: Rule, support: Support
) -> Tensor:
    """``target`` [..., K] plus what ``rule`` takes of ``noise``, in the support as :class:`NemNoise` says.

    >>> from analognn.training.likelihoods import Gaussian
    >>> t, n = torch.tensor([[1.0], [1.0]]), torch.tensor([[-0.5], [0.5]])
    >>> noisy_target(Gaussian(), torch.zeros(2, 1), t, n, rule="nem", support="strict").T
    tensor([[0.5000, 1.0000]])
    """
    if support == "project":
        noise = likelihood.nearest(target + noise) - target
    noisy = target + chosen(rule, likelihood, output, target, noise)
    if support == "project" and rule == "mirrored":
        noisy = likelihood.nearest(noisy)
    if support == "strict":
        check_support(
            "NemNoise(support='strict')",
            likelihood,
            noisy,
            way_out=" Noise took them there: take support='project', or 'extended' as the source's simulations do.",
        )
    return noisy


def error_loss(output: Tensor, target: Tensor) -> Tensor:
    """Softmax loss of gradient ``a - target`` for any target: Algorithm 1's error t + n - a.

    ``F.cross_entropy`` has the gradient ``a sum(target) - target``; the two part where noise does not sum to zero.
    """
    return output.logsumexp(-1) - (target * output).sum(-1)


def first_order_gain(likelihood: Likelihood, output: Tensor, target: Tensor, noisy: Tensor) -> Tensor:
    """How much faster the likelihood of the clean target climbs, to first order in the step, for noise on the target.

    ``g . (g' - g) / g . g`` [...] with g, g' the gradients of ln p(target), ln p(noisy) in ``output``: the gain in
    ln p(target) from a small step along g', relative to that along g, less one. Negative: the noise slows learning.

    >>> from analognn.training.likelihoods import Gaussian
    >>> first_order_gain(Gaussian(), torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([0.75]))
    tensor(-0.2500)
    """
    clean, boosted = _gradient(likelihood, output, target), _gradient(likelihood, output, noisy)
    return (clean * (boosted - clean)).sum(-1) / clean.square().sum(-1)


def standard_normal(like: Tensor, generator: Generators) -> Tensor:
    """N(0, I) of the shape, dtype and device of ``like``; from a sequence, generator k fills ``[k]``.

    >>> g = [torch.Generator().manual_seed(k) for k in range(2)]
    >>> standard_normal(torch.empty(2, 3, 4), g).shape
    torch.Size([2, 3, 4])
    """
    if isinstance(generator, torch.Generator):
        return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
    if len(generator) != len(like):
        raise ValueError(f"`generator` must be one, or one for each of {len(like)} networks; got {len(generator)}.")
    return torch.stack([standard_normal(part, g) for part, g in zip(like, generator, strict=True)])


def _gradient(likelihood: Likelihood, output: Tensor, target: Tensor) -> Tensor:
    with torch.enable_grad():
        output = output.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(likelihood.log_likelihood(output, target).sum(), output)
    return gradient


def _as_target(output: Tensor, target: Tensor, likelihood: Likelihood) -> Tensor:
    """Targets as [..., K] of the output's dtype; labels of a softmax layer become 1-in-K."""
    if not target.is_floating_point() and isinstance(likelihood, Softmax) and target.shape == output.shape[:-1]:
        classes = output.shape[-1]
        if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < classes:
            low, high = int(target.min()), int(target.max())
            raise ValueError(f"`NemNoise.on_target` needs labels of 0 to {classes - 1}; got {low} to {high}.")
        return F.one_hot(target.long(), classes).to(output.dtype)
    if target.shape != output.shape:
        shapes = f"{list(output.shape)} and {list(target.shape)}"
        raise ValueError(f"`NemNoise.on_target` needs a target for each output (or class labels); got shapes {shapes}.")
    target = target.to(output.dtype)
    check_support("NemNoise.on_target", likelihood, target)
    return target
