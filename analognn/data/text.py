"""The text data set: SST-2, whole sentences.

In the split that the noisy-weights papers use, 6,920 / 872 / 1,821 sentences (Socher et al., "Recursive Deep
Models for Semantic Compositionality Over a Sentiment Treebank", EMNLP 2013): ``sst2/{train,dev,test}.tsv``, a line
``label<TAB>sentence`` each with 1 for positive, or ``.jsonl`` with "label" and "text" as the hub's SetFit/sst2 has it.
GLUE's SST-2 is another split (phrases, test labels withheld).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch

from analognn.data.base import Examples, Part, Root, Splits, downloaded

_SST2_FILES: dict[Part, str] = {"train": "train", "validation": "dev", "test": "test"}
_SST2_ON_HUB = "SetFit/sst2"


def sst2(where: Root, download: bool) -> Splits:
    """From the files there are, tab-separated before JSON lines."""
    folder = where.path / "sst2"
    for suffix, parse in (("tsv", _tab_separated), ("jsonl", _json_line)):
        if all((folder / f"{name}.{suffix}").is_file() for name in _SST2_FILES.values()):
            return _from_files(folder, suffix, parse)
    if download:
        downloaded("SST-2", lambda: _fetch_sst2(folder))
        return _from_files(folder, "jsonl", _json_line)
    raise where.missing("Data set 'sst2'", "sst2/train.tsv, dev.tsv and test.tsv (or .jsonl)", download=True)


def _from_files(folder: Path, suffix: str, parse: Callable[[str], tuple[int, str]]) -> Splits:
    return Splits(lambda part: _read(folder / f"{_SST2_FILES[part]}.{suffix}", parse))


def _read(path: Path, parse: Callable[[str], tuple[int, str]]) -> Examples:
    sentences, labels = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            label, sentence = parse(line)
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{path}, line {number}: must hold a label, 0 or 1, and a sentence; got {line[:60]!r}. Lines of a .tsv "
                'are label<TAB>sentence without a header, of a .jsonl {"label": 1, "text": "..."}.'
            ) from None
        labels.append(label)
        sentences.append(sentence)
    if not sentences:
        raise ValueError(f"{path} is empty. Replace it.")
    return Examples(tuple(sentences), torch.tensor(labels))


def _tab_separated(line: str) -> tuple[int, str]:
    label, sentence = line.split("\t")
    return _binary(label), sentence


def _json_line(line: str) -> tuple[int, str]:
    row = json.loads(line)
    return _binary(str(row["label"])), str(row["text"])


def _binary(label: str) -> int:
    return ("0", "1").index(label)


def _fetch_sst2(folder: Path) -> None:
    try:
        from huggingface_hub import hf_hub_download
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "Downloading 'sst2' needs huggingface_hub: pip install 'analognn[transformers]'.", name="huggingface_hub"
        ) from None
    for name in _SST2_FILES.values():
        hf_hub_download(_SST2_ON_HUB, f"{name}.jsonl", repo_type="dataset", local_dir=folder)
