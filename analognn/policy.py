"""Which tensors of a model are analog and which travel reliably.

The module that owns a parameter decides, by type: Linear, convolution, embedding, recurrent and attention modules are
analog; normalisation modules take the reliable path (Shao, Liew, Gunduz, sec. V-B). A policy may move a tensor; a
module of any other type that holds parameters is refused until the policy says where it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from torch import nn

from analognn.channels import checks

Path = Literal["analog", "reliable"]
Policy = Mapping[str | type[nn.Module], Path]
"""Exact parameter name, exact module name or module type -> path. The more exact key wins."""

ANALOG_MODULES: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Bilinear,
    nn.modules.conv._ConvNd,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.MultiheadAttention,
    nn.RNNBase,
    nn.RNNCellBase,
)
RELIABLE_MODULES: tuple[type[nn.Module], ...] = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)


_OF_LIBRARIES: Mapping[str, Mapping[str, Path]] = {
    "transformers": {"Conv1D": "analog"},  # a linear layer with its weight transposed (GPT-2)
    "timm": {
        "GlobalResponseNorm": "reliable",
        **dict.fromkeys(("LayerScale", "LayerScale2d", "ConvNeXtBlock", "Scale", "Affine"), "reliable"),  # of channels
        **dict.fromkeys(("VisionTransformer", "VisionTransformerDistilled", "Eva"), "analog"),  # tokens and positions
        "WindowAttention": "analog",  # position biases
    },
}
"""Library -> type -> path of the parameters that modules of this type own themselves."""


def sort_parameters(model: nn.Module, policy: Policy) -> Iterator[tuple[nn.Parameter, tuple[str, ...], Path]]:
    """Each parameter of ``model`` once, in model order, with all its names (tied weights have several) and its path.

    Raises:
        ValueError: an unknown module type that holds parameters, a policy key that fits nothing, or a tied parameter
            whose owners disagree.
    """
    owners = _owners(model)
    _check_policy(model, policy, owners)
    for parameter, names in owners.values():
        yield parameter, tuple(names), _path(names, policy)


_Owners = dict[int, tuple[nn.Parameter, dict[str, tuple[str, nn.Module]]]]


def _owners(model: nn.Module) -> _Owners:
    """Id -> (parameter, {name: (module name, owning module)}), in model order, tied parameters together."""
    owners: _Owners = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        for local, parameter in module.named_parameters(recurse=False):
            name = f"{prefix}.{local}" if prefix else local
            owners.setdefault(id(parameter), (parameter, {}))[1][name] = (prefix, module)
    return owners


def _path(names: Mapping[str, tuple[str, nn.Module]], policy: Policy) -> Path:
    """The path of one parameter, agreed by all its owners; a rule by exact name settles it."""
    for name in names:
        if name in policy:
            return policy[name]
    paths = {name: _path_of_owner(name, *owner, policy) for name, owner in names.items()}
    if len(set(paths.values())) > 1:
        raise ValueError(
            "`ParameterLayout.from_model`: tied parameter is "
            f"{' but '.join(f'{p} as {n!r}' for n, p in paths.items())}; settle it with policy={{name: 'analog'}} or "
            "policy={name: 'reliable'}."
        )
    return next(iter(paths.values()))


def _path_of_owner(name: str, module_name: str, module: nn.Module, policy: Policy) -> Path:
    if module_name in policy:
        return policy[module_name]
    for cls in type(module).__mro__:
        if cls in policy:
            return policy[cls]
    if isinstance(module, RELIABLE_MODULES):
        return "reliable"
    if isinstance(module, ANALOG_MODULES):
        return "analog"
    if path := _of_library(type(module)):
        return path
    kind = type(module).__name__
    raise ValueError(
        f"`ParameterLayout.from_model`: no rule for parameter {name!r} of module type {kind}; say where it goes with "
        f"policy={{{kind}: 'analog'}} or policy={{{kind}: 'reliable'}}."
    )


def _of_library(cls: type[nn.Module]) -> Path | None:
    """The path of a module type that another library defines; it need not be imported to tell.

    What is called ...RMSNorm or ...LayerNorm there normalises.
    """
    library = cls.__module__.partition(".")[0]
    if library not in _OF_LIBRARIES:
        return None
    return "reliable" if cls.__name__.endswith(("RMSNorm", "LayerNorm")) else _OF_LIBRARIES[library].get(cls.__name__)


def _check_policy(model: nn.Module, policy: Policy, owners: _Owners) -> None:
    parameters = {name for _, names in owners.values() for name in names}
    modules = dict(model.named_modules(remove_duplicate=False))
    for key, path in policy.items():
        checks.choice("ParameterLayout.from_model", f"policy[{key!r}]", path, ("analog", "reliable"))
        if isinstance(key, type):
            known = any(isinstance(module, key) for module in modules.values())
        else:
            known = key in parameters or key in modules
        if not known:
            hint = checks.nearest(key, [*parameters, *modules]) if isinstance(key, str) else ""
            raise ValueError(
                f"`ParameterLayout.from_model(policy=...)`: {key!r} is no parameter, module or module type of "
                f"{type(model).__name__}.{hint}"
            )
