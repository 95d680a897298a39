"""Pictures of federated trainings over the air. They read the rounds of a folder and never run anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analognn.estimates import Estimate, estimate
from analognn.experiments.feel import FeelEntry, FeelScenario, FeelStore, FeelSummary, RoundRow, Run, summarise_feel
from analognn.experiments.feel.scenario import NOISELESS
from analognn.experiments.feel.summary import finished
from analognn.experiments.scenario import Point, canonical
from analognn.plots import COLUMNS, DASHES, STYLES, finish, label_outer, line, tidy, write

PER_ROUND = "accuracy_per_round.png"
VS_NOISE = "accuracy_vs_noise.png"
_AXES = {
    "esn0_db": "Es/N0 [dB]",
    "wnr_db": "WNR of the sum of the updates [dB]",
    "noise_var": "noise variance per weight",
}


def draw(folder: Path) -> list[Path]:
    """Draw both pictures of a folder into it."""
    store = FeelStore(folder)
    figures = {
        PER_ROUND: accuracy_per_round(store.scenario, finished(store)),
        VS_NOISE: accuracy_vs_noise(summarise_feel(store)),
    }
    for name, figure in figures.items():
        write(figure, folder / name)
    return [folder / name for name in figures]


def accuracy_per_round(
    scenario: FeelScenario, trainings: dict[Run, list[RoundRow]], points: Sequence[Point] = (), *, titled: bool = True
) -> Figure:
    """Validation accuracy after each round, one line a base station; bands are 95 % intervals.

    Args:
        scenario: of the trainings.
        trainings: their rounds.
        points: one panel each; all of the scenario's if empty.
        titled: whether the figure has a title.
    """
    shown = [canonical(point) for point in points or scenario.uplink.points()]
    columns = min(len(shown), COLUMNS)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.4 + 3.7 * columns, 1.5 + 3.1 * rows), layout="constrained")
    panels: list[Axes] = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for panel, point in zip(panels, shown, strict=False):
        _curve(panel, _of(trainings, NOISELESS, "{}"), "0.45", "--", "no noise")
        for i, label in enumerate(scenario.station):
            color, dashes = STYLES[i % len(STYLES)][0], DASHES[i // len(STYLES) % len(DASHES)]
            _curve(panel, _of(trainings, label, point), color, dashes, label)
        panel.set_title(_point_text(json.loads(point)))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        tidy(panel)
    label_outer(panels, len(shown), columns, "round", "validation accuracy")
    title = f"{scenario.model}, federated over the air: mean and 95 % interval over trainings"
    finish(figure, panels[0], title if titled else "")
    return figure


def accuracy_vs_noise(summary: FeelSummary, *, titled: bool = True) -> Figure:
    """Test accuracy of the reported round against the strength of the noise, one line a base station."""
    figure = Figure(figsize=(7.2, 5.2) if titled else (5.1, 4.6), layout="constrained")
    panel = figure.subplots()
    clean = next((entry.accuracy for entry in summary.entries if entry.station == NOISELESS), None)
    if clean is not None:
        panel.axhline(clean.mean, color="0.45", linestyle="--", linewidth=1, label="no noise")
        if clean.low is not None and clean.high is not None:
            panel.axhspan(clean.low, clean.high, color="0.45", alpha=0.15, linewidth=0)
    key = _swept(summary)
    for index, label in enumerate(summary.scenario.station):
        entries = [entry for entry in summary.entries if entry.station == label]
        points = [(x, _within(entry.accuracy)) for entry in entries if (x := _x(entry, key)) is not None]
        line(panel, points, index, label)
    panel.set_xlabel(_AXES.get(key, key) if key else "mean effective WNR of the sum [dB]")
    panel.set_ylabel("test accuracy")
    tidy(panel)
    seeds = summary.scenario.seeds
    title = f"{summary.scenario.model}, federated over the air: mean and 95 % interval, {seeds} trainings"
    finish(figure, panel, title if titled else "")
    return figure


def _of(trainings: dict[Run, list[RoundRow]], station: str, point: str) -> list[list[float]]:
    """Validation accuracies of each training; one that was given up keeps its last."""
    rows = [r for run, r in trainings.items() if (run.station, run.point) == (station, point)]
    longest = max((len(r) for r in rows), default=0)
    return [[row.validation for row in r] + [r[-1].validation] * (longest - len(r)) for r in rows]


def _curve(panel: Axes, accuracies: list[list[float]], color: str, dashes: str, label: str) -> None:
    if not accuracies:
        return
    estimates = [estimate(values) for values in zip(*accuracies, strict=True)]
    rounds = np.arange(1, len(estimates) + 1)
    panel.plot(rounds, [a.mean for a in estimates], color=color, linestyle=dashes, linewidth=1.6, label=label)
    low, high = ([_bound(a, side) for a in estimates] for side in ("low", "high"))
    panel.fill_between(rounds, low, high, color=color, alpha=0.15, linewidth=0)


def _bound(a: Estimate, side: str) -> float:
    value: float | None = getattr(a, side)
    return a.mean if value is None else min(max(value, 0.0), 1.0)


def _within(a: Estimate) -> Estimate:
    """An accuracy whose interval ends at 0 and 1."""
    return Estimate(a.mean, _bound(a, "low"), _bound(a, "high"))


def _swept(summary: FeelSummary) -> str:
    """The one number that the uplink sweeps, or an empty text."""
    keys = {key for entry in summary.entries for key in entry.point}
    numbers = all(isinstance(value, (int, float)) for entry in summary.entries for value in entry.point.values())
    return keys.pop() if len(keys) == 1 and numbers else ""


def _x(entry: FeelEntry, key: str) -> float | None:
    return float(entry.point[key]) if key else entry.wnr_db


def _point_text(point: dict[str, object]) -> str:
    return ", ".join(
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}" for key, value in point.items()
    )
