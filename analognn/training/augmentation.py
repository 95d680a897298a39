"""Images shifted and mirrored at random, on the device they lie on: the usual augmentation of CIFAR-10.

x'[i, j] = pad(x)[i + a, j + b]  with a, b uniform in 0 ... 2p,   then mirrored with probability 1/2
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from analognn.channels import checks


def crop_and_flip(
    images: Tensor, *, generator: torch.Generator, padding: int = 4, flip: bool = True, fill: int = 0
) -> Tensor:
    """A random crop of each image padded by ``padding`` pixels, mirrored half of the time.

    Args:
        images: [n, channels, h, w], any dtype.
        generator: on the CPU, so that the same seed moves the same images everywhere.
        padding: pixels added on every side, >= 0.
        flip: mirror left and right at random; wrong for digits and letters.
        fill: value of the added pixels.

    >>> image = torch.arange(4).view(1, 1, 2, 2)
    >>> crop_and_flip(image, generator=torch.Generator().manual_seed(0), padding=0, flip=False).tolist()
    [[[[0, 1], [2, 3]]]]
    """
    checks.integer("crop_and_flip", "padding", padding, ge=0)
    n, _, h, w = images.shape
    top, left = torch.randint(2 * padding + 1, (2, n, 1), generator=generator)
    rows, columns = top + torch.arange(h), left + torch.arange(w)
    if flip:
        mirrored = torch.rand(n, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, [padding] * 4, value=fill).movedim(1, 3)  # channels last: indexed as whole pixels
    place = torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]
    return padded[tuple(index.to(images.device) for index in place)].movedim(3, 1).contiguous()
