"""What every data set has: three parts that never overlap, read when first asked for, and the folder they lie in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

Part = Literal["train", "validation", "test"]
VALIDATION = 5_000  # examples cut from the end of a published training set


Raw = Tensor | tuple[str, ...]


@dataclass(frozen=True)
class Examples:
    """Labelled examples as they were published.

    Args:
        inputs: images [n, channels, height, width], uint8, 0 to 255; or n texts.
        labels: [n], int64.

    Raises:
        ValueError: not one label per input.
    """

    inputs: Raw
    labels: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.labels):
            raise ValueError(f"`Examples` needs one label per input; got {len(self.inputs)} and {len(self.labels)}.")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: slice | Tensor) -> Examples:
        """Copies of the examples at these places (an index tensor [m] or a slice): no view that keeps all alive."""
        labels = self.labels[which].clone()
        if isinstance(self.inputs, Tensor):
            return Examples(self.inputs[which].clone(), labels)
        places = torch.arange(len(self))[which].tolist()
        return Examples(tuple(self.inputs[place] for place in places), labels)


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


def cut(part: Part, published: Examples) -> Examples:
    """The published test set as it is; of the published training set all but the end, or the end."""
    kept = {"train": slice(None, -VALIDATION), "validation": slice(-VALIDATION, None), "test": slice(None)}[part]
    return published.take(kept)


def lacking(folder: Path, names: list[str]) -> list[str]:
    """Those of ``names`` that are no files of ``folder``."""
    return [name for name in names if not (folder / name).is_file()]


def downloaded(what: str, fetch: Callable[[], object]) -> None:
    """Let ``fetch`` download ``what``; no network, no space and no right to write are one error.

    Raises:
        FileNotFoundError: it could not be downloaded.
    """
    try:
        fetch()
    except OSError as error:
        raise FileNotFoundError(
            f"{what} could not be downloaded: {error}. Copy it into a folder and name that with ANALOGNN_DATA."
        ) from error
