"""The parts of the suite: which file each is, and who runs it.

A file with an ``[uplink]`` is a federated scenario, any other one a scenario of ``analognn run``; `theory` needs none.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Literal

from analognn.channels import checks
from analognn.experiments import Scenario
from analognn.experiments.feel import FeelScenario

Tier = Literal["tiny", "standard", "full"]
TIERS: tuple[Tier, ...] = ("tiny", "standard", "full")
PARTS = {
    "controls": "what must change nothing: infinite WNR, media without their noise",
    "inference": "receivers on media, over the strength of the noise",
    "hardware": "crossbars over time",
    "wireless": "fading links by Es/N0",
    "airtime": "analog against digital in equal airtime",
    "feel": "federated learning over the air",
    "transformers": "a network with LayerNorm on sentences",
    "quantisation": "number formats as noise",
    "theory": "claims of the denoising paper beside ours",
    "speed": "time of media and receivers; told, never asserted",
}
"""Name -> one line."""


@dataclass(frozen=True)
class Part:
    """One part in one tier.

    Args:
        name: one of PARTS.
        tier: one of TIERS.
    """

    name: str
    tier: Tier

    @property
    def path(self) -> Path | None:
        """Its scenario file: of the tier, or of all tiers; None for one without."""
        folder = Path(str(resources.files("analognn.suite")))
        for path in (folder / self.tier / f"{self.name}.toml", folder / f"{self.name}.toml"):
            if path.is_file():
                return path
        return None

    @cached_property
    def scenario(self) -> Scenario | FeelScenario | None:
        """What it runs."""
        if self.path is None:
            return None
        federated = "uplink" in tomllib.loads(self.path.read_text(encoding="utf-8"))
        return (FeelScenario if federated else Scenario).named(str(self.path))


def parts(tier: Tier, only: str | None = None) -> list[Part]:
    """The parts of a tier in their order; with ``only`` the controls and that one.

    Raises:
        ValueError: no such tier or part.

    >>> [part.name for part in parts("tiny", "speed")]
    ['controls', 'speed']
    """
    checks.choice("bench", "tier", tier, TIERS)
    if only is not None:
        checks.choice("bench", "only", only, PARTS)
    return [Part(name, tier) for name in PARTS if only in (None, name) or name == "controls"]
