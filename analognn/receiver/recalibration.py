"""Batch-norm statistics estimated anew on the receiver's own inputs.

    m_c = mean over examples and positions of channel c of the batch norm's input,   v_c = its variance

Noise on the weights moves the mean and widens the variance of every activation, and frozen running statistics turn that
into a wrong shift and scale in every layer. Replacing them costs one forward pass and no label (Schneider et al.,
"Improving robustness against common corruptions by covariate shift adaptation", 2020, is the same step for images).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from analognn.evaluate import Inputs
from analognn.receiver.delivery import Budget, Delivery, Stage, count, take

BatchNorm = nn.modules.batchnorm._BatchNorm
MAX_BATCH = 500
"""Examples at a time; a fixed number, so that the bits do not depend on the machine."""


@dataclass(frozen=True)
class Recalibrate(Stage):
    """Batch-norm running statistics re-estimated on the unlabelled examples, weights as they are."""

    budget: ClassVar[Budget] = "unlabelled"

    def check(self, model: nn.Module) -> None:
        """See :meth:`Stage.check`."""
        if not any(True for _ in batch_norms(model)):
            raise ValueError(
                f"`Recalibrate`: {type(model).__name__} has no batch norm with running statistics to re-estimate. "
                "LayerNorm and GroupNorm keep none: use 'moments' or 'affine' there."
            )

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        inputs: Inputs = delivery.needs(self, "unlabelled")
        self.check(delivery.model)
        model = delivery.copied_model(device_of(inputs))
        recalibrate(model, inputs)
        return replace(delivery, model=model).spending(unlabelled=count(inputs))


def batch_norms(model: nn.Module) -> Iterator[BatchNorm]:
    """The batch norms of ``model`` that keep running statistics."""
    for module in model.modules():
        if isinstance(module, BatchNorm) and module.running_mean is not None:
            yield module


def recalibrate(model: nn.Module, inputs: Inputs) -> None:
    """Replace the running statistics in ``model`` by those of ``inputs``, every example with the same weight."""
    norms = list(batch_norms(model))
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    seen = 0
    for part in batches(inputs):
        seen += count(part)
        for norm in norms:
            norm.momentum = count(part) / seen  # the cumulative average over examples
        forward(model, part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


def batches(inputs: Inputs) -> Iterator[Inputs]:
    """Runs of nearly equal length, so that none is too small for statistics of its own."""
    n = count(inputs)
    runs = -(-n // MAX_BATCH)
    for i in range(runs):
        yield take(inputs, slice(n * i // runs, n * (i + 1) // runs))


def forward(model: nn.Module, inputs: Inputs) -> Tensor:
    """Logits of ``inputs`` without gradients."""
    with torch.no_grad():
        output = model(inputs) if isinstance(inputs, Tensor) else model(**inputs)
        logits: Tensor = getattr(output, "logits", output)
        return logits


def device_of(inputs: Inputs) -> torch.device:
    """Where ``inputs`` lie."""
    return (inputs if isinstance(inputs, Tensor) else next(iter(inputs.values()))).device
