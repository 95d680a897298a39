"""The analog tensors of a model as one vector, w, and back.

Which they are is the matter of :mod:`analognn.policy`; all other tensors, every buffer among them, travel reliably.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from analognn.channels import checks
from analognn.policy import Policy, sort_parameters


@dataclass(frozen=True)
class Slot:
    """Where one analog tensor lies in the packed vector.

    Args:
        name: its name in ``model.named_parameters()``.
        aliases: further names of the same tensor (tied weights), which travel once.
        shape: its shape.
        dtype: its dtype in the model.
        start: index of its first element in the vector.
    """

    name: str
    aliases: tuple[str, ...]
    shape: torch.Size
    dtype: torch.dtype
    start: int

    @property
    def stop(self) -> int:
        """Index after its last element."""
        return self.start + self.shape.numel()


@dataclass(frozen=True)
class PackedWeights:
    """The analog tensors of one model as one vector.

    Args:
        vector: [n], real, in the order of ``layout.slots``.
        layout: what lies where.
    """

    vector: Tensor
    layout: ParameterLayout

    def tensors(self) -> Iterator[tuple[Slot, Tensor]]:
        """Each slot with a view of its values in its own shape."""
        for slot in self.layout.slots:
            yield slot, self.vector[slot.start : slot.stop].view(slot.shape)


@dataclass(frozen=True)
class ParameterLayout:
    """The order of a model's analog tensors and the names of its reliable ones. Make it with :meth:`from_model`.

    Args:
        slots: the analog tensors, in the order of ``named_parameters``.
        reliable_names: parameters and persistent buffers that take the reliable path.
        reliable_bits: bits that path carries.

    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    >>> layout = ParameterLayout.from_model(model)
    >>> layout.analog_names, layout.numel
    (('0.weight', '0.bias'), 40)
    >>> layout.reliable_names[:2]
    ('1.weight', '1.bias')
    """

    slots: tuple[Slot, ...]
    reliable_names: tuple[str, ...]
    reliable_bits: int

    @classmethod
    def from_model(cls, model: nn.Module, *, policy: Policy | None = None) -> ParameterLayout:
        """Sort every tensor of ``model`` by the type of the module that owns it.

        Args:
            model: any module; tied parameters count once.
            policy: overrides, by exact parameter name, exact module name or module type.

        Raises:
            ValueError: an unknown module type that holds parameters, a policy key that fits nothing, a tied parameter
                whose owners disagree, or nothing left that is analog.
        """
        slots: list[Slot] = []
        reliable: list[str] = []
        bits = start = 0
        for parameter, names, path in sort_parameters(model, policy or {}):
            if path == "analog":
                name, *aliases = names
                _check_parameter(name, parameter)
                slots.append(Slot(name, tuple(aliases), parameter.shape, parameter.dtype, start))
                start = slots[-1].stop
            else:
                reliable += names
                bits += parameter.numel() * parameter.element_size() * 8
        for name, buffer in _persistent_buffers(model):
            reliable.append(name)
            bits += buffer.numel() * buffer.element_size() * 8
        if start == 0:
            raise ValueError(
                f"`ParameterLayout.from_model`: {type(model).__name__} has no analog parameter "
                f"({len(reliable)} reliable tensors); pass a model with Linear, Conv or Embedding layers, or name its "
                "analog tensors in policy={...: 'analog'}."
            )
        return cls(tuple(slots), tuple(reliable), bits)

    @property
    def analog_names(self) -> tuple[str, ...]:
        """Names of the analog tensors, aliases of tied ones included."""
        return tuple(name for slot in self.slots for name in (slot.name, *slot.aliases))

    @property
    def numel(self) -> int:
        """Length n of the packed vector."""
        return self.slots[-1].stop

    @property
    def dtype(self) -> torch.dtype:
        """The smallest dtype that holds every analog tensor without rounding."""
        return reduce(torch.promote_types, (slot.dtype for slot in self.slots))

    def pack(self, model: nn.Module) -> PackedWeights:
        """Copy the analog tensors of ``model`` into one new vector.

        Raises:
            ValueError: the model does not have this layout, or a weight is NaN or infinite.
        """
        parameters = self._parameters(model)
        device = parameters[0].device
        vector = torch.empty(self.numel, dtype=self.dtype, device=device)
        for slot, parameter in zip(self.slots, parameters, strict=True):
            values = parameter.detach().reshape(-1)
            if not checks.all_finite(values):
                bad = int((~torch.isfinite(values)).sum())
                raise ValueError(
                    f"`ParameterLayout.pack`: weights must be finite; {slot.name!r} has {bad} NaN or infinite of "
                    f"{values.numel()} values. Repair the checkpoint before it is sent."
                )
            vector[slot.start : slot.stop] = values
        return PackedWeights(vector, self)

    def unpack(self, weights: PackedWeights | Tensor, model: nn.Module) -> nn.Module:
        """A copy of ``model`` with ``weights`` [n] in its analog tensors; the reliable ones are as in ``model``."""
        result = copy.deepcopy(model)
        self.write(weights, result)
        return result

    def write(self, weights: PackedWeights | Tensor, model: nn.Module) -> None:
        """Put ``weights`` [n] into the analog tensors of ``model`` itself.

        Raises:
            ValueError: the vector is not of length n, or the model does not have this layout.
        """
        vector = weights.vector if isinstance(weights, PackedWeights) else weights
        if vector.shape != (self.numel,):
            raise ValueError(f"`ParameterLayout` holds {self.numel} analog weights; got shape {list(vector.shape)}.")
        with torch.no_grad():
            for slot, parameter in zip(self.slots, self._parameters(model), strict=True):
                parameter.copy_(vector[slot.start : slot.stop].view(slot.shape))

    def _parameters(self, model: nn.Module) -> list[nn.Parameter]:
        named = dict(model.named_parameters(remove_duplicate=False))
        found = []
        for slot in self.slots:
            parameter = named.get(slot.name)
            if parameter is None or parameter.shape != slot.shape:
                got = "no such parameter" if parameter is None else f"shape {list(parameter.shape)}"
                raise ValueError(
                    f"`ParameterLayout` does not fit {type(model).__name__}: {slot.name!r} must have shape "
                    f"{list(slot.shape)}; got {got}. Make the layout from this model."
                )
            found.append(parameter)
        return found


def _persistent_buffers(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for prefix, module in model.named_modules():
        for local, buffer in module.named_buffers(recurse=False):
            if local not in module._non_persistent_buffers_set:
                yield f"{prefix}.{local}" if prefix else local, buffer


def _check_parameter(name: str, parameter: nn.Parameter) -> None:
    if isinstance(parameter, nn.UninitializedParameter):
        raise ValueError(
            f"`ParameterLayout.from_model`: {name!r} is not initialised; run the model on one input first."
        )
    if not parameter.is_floating_point():
        raise ValueError(
            f"`ParameterLayout.from_model`: analog parameter {name!r} must be real and floating; got "
            f"{parameter.dtype}. Put it on the reliable path with policy={{{name!r}: 'reliable'}}."
        )
