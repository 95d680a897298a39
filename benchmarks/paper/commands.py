"""What the commands of this folder share: the options of readings of the paper, and ``benchmarks/common.py``."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from presets import PRESETS, Preset, switches
from recipes import TIERS, Recipe

sys.path.append(str(Path(__file__).parents[1]))
import common
from common import TOLD_IN_HEAD, arguments, finished, gain_text, heading, percent_text, publish, write

__all__ = [
    "RECORDS",
    "TOLD_IN_HEAD",
    "Options",
    "arguments",
    "finished",
    "gain_text",
    "heading",
    "options",
    "percent_text",
    "publish",
    "slug",
    "write",
]
RECORDS = common.RECORDS / "paper"


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    tier: str
    recipes: tuple[Recipe, ...]
    preset: str | None
    data: Path | None
    device: str
    out: Path

    def presets(self, recipe: Recipe) -> tuple[Preset, ...]:
        """The readings of ``recipe``: the one asked for, or those the recipe names."""
        if self.preset == "switches":
            return tuple(switches().values())
        known = {**PRESETS, **switches()}
        return tuple(known[name] for name in ((self.preset,) if self.preset else recipe.readings))


def options(about: str | None) -> Options:
    """Read the command line; compute on one thread from here on, since sums depend on the number of threads."""
    torch.set_num_threads(1)
    parser = arguments(about, RECORDS)
    models = sorted({recipe.model for recipes in TIERS.values() for recipe in recipes})
    parser.add_argument("--tier", choices=list(TIERS), default="tiny")
    parser.add_argument("--model", choices=models, help="one model of the tier; all by default")
    parser.add_argument(
        "--preset", choices=[*PRESETS, *switches(), "switches"], help="one reading, or the audit's single switches"
    )
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    recipes = tuple(recipe for recipe in TIERS[given.tier] if given.model in (None, recipe.model))
    if not recipes:
        parser.error(f"--model {given.model} is not in the tier {given.tier}")
    return Options(given.tier, recipes, given.preset, given.data, given.device, given.out)


def slug(name: str) -> str:
    """``name`` as a file name.

    >>> slug("chosen on: test examples")
    'chosen-on-test-examples'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
