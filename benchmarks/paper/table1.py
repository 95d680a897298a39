"""Table I: parameters and accuracy without noise, of the paper's networks and of those that stand for them here.

    python benchmarks/paper/table1.py [--data DIR] [--out FOLDER]

Beside the paper's two rows: how many parameters are analog, how well the network knows training images (what validation
examples drawn from them are worth), and how far Es/N0 of the code is from WNR of the text: 10 log10(E[w^2] / Var[w]).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from commands import heading, options, publish, write
from presets import PRESETS
from published import PUBLISHED
from recipes import TIERS, Recipe

from analognn import ParameterLayout, data, models
from analognn.data import Examples
from analognn.denoise import Prior
from analognn.evaluate import Evaluator
from analognn.seeds import seeded

KNOWN = 1_000
"""Training examples that the second accuracy is measured on."""


@dataclass(frozen=True)
class Row:
    """One network.

    Args:
        model: its name.
        paper: the network of Table I that it is or stands for.
        parameters: in all.
        analog: of them.
        test: accuracy on all test examples; None where there are no weights.
        train: on :data:`KNOWN` examples of the training split.
        mean: of the analog weights.
        var: their variance.
    """

    model: str
    paper: str
    parameters: int
    analog: int
    test: float | None = None
    train: float | None = None
    mean: float | None = None
    var: float | None = None


def row(recipe: Recipe, data_dir: Path | None, device: str) -> Row:
    """Measure one network; without weights, count its parameters."""
    try:
        model = models.load(recipe.model, data_dir=data_dir)
    except FileNotFoundError:
        return _counted(recipe, models.build(recipe.model, generator=seeded("table1")))
    splits = data.load(models.spec(recipe.model).dataset, data_dir=data_dir)
    known = splits.train.take(torch.randperm(len(splits.train), generator=seeded("known"))[:KNOWN])
    test, train = (_accuracy(recipe, model, part, data_dir, device) for part in (splits.test, known))
    weights = Prior.from_weights(ParameterLayout.from_model(model).pack(model).vector)
    return Row(
        **{**asdict(_counted(recipe, model)), "test": test, "train": train, "mean": weights.mean, "var": weights.var}
    )


def _counted(recipe: Recipe, model: torch.nn.Module) -> Row:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Row(recipe.model, recipe.paper, parameters, ParameterLayout.from_model(model).numel)


def _accuracy(recipe: Recipe, model: torch.nn.Module, part: Examples, data_dir: Path | None, device: str) -> float:
    return Evaluator(*models.spec(recipe.model).prepare(part, data_dir=data_dir), device=device)(model).accuracy


def report(rows: list[Row]) -> Iterator[str]:
    """TABLE1.md."""
    yield from heading("Table I: networks without noise", "paper/table1.py")
    yield from (
        f"Test: all test examples. Training: {KNOWN:,} examples of the training split, which the text and the code "
        "draw validation examples from.", "",
        "| model | the paper's | parameters (paper) | analog | test % (paper) | training % | mean / std of weights "
        "| Es/N0 - WNR dB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    )  # fmt: skip
    for found in rows:
        paper = PUBLISHED[found.paper]
        network = found.paper if found.model == paper.model else f"for {found.paper}"
        counts = f"{found.parameters:,} ({paper.parameters})"
        cells = [f"`{found.model}`", network, counts, f"{found.analog:,}"]
        if found.test is None or found.train is None or found.mean is None or found.var is None:
            cells += [f"no weights here ({100 * paper.accuracy:.2f})", "-", "-", "-"]
        else:
            shift = PRESETS["as-coded"].axis_db(0.0, Prior(found.mean, found.var))
            cells += [
                f"{100 * found.test:.2f} ({100 * paper.accuracy:.2f})", f"{100 * found.train:.1f}",
                f"{found.mean / found.var**0.5:.3f}", f"{shift:.3f}",
            ]  # fmt: skip
        yield f"| {' | '.join(cells)} |"
    yield ""


def main() -> None:
    """Measure all that there are weights for, and write numbers and report."""
    chosen = options(__doc__)
    recipes = {recipe.model: recipe for recipes in TIERS.values() for recipe in recipes}
    rows = [row(recipe, chosen.data, chosen.device) for recipe in recipes.values()]
    chosen.out.mkdir(parents=True, exist_ok=True)
    write(chosen.out / "table1.json", json.dumps([asdict(r) for r in rows], indent=2) + "\n")
    publish(chosen.out / "TABLE1.md", "\n".join(report(rows)) + "\n")


if __name__ == "__main__":
    main()
