"""Named models: architecture, data set, preparation of the inputs and trained weights that belong together.

``cifar10-resnet20`` to ``56`` are the networks of He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition",
sec. 4.2, with parameter-free shortcuts (option A). ``cifar10-resnet18``, ``34`` and ``shufflenetv2`` are torchvision's
networks with a 3x3 stem of stride 1 and no first pooling, the form the noisy-weights papers use.
``cifar10-crosssim-resnet14`` to ``56`` are those that Sandia's CrossSim simulates on crossbars: 1x1 shortcuts with a
batch norm (option B). ``sst2-minilm`` is a BERT of six layers; ``hf:FOLDER`` and ``hf:OWNER/NAME`` are any Hugging Face
classifier of sentences, from a folder or the hub, on SST-2, and ``lm:...`` any causal language model, scored on the
next tokens of these sentences (:mod:`analognn.models.text`). ``timm:NAME`` and ``timm:NAME@DATASET`` are timm's
networks for an image data set (:mod:`analognn.models.timm_images`).

Weights are safetensors files: shipped in this package, or under ``models/`` in the data folder
(:func:`analognn.data.root`). Nothing is downloaded unless asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from analognn import data
from analognn.channels import checks
from analognn.evaluate import Inputs
from analognn.models.images import ASSETS, IMAGE_MODELS, ImageModel
from analognn.models.networks import CifarResNet
from analognn.models.text import TASKS, TEXT_MODELS, TextModel
from analognn.models.timm_images import TIMM, timm_model

__all__ = ["ASSETS", "CifarResNet", "ImageModel", "ModelSpec", "TextModel", "build", "describe", "load", "spec"]


class ModelSpec(Protocol):
    """What every entry of the zoo can do."""

    @property
    def name(self) -> str:
        """What :func:`load` takes."""

    @property
    def summary(self) -> str:
        """One line."""

    @property
    def dataset(self) -> str:
        """Name of the data set it was trained on, see :mod:`analognn.data`."""

    def prepare(self, examples: data.Examples, *, data_dir: str | Path | None = None) -> tuple[Inputs, Tensor]:
        """What the model takes and what it should answer, as an :class:`analognn.Evaluator` has it.

        Args:
            examples: n raw ones of the data set.
            data_dir: data folder; a text model finds its tokenizer there.

        Raises:
            TypeError: texts for an image model, or images for a text model.
            FileNotFoundError: no tokenizer there.
        """

    def build(self, where: data.Root) -> nn.Module:
        """The network with fresh weights from PyTorch's global generator."""

    def load(self, where: data.Root, *, download: bool) -> nn.Module:
        """The network with its trained weights."""


def describe() -> dict[str, str]:
    """One line per model, by name."""
    return {name: entry.summary for name, entry in _MODELS.items()}


def spec(name: str) -> ModelSpec:
    """The entry called ``name``.

    Raises:
        ValueError: no such name; the message gives the nearest.
    """
    if name.startswith(tuple(TASKS)):
        return TextModel.from_name(name)
    if name.startswith(TIMM):
        return timm_model(name)
    checks.choice("models", "name", name, _MODELS)
    return _MODELS[name]


def build(name: str, *, data_dir: str | Path | None = None, generator: torch.Generator) -> nn.Module:
    """The network called ``name`` with fresh weights on the CPU.

    Args:
        name: one of :func:`describe`.
        data_dir: data folder, see :func:`analognn.data.root`; only text models read their configuration there.
        generator: source of the weights; PyTorch's global one is left as it was.

    >>> model = build("cifar10-resnet20", generator=torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in model.parameters())
    269722
    """
    with _fresh(int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))):
        return spec(name).build(data.root(data_dir))


def load(name: str, *, data_dir: str | Path | None = None, download: bool = False) -> nn.Module:
    """The network called ``name`` with its trained weights, in eval mode, on the CPU.

    Args:
        name: one of :func:`describe`, ``hf:`` or ``lm:`` and a folder or a name on the Hugging Face hub, or ``timm:``
            and a name of timm's.
        data_dir: data folder, see :func:`analognn.data.root`; not needed for a shipped model.
        download: fetch missing weights into that folder, where their publisher offers them.

    Raises:
        ValueError: no such name, or weights that do not fit the network.
        FileNotFoundError: no weights, or they could not be downloaded.

    >>> load("mnist-resnet8")(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    entry = spec(name)
    with _fresh(0):  # every weight is replaced
        return entry.load(data.root(data_dir), download=download).eval()


@contextmanager
def _fresh(seed: int) -> Iterator[None]:
    """PyTorch's global generator on the CPU seeded, and as it was afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the GPUs' generators as well
        yield


_ZOO: tuple[ModelSpec, ...] = (*IMAGE_MODELS, *TEXT_MODELS)
_MODELS = {entry.name: entry for entry in _ZOO}
