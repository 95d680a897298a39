"""Which layers aihwkit's tile modules can hold, told before any work.

aihwkit answers the others with an error from deep inside, or leaves them digital without a word: grouped and padded
convolutions, subclasses of Linear, embeddings, attention. :class:`Crossbar` takes the weight noise of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from analognn.channels import checks
from analognn.policy import RELIABLE_MODULES

MAPPED: dict[str, tuple[type[nn.Module], ...]] = {
    "torch": (nn.Linear, nn.Conv2d),
    "c++": (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
}
"""Simulator -> the layer types it takes; their subclasses are left out."""


def check_mappable(model: nn.Module, *, simulator: str, tile_size: int, digital: Sequence[str]) -> None:
    """Raise unless every layer of ``model`` that holds weights is mapped, normalisation, or named in ``digital``.

    Args:
        model: any module.
        simulator: a key of :data:`MAPPED`.
        tile_size: rows and columns of a tile at most.
        digital: names of modules or parameters.

    Raises:
        ValueError: a name in ``digital`` that is not there, a layer that cannot be mapped, or none to map.
    """
    known = {name for name, _ in (*model.named_parameters(remove_duplicate=False), *model.named_modules())}
    for name in digital:
        if name not in known:
            raise ValueError(
                f"`AnalogForward(digital=...)`: {name!r} is no module or parameter of {type(model).__name__}."
                f"{checks.nearest(name, known)}"
            )
    owned = list(_owned(model, digital))
    problems = dict(_problems(model, owned, simulator, tile_size))
    if problems:
        name, problem = next(iter(problems.items()))
        raise ValueError(
            f"aihwkit's tiles cannot hold {name!r} of {type(model).__name__}: {problem}. Leave it digital with "
            f"`AnalogForward(digital={(*digital, *problems)})`, or see weight noise alone with a medium's `receive`."
        )
    if not owned:
        raise ValueError(f"`AnalogForward`: {type(model).__name__} has no layer left to put on tiles.")


Owned = tuple[str, str, nn.Parameter]
"""Name of a parameter, name of the module that owns it, the parameter."""


def _owned(model: nn.Module, digital: Sequence[str]) -> Iterator[Owned]:
    """All that is neither normalisation nor left digital."""
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owner = name.rpartition(".")[0]
        kept = any(f"{name}.".startswith(f"{prefix}.") for prefix in digital)
        if not kept and not isinstance(model.get_submodule(owner), RELIABLE_MODULES):
            yield name, owner, parameter


def _problems(model: nn.Module, owned: Sequence[Owned], simulator: str, tile_size: int) -> Iterator[tuple[str, str]]:
    """Name of a layer or parameter -> why it cannot be mapped."""
    first: dict[int, str] = {}
    encoders = [name for name, module in model.named_modules() if isinstance(module, nn.TransformerEncoderLayer)]
    for name, owner, parameter in owned:
        encoder = next((path for path in encoders if not path or f"{owner}.".startswith(f"{path}.")), None)
        if encoder is not None:
            yield encoder or name, "TransformerEncoderLayer reads the weights of its layers itself"
        elif first.setdefault(id(parameter), name) != name:
            yield owner or name, f"it is tied to {first[id(parameter)]!r}, and a tile is programmed once"
        elif problem := _problem(model.get_submodule(owner), parameter, simulator, tile_size):
            yield owner or name, problem


def _problem(layer: nn.Module, parameter: nn.Parameter, simulator: str, tile_size: int) -> str:
    kind, mapped = type(layer), MAPPED[simulator]
    if kind not in mapped:
        also = "; Conv1d and Conv3d are with simulator='c++'" if kind in MAPPED["c++"] else ""
        names = " and ".join(cls.__name__ for cls in mapped)
        return f"its type is {kind.__name__}, and only {names} themselves are mapped{also}"
    if parameter.dtype != torch.float32:
        return f"it is {parameter.dtype}, and tiles are float32 (model.float())"
    if parameter.is_cuda and simulator == "c++":
        return "it is on a GPU, and simulator='c++' computes on the CPU"
    return _problem_of_convolution(layer, tile_size) if isinstance(layer, nn.modules.conv._ConvNd) else ""


def _problem_of_convolution(layer: nn.modules.conv._ConvNd, tile_size: int) -> str:
    if layer.groups != 1:
        return f"it has groups={layer.groups}, and only ungrouped convolutions are mapped"
    if isinstance(layer.padding, str):
        return f"it has padding={layer.padding!r}, which must be given as numbers"
    if layer.padding_mode != "zeros":
        return f"it has padding_mode={layer.padding_mode!r}, and only 'zeros' is mapped"
    if isinstance(layer, nn.Conv1d) and layer.dilation != (1,):
        return f"it has dilation={layer.dilation}, and only Conv1d without dilation is mapped"
    size = max(layer.weight.shape[0], layer.weight[0].numel())
    if isinstance(layer, (nn.Conv1d, nn.Conv3d)) and size > tile_size:
        return f"it needs a tile of {size} (tile_size={tile_size}), and only Conv2d and Linear are cut into several"
    return ""
