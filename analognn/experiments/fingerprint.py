"""What a result rests on, as one short text: two results can be held against each other where it agrees.

    fingerprint = SHA-256(scenario, setting, data, checkpoint, versions), 16 hex digits

``data`` and ``checkpoint`` are hashes of what was read, not of files: the same images from another file format, or the
same weights from another folder, are the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from analognn import compat
from analognn.data import Examples
from analognn.experiments.parsing import Recipe


@dataclass(frozen=True)
class Fingerprint:
    """All that decides a number.

    Args:
        scenario: hash of the scenario.
        setting: hash of the scenario without the names of its receivers: those of two runs with one setting saw the
            same draws.
        data: hash of the validation and test examples.
        checkpoint: hash of the model's parameters and buffers; empty where weights start fresh from the seeds.
        versions: of Python and of the libraries.
    """

    scenario: str
    setting: str
    data: str
    checkpoint: str
    versions: dict[str, str]

    @classmethod
    def of(cls, scenario: Recipe, examples: Iterable[Examples], model: nn.Module | None = None) -> Fingerprint:
        """Of a scenario, the examples that it reads and the model that it loads."""
        state = sorted(model.state_dict().items()) if model is not None else []
        return cls(
            scenario=scenario.hash,
            setting=_hashed_json(_setting(scenario.identity())),
            data=_hashed(part for each in examples for part in (each.inputs, each.labels)),
            checkpoint=_hashed(part for item in state for part in item) if state else "",
            versions=compat.versions(),
        )

    @property
    def digest(self) -> str:
        """All of it in 16 hex digits."""
        return _hashed_json(asdict(self))

    @property
    def comparable(self) -> dict[str, str]:
        """What must agree before two results are held against each other, by name."""
        return {"setting": self.setting, "data": self.data, "checkpoint": self.checkpoint, **self.versions}

    def apart(self, other: Fingerprint) -> list[str]:
        """What keeps two results from being compared, as "name: ours and theirs"; which receivers ran does not."""
        ours, theirs = self.comparable, other.comparable
        return [f"{key}: {ours[key]} and {theirs.get(key, '-')}" for key in ours if ours[key] != theirs.get(key)]


def _setting(identity: Mapping[str, Any]) -> dict[str, Any]:
    receivers = {key: value for key, value in identity.get("denoiser", {}).items() if key != "names"}
    return {**identity, "denoiser": receivers}


def _hashed_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _hashed(parts: Iterable[Tensor | tuple[str, ...] | str]) -> str:
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            found.update(f"{part.dtype}{list(part.shape)}".encode())
            found.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:
            found.update(json.dumps(part).encode())
    return found.hexdigest()[:16]
