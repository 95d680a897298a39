"""Image models: an architecture, the checkpoint file of its weights, and the normalisation of its training.

x = (pixels / 255 - mean) / std,    class = argmax model(x)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor, nn

from analognn import checkpoints, data
from analognn.models.networks import CifarResNet, CrossSimResNet, torchvision_resnet, torchvision_shufflenet

ASSETS = Path(__file__).parent.parent / "assets"


class Normalisation(TypedDict):
    """Mean and deviation of each channel in a training, of pixels scaled to [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
MNIST = Normalisation(mean=(0.1307,), std=(0.3081,))


@dataclass(frozen=True)
class ImageModel:
    """One image model of the zoo; see :class:`analognn.models.ModelSpec`.

    Args:
        name: what :func:`analognn.models.load` takes.
        summary: one line.
        dataset: name of the data set it was trained on, see :mod:`analognn.data`.
        architecture: makes the network with fresh weights.
        checkpoint: file name of its weights.
        mean: per channel, of pixels scaled to [0, 1], as in its training.
        std: likewise.
        shipped: the weights are part of this package.
        url: where the weights were published, as a PyTorch file whose name ends in the start of its sha256.
    """

    name: str
    summary: str
    dataset: str
    architecture: Callable[[], nn.Module]
    checkpoint: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shipped: bool = False
    url: str | None = None

    def normalise(self, inputs: Tensor) -> Tensor:
        """Raw images [n, channels, h, w], uint8, to what the model takes: float32 on the same device.

        >>> mnist = next(entry for entry in IMAGE_MODELS if entry.name == "mnist-resnet8")
        >>> mnist.normalise(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item()
        2.821486711502075
        """
        mean = torch.tensor(self.mean, device=inputs.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=inputs.device).view(-1, 1, 1)
        return (inputs.float() / 255 - mean) / std

    def prepare(self, examples: data.Examples, *, data_dir: str | Path | None = None) -> tuple[Tensor, Tensor]:
        """Normalised images and their labels; see :meth:`analognn.models.ModelSpec.prepare`."""
        if not isinstance(examples.inputs, Tensor):
            raise TypeError(f"`{self.name}` takes images; got {len(examples)} texts. Choose a model of that data set.")
        return self.normalise(examples.inputs), examples.labels

    def build(self, where: data.Root) -> nn.Module:
        """The network with fresh weights, drawn from PyTorch's global generator."""
        return self.architecture()

    def load(self, where: data.Root, *, download: bool) -> nn.Module:
        """The network with its trained weights; see :func:`analognn.models.load`."""
        path = self._located(where, download)
        model = self.architecture()
        checkpoints.load(model, path)
        return model

    def _located(self, where: data.Root, download: bool) -> Path:
        """Where the weights lie, fetched if need be."""
        if self.shipped:
            return ASSETS / self.checkpoint
        path = where.path / "models" / self.checkpoint
        if not path.is_file():
            if not (download and self.url):
                wanted = f"models/{self.checkpoint}"
                raise where.missing(f"Weights of {self.name!r}", wanted, download=bool(self.url))
            checkpoints.fetch(self.url, path)
        return path


def _mnist5k(name: str, summary: str, architecture: Callable[[], nn.Module], *, shipped: bool) -> ImageModel:
    return ImageModel(
        name=name,
        summary=summary,
        dataset="mnist5k",
        architecture=architecture,
        checkpoint=f"{name.replace('-', '_')}.safetensors",
        **MNIST,
        shipped=shipped,
    )


def _cifar10_resnet(depth: int, accuracy: float, published: str) -> ImageModel:
    return ImageModel(
        name=f"cifar10-resnet{depth}",
        summary=f"ResNet-{depth} on CIFAR-10, parameter-free shortcuts; weights of akamaster, {accuracy:.2f} %",
        dataset="cifar10",
        architecture=partial(CifarResNet, depth),
        checkpoint=f"resnet{depth}_cifar10.safetensors",
        **IMAGENET,  # its author trained with them
        url=f"https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/{published}",
    )


def _cifar10_crosssim(depth: int, accuracy: float) -> ImageModel:
    return ImageModel(
        name=f"cifar10-crosssim-resnet{depth}",
        summary=f"ResNet-{depth} on CIFAR-10, 1x1 shortcuts; weights of Sandia's CrossSim, {accuracy:.2f} %",
        dataset="cifar10",
        architecture=partial(CrossSimResNet, depth),
        checkpoint=f"crosssim_resnet{depth}_cifar10.safetensors",
        **IMAGENET,  # here too
    )


def _cifar10_torchvision(name: str, label: str, architecture: Callable[[], nn.Module]) -> ImageModel:
    return ImageModel(
        name=f"cifar10-{name}",
        summary=f"{label} on CIFAR-10, torchvision's with a 3x3 stem; bring your own weights",
        dataset="cifar10",
        architecture=architecture,
        checkpoint=f"{name}_cifar10.safetensors",
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
    )


IMAGE_MODELS = (
    _mnist5k(
        "mnist-resnet8",
        "ResNet-8 on mnist5k, stem of stride 2; weights shipped with this package",
        partial(CifarResNet, 8, in_channels=1, stem_stride=2),
        shipped=True,
    ),
    _mnist5k(
        "mnist-resnet8-noise-aware",
        "mnist-resnet8 fine-tuned under weight noise: retraining, to hold denoising against; shipped",
        partial(CifarResNet, 8, in_channels=1, stem_stride=2),
        shipped=True,
    ),
    _mnist5k(
        "mnist-resnet8-projection",
        "ResNet-8 of width 8 on mnist5k, 1x1 shortcuts with batch norm, stem of stride 4; to be trained",
        partial(CrossSimResNet, 8, in_channels=1, stem_stride=4, width=8),
        shipped=False,
    ),
    _cifar10_resnet(20, 91.73, "resnet20-12fca82f.th"),
    _cifar10_resnet(32, 92.63, "resnet32-d509ac18.th"),
    _cifar10_resnet(44, 93.10, "resnet44-014dd654.th"),
    _cifar10_resnet(56, 93.39, "resnet56-4bfd9763.th"),
    *(_cifar10_crosssim(*entry) for entry in ((14, 89.64), (20, 90.65), (32, 92.14), (56, 92.19))),
    _cifar10_torchvision("resnet18", "ResNet-18", partial(torchvision_resnet, "resnet18")),
    _cifar10_torchvision("resnet34", "ResNet-34", partial(torchvision_resnet, "resnet34")),
    _cifar10_torchvision("shufflenetv2", "ShuffleNetV2 (size 1)", torchvision_shufflenet),
)
