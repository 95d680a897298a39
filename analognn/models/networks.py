"""The architectures of the zoo: residual networks for small images, written here, and torchvision's with a small stem.

    y = relu(shortcut(x) + bn2(conv2(relu(bn1(conv1(x))))))

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, sec. 4.2.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


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

    >>> import torch
    >>> CifarResNet(8, in_channels=1, stem_stride=2)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, depth: int, *, in_channels: int = 3, stem_stride: int = 1) -> None:
        super().__init__()
        blocks = _blocks("CifarResNet", depth)
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


def _blocks(owner: str, depth: int) -> int:
    """Blocks of a stage, n."""
    blocks, rest = divmod(depth - 2, 6)
    if blocks < 1 or rest:
        raise ValueError(f"`{owner}(depth=...)` must be 6n + 2 with n >= 1; got {depth}.")
    return blocks


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


class CrossSimResNet(nn.Module):
    """Depth 6n + 2 like :class:`CifarResNet`, with CrossSim's names and its stem's batch norm.

    Args:
        depth: number of weighted layers but those of the shortcuts.
        in_channels: channels of the image.
        stem_stride: stride of the first convolution.
        width: channels of the first stage; the others have twice and four times as many.

    Raises:
        ValueError: ``depth`` is not 6n + 2 with n >= 1.
    """

    def __init__(self, depth: int, *, in_channels: int = 3, stem_stride: int = 1, width: int = 16) -> None:
        super().__init__()
        blocks = _blocks("CrossSimResNet", depth)
        self.conv1 = nn.Conv2d(in_channels, width, 3, stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width, eps=1e-3)
        self.res1, self.res2, self.res3 = (
            nn.Sequential(_ProjectionBlock(m, n), *(_ProjectionBlock(n, n) for _ in range(blocks - 1)))
            for m, n in ((width, width), (width, 2 * width), (2 * width, 4 * width))
        )
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10))

    def forward(self, x: Tensor) -> Tensor:
        """Images [n, in_channels, h, w], normalised, to logits [n, 10]."""
        x = F.relu(self.bn1(self.conv1(x)))
        logits: Tensor = self.classifier(self.res3(self.res2(self.res1(x))))
        return logits


def torchvision_resnet(name: str) -> nn.Module:
    """Torchvision's residual network called ``name`` for CIFAR-10: 3x3 stem of stride 1, no first pooling."""
    from torchvision.models import get_model  # seconds to import

    model: nn.Module = get_model(name, weights=None, num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def torchvision_shufflenet() -> nn.Module:
    """Torchvision's ShuffleNetV2 of size 1 for CIFAR-10: stem of stride 1, no first pooling."""
    from torchvision.models import get_model

    model: nn.Module = get_model("shufflenet_v2_x1_0", weights=None, num_classes=10)
    model.get_submodule("conv1.0").stride = (1, 1)  # type: ignore[assignment]  # a convolution
    model.maxpool = nn.Identity()
    return model
