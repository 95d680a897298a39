"""Image models of timm by name: ``timm:NAME`` for CIFAR-10, ``timm:NAME@DATASET`` for another set of images.

The network is timm's with as many classes and colours as the data set has; nothing is downloaded. Its weights are
``models/NAME_DATASET.safetensors`` in the data folder, trained by whoever brings them on images normalised as here:
with ImageNet's mean and deviation where they have colours, with MNIST's where they have none.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from analognn.channels import checks
from analognn.models.images import IMAGENET, MNIST, ImageModel

TIMM = "timm:"
_SHAPES = {"cifar10": (3, 32), "mnist": (1, 28), "mnist5k": (1, 28)}
"""Data set -> colours and pixels of an edge; all have ten classes."""
_NORMALISED = {3: IMAGENET, 1: MNIST}
"""By colours."""


def timm_model(name: str) -> ImageModel:
    """The model called "timm:NAME" or "timm:NAME@DATASET".

    Raises:
        ValueError: no such data set.

    >>> timm_model("timm:test_convnext@mnist5k").checkpoint
    'test_convnext_mnist5k.safetensors'
    """
    network, _, asked = name.removeprefix(TIMM).partition("@")
    dataset = asked or "cifar10"
    checks.choice("timm", "data set", dataset, _SHAPES)
    colours, pixels = _SHAPES[dataset]
    return ImageModel(
        name=name,
        summary=f"timm's {network} on {dataset}; bring your own weights",
        dataset=dataset,
        architecture=partial(_create, network, colours, pixels),
        checkpoint=f"{network}_{dataset}.safetensors",
        **_NORMALISED[colours],
    )


def _create(network: str, colours: int, pixels: int) -> nn.Module:
    timm = _timm()
    known = timm.list_models()
    checks.choice("timm", "NAME", network.partition(".")[0], known)
    config = timm.get_pretrained_cfg(network, allow_unregistered=True)
    size = {"img_size": pixels} if config is not None and config.fixed_input_size else {}
    model: nn.Module = timm.create_model(network, pretrained=False, num_classes=10, in_chans=colours, **size)
    return model


def _timm() -> Any:
    try:
        with torch.random.fork_rng(devices=[]):
            import timm
    except ModuleNotFoundError:
        raise ModuleNotFoundError("`timm:NAME` needs timm: pip install 'analognn[timm]'.", name="timm") from None
    return timm
