"""Where a federated training stands after a round, in memory and in a file: all that the next round depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from analognn import checkpoints

_MODEL, _MEMORY, _COUNTS = "model.", "memory.", "state"


@dataclass(frozen=True)
class State:
    """A global model and what the base station remembers.

    Args:
        round: of the next round, from 0.
        model: parameters and persistent buffers by name.
        memory: of the base station's plan.
        diverged: the training was given up.
    """

    round: int
    model: Mapping[str, Tensor]
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    diverged: bool = False

    @classmethod
    def start(cls, model: nn.Module) -> State:
        """Before the first round, with a copy of what ``model`` holds."""
        return cls(0, {name: tensor.detach().clone() for name, tensor in model.state_dict().items()})

    def write(self, model: nn.Module) -> None:
        """Put the global model into ``model`` itself."""
        model.load_state_dict(dict(self.model))

    def save(self, path: Path) -> None:
        """Write a safetensors file, whole or not at all."""
        tensors = {_MODEL + name: tensor for name, tensor in self.model.items()}
        tensors |= {_MEMORY + name: tensor for name, tensor in self.memory.items()}
        tensors[_COUNTS] = torch.tensor([self.round, self.diverged])
        checkpoints.save(tensors, path)

    @classmethod
    def load(cls, path: Path, *, device: str | torch.device = "cpu") -> State:
        """Read what :meth:`save` wrote, bit by bit.

        Raises:
            ValueError: the file cannot be read, or is not one of these.
        """
        found = checkpoints.read(path)
        if _COUNTS not in found or found[_COUNTS].shape != (2,) or found[_COUNTS].dtype != torch.int64:
            raise ValueError(f"{path} is no state of a federated training: it has no tensor {_COUNTS!r} of 2 counts.")
        round, diverged = found.pop(_COUNTS).tolist()
        return cls(round, _below(_MODEL, found, device), _below(_MEMORY, found, device), bool(diverged))


def _below(prefix: str, found: Mapping[str, Tensor], device: str | torch.device) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t.to(device) for name, t in found.items() if name.startswith(prefix)}
