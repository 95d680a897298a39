"""The affine part of the normalisation layers, fitted to k labelled examples.

    minimise  sum over the examples of cross-entropy(labels, model(x; gamma, beta))     over every gamma and beta

A thousandth of the parameters, which travelled reliably and are not the ones that noise hit: a few steps of Adam on the
whole set of examples, nothing drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from analognn.channels import checks
from analognn.denoise import Budget
from analognn.packing import RELIABLE_MODULES
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.inputs import Labelled, logits_of


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
        frozen = [parameter for parameter in model.parameters() if not any(parameter is one for one in affine)]
        for parameter in frozen:
            parameter.requires_grad_(False)
        optimiser = torch.optim.Adam(affine, lr=self.lr)
        for _ in range(self.steps):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(logits_of(model, labelled.inputs), labelled.labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        for parameter in affine:
            parameter.grad = None
        for parameter in frozen:
            parameter.requires_grad_(True)
        return delivery.with_model(model).spending(labelled=len(labelled))


def _affine_part(model: nn.Module) -> list[nn.Parameter]:
    return [
        parameter
        for module in model.modules()
        if isinstance(module, RELIABLE_MODULES)
        for parameter in module.parameters(recurse=False)
    ]
