"""What of a model's state goes over the air as one vector, and what takes the reliable path.

    state = {name: tensor} of all parameters and persistent buffers = analog part [n]  +  reliable part

The split is that of :class:`analognn.packing.ParameterLayout`: normalisation parameters and every buffer are reliable,
so an integer never becomes an analog value. The one exception is the slip of a released code, to be measured
(:mod:`analognn.federated.rules`): the batch norms in shortcuts with their running statistics and counters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from torch import Tensor, nn

from analognn.packing import ParameterLayout, Slot
from analognn.policy import Policy

StateDict = Mapping[str, Tensor]
SHORTCUTS = frozenset({"downsample", "shortcut"})
"""What a residual block calls its shortcut: torchvision and ours, and the released code's networks."""


@dataclass(frozen=True)
class AirLayout:
    """The analog and the reliable part of a state dict. Make it with :meth:`from_model`.

    Args:
        slots: the analog tensors and where each lies in the vector.
        reliable_names: the others.

    >>> layout = AirLayout.from_model(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)))
    >>> layout.numel, layout.reliable_names[-1]
    (40, '1.num_batches_tracked')
    """

    slots: tuple[Slot, ...]
    reliable_names: tuple[str, ...]

    @classmethod
    def from_model(cls, model: nn.Module, *, contaminated: bool = False, policy: Policy | None = None) -> AirLayout:
        """The split of :meth:`ParameterLayout.from_model`.

        Args:
            model: any module.
            contaminated: send the batch norms in shortcuts over the air, buffers included.
            policy: see :class:`ParameterLayout`.

        Raises:
            ValueError: see :class:`ParameterLayout`; ``contaminated`` without such a batch norm in the model.
        """
        norms = shortcut_norms(model) if contaminated else ()
        base = ParameterLayout.from_model(model, policy={**(policy or {}), **dict.fromkeys(norms, "analog")})
        slots = list(base.slots)
        for name, buffer in _buffers(model, norms):
            slots.append(Slot(name, (), buffer.shape, buffer.dtype, slots[-1].stop))
        sent = {slot.name for slot in slots}
        return cls(tuple(slots), tuple(name for name in base.reliable_names if name not in sent))

    @property
    def numel(self) -> int:
        """Length n of the analog vector."""
        return self.slots[-1].stop

    @cached_property
    def dtype(self) -> torch.dtype:
        """Of the analog vector: the smallest that holds every floating tensor without rounding."""
        return reduce(torch.promote_types, (slot.dtype for slot in self.slots if slot.dtype.is_floating_point))

    @cached_property
    def digest(self) -> str:
        """Names, shapes and dtypes in one short text: two sides with the same one understand each other's vectors."""
        lines = [f"{slot.name} {list(slot.shape)} {slot.dtype}" for slot in self.slots]
        return hashlib.sha256("\n".join([*lines, *self.reliable_names]).encode()).hexdigest()[:16]

    def vector(self, state: StateDict) -> Tensor:
        """The analog part of ``state``, copied into one new vector [n]."""
        return torch.cat([state[slot.name].detach().reshape(-1).to(self.dtype) for slot in self.slots])

    def reliable(self, state: StateDict) -> dict[str, Tensor]:
        """The reliable part of ``state``, not copied."""
        return {name: state[name].detach() for name in self.reliable_names}

    def tensors(self, vector: Tensor) -> dict[str, Tensor]:
        """``vector`` [n] as the tensors of a state dict, tied names included; integers are cut as a cast cuts them."""
        found = {}
        for slot in self.slots:
            tensor = vector[slot.start : slot.stop].view(slot.shape).to(slot.dtype)
            found.update(dict.fromkeys((slot.name, *slot.aliases), tensor))
        return found


@dataclass(frozen=True)
class Summed(ParameterLayout):
    """A layout whose vector is the sum of M updates: to write it is to put base + vector / M into a model.

    So a search over weights searches over update sums, without knowing it.

    Args:
        air: of the model.
        base: [n], analog part of the global model.
        num_active: M.
    """

    air: AirLayout
    base: Tensor
    num_active: int

    @classmethod
    def of(cls, air: AirLayout, base: Tensor, num_active: int) -> Summed:
        """For M = ``num_active`` updates of the global model with the analog part ``base``."""
        return cls(air.slots, air.reliable_names, 0, air, base, num_active)

    def write(self, weights: Tensor, model: nn.Module) -> None:  # type: ignore[override]  # no PackedWeights of a sum
        """Put base + weights / M into the analog tensors of ``model`` itself."""
        state = model.state_dict()
        with torch.no_grad():
            for name, tensor in self.air.tensors(self.base + weights / self.num_active).items():
                state[name].copy_(tensor)


def shortcut_norms(model: nn.Module) -> tuple[str, ...]:
    """Names of the batch norms in shortcuts.

    Raises:
        ValueError: there is none.
    """
    batch_norm = nn.modules.batchnorm._BatchNorm
    found = tuple(
        name
        for name, module in model.named_modules()
        if isinstance(module, batch_norm) and SHORTCUTS & set(name.split("."))
    )
    if not found:
        raise ValueError(
            f"`AirLayout.from_model(contaminated=True)`: {type(model).__name__} has no batch norm in a module called "
            f"{' or '.join(sorted(SHORTCUTS))}; nothing would be contaminated. Use a residual network with projections."
        )
    return found


def _buffers(model: nn.Module, modules: Iterable[str]) -> Iterable[tuple[str, Tensor]]:
    for prefix in modules:
        for local, buffer in model.get_submodule(prefix).named_buffers(recurse=False):
            yield f"{prefix}.{local}", buffer
