"""What a device does: train the global model on its own examples, and return what changed.

    v <- momentum v + (g + weight_decay w),   w <- w - rate v            SGD as PyTorch has it, v = 0 at the start
    w~_m = w_m - w                                                       the update, analog and reliable part

The bits of an update depend on the global model, the device's examples and the turn (seed, round, device) alone: not on
who computes it, when, or after what.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analognn.channels import checks
from analognn.evaluate import Inputs, logits_of
from analognn.federated.config import Federation
from analognn.federated.layout import AirLayout, StateDict
from analognn.receiver import Labelled
from analognn.seeds import seeded
from analognn.training.augmentation import crop_and_flip

SHIFT = 4
"""Pixels by which augmentation moves an image at most."""


@dataclass(frozen=True)
class Turn:
    """Who trains when: the identity that all randomness of a local training derives from.

    Args:
        seed: of the whole training.
        round: from 0.
        device: from 0.
    """

    seed: int
    round: int
    device: int

    def generator(self, purpose: str) -> torch.Generator:
        """A CPU generator for one purpose of this turn."""
        return seeded(self.seed, purpose, self.round, self.device)


@dataclass(frozen=True)
class Update:
    """What one device reports.

    Args:
        vector: [n], analog part of trained - global model.
        reliable: the same of the reliable tensors, by name.
        digest: of the layout that ``vector`` follows.
        loss: mean training loss over all steps [nat].
        seconds: that the training took; no part of the identity.
    """

    vector: Tensor
    reliable: Mapping[str, Tensor]
    digest: str
    loss: float
    seconds: float = field(default=0.0, compare=False)

    @classmethod
    def between(
        cls,
        before: StateDict,
        after: StateDict,
        *,
        layout: AirLayout,
        federation: Federation,
        loss: float,
        seconds: float = 0.0,
    ) -> Update:
        """What changed from the global model ``before`` to the trained model ``after``, two state dicts."""
        vector = layout.vector(after) - layout.vector(before)
        reliable = {name: after[name].detach() - before[name].detach() for name in layout.reliable_names}
        return cls(_clipped(vector, federation.clip_norm), reliable, layout.digest, loss, seconds)


def train_locally(model: nn.Module, data: Labelled, *, layout: AirLayout, federation: Federation, turn: Turn) -> Update:
    """Train a copy of the global ``model`` on the examples of one device.

    Args:
        model: the global model, where its examples lie; not changed.
        data: the device's examples.
        layout: of ``model``.
        federation: how it trains.
        turn: whose turn it is.

    Raises:
        ValueError: no examples, or a label the model has no output for.
    """
    started = time.perf_counter()
    after, loss = trained(model, data, federation=federation, turn=turn)
    seconds = time.perf_counter() - started
    return Update.between(
        model.state_dict(), after.state_dict(), layout=layout, federation=federation, loss=loss, seconds=seconds
    )


def trained(model: nn.Module, data: Labelled, *, federation: Federation, turn: Turn) -> tuple[nn.Module, float]:
    """A trained copy of ``model`` and the mean training loss over all steps; see :func:`train_locally`."""
    _check(data, turn)
    copied = copy.deepcopy(model).train()
    with _seeded_layers(data.labels.device, turn):
        loss = _train(copied, data, federation, turn)
    return copied, loss


def _train(model: nn.Module, data: Labelled, federation: Federation, turn: Turn) -> float:
    """SGD in place; the mean loss of all steps."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    velocity = [torch.zeros_like(parameter) for parameter in parameters]
    generator, rate = turn.generator("batches"), federation.rate(turn.round)
    losses = []
    for _ in range(federation.local_epochs):
        order = torch.randperm(len(data), generator=generator)
        for part in order.tensor_split(-(-len(data) // federation.batch_size)):
            batch = data.take(part)
            inputs = _augmented(batch.inputs, generator) if federation.augment else batch.inputs
            loss = _loss(logits_of(model, inputs), batch.labels, turn)
            _sgd_step(parameters, torch.autograd.grad(loss, parameters), velocity, rate, federation)
            losses.append(loss.detach())
    return float(torch.stack(losses).double().mean())


def _sgd_step(
    parameters: list[nn.Parameter],
    gradients: tuple[Tensor, ...],
    velocity: list[Tensor],
    rate: float,
    federation: Federation,
) -> None:
    """One step in place. Written out because the first use of torch.optim imports PyTorch's compiler, for seconds."""
    with torch.no_grad():
        for parameter, gradient, v in zip(parameters, gradients, velocity, strict=True):
            v.mul_(federation.momentum).add_(gradient.add(parameter, alpha=federation.weight_decay))
            parameter.sub_(v, alpha=rate)


def _loss(logits: Tensor, labels: Tensor, turn: Turn) -> Tensor:
    largest = int(labels.max())
    if largest >= logits.shape[-1] or int(labels.min()) < 0:
        raise ValueError(
            f"`train_locally`: device {turn.device} has a label {largest if largest > 0 else int(labels.min())}, but "
            f"the model answers {logits.shape[-1]} classes from 0."
        )
    return F.cross_entropy(logits.float(), labels)


def _augmented(images: Inputs, generator: torch.Generator) -> Tensor:
    """Each image [n, c, h, w] shifted by up to SHIFT pixels (zeros come in) and mirrored with probability 1/2."""
    if not isinstance(images, Tensor) or images.ndim != 4:
        raise ValueError("`Federation(augment=True)` needs images [n, channels, height, width]; use augment=False.")
    moved = crop_and_flip(images, generator=generator, padding=SHIFT)
    return moved.contiguous(memory_format=torch.channels_last)  # a layout decides how convolutions round


def _clipped(vector: Tensor, bound: float | None) -> Tensor:
    if bound is None:
        return vector
    norm = float(vector.double().norm())
    return vector * (bound / norm) if norm > bound else vector  # a NaN stays, and is refused


def _check(data: Labelled, turn: Turn) -> None:
    if len(data) == 0:
        raise ValueError(
            f"`train_locally`: device {turn.device} has no examples; give it some, or leave it out of the federation."
        )
    checks.integer("Turn", "round", turn.round, ge=0)


@contextmanager
def _seeded_layers(device: torch.device, turn: Turn) -> Iterator[None]:
    """Layers that draw from PyTorch's global generators (dropout) draw this turn's numbers; then all is as it was."""
    seed = turn.generator("layers").initial_seed()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
