"""Pictures of what a run found. They read its summary and never run anything."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from analognn.estimates import Estimate
from analognn.experiments.scenario import Scenario
from analognn.experiments.store import Store
from analognn.experiments.summary import Entry, Summary, summarise
from analognn.experiments.words import time_text
from analognn.files import replacing

PICTURE = "accuracy_vs_wnr.png"
COLUMNS = 4
"""Panels side by side at most."""
# Okabe and Ito's colours, told apart by colour-blind readers; the marker says the same once more.
STYLES = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "D"), ("#CC79A7", "^"), ("#56B4E9", "v"), ("#D55E00", "P"))
DASHES = ("-", "--", ":")
_AXES = {"esn0_db": "Es/N0 [dB]", "wnr_db": "WNR [dB]", "t_inference": "time since programming"}
_DECADES = 100.0
"""Positive values as far apart as this stand on a logarithmic axis."""
_LABELS = {"ml": "ML", "mmse": "MMSE", "mmsep": "MMSEp", "mmsepb": "MMSEpb"}


def draw(folder: Path) -> list[Path]:
    """Draw ``accuracy_vs_wnr.png`` of a run folder into it, and ``accuracy_vs_KEY.png`` where all media sweep KEY."""
    summary = summarise(Store(folder))
    figures = {PICTURE: accuracy_vs_wnr(summary)}
    if key := shared_axis(summary):
        figures[f"accuracy_vs_{key}.png"] = accuracy_vs_key(summary, key)
    for name, figure in figures.items():
        write(figure, folder / name)
    return [folder / name for name in figures]


def shared_axis(summary: Summary) -> str | None:
    """The one parameter that all media sweep and nothing else; None where there are fewer than two media."""
    axes = {tuple(entry.point) for entry in summary.entries}
    keys = axes.pop() if len(axes) == 1 else ()
    numbers = all(isinstance(value, (int, float)) for entry in summary.entries for value in entry.point.values())
    return keys[0] if len(keys) == 1 and numbers and len(summary.scenario.media) > 1 else None


def accuracy_vs_key(summary: Summary, key: str, *, titled: bool = True) -> Figure:
    """Test accuracy against a parameter all media sweep, one panel a denoiser, one line a medium, 95 % intervals."""
    names = list(dict.fromkeys(entry.denoiser for entry in summary.entries))
    columns = min(len(names), COLUMNS)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(1.2 + 4.2 * columns, 1.2 + 3.4 * rows), layout="constrained")
    axes: list[Axes] = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for panel, name in zip(axes, names, strict=False):
        if summary.clean is not None:
            panel.axhline(summary.clean, color="0.45", linestyle="--", linewidth=1, label="no noise")
        for index, label in enumerate(summary.scenario.media):
            entries = [entry for entry in summary.entries if (entry.denoiser, entry.medium) == (name, label)]
            line(panel, [(float(entry.point[key]), entry.accuracy) for entry in entries], index, label)
        tidy(panel)
        panel.set_title(_LABELS.get(name, name))
    _spread(axes[0], key, sorted({float(entry.point[key]) for entry in summary.entries}))
    label_outer(axes, len(names), columns, _AXES.get(key, key), "test accuracy")
    finish(figure, axes[0], _title(summary.scenario) if titled else "")
    return figure


def _spread(panel: Axes, key: str, values: list[float]) -> None:
    """An axis of decades for values that span them, 0 to their left; times in words."""
    positive = [value for value in values if value > 0]
    if values[0] < 0 or not positive or positive[-1] < _DECADES * positive[0]:
        return
    panel.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
    ticks = [value for i, value in enumerate(values) if i == 0 or value >= 3 * values[i - 1]]  # else they overlap
    panel.set_xticks(ticks, [time_text(tick) if key == "t_inference" else f"{tick:g}" for tick in ticks])
    panel.xaxis.set_minor_locator(NullLocator())


def accuracy_vs_wnr(summary: Summary, *, titled: bool = True) -> Figure:
    """Test accuracy against effective WNR, one panel a medium, one line a denoiser, 95 % intervals."""
    labels = list(dict.fromkeys(entry.medium for entry in summary.entries))
    columns = min(max(len(labels), 1), COLUMNS)
    rows = -(-len(labels) // columns) or 1
    figure = Figure(figsize=(1.2 + max(3.6 * columns, 5.4 if titled else 0.0), 1.2 + 3.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    axes: list[Axes] = list(grid.flat)
    for panel, label in zip(axes, labels, strict=False):
        _panel(panel, [entry for entry in summary.entries if entry.medium == label], summary)
        panel.set_title(label)
    label_outer(axes, len(labels), columns, "effective WNR [dB]", "test accuracy")
    finish(figure, axes[0], _title(summary.scenario) if titled else "")
    return figure


def accuracy_of_runs(runs: Mapping[str, Sequence[Entry]]) -> Figure:
    """Test accuracy against effective WNR of one receiver on one medium, one line a run."""
    figure = Figure(figsize=(4.8, 4.2), layout="constrained")
    panel = figure.subplots()
    for index, (label, entries) in enumerate(runs.items()):
        line(panel, [(e.wnr_db, e.accuracy) for e in entries if e.wnr_db is not None], index, label)
    panel.set_xlabel("effective WNR [dB]")
    panel.set_ylabel("test accuracy")
    tidy(panel)
    finish(figure, panel, "")
    return figure


def _panel(panel: Axes, entries: list[Entry], summary: Summary) -> None:
    if summary.clean is not None:
        panel.axhline(summary.clean, color="0.45", linestyle="--", linewidth=1, label="no noise")
    for index, name in enumerate(summary.scenario.denoiser.names):
        points = [
            (entry.wnr_db, entry.accuracy) for entry in entries if entry.denoiser == name and entry.wnr_db is not None
        ]
        line(panel, points, index, _LABELS.get(name, name))
    tidy(panel)


def line(panel: Axes, points: list[tuple[float, Estimate]], index: int, label: str) -> None:
    """Estimates over x with their intervals, in the style of the ``index``-th name."""
    dashes, style = divmod(index, len(STYLES))
    color, marker = STYLES[style]
    points = sorted(points, key=lambda point: point[0])
    panel.errorbar(
        [x for x, _ in points], [a.mean for _, a in points], yerr=reach([a for _, a in points]), label=label,
        color=color, marker=marker, linestyle=DASHES[dashes % len(DASHES)], markersize=5, linewidth=1.6, elinewidth=1,
        capsize=2.5,
    )  # fmt: skip


def reach(estimates: Sequence[Estimate]) -> list[list[float]]:
    """How far the intervals reach below and above the means; 0 where one draw leaves none."""
    below = [a.mean - a.low if a.low is not None else 0.0 for a in estimates]
    above = [a.high - a.mean if a.high is not None else 0.0 for a in estimates]
    return [below, above]


def _title(scenario: Scenario) -> str:
    most = f" to {scenario.stop.max_seeds}" if scenario.stop else ""
    draws = f"mean and 95 % interval over noise draws ({scenario.seeds}{most} a point)"
    return f"{scenario.model}: accuracy after medium and receiver, {draws}"


def label_outer(panels: Sequence[Axes], used: int, columns: int, x: str, y: str) -> None:
    """Name the axes of those of the first ``used`` panels that have none below or to their left; remove the others."""
    for index, panel in enumerate(panels[:used]):
        if index + columns >= used:
            panel.set_xlabel(x)
            panel.tick_params(labelbottom=True)
        if index % columns == 0:
            panel.set_ylabel(y)
    for unused in panels[used:]:
        unused.remove()


def finish(figure: Figure, first: Axes, title: str) -> None:
    """Axes of accuracy from 0 to 1, one legend for all panels, those of ``first``, and a wrapped title if any."""
    first.set_ylim(0, 1.03)
    first.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    handles, names = first.get_legend_handles_labels()
    width = figure.get_figwidth()
    column = 0.7 + 0.08 * max(map(len, names), default=0)  # inches that the longest entry takes
    columns = max(min(len(names), int(width / column)), 1)
    figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)
    if title:
        figure.suptitle(textwrap.fill(title, int(12 * width)), fontsize=11)


def tidy(panel: Axes) -> None:
    """A quiet grid behind the curves, and no box around them."""
    panel.grid(color="0.9")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def write(figure: Figure, path: Path, *, dpi: int = 150) -> None:
    """Write ``figure`` as PNG."""
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=dpi)
