"""The affine part of the normalisation layers, fitted to k labelled examples.

    minimise  sum over the examples of cross-entropy(labels, model(x; gamma, beta))     over every gamma and beta

A thousandth of the parameters, which travelled reliably and are not the ones that noise hit: a few steps of Adam on the
whole set of examples, nothing drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from analognn.channels import checks
from analognn.denoise import Budget
from analognn.evaluate import logits_of
from analognn.policy import RELIABLE_MODULES
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.inputs import Labelled


@dataclass(frozen=True)
class TuneAffine(Stage):
    """Scale and shift of every normalisation layer tuned on the labelled examples, by full-batch Adam.

    Args:
        steps: of Adam.
        lr: its learning rate.
    """

    steps: int = 20
    lr: float = 1e-3

    budget: ClassVar[Budget] = "labelled"

    def __post_init__(self) -> None:
        checks.integer("TuneAffine", "steps", self.steps, ge=1)
        checks.real("TuneAffine", "lr", self.lr, gt=0)

    def check(self, model: nn.Module) -> None:
        """See :meth:`Stage.check`."""
        if not _affine_part(model):
            raise ValueError(
                f"`TuneAffine`: {type(model).__name__} has no normalisation layer with scale and shift to tune; "
                "'mmsepb' can use the labelled examples instead."
            )

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        self.check(delivery.model)
        labelled: Labelled = delivery.needs(self, "labelled")
        model = delivery.copied_model(labelled.labels.device)
        affine = _affine_part(model)
        means, squares = ([torch.zeros_like(parameter) for parameter in affine] for _ in range(2))
        for step in range(1, self.steps + 1):
            gradients = torch.autograd.grad(_loss(model, labelled), affine)
            with torch.no_grad():
                for parameter, gradient, mean, square in zip(affine, gradients, means, squares, strict=True):
                    parameter.sub_(_adam(gradient, mean, square, step), alpha=self.lr)
        return delivery.with_model(model).spending(labelled=len(labelled))


def _adam(gradient: Tensor, mean: Tensor, square: Tensor, step: int) -> Tensor:
    """Direction of Adam's step number ``step``; ``mean`` and ``square`` are its moments, updated in place.

    Kingma, Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1 with its defaults. Written out because
    the first use of torch.optim imports PyTorch's compiler, which takes longer than the tuning.
    """
    mean.lerp_(gradient, 0.1)
    square.lerp_(gradient.square(), 0.001)
    return mean / (1 - 0.9**step) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)


def _loss(model: nn.Module, labelled: Labelled) -> Tensor:
    return nn.functional.cross_entropy(logits_of(model, labelled.inputs).float(), labelled.labels)


def _affine_part(model: nn.Module) -> list[nn.Parameter]:
    return [
        parameter
        for module in model.modules()
        if isinstance(module, RELIABLE_MODULES)
        for parameter in module.parameters(recurse=False)
    ]
