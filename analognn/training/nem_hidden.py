"""Noise-boosted backpropagation in hidden layers: Theorem 5 and section 6 of Adigun, Kosko.

    ln p(h_k, ..., h_1, y|x) = ln p(y|h_k) + ln p(h_k|h_k-1) + ... + ln p(h_1|x)                          (133)

so noise m may add to any layer by the condition of that layer's own likelihood:

    logistic            m . ln a/(1 - a) = m . o >= 0                                                     (134)
    ReLU and identity   |m + e|^2 <= |e|^2,  e the error that arrives at the layer

(the Gaussian condition with e in the place of t - a: a hidden layer has no target but the one its error points to).
The source leaves open where m goes; both readings are here, see :func:`hidden_noise`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from analognn.channels import checks
from analognn.training.likelihoods import Gaussian, Logistic, likelihood_of
from analognn.training.nem import Generators, NemNoise, chosen

Reading = Literal["error", "activation"]
Draw = Callable[[Tensor], Tensor]


@contextmanager
def hidden_noise(
    model: nn.Module, layers: Iterable[str], *, noise: NemNoise, step: int, generator: Generators, reading: Reading
) -> Iterator[None]:
    """Noise in hidden layers for the forward passes of the block and the backward passes through them.

    Activations are [..., n, K]; the loss is a mean over the n samples, and a sum over leading axes (a stack of
    networks). Targets play no part, so ``noise.support`` has no effect.

    Args:
        model: gives ``layers`` by name.
        layers: names of its activation modules: nn.Sigmoid, nn.ReLU or nn.Identity.
        noise: drawn and chosen so.
        step: for the annealing.
        generator: draws the noise.
        reading: "error" adds m to the error at the layer, as its likelihood term has it (A.23-A.27); "activation" adds
            it to the activation in the forward pass (logistic layers only: their condition needs no error).

    Raises:
        TypeError: an activation with no known likelihood.
        ValueError: no layer of that name, or one whose condition the reading cannot test.

    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2))
    >>> noise, g = NemNoise(variance=0.01), torch.Generator()
    >>> with hidden_noise(model, ["1"], noise=noise, step=0, generator=g, reading="error"):
    ...     model(torch.randn(5, 4)).square().mean().backward()
    """
    checks.choice("hidden_noise", "reading", reading, get_args(Reading))
    found = [_layer(model, name, reading) for name in layers]

    def draw(like: Tensor) -> Tensor:
        return noise.draw(like, step=step, generator=generator)

    hooks = [_attach(layer, noise, draw, reading) for layer in found]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _layer(model: nn.Module, name: str, reading: Reading) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules())
    checks.choice("hidden_noise", "layers", name, [known for known in modules if known])
    likelihood = likelihood_of(modules[name])
    if not isinstance(likelihood, Logistic) and (reading == "activation" or not isinstance(likelihood, Gaussian)):
        kind = type(modules[name]).__name__
        raise ValueError(
            f"`hidden_noise(layers=...)`: {name!r} is {kind}, which reading={reading!r} cannot serve; use a logistic "
            "layer (nn.Sigmoid), or reading='error' for nn.ReLU and nn.Identity."
        )
    return modules[name]


def _attach(layer: nn.Module, noise: NemNoise, draw: Draw, reading: Reading) -> RemovableHandle:
    """A forward hook on ``layer`` that adds the noise, or leaves a hook on the gradient that does."""
    logistic = isinstance(likelihood_of(layer), Logistic)

    def hook(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        before: Tensor = inputs[0]
        if logistic:
            kept = chosen(noise.rule, Logistic(), before.detach(), output.detach(), draw(output.detach()))
            if reading == "activation":
                return output + kept
            _on_gradient(before, lambda gradient: gradient - kept / _samples(before))
        else:
            drawn = draw(output.detach())
            _on_gradient(output, lambda gradient: _boost(gradient, noise, drawn))
        return None

    return layer.register_forward_hook(hook)


def _boost(gradient: Tensor, noise: NemNoise, drawn: Tensor) -> Tensor:
    """The gradient at a Gaussian layer with the noise that its sphere takes; the error is minus the gradient."""
    samples = _samples(gradient)
    error = -gradient * samples
    return gradient - chosen(noise.rule, Gaussian(), torch.zeros_like(error), error, drawn) / samples


def _on_gradient(x: Tensor, change: Callable[[Tensor], Tensor]) -> None:
    if x.requires_grad:  # not in evaluation under no_grad
        x.register_hook(change)  # type: ignore[no-untyped-call]


def _samples(x: Tensor) -> int:
    return x.shape[-2] if x.ndim > 1 else 1
