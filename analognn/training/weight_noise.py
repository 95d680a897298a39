"""Fresh noise on the weights in every training step, and the penalty it amounts to.

    w <- w - rate grad L(w + z),    z ~ N(0, eta I)                                             the method
    E_z ||f(w + z) - y||^2 = ||f - y||^2 + eta ||grad_w f||^2                                   the penalty
                                         + eta (f - y) . tr H(f) + O(eta^2)                     residual times curvature

Goodfellow, Bengio, Courville, "Deep Learning", sec. 7.5, keep the penalty and drop the last term. Both are of first
order in eta: f + grad f . z + z' H z / 2 squares to 2 (f - y) z' H z / 2, whose mean is eta (f - y) tr H. It is gone
where each weight enters linearly (tr H = 0: linear networks of any depth), and where the residual is small or averages
to nothing. A ReLU network has H = 0 wherever autograd looks, but its kinks count: over data with density p of
pre-activations at 0 they carry a curvature of order eta that no derivative at a point shows.

The noise is absolute, in the units of the weights, by any medium of this framework, in a loop of your own;
:mod:`.noise_aware` is a whole training run under aihwkit's noise, relative to the largest weight of a crossbar tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vjp, vmap

from analognn.backends import Backend, ChannelBackend
from analognn.channels import Awgn, Channel, Received, checks
from analognn.packing import ParameterLayout

Medium = float | Channel | Backend
"""What disturbs the weights: a noise variance eta, a channel, or a backend (a crossbar)."""


@contextmanager
def noisy_weights(
    model: nn.Module, medium: Medium, *, generator: torch.Generator, layout: ParameterLayout | None = None
) -> Iterator[Received]:
    """The analog weights of ``model`` with new noise inside the block; the clean ones are back, bit by bit, after it.

    Forward and backward belong inside, the optimiser's step after: gradients at the noisy weights move the clean ones.
    Batch-norm trains as always, on the statistics of the noisy batches.

    Args:
        model: changed within the block only. Gradients stay.
        medium: see :data:`Medium`; a number is the variance eta of every weight, >= 0.
        generator: the only source of the noise; go on with the same one for fresh noise in every step.
        layout: which tensors are analog; by default as :meth:`ParameterLayout.from_model` sorts them.

    Yields:
        What the medium made of the weights.

    Raises:
        ValueError: a negative variance, or weights that are not finite.
        RuntimeError: the weights were changed inside the block, where a change would be lost.

    >>> model, g = nn.Linear(3, 1), torch.Generator().manual_seed(0)
    >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> for x, y in [(torch.ones(8, 3), torch.zeros(8, 1))] * 2:
    ...     optimiser.zero_grad()
    ...     with noisy_weights(model, 0.01, generator=g):
    ...         (model(x) - y).square().mean().backward()
    ...     optimiser.step()
    """
    layout = layout or ParameterLayout.from_model(model)
    clean = layout.pack(model)
    received = _backend(medium).receive(clean, generator=generator)
    layout.write(received.values, model)
    noisy = [parameter.detach().clone() for parameter in model.parameters()]
    try:
        yield received
        moved = not all(map(torch.equal, noisy, model.parameters()))
    finally:
        layout.write(clean, model)
    if moved:
        raise RuntimeError(
            f"`noisy_weights`: the weights of {type(model).__name__} changed inside the block, and the change of the "
            "analog ones is lost as it ends. Call the optimiser's step after the block."
        )


def weight_noise_penalty(
    model: nn.Module, inputs: Tensor, noise_var: float, *, layout: ParameterLayout | None = None
) -> Tensor:
    """The penalty eta E ||grad_w f(x)||^2: squared gradients of all outputs, averaged over ``inputs``.

    Args:
        model: f; batch-norm, which mixes examples, must be in eval mode.
        inputs: [n, ...].
        noise_var: eta >= 0, in squared units of the weights.
        layout: which tensors carry noise, as in :func:`noisy_weights`.

    Returns:
        Scalar that can be differentiated by the weights. Belongs to a mean over examples of squared errors summed over
        outputs; takes memory for n x outputs x weights values.

    Raises:
        ValueError: a negative variance, or batch-norm in training mode.

    >>> float(weight_noise_penalty(nn.Linear(2, 1, bias=False), torch.tensor([[3.0, 4.0]]), 0.5))  # eta ||x||^2
    12.5
    """
    weights, output = _function("weight_noise_penalty", model, noise_var, layout)
    jacobian = vmap(jacrev(lambda w, x: output(w, x[None])[0]), (None, 0))(weights, inputs)
    return noise_var * sum((j.square().sum() for j in jacobian.values()), inputs.new_zeros(())) / len(inputs)


def residual_curvature(
    model: nn.Module, inputs: Tensor, targets: Tensor, noise_var: float, *, layout: ParameterLayout | None = None
) -> Tensor:
    """The term of the same order that the penalty leaves out, eta E[(f(x) - y) . tr H(f(x))].

    Args:
        model: f; batch-norm, which mixes examples, must be in eval mode.
        inputs: [n, ...].
        targets: y, in the shape of the model's outputs.
        noise_var: eta >= 0.
        layout: which tensors carry noise, as in :func:`noisy_weights`.

    Returns:
        Scalar that can be differentiated by the weights; exact, by one pass for each weight.

    Raises:
        ValueError: a negative variance, targets of another shape, or batch-norm in training mode.

    >>> deep = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))  # linear in each weight
    >>> bool(residual_curvature(deep, torch.ones(1, 2), torch.ones(1, 1), 0.1).abs() < 1e-6)
    True
    """
    weights, output = _function("residual_curvature", model, noise_var, layout)
    outputs: Tensor = model(inputs)
    if targets.shape != outputs.shape:
        raise ValueError(
            f"`residual_curvature(targets=...)` must have the shape of the outputs, {list(outputs.shape)}; "
            f"got {list(targets.shape)}."
        )
    residuals = (outputs - targets).flatten() / len(inputs)

    def projected(changed: dict[str, Tensor]) -> Tensor:
        return residuals @ output(changed, inputs).flatten()

    hessian = vjp(grad(projected), weights)[1]

    def diagonal(name: str, unit: Tensor) -> Tensor:
        """One second derivative: the unit vector of one weight on both sides of the Hessian."""
        others = {key: torch.zeros_like(weight) for key, weight in weights.items()}
        row: Tensor = hessian({**others, name: unit})[0][name]
        return (row * unit).sum()

    traces = []
    for name, weight in weights.items():
        units = torch.eye(weight.numel(), dtype=weight.dtype, device=weight.device).view(-1, *weight.shape)
        traces.append(vmap(diagonal, (None, 0), chunk_size=256)(name, units).sum())
    return noise_var * torch.stack(traces).sum()


def loss_rises(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    noise_var: float,
    *,
    pairs: int,
    generator: torch.Generator,
    layout: ParameterLayout | None = None,
) -> Tensor:
    """What the noise really adds to the squared error, by sampling: draws of E_z J(w + z) - J(w).

    Args:
        model: as above.
        inputs: [n, ...].
        targets: in the shape of the model's outputs.
        noise_var: eta >= 0.
        pairs: how many draws; each is the mean over z and -z, in which all that is odd in z cancels.
        generator: of z.
        layout: which tensors carry noise.

    Returns:
        [pairs], independent; the penalty and the residual curvature together are their mean for small eta.

    >>> x, g = torch.tensor([[3.0, 4.0]]), torch.Generator().manual_seed(0)
    >>> rises = loss_rises(nn.Linear(2, 1, bias=False), x, torch.zeros(1, 1), 0.5, pairs=4000, generator=g)
    >>> bool((rises.mean() - 12.5).abs() < 5 * rises.std() / 4000**0.5)
    True
    """
    weights, output = _function("loss_rises", model, noise_var, layout)
    noise = {
        name: noise_var**0.5 * torch.randn(pairs, *weight.shape, generator=generator, dtype=weight.dtype)
        for name, weight in weights.items()
    }

    def loss(shift: dict[str, Tensor], sign: int) -> Tensor:
        moved = {name: weight + sign * shift[name] for name, weight in weights.items()}
        return (output(moved, inputs) - targets.flatten(1)).square().sum() / len(inputs)

    with torch.no_grad():
        both: Tensor = vmap(lambda z: (loss(z, 1) + loss(z, -1)) / 2 - loss(z, 0), chunk_size=500)(noise)
    return both


def _backend(medium: Medium) -> Backend:
    if isinstance(medium, Backend):
        return medium
    if isinstance(medium, Channel):
        return ChannelBackend(medium)
    checks.real("noisy_weights", "medium", medium, ge=0)
    return ChannelBackend(Awgn(noise_var=medium))


def _function(
    owner: str, model: nn.Module, noise_var: float, layout: ParameterLayout | None
) -> tuple[dict[str, Tensor], Callable[[dict[str, Tensor], Tensor], Tensor]]:
    """The weights that carry noise, by name, and the model's outputs [n, k] as a function of them and the inputs."""
    checks.real(owner, "noise_var", noise_var, ge=0)
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
            raise ValueError(
                f"`{owner}` needs gradients of single examples, which batch-norm {name!r} mixes in "
                "training mode; call model.eval() first."
            )
    named, slots = dict(model.named_parameters()), (layout or ParameterLayout.from_model(model)).slots
    weights: dict[str, Tensor] = {slot.name: named[slot.name] for slot in slots}

    def output(changed: dict[str, Tensor], inputs: Tensor) -> Tensor:
        made: Tensor = functional_call(model, changed, (inputs,))
        return made.flatten(1)

    return weights, output
