"""Loads the recipes of benchmarks/, which are scripts: modules beside each other import one another by name."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    """The module ``name`` of benchmarks/paper, or of benchmarks."""
    for folder in (str(BENCHMARKS / "paper"), str(BENCHMARKS)):
        if folder not in sys.path:
            sys.path.append(folder)
    return importlib.import_module(name)
