"""Accuracy and loss of a model on a data set that stays on the device, as counts that add up exactly."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from analognn.channels import checks

Inputs = Tensor | Mapping[str, Tensor]


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


class Evaluator:
    """Scores models on one labelled set.

    Args:
        inputs: [n, ...], what the model is called with, or a mapping of such tensors for keyword inputs.
        labels: [n], integer classes.
        device: "auto" (cuda where there is one), "cpu" or "cuda"; the data move there once.
        batch_size: examples at a time.

    Raises:
        ValueError: no examples, unequal counts, or a device that is not there.

    >>> evaluator = Evaluator(torch.eye(3), torch.tensor([0, 1, 1]), device="cpu")
    >>> evaluator(nn.Identity()).correct
    2
    """

    def __init__(self, inputs: Inputs, labels: Tensor, *, device: str = "auto", batch_size: int = 500) -> None:
        checks.integer("Evaluator", "batch_size", batch_size, ge=1)
        tensors = inputs if isinstance(inputs, Mapping) else {"": inputs}
        counts = {name or "inputs": tensor.shape[0] for name, tensor in tensors.items()}
        if labels.numel() == 0 or labels.ndim != 1 or set(counts.values()) != {labels.shape[0]}:
            raise ValueError(
                "`Evaluator` needs inputs [n, ...] and labels [n] with n >= 1; "
                f"got {counts} and labels {list(labels.shape)}."
            )
        self.device = resolve_device(device)
        self.batch_size = batch_size
        self._inputs = {name: tensor.to(self.device) for name, tensor in tensors.items()}
        self._labels = labels.to(self.device)

    def __len__(self) -> int:
        return self._labels.shape[0]

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
        drawn = torch.randperm(len(self), generator=generator, device=generator.device)[:kappa].to(self.device)
        tensors = {name: tensor[drawn] for name, tensor in self._inputs.items()}
        inputs = tensors.get("", tensors)
        return Evaluator(inputs, self._labels[drawn], device=str(self.device), batch_size=self.batch_size)

    def __call__(self, model: nn.Module) -> Score:
        """Score ``model`` in eval mode; the model itself stays as it was, a copy moves if it lies elsewhere."""
        if any(tensor.device != self.device for tensor in (*model.parameters(), *model.buffers())):
            model = copy.deepcopy(model).to(self.device)
        score = Score(0, 0, 0.0)
        with torch.inference_mode(), _eval_mode(model):
            for start in range(0, len(self), self.batch_size):
                score += self._score_batch(model, slice(start, start + self.batch_size))
        return score

    def _score_batch(self, model: nn.Module, part: slice) -> Score:
        batch = {name: tensor[part] for name, tensor in self._inputs.items()}
        output = model(batch[""]) if "" in batch else model(**batch)
        logits = getattr(output, "logits", output).float()  # Hugging Face models return an object
        labels = self._labels[part]
        right = (logits.argmax(-1) == labels) & ~logits.isnan().any(-1)
        loss = nn.functional.cross_entropy(logits, labels, reduction="sum")
        return Score(int(right.sum()), labels.shape[0], float(loss))


def resolve_device(device: str) -> torch.device:
    """The device called "auto", "cpu", "cuda" or "cuda:i", one that is there.

    Raises:
        ValueError: an unknown name, or cuda where there is none.
    """
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
def _eval_mode(model: nn.Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
