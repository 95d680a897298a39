"""Figure 8: accuracy against WNR with ML, MMSE and MMSEpb, and the gain in dB at 60 % (text: 75 %).

    python benchmarks/paper/figure8.py [--tier tiny] [--model NAME] [--preset NAME|switches] [--data DIR] [--out FOLDER]

One run folder for each model and preset, which resumes trial by trial; FIGURE8-TIER.md and a picture of what is there.
Gains are paired over noise draws with 95 % intervals. ``--preset switches`` adds to the audit one deviation at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean

from commands import gain_text, heading, options, publish, slug
from inference import clean_weights, fill
from pictures import DPI, figure8
from presets import PRESETS, Preset, switches
from published import PUBLISHED
from recipes import TIERS, Recipe

from analognn import plots, progress
from analognn.denoise import Prior
from analognn.estimates import Estimate, bootstrap, estimate
from analognn.experiments import Record, Store
from analognn.experiments.gains import Curve, crossing_db, curves, gains

READING = """\
What the readings differ in is said field by field in `benchmarks/paper/presets.py`; further rows change one thing in
the audit. All of them see the same noise. "MMSEpb over ML" is paired over noise draws, with its 95 % interval; "on the
mean curves" is how the paper reads it. "More than the audit": how much more noise the reported MMSEpb stands, paired.
"Not reached": some draw ends below the target at the highest WNR; "-": ML begins above it, or neither is known.
"""
Runs = dict[str, list[Record]]
"""Preset -> records, of one model."""


def runs(recipe: Recipe, folder: Path) -> Runs:
    """The runs of ``recipe`` that are whole."""
    found = {}
    for name, preset in {**PRESETS, **switches()}.items():
        path = folder / f"{recipe.model}-{slug(name)}"
        records = Store(path).records() if (path / "results.sqlite").is_file() else []
        if len(records) == 1 + len(recipe.wnr_db) * recipe.draws * len(preset.denoisers):
            found[name] = records
    return found


def section(recipe: Recipe, found: Runs, weights: Prior) -> Iterator[str]:
    """The table of one model."""
    some = next(iter(found.values()))
    clean = next(r.correct / r.total for r in some if r.medium == "clean")
    paper = PUBLISHED[recipe.paper]
    yield from (
        f"## {recipe.model}, clean {clean:.1%} on {some[0].total} test examples, {recipe.draws} draws, "
        f"kappa = {recipe.kappa}", "",
        f"{_network(recipe)}: the paper says {paper.gain_db:g} dB at {paper.target:.0%}; its released records "
        f"give {paper.maximum_db:.2f} dB with each draw's best pair on the test set, {paper.common_db:.2f} dB with a "
        "pair chosen on other draws.", "",
        "| reading | ML needs, axis of the reading [dB] | MMSE over ML [dB] "
        f"| MMSEpb over ML at {recipe.target:.0%} [dB] | on the mean curves [dB] "
        "| accuracy - ML, mean over the points % | more than the audit [dB] |",
        "|---|---:|---:|---:|---:|---:|---:|",
    )  # fmt: skip
    for name, records in found.items():
        yield _row(recipe, {**PRESETS, **switches()}[name], records, found.get("audited", []), weights)
    yield ""


def _network(recipe: Recipe) -> str:
    same = recipe.model == PUBLISHED[recipe.paper].model
    return f"The paper's {recipe.paper}" if same else f"In the place of {recipe.paper}"


def _row(recipe: Recipe, preset: Preset, records: list[Record], audited: list[Record], weights: Prior) -> str:
    by_name = {gain.denoiser: gain for gain in gains(records, recipe.target) if gain.medium != "clean"}
    shift = preset.axis_db(0.0, weights)
    shown = by_name[preset.denoisers[-1]]
    ml = by_name["ml"].crossing_db
    cells = (
        preset.name,
        _db(ml and Estimate(ml.mean + shift, ml.low and ml.low + shift, ml.high and ml.high + shift)),
        gain_text(by_name["mmse"], digits=2),
        gain_text(shown, digits=2),
        _on_mean_curves(records, preset.denoisers[-1], recipe.target),
        estimate(_above_ml(records, preset.denoisers[-1])).percent("+"),
        _db(_difference(records, preset.denoisers[-1], audited, recipe.target), "+"),
    )
    return f"| {' | '.join(cells)} |"


def _on_mean_curves(records: list[Record], name: str, target: float) -> str:
    """The gain as the paper reads it: between the curves of mean accuracy."""
    ml, own = (crossing_db(_mean(curves(records)["awgn", which]), target) for which in ("ml", name))
    return "-" if ml is None or own is None else f"{ml - own:+.2f}"


def _mean(draws: Mapping[int, Curve]) -> Curve:
    return [(fmean(x for x, _ in points), fmean(y for _, y in points)) for points in zip(*draws.values(), strict=True)]


def _above_ml(records: list[Record], name: str) -> list[float]:
    """Draw by draw, accuracy less that of ML, mean over the points."""
    found = curves(records)
    pairs = [(found["awgn", name][draw], ml) for draw, ml in found["awgn", "ml"].items()]
    return [sum(a[1] - b[1] for a, b in zip(own, ml, strict=True)) / len(ml) for own, ml in pairs]


def _difference(records: list[Record], name: str, audited: list[Record], target: float) -> Estimate | None:
    """How much less noise the audit's MMSEpb stands, draw by draw: paired, since all presets see the same noise."""
    own, base = curves(records).get(("awgn", name), {}), curves(audited).get(("awgn", "mmsepb"), {})
    found = [
        (crossing_db(base[draw], target), crossing_db(curve, target)) for draw, curve in own.items() if draw in base
    ]
    reached = [theirs - ours for theirs, ours in found if theirs is not None and ours is not None]
    return bootstrap(reached) if reached and len(reached) == len(own) else None


def _db(value: Estimate | None, sign: str = "") -> str:
    return "-" if value is None else value.text(sign, digits=2)


def panels(models: dict[str, Runs]) -> dict[tuple[str, str], dict[str, dict[int, object]]]:
    """(model, preset) -> receiver -> draw -> curve, of the three readings."""
    return {
        (model, name): {
            receiver: draws for (medium, receiver), draws in curves(found[name]).items() if medium == "awgn"
        }
        for model, found in models.items()
        for name in PRESETS
        if name in found
    }


def main() -> None:
    """Run what is missing of what was asked for; report all of the tier that is there."""
    chosen = options(__doc__)
    folder = chosen.out / "figure8"
    for recipe in chosen.recipes:
        for preset in chosen.presets(recipe):
            with progress.bar(f"{recipe.model}, {preset.name}", "draws") as reported:
                where = folder / f"{recipe.model}-{slug(preset.name)}"
                fill(where, recipe, preset, data_dir=chosen.data, device=chosen.device, report=reported)
    recipes = [recipe for recipe in TIERS[chosen.tier] if runs(recipe, folder)]
    models = {recipe.model: runs(recipe, folder) for recipe in recipes}
    targets = {recipe.model: recipe.target for recipe in recipes}
    plots.write(figure8(panels(models), targets), folder / f"{chosen.tier}.png", dpi=DPI)
    lines = [*heading(f"Figure 8, tier {chosen.tier}", "paper/figure8.py --tier " + chosen.tier), READING]
    for recipe in recipes:
        lines += section(recipe, models[recipe.model], clean_weights(recipe, chosen.data))
    publish(chosen.out / f"FIGURE8-{chosen.tier}.md", "\n".join(lines))


if __name__ == "__main__":
    main()
