"""Batch-norm statistics of a model on given inputs."""

from __future__ import annotations

import torch
from torch import nn

from analognn.evaluate import Inputs, logits_of
from analognn.receiver.inputs import batches, count
from analognn.receiver.layers import batch_norms


def recalibrate(model: nn.Module, inputs: Inputs) -> None:
    """Replace the running statistics in ``model`` by those of ``inputs``, every example with the same weight.

    Raises:
        ValueError: a single example with a single position: it has no variance.
    """
    norms = list(batch_norms(model).values())
    momenta = [norm.momentum for norm in norms]
    seen = 0
    for norm in norms:
        norm.train()
    for part in batches(inputs):
        seen += count(part)
        for norm in norms:
            norm.momentum = count(part) / seen  # the cumulative average over examples
        with torch.no_grad():
            logits_of(model, part)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
