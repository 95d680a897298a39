"""Figure 7: accuracy over (lambda', beta) on the test set and on 10, 40 and 80 validation examples.

    python benchmarks/paper/figure7.py [--tier tiny] [--model NAME] [--preset NAME] [--data DIR] [--out FOLDER]

A picture and its numbers for each model and preset, and FIGURE7.md of all that are there. The paper shows one draw of
kappa examples; here they are drawn a thousand times: how far is what they select from the best, and how often?
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from commands import Options, heading, options, publish, slug, write
from pictures import DPI, figure7
from presets import Preset
from published import FIGURE7
from recipes import Recipe
from surfaces import KAPPAS, REDRAWS, Surface, selections, surfaces

from analognn import plots

SHOWN = (10, 40, 80)


def run(recipe: Recipe, preset: Preset, chosen: Options, folder: Path) -> None:
    """Compute, draw and write one model as one preset reads it."""
    found = list(surfaces(recipe, preset, chosen.data, chosen.device))
    selected = selections(found)
    first, rng = found[0], np.random.default_rng(0)
    shown = {kappa: first.drawn(kappa, rng) for kappa in SHOWN}
    title = (
        f"{recipe.model} at {recipe.surface_db:g} dB WNR, {preset.name}; (a) to (d) one noise draw, "
        f"(e) and (f) {REDRAWS} redraws of the examples, {recipe.surface_draws} noise draws"
    )
    name = folder / f"{recipe.model}-{slug(preset.name)}"
    plots.write(figure7(found, selected, shown, title), name.with_suffix(".png"), dpi=DPI)
    record = {
        "tier": chosen.tier, "model": recipe.model, "preset": asdict(preset), "wnr_db": recipe.surface_db,
        "test_examples": recipe.test_examples, "pairs": first.pairs, "draws": [_draw(surface) for surface in found],
        "selections": [asdict(row) for row in selected],
    }  # fmt: skip
    write(name.with_suffix(".json"), json.dumps(record) + "\n")


def _draw(surface: Surface) -> dict[str, Any]:
    accuracy = surface.test.right.mean(1)
    return {
        "test": [round(float(value), 4) for value in accuracy],
        "validation": [round(float(value), 4) for value in surface.pool.right.mean(1)],
        "best": surface.pairs[surface.test.best],
        "best_accuracy": float(accuracy.max()),
        "ml_accuracy": float(accuracy[surface.index(1.0, 0.0)]),
    }


def report(folder: Path) -> Iterator[str]:
    """FIGURE7.md: a row for each record in ``folder``."""
    yield from heading("Figure 7: what kappa validation examples select", "paper/figure7.py")
    yield from (
        "What the readings differ in is said field by field in `benchmarks/paper/presets.py`.",
        "",
        f"The paper: {FIGURE7}.",
        f"Below, means over noise draws and {REDRAWS} redraws of the examples: test accuracy of the pair they select,",
        "in brackets what it has on the examples themselves; what it lacks to the best on test at the smallest and the",
        "largest kappa, with 5 to 95 % of redraws; and in how many it is worse than ML, again from the smallest to the",
        "largest. The best on test is a maximum over the grid on these very test examples.",
        "",
        "| model, WNR | preset | ML % | best on test % | "
        + " | ".join(f"kappa = {k}" for k in KAPPAS)
        + " | lost, first and last kappa % | worse than ML |",
        "|---|---|---:|---:|" + "---:|" * len(KAPPAS) + "---:|---:|",
    )
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        ml, best = (100 * np.mean([draw[f"{name}_accuracy"] for draw in record["draws"]]) for name in ("ml", "best"))
        rows = record["selections"]
        cells = [f"{100 * row['achieved']:.1f} ({100 * row['promised']:.1f})" for row in rows]
        worse = f"{100 * rows[0]['below_ml']:.0f} to {100 * rows[-1]['below_ml']:.0f} %"
        lost = ", ".join(
            f"{_percent(r, 'lost')} ({_percent(r, 'low')} to {_percent(r, 'high')})" for r in (rows[0], rows[-1])
        )
        where = f"{record['model']}, {record['wnr_db']:g} dB"
        cells = [where, record["preset"]["name"], f"{ml:.1f}", f"{best:.1f}", *cells, lost, worse]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _percent(row: dict[str, float], name: str) -> str:
    return f"{100 * row[name]:.1f}"


def main() -> None:
    """Run what was asked for and write the report of all that is there."""
    chosen = options(__doc__)
    folder = chosen.out / "figure7"
    folder.mkdir(parents=True, exist_ok=True)
    for recipe in chosen.recipes:
        for preset in chosen.presets(recipe):
            run(recipe, preset, chosen, folder)
    publish(chosen.out / "FIGURE7.md", "\n".join(report(folder)))


if __name__ == "__main__":
    main()
