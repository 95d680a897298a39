"""Trained weights in files: safetensors only, written whole or not at all, and loaded only where every tensor fits."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from analognn.channels.checks import all_finite
from analognn.files import replacing


def load(model: nn.Module, path: Path) -> None:
    """Put the weights of a safetensors file into ``model``: every tensor, none left over.

    Only ``num_batches_tracked`` may be missing: it counts training steps, and no forward pass in eval mode reads it.

    Raises:
        ValueError: the file cannot be read or does not fit; the message names the first tensor at fault.
    """
    found = read(path)
    if fault := _misfit(model.state_dict(), found):
        raise ValueError(
            f"{path} does not fit {type(model).__name__}: {fault}. Replace the file, or choose the model it is for."
        )
    model.load_state_dict(found, strict=False)


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises:
        ValueError: the file cannot be read.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError, LookupError) as error:  # LookupError: a type of number that torch does not have
        raise ValueError(f"{path} cannot be read as a safetensors file: {error}. Replace it.") from error


def save(state: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as a safetensors file, and the folder it lies in if need be; tied ones under every name."""
    kept: dict[str, Tensor] = {}
    storages = set()
    for name, tensor in state.items():
        own = tensor.detach().cpu().contiguous()
        kept[name] = own.clone() if own.untyped_storage().data_ptr() in storages else own
        storages.add(own.untyped_storage().data_ptr())
    content = to_bytes(kept)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(content)


def fetch(url: str, path: Path) -> None:
    """Download a published PyTorch checkpoint, check its digest, and keep its tensors as safetensors.

    Args:
        url: of a file with the entry "state_dict", its name ending in "-" and the start of its sha256, as torch.hub
            has it.
        path: where the safetensors file goes.

    Raises:
        FileNotFoundError: it could not be downloaded, or its digest is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "published"
        try:
            torch.hub.download_url_to_file(url, str(raw), hash_prefix=url.rpartition("-")[2].partition(".")[0])
        except (OSError, RuntimeError) as error:  # no network; a wrong digest
            raise FileNotFoundError(
                f"{url} could not be downloaded: {error}. Put the weights at {path} yourself, as safetensors."
            ) from error
        published: dict[str, Any] = torch.load(raw, map_location="cpu", weights_only=True)
    # Saved from nn.DataParallel, which puts "module." before every name.
    save({name.removeprefix("module."): tensor for name, tensor in published["state_dict"].items()}, path)


def _misfit(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What keeps ``found`` from filling ``wanted``, or an empty text."""
    for name, tensor in wanted.items():
        if name in found:
            if fault := _unlike(tensor, found[name]):
                return f"tensor {name!r} must {fault}"
        elif not name.endswith("num_batches_tracked"):
            return f"tensor {name!r} is missing"
    extra = next((name for name in found if name not in wanted), None)
    return f"tensor {extra!r} is not one of its {len(wanted)}" if extra else ""


def _unlike(wanted: Tensor, found: Tensor) -> str:
    if found.shape != wanted.shape:
        return f"have shape {list(wanted.shape)}; got {list(found.shape)}"
    if found.is_complex() or found.is_floating_point() != wanted.is_floating_point():
        return f"be {'floating-point' if wanted.is_floating_point() else 'of integers'}; got {found.dtype}"
    if wanted.is_floating_point() and not all_finite(found.to(wanted.dtype)):
        return f"hold numbers that are finite in {wanted.dtype}; got NaN, infinite or larger ones"
    return ""
