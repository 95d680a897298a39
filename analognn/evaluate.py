"""Accuracy and loss of a model on a data set that stays on the device, as counts that add up exactly.

correct = sum_i [argmax_c logits_ic = label_i],    loss_sum = sum_i -log softmax(logits_i)[label_i]

A language model answers at every token: labels [n, tokens], the next token of each or IGNORED; i runs over those that
are asked. Its perplexity is exp(loss).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from analognn.channels import checks

Inputs = Tensor | Mapping[str, Tensor]
Precision = Literal["float32", "bfloat16", "float16"]
IGNORED = -100
"""A label that asks nothing: PyTorch's default ``ignore_index``."""


@dataclass(frozen=True)
class Score:
    """Counts of one evaluation; scores of disjoint data add.

    Args:
        correct: right answers. An answer with a NaN among its logits is wrong.
        total: examples.
        loss_sum: cross-entropy summed over the examples [nat]; NaN if any was.

    >>> (Score(1, 2, 0.5) + Score(2, 2, 0.25)).accuracy
    0.75
    """

    correct: int
    total: int
    loss_sum: float

    @classmethod
    def of(cls, logits: Tensor, labels: Tensor) -> Score:
        """Counts of ``logits`` [..., classes] against ``labels`` [...]; IGNORED ones do not count.

        Raises:
            ValueError: logits of another shape, or a label that is no class of the model.
        """
        if logits.shape[:-1] != labels.shape:
            raise ValueError(f"Labels {list(labels.shape)} need logits [..., classes]; got {list(logits.shape)}.")
        _check_coding(labels, logits.shape[-1])
        right = (logits.argmax(-1) == labels) & ~logits.isnan().any(-1)
        loss = nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="sum")
        return cls(int(right.sum()), int((labels != IGNORED).sum()), float(loss))

    def __add__(self, other: Score) -> Score:
        return Score(self.correct + other.correct, self.total + other.total, self.loss_sum + other.loss_sum)

    @property
    def accuracy(self) -> float:
        """Correct / total."""
        return self.correct / self.total

    @property
    def loss(self) -> float:
        """Mean cross-entropy [nat]."""
        return self.loss_sum / self.total

    @property
    def perplexity(self) -> float:
        """exp(loss): of a language model, among how many tokens it hesitates."""
        return math.inf if self.loss > 700 else math.exp(self.loss)  # e^709 is the largest float


@dataclass(frozen=True)
class Execution:
    """How a forward pass runs. The default gives the same bits for every batch size; each option trades bits for time.

    Args:
        precision: of convolutions and matrix products, under autocast where it is not "float32".
        channels_last: images [n, channels, h, w] lie channel by channel innermost, and convolutions follow.
            Logits move by float32 rounding.
        compiled: through ``torch.compile``; worth its compile time (a minute on a CPU) only for very many passes.
    """

    precision: Precision = "float32"
    channels_last: bool = False
    compiled: bool = False

    def __post_init__(self) -> None:
        checks.choice("Execution", "precision", self.precision, get_args(Precision))


class Evaluator:
    """Scores models on one labelled set.

    Args:
        inputs: [n, ...], what the model is called with, or a mapping of such tensors for keyword inputs.
        labels: [n], integer classes; [n, tokens] for a language model, see the head of this file.
        device: "auto" (cuda where there is one), "cpu" or "cuda"; the data move there once.
        batch_size: examples at a time.
        execution: how the forward pass runs.

    Raises:
        TypeError: inputs that are no tensors, or labels that are no tensor of integers.
        ValueError: no examples, unequal counts, no label that asks anything, or a device that is not there.

    >>> evaluator = Evaluator(torch.eye(3), torch.tensor([0, 1, 1]), device="cpu")
    >>> evaluator(nn.Identity()).correct
    2
    """

    def __init__(
        self,
        inputs: Inputs,
        labels: Tensor,
        *,
        device: str = "auto",
        batch_size: int = 500,
        execution: Execution = Execution(),
    ) -> None:
        checks.integer("Evaluator", "batch_size", batch_size, ge=1)
        tensors = inputs if isinstance(inputs, Mapping) else {"": inputs}
        _check_examples(tensors, labels)
        self.device = resolve_device(device)
        self.batch_size = batch_size
        self.execution = execution
        self.labels = labels.to(self.device).long()
        self._inputs = {name: self._placed(tensor) for name, tensor in tensors.items()}

    def __len__(self) -> int:
        return self.labels.shape[0]

    def sample(self, kappa: int, *, generator: torch.Generator) -> Evaluator:
        """An evaluator on ``kappa`` of the examples, drawn without replacement.

        Raises:
            ValueError: kappa < 1, or more than there are.
        """
        checks.integer("Evaluator.sample", "kappa", kappa, ge=1)
        if kappa > len(self):
            raise ValueError(
                f"`Evaluator.sample(kappa=...)` must be <= {len(self)}, the examples there are; got {kappa}."
            )
        drawn = torch.randperm(len(self), generator=generator, device=generator.device)[:kappa]
        return self.subset(drawn)

    def subset(self, examples: Tensor) -> Evaluator:
        """An evaluator on the examples of these indices [m], in this order."""
        part = copy.copy(self)
        part.labels = self.labels[examples.to(self.device)]
        part._inputs = {name: tensor[examples.to(self.device)] for name, tensor in self._inputs.items()}
        return part

    def __call__(self, model: nn.Module) -> Score:
        """Score ``model`` in eval mode; the model itself stays as it was, a copy moves if it lies elsewhere."""
        if self.labels.ndim == 1:
            return self.score(self.logits(model))
        parts = (self.subset(some) for some in torch.split(torch.arange(len(self)), self.batch_size))
        return sum((part.score(part.logits(model)) for part in parts), Score(0, 0, 0.0))  # all logits fill no memory

    def score(self, logits: Tensor) -> Score:
        """Counts of the answers ``logits`` [n, classes] to these examples."""
        parts = zip(torch.split(logits, self.batch_size), torch.split(self.labels, self.batch_size), strict=True)
        return sum((Score.of(rows, labels) for rows, labels in parts), Score(0, 0, 0.0))

    def logits(self, model: nn.Module) -> Tensor:
        """What ``model`` answers, float32 [n, classes], on this evaluator's device; otherwise as :meth:`__call__`."""
        if any(tensor.device != self.device for tensor in (*model.parameters(), *model.buffers())):
            model = copy.deepcopy(model).to(self.device)
        with torch.inference_mode(), eval_mode(model), self.autocast():
            forward = torch.compile(model) if self.execution.compiled else model
            starts = range(0, len(self), self.batch_size)
            batches = [logits_of(forward, self.batch(slice(i, i + self.batch_size))).float() for i in starts]
        return torch.cat(batches)

    def batch(self, part: slice) -> Inputs:
        """The inputs of these examples, as the model takes them."""
        batch = {name: tensor[part] for name, tensor in self._inputs.items()}
        return batch.get("", batch)

    def autocast(self) -> torch.autocast:
        """The context of this evaluator's precision."""
        precision = self.execution.precision
        return torch.autocast(self.device.type, dtype=getattr(torch, precision), enabled=precision != "float32")

    def _placed(self, tensor: Tensor) -> Tensor:
        if self.execution.channels_last and tensor.ndim == 4:
            return tensor.to(self.device, memory_format=torch.channels_last)
        return tensor.to(self.device)


def _check_examples(inputs: Mapping[str, Tensor], labels: Tensor) -> None:
    for name, tensor in inputs.items():
        checks.kind("Evaluator", f"inputs[{name!r}]" if name else "inputs", tensor, Tensor)
    checks.kind("Evaluator", "labels", labels, Tensor)
    counts = {name or "inputs": len(tensor) if tensor.ndim else 0 for name, tensor in inputs.items()}
    if labels.numel() == 0 or labels.ndim not in (1, 2) or set(counts.values()) != {labels.shape[0]}:
        raise ValueError(
            "`Evaluator` needs inputs [n, ...] and labels [n] with n >= 1, or [n, tokens]; "
            f"got {counts} and labels {list(labels.shape)}."
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"`Evaluator(labels=...)` must be integers; got {labels.dtype}. Convert them with .long().")
    if bool((labels == IGNORED).all()):
        raise ValueError(f"`Evaluator(labels=...)` must ask something; all {labels.numel()} are {IGNORED} (ignored).")


def _check_coding(labels: Tensor, classes: int) -> None:
    """Labels from 1, or -1 and 1, or of another data set; on a GPU the loss would bring down the process."""
    strange = labels[((labels < 0) & (labels != IGNORED)) | (labels >= classes)]
    if strange.numel():
        raise ValueError(
            f"`Evaluator(labels=...)` must be 0 to {classes - 1} for a model with {classes} classes; got "
            f"{int(strange[0])}. Code the labels as the model was trained, or choose the model they belong to."
        )


def logits_of(model: Callable[..., Any], batch: Inputs) -> Tensor:
    """What ``model`` answers to one batch, [..., classes]; Hugging Face models return an object that holds it.

    Raises:
        TypeError: the model returns neither a tensor nor an object with ``logits``.
    """
    output = model(**batch) if isinstance(batch, Mapping) else model(batch)
    logits = getattr(output, "logits", output)
    if not isinstance(logits, Tensor):
        raise TypeError(
            f"A model must return logits [n, classes], or an object that has them as `logits`; {type(model).__name__} "
            f"returned {type(output).__name__}. Wrap it in a module that does."
        )
    return logits


def resolve_device(device: str) -> torch.device:
    """The device called "auto", "cpu", "cuda" or "cuda:i", one that is there.

    Raises:
        ValueError: an unknown name, or cuda where there is none.
    """
    device = str(device)  # a torch.device serves as well
    kind = device.partition(":")[0]
    checks.choice("Evaluator", "device", kind, ("auto", "cpu", "cuda"))
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"`Evaluator(device=...)` is {device!r}, but no CUDA device is available; use 'auto' or 'cpu'."
        )
    if kind == "auto":
        kind = device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device, torch.cuda.current_device()) if device == "cuda" else torch.device(device)


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """``model`` in eval mode; every module's own mode is back afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
