"""Named models: architecture, data set, normalisation and trained weights that belong together.

    x = (pixels / 255 - mean) / std,    class = argmax model(x)

``cifar10-resnet20`` to ``56`` are the networks of He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition",
sec. 4.2, with parameter-free shortcuts (option A). ``cifar10-resnet18``, ``34`` and ``shufflenetv2`` are torchvision's
networks with a 3x3 stem of stride 1 and no first pooling, the form the noisy-weights papers use.
``cifar10-crosssim-resnet14`` to ``56`` are those that Sandia's CrossSim simulates on crossbars: 1x1 shortcuts with a
batch norm (option B).

Weights are safetensors files: shipped in this package, or ``models/<checkpoint>`` in the data folder
(:func:`analognn.data.root`). Nothing is downloaded unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analognn import checkpoints, data
from analognn.channels import checks

ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True)
class ModelSpec:
    """One entry of the zoo.

    Args:
        name: what :func:`load` takes.
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

        >>> spec("mnist-resnet8").normalise(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)).item()
        2.821486711502075
        """
        mean = torch.tensor(self.mean, device=inputs.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=inputs.device).view(-1, 1, 1)
        return (inputs.float() / 255 - mean) / std


def describe() -> dict[str, str]:
    """One line per model, by name."""
    return {name: entry.summary for name, entry in _MODELS.items()}


def spec(name: str) -> ModelSpec:
    """The entry called ``name``.

    Raises:
        ValueError: no such name; the message gives the nearest.
    """
    checks.choice("models", "name", name, _MODELS)
    return _MODELS[name]


def build(name: str, *, generator: torch.Generator) -> nn.Module:
    """The network called ``name`` with fresh weights on the CPU.

    Args:
        name: one of :func:`describe`.
        generator: source of the weights; PyTorch's global one is left as it was.

    >>> model = build("cifar10-resnet20", generator=torch.Generator().manual_seed(0))
    >>> sum(p.numel() for p in model.parameters())
    269722
    """
    seed = int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the GPUs' generators as well
        return spec(name).architecture()


def load(name: str, *, data_dir: str | Path | None = None, download: bool = False) -> nn.Module:
    """The network called ``name`` with its trained weights, in eval mode, on the CPU.

    Args:
        name: one of :func:`describe`.
        data_dir: data folder, see :func:`analognn.data.root`; not needed for a shipped model.
        download: fetch missing weights into that folder, where their publisher offers them.

    Raises:
        ValueError: no such name, or weights that do not fit the network.
        FileNotFoundError: no weights, or they could not be downloaded.

    >>> load("mnist-resnet8")(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    path = _located(spec(name), data.root(data_dir), download)
    model = build(name, generator=torch.Generator().manual_seed(0))  # every weight is replaced
    checkpoints.load(model, path)
    return model.eval()


def _located(entry: ModelSpec, where: data.Root, download: bool) -> Path:
    """Where the weights of ``entry`` lie, fetched if need be."""
    if entry.shipped:
        return ASSETS / entry.checkpoint
    path = where.path / "models" / entry.checkpoint
    if not path.is_file():
        if not (download and entry.url):
            raise where.missing(f"Weights of {entry.name!r}", f"models/{entry.checkpoint}", download=bool(entry.url))
        checkpoints.fetch(entry.url, path)
    return path


class _Block(nn.Module):
    """y = relu(shortcut(x) + bn2(conv2(relu(bn1(conv1(x)))))); the shortcut has no parameters (option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.padding = (outputs - inputs) // 2  # zero channels on either side

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(shortcut + residual)


class CifarResNet(nn.Module):
    """The residual network for small images: 6n+2 layers, three stages of 16, 32 and 64 channels, n blocks each.

    Args:
        depth: number of weighted layers, 6n + 2.
        in_channels: channels of the image.
        stem_stride: stride of the first convolution; 2 quarters the work.

    Raises:
        ValueError: ``depth`` is not 6n + 2 with n >= 1.

    >>> CifarResNet(8, in_channels=1, stem_stride=2)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, depth: int, *, in_channels: int = 3, stem_stride: int = 1) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if blocks < 1 or rest:
            raise ValueError(f"`CifarResNet(depth=...)` must be 6n + 2 with n >= 1; got {depth}.")
        self.conv1 = nn.Conv2d(in_channels, 16, 3, stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks)
        self.layer2 = _stage(16, 32, blocks)
        self.layer3 = _stage(32, 64, blocks)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images [n, in_channels, h, w], normalised, to logits [n, 10]."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    first = _Block(inputs, outputs, outputs // inputs)  # width doubles where resolution halves
    return nn.Sequential(first, *(_Block(outputs, outputs, 1) for _ in range(blocks - 1)))


class _ProjectionBlock(nn.Module):
    """The same with a 1x1 convolution and a batch norm as the shortcut where the shape changes (option B)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = outputs // inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        changes = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.downsample = nn.Sequential(*changes if stride > 1 else ())

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(residual + self.downsample(x))


class _CrossSimResNet(nn.Module):
    """Depth 6n + 2 like :class:`CifarResNet`, with CrossSim's names and its stem's batch norm."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16, eps=1e-3)
        self.res1, self.res2, self.res3 = (
            nn.Sequential(
                _ProjectionBlock(first, width), *(_ProjectionBlock(width, width) for _ in range(depth // 6 - 1))
            )
            for first, width in ((16, 16), (16, 32), (32, 64))
        )
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        logits: Tensor = self.classifier(self.res3(self.res2(self.res1(x))))
        return logits


def _torchvision_resnet(name: str) -> nn.Module:
    from torchvision.models import get_model  # seconds to import

    model: nn.Module = get_model(name, weights=None, num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def _torchvision_shufflenet() -> nn.Module:
    from torchvision.models import get_model

    model: nn.Module = get_model("shufflenet_v2_x1_0", weights=None, num_classes=10)
    model.get_submodule("conv1.0").stride = (1, 1)  # type: ignore[assignment]  # a convolution
    model.maxpool = nn.Identity()
    return model


def _cifar10_resnet(depth: int, accuracy: float, published: str) -> ModelSpec:
    return ModelSpec(
        name=f"cifar10-resnet{depth}",
        summary=f"ResNet-{depth} on CIFAR-10, parameter-free shortcuts; weights of akamaster, {accuracy:.2f} %",
        dataset="cifar10",
        architecture=partial(CifarResNet, depth),
        checkpoint=f"resnet{depth}_cifar10.safetensors",
        mean=(0.485, 0.456, 0.406),  # ImageNet's: its author trained with them
        std=(0.229, 0.224, 0.225),
        url=f"https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/{published}",
    )


def _cifar10_crosssim(depth: int, accuracy: float) -> ModelSpec:
    return ModelSpec(
        name=f"cifar10-crosssim-resnet{depth}",
        summary=f"ResNet-{depth} on CIFAR-10, 1x1 shortcuts; weights of Sandia's CrossSim, {accuracy:.2f} %",
        dataset="cifar10",
        architecture=partial(_CrossSimResNet, depth),
        checkpoint=f"crosssim_resnet{depth}_cifar10.safetensors",
        mean=(0.485, 0.456, 0.406),  # ImageNet's here too
        std=(0.229, 0.224, 0.225),
    )


def _cifar10_torchvision(name: str, label: str, architecture: Callable[[], nn.Module]) -> ModelSpec:
    return ModelSpec(
        name=f"cifar10-{name}",
        summary=f"{label} on CIFAR-10, torchvision's with a 3x3 stem; bring your own weights",
        dataset="cifar10",
        architecture=architecture,
        checkpoint=f"{name}_cifar10.safetensors",
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
    )


_MODELS = {
    entry.name: entry
    for entry in (
        ModelSpec(
            name="mnist-resnet8",
            summary="ResNet-8 on mnist5k, stem of stride 2; weights shipped with this package",
            dataset="mnist5k",
            architecture=partial(CifarResNet, 8, in_channels=1, stem_stride=2),
            checkpoint="mnist_resnet8.safetensors",
            mean=(0.1307,),
            std=(0.3081,),
            shipped=True,
        ),
        ModelSpec(
            name="mnist-resnet8-noise-aware",
            summary="mnist-resnet8 fine-tuned under weight noise: retraining, to hold denoising against; shipped",
            dataset="mnist5k",
            architecture=partial(CifarResNet, 8, in_channels=1, stem_stride=2),
            checkpoint="mnist_resnet8_noise_aware.safetensors",
            mean=(0.1307,),
            std=(0.3081,),
            shipped=True,
        ),
        _cifar10_resnet(20, 91.73, "resnet20-12fca82f.th"),
        _cifar10_resnet(32, 92.63, "resnet32-d509ac18.th"),
        _cifar10_resnet(44, 93.10, "resnet44-014dd654.th"),
        _cifar10_resnet(56, 93.39, "resnet56-4bfd9763.th"),
        *(_cifar10_crosssim(*entry) for entry in ((14, 89.64), (20, 90.65), (32, 92.14), (56, 92.19))),
        _cifar10_torchvision("resnet18", "ResNet-18", partial(_torchvision_resnet, "resnet18")),
        _cifar10_torchvision("resnet34", "ResNet-34", partial(_torchvision_resnet, "resnet34")),
        _cifar10_torchvision("shufflenetv2", "ShuffleNetV2 (size 1)", _torchvision_shufflenet),
    )
}
