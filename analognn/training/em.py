"""Backpropagation as generalised EM, on a network whose hidden units are binary random variables.

    ln p(y|x) = ln sum_h p(h|x) p(y|h)                       p(h|x) = prod a^h (1 - a)^(1-h), layer by layer  (101)
    Q(Theta|Theta_n) = sum_h p(h|y, x, Theta_n) ln p(y, h|x, Theta)                                           (97)
    grad ln p(y|x, Theta_n) = grad Q(Theta_n|Theta_n)                                                         (1), (94)
    Q ~ sum_m gamma_m ln p(y, h_m|x),   h_m ~ p(h|x),   gamma_m = p(y|h_m) / sum_m' p(y|h_m')               (107)-(110)

Adigun, Kosko, "Noise-boosted backpropagation". The identity is Fisher's and exact, for this network. Backpropagation
as everyone runs it feeds the mean activation a, not a drawn h, to the next layer: it climbs ln p(y|h = a), which is
another function with another gradient. The weighted sample is consistent but biased at finite M (order 1/M): it is a
ratio of two means.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from analognn.channels import checks
from analognn.training.likelihoods import Likelihood, Logistic

MAX_UNITS = 16
"""Hidden units that are still enumerated: 2^16 states a sample."""


@dataclass(frozen=True)
class BeliefNetwork:
    """x -> h_1 -> ... -> y with Bernoulli hidden layers.

    Args:
        layers: each maps the values of the layer below to the logits (of the last: the output) of the next one.
        likelihood: of the output.

    >>> from analognn.training.likelihoods import Softmax
    >>> net = BeliefNetwork((nn.Linear(3, 4), nn.Linear(4, 2)), Softmax())
    >>> x, y = torch.randn(5, 3), torch.eye(2)[[0, 1, 0, 1, 1]]
    >>> log_likelihood(net, x, y).shape
    torch.Size([5])
    """

    layers: tuple[nn.Module, ...]
    likelihood: Likelihood

    def log_terms(self, x: Tensor, hidden: Sequence[Tensor], target: Tensor) -> tuple[Tensor, Tensor]:
        """``ln p(h|x)`` and ``ln p(y|h)``, both [m, n], of hidden states [m, n or 1, width] for each layer.

        Args:
            x: [n, d].
            hidden: a state of every hidden layer.
            target: [n, K] or [m, n, K].
        """
        below, prior = x, torch.zeros((), dtype=x.dtype, device=x.device)
        for layer, state in zip(self.layers[:-1], hidden, strict=True):
            prior, below = prior + Logistic().log_likelihood(layer(below), state), state
        return prior, self.likelihood.log_likelihood(self.layers[-1](below), target)

    def sample(self, x: Tensor, samples: int, *, generator: torch.Generator) -> list[Tensor]:
        """``samples`` hidden states from p(h|x), layer by layer: [samples, n, width] each."""
        states: list[Tensor] = []
        below = x
        with torch.no_grad():
            for layer in self.layers[:-1]:
                chance = torch.sigmoid(layer(below))
                if not states:  # the first layer's chances are the same for all samples
                    chance = chance.expand(samples, *chance.shape)
                below = torch.bernoulli(chance, generator=generator)
                states.append(below)
        return states


def log_likelihood(network: BeliefNetwork, x: Tensor, target: Tensor) -> Tensor:
    """Exact ``ln p(y|x)`` [n] by enumeration of all hidden states.

    Raises:
        ValueError: more than `MAX_UNITS` hidden units.
    """
    return _joint(network, x, target).logsumexp(0)


def surrogate(network: BeliefNetwork, x: Tensor, target: Tensor) -> Tensor:
    """Exact Q [n] at the current parameters; the posterior in it carries no gradient, as in the E-step.

    Raises:
        ValueError: more than `MAX_UNITS` hidden units.
    """
    joint = _joint(network, x, target)
    return (joint.detach().softmax(0) * joint).sum(0)


def monte_carlo_surrogate(
    network: BeliefNetwork,
    x: Tensor,
    target: Tensor,
    *,
    samples: int,
    generator: torch.Generator,
    boost: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Q [n] from ``samples`` hidden states drawn from p(h|x) and weighted by gamma, (107)-(110).

    Args:
        network: its parameters get the gradient.
        x: [n, d].
        target: [n, K].
        samples: M, >= 1; the source uses 10.
        generator: draws the hidden states.
        boost: gives the noisy targets [M, n, K] of Q_n from (output, target); the weights keep the clean target.
    """
    checks.integer("monte_carlo_surrogate", "samples", samples, ge=1)
    hidden = network.sample(x, samples, generator=generator)
    prior, clean = network.log_terms(x, hidden, target)
    weight = clean.detach().softmax(0)
    if boost is None:
        return (weight * (prior + clean)).sum(0)
    output = network.layers[-1](hidden[-1])
    noisy = network.likelihood.log_likelihood(output, boost(output, target.expand_as(output)))
    return (weight * (prior + noisy)).sum(0)


def _joint(network: BeliefNetwork, x: Tensor, target: Tensor) -> Tensor:
    """``ln p(y, h|x)`` [states, n] of every hidden state."""
    widths = _widths(network, x)
    units = sum(widths)
    if units > MAX_UNITS:
        raise ValueError(
            f"Enumeration takes at most {MAX_UNITS} hidden units; got {units}. Use `monte_carlo_surrogate`."
        )
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=x.dtype, device=x.device)
    prior, output = network.log_terms(x, [part.unsqueeze(1) for part in torch.split(every, widths, -1)], target)
    return prior + output


def _widths(network: BeliefNetwork, x: Tensor) -> list[int]:
    """Units of each hidden layer, found by passing one sample through."""
    widths, below = [], x[:1]
    with torch.no_grad():
        for layer in network.layers[:-1]:
            below = torch.sigmoid(layer(below))
            widths.append(below.shape[-1])
    return widths
