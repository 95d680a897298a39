"""What a layer says its activation is: a likelihood, its support, and what additive noise does to it.

    Softmax   ln p(t|o) = t . ln a,  a = softmax(o)           t on the simplex
    Logistic  ln p(t|o) = t . o - sum ln(1 + e^o)             t in [0, 1]^K,   o = ln a/(1 - a)
    Gaussian  ln p(t|o) = -|t - o|^2 / 2 + const              t in R^K

Noise n on the target t changes them by

    Softmax   ln p(t+n|o)/p(t|o) = n . ln a                   Adigun, Kosko, "Noise-boosted backpropagation", (119)
    Logistic                     = n . o                      (121): o is the log-odds
    Gaussian                     = -n . (n + 2 (t - o)) / 2   from (A.20); >= 0 in the sphere |n + t - o| <= |t - o|

Signs: (122) and Figure 9 of the source centre that sphere at t - a. That is the condition for noise *taken from* the
target (or added to the mean a); for noise added to it, as its proof and Algorithm 1 do, the centre is a - t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TOLERANCE = 1e-5  # of rounding in float32, when a target is held against its support


class Likelihood(Protocol):
    """A layer's likelihood as a function of ``output`` [..., K]: logits, or the mean of a Gaussian."""

    support: ClassVar[str]

    def log_likelihood(self, output: Tensor, target: Tensor) -> Tensor:
        """``ln p(target | output)`` [...] up to a constant; also off the support, by the same formula."""
        ...

    def log_ratio(self, output: Tensor, target: Tensor, noise: Tensor) -> Tensor:
        """``ln p(target + noise | output) / p(target | output)`` [...]."""
        ...

    def nearest(self, target: Tensor) -> Tensor:
        """The point of the support nearest to ``target`` [..., K]."""
        ...


@dataclass(frozen=True)
class Softmax:
    """K classes: ``output`` holds logits, ``target`` a probability vector.

    >>> Softmax().log_ratio(torch.zeros(2), torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0]))
    tensor(0.6931)
    """

    support: ClassVar[str] = "the probability vectors"

    def log_likelihood(self, output: Tensor, target: Tensor) -> Tensor:
        """``t . ln a``."""
        return (target * output.log_softmax(-1)).sum(-1)

    def log_ratio(self, output: Tensor, target: Tensor, noise: Tensor) -> Tensor:
        """``n . ln a``."""
        return (noise * output.log_softmax(-1)).sum(-1)

    def nearest(self, target: Tensor) -> Tensor:
        """Euclidean projection on the simplex; Held, Wolfe, Crowder, "Validation of subgradient optimization", 1974."""
        descending = target.sort(-1, descending=True).values
        count = torch.arange(1, target.shape[-1] + 1, device=target.device, dtype=target.dtype)
        excess = (descending.cumsum(-1) - 1) / count
        last = (descending > excess).sum(-1, keepdim=True) - 1
        return (target - excess.gather(-1, last)).clamp_min(0)


@dataclass(frozen=True)
class Logistic:
    """K independent Bernoulli units: ``output`` holds logits.

    >>> Logistic().log_ratio(torch.tensor([2.0]), torch.tensor([1.0]), torch.tensor([-0.5]))
    tensor(-1.)
    """

    support: ClassVar[str] = "the interval [0, 1] in every component"

    def log_likelihood(self, output: Tensor, target: Tensor) -> Tensor:
        """``t . ln a + (1 - t) . ln(1 - a)``."""
        return (target * output - F.softplus(output)).sum(-1)

    def log_ratio(self, output: Tensor, target: Tensor, noise: Tensor) -> Tensor:
        """``n . ln a/(1 - a) = n . o``."""
        return (noise * output).sum(-1)

    def nearest(self, target: Tensor) -> Tensor:
        """Clipped to [0, 1]."""
        return target.clamp(0, 1)


@dataclass(frozen=True)
class Gaussian:
    """Regression with unit variance: ``output`` is the mean.

    >>> Gaussian().log_ratio(torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([-1.0]))
    tensor(0.5000)
    """

    support: ClassVar[str] = "the real vectors"

    def log_likelihood(self, output: Tensor, target: Tensor) -> Tensor:
        """``-|t - o|^2 / 2``."""
        return -(target - output).square().sum(-1) / 2

    def log_ratio(self, output: Tensor, target: Tensor, noise: Tensor) -> Tensor:
        """``-n . (n + 2 (t - o)) / 2``."""
        return -(noise * (noise + 2 * (target - output))).sum(-1) / 2

    def nearest(self, target: Tensor) -> Tensor:
        """The target itself: every real vector is in the support."""
        return target


_BY_ACTIVATION: tuple[tuple[type[nn.Module], Likelihood], ...] = (
    (nn.Softmax, Softmax()),
    (nn.LogSoftmax, Softmax()),
    (nn.Sigmoid, Logistic()),
    (nn.Linear, Gaussian()),
    (nn.Identity, Gaussian()),
    (nn.ReLU, Gaussian()),
)


def likelihood_of(activation: nn.Module) -> Likelihood:
    """The likelihood that goes with an activation; ReLU as Gaussian, as section 6 of the source approximates it.

    Raises:
        TypeError: an activation with no known likelihood.

    >>> likelihood_of(nn.Sigmoid()).support
    'the interval [0, 1] in every component'
    """
    for kind, likelihood in _BY_ACTIVATION:
        if isinstance(activation, kind):
            return likelihood
    known = ", ".join(kind.__name__ for kind, _ in _BY_ACTIVATION)
    raise TypeError(
        f"`likelihood_of`: no likelihood is known for {type(activation).__name__}; known are those of {known}. "
        "Pass an object with log_likelihood, log_ratio and nearest of your own."
    )


def check_support(owner: str, likelihood: Likelihood, target: Tensor, *, way_out: str = "") -> None:
    """Raise unless every target [..., K] is finite and in the support.

    Raises:
        ValueError: how many are not, and how far the farthest lies off.
    """
    distance = (target - likelihood.nearest(target)).abs().amax(-1)
    outside = ~(distance <= TOLERANCE)  # NaN is outside
    if bool(outside.any()):
        name = type(likelihood).__name__
        raise ValueError(
            f"`{owner}`: targets of a {name} likelihood must be in {likelihood.support}; {int(outside.sum())} of "
            f"{outside.numel()} are not (farthest off by {float(distance.max()):.3g}).{way_out}"
        )
