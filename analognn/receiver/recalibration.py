"""Statistics of the activations put right on the receiver's own inputs: one forward pass, no label.

Batch norm:  m_c = mean over examples and positions of channel c of its input,   v_c = its variance

Noise on the weights moves the mean and widens the variance of every activation, and frozen running statistics turn that
into a wrong shift and scale layer after layer. Re-estimating them is what Schneider et al., "Improving robustness
against common corruptions by covariate shift adaptation" (2020), do for corrupted images. It makes the scale of the
weights before a batch norm irrelevant: after it, MMSE and ML differ in the layers without one alone.

What a checkpoint holds need not be the statistics of plain inputs (it was trained on augmented ones), and then
re-estimating them costs accuracy where there is no noise. The relative form adds the change that noise makes instead:

    m <- m + (m_c - m_clean),   v <- v v_c / v_clean        m_clean, v_clean: measured by the transmitter
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from analognn.denoise import Budget
from analognn.evaluate import Inputs
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.inputs import count, device_of
from analognn.receiver.layers import BatchNorm, Statistics, batch_norms, statistics
from analognn.receiver.side import BITS_PER_VALUE
from analognn.receiver.statistics import recalibrate


@dataclass(frozen=True)
class Recalibrate(Stage):
    """Batch-norm running statistics re-estimated on the unlabelled examples, the weights as they are.

    Args:
        relative: add the change since the clean model to the delivered statistics instead of forgetting these. Costs
            two values a channel of side information.
    """

    relative: bool = False

    budget: ClassVar[Budget] = "unlabelled"

    @property
    def measured(self) -> bool:
        """See :attr:`Stage.measured`."""
        return self.relative

    def check(self, model: nn.Module) -> None:
        """See :meth:`Stage.check`."""
        if not batch_norms(model):
            raise ValueError(
                f"`Recalibrate`: {type(model).__name__} has no batch norm with running statistics to re-estimate "
                "(LayerNorm and GroupNorm keep none); use 'moments', 'protect' or 'affine' there."
            )

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`."""
        inputs: Inputs = delivery.needs(self, "unlabelled")
        self.check(delivery.model)
        model = delivery.copied_model(device_of(inputs))
        recalibrate(model, inputs)
        result = delivery.with_model(model).spending(unlabelled=count(inputs))
        if not self.relative:
            return result
        clean: dict[str, Statistics] = delivery.needs(self, "side").norms
        _make_relative(model, batch_norms(delivery.model), clean)
        bits = BITS_PER_VALUE * sum(mean.numel() + var.numel() for mean, var in clean.values())
        return result.spending(side_info={"batch-norm statistics": bits})


def _make_relative(model: nn.Module, delivered: dict[str, BatchNorm], clean: dict[str, Statistics]) -> None:
    for name, norm in batch_norms(model).items():
        for now, old, reference, change in zip(
            statistics(norm), statistics(delivered[name]), clean[name], (_shifted, _scaled), strict=True
        ):
            now.copy_(change(old.to(now), now, reference.to(now)))


def _shifted(old: Tensor, now: Tensor, clean: Tensor) -> Tensor:
    return old + (now - clean)


def _scaled(old: Tensor, now: Tensor, clean: Tensor) -> Tensor:
    return old * (now / clean.clamp_min(torch.finfo(clean.dtype).tiny))
