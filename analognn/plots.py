"""Pictures of what a run found. They read its summary and never run anything."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analognn.experiments.store import Store
from analognn.experiments.summary import Entry, Summary, summarise
from analognn.files import replacing

PICTURE = "accuracy_vs_wnr.png"
COLUMNS = 4
"""Panels side by side at most."""
# Okabe and Ito's colours, told apart by colour-blind readers; the marker says the same once more.
STYLES = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "D"), ("#CC79A7", "^"), ("#56B4E9", "v"), ("#D55E00", "P"))
_LABELS = {"ml": "ML", "mmse": "MMSE", "mmsep": "MMSEp", "mmsepb": "MMSEpb"}


def draw(folder: Path) -> Path:
    """Draw ``accuracy_vs_wnr.png`` of a run folder into it."""
    figure = accuracy_vs_wnr(summarise(Store(folder)))
    with replacing(folder / PICTURE) as part:
        figure.savefig(part, format="png", dpi=150)
    return folder / PICTURE


def accuracy_vs_wnr(summary: Summary) -> Figure:
    """Test accuracy against effective WNR, one panel a medium, one line a denoiser, 95 % intervals."""
    labels = list(dict.fromkeys(entry.medium for entry in summary.entries))
    columns = min(max(len(labels), 1), COLUMNS)
    rows = -(-len(labels) // columns) or 1
    figure = Figure(figsize=(1.2 + 3.6 * columns, 1.2 + 3.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    axes: list[Axes] = list(grid.flat)
    for index, (panel, label) in enumerate(zip(axes, labels, strict=False)):
        _panel(panel, [entry for entry in summary.entries if entry.medium == label], summary)
        panel.set_title(label)
        if index + columns >= len(labels):  # nothing below it
            panel.set_xlabel("effective WNR [dB]")
            panel.tick_params(labelbottom=True)
        if index % columns == 0:
            panel.set_ylabel("test accuracy")
    for unused in axes[len(labels) :]:
        unused.remove()
    axes[0].set_ylim(0, 1.03)
    axes[0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names) or 1, frameon=False)
    scenario = summary.scenario
    draws = f"mean and 95 % interval over noise draws ({scenario.seeds} a point)"
    figure.suptitle(f"{scenario.model}: accuracy after medium and denoiser, {draws}", fontsize=11)
    return figure


def _panel(panel: Axes, entries: list[Entry], summary: Summary) -> None:
    if summary.clean is not None:
        panel.axhline(summary.clean, color="0.45", linestyle="--", linewidth=1, label="no noise")
    for (color, marker), name in zip(STYLES, summary.scenario.denoiser.names, strict=False):
        line = sorted(
            (
                (entry.wnr_db, entry.accuracy)
                for entry in entries
                if entry.denoiser == name and entry.wnr_db is not None
            ),
            key=lambda point: point[0],
        )
        mean = [accuracy.mean for _, accuracy in line]
        below = [a.mean - (a.low if a.low is not None else a.mean) for _, a in line]
        above = [(a.high if a.high is not None else a.mean) - a.mean for _, a in line]
        panel.errorbar(
            [wnr_db for wnr_db, _ in line], mean, yerr=[below, above], label=_LABELS.get(name, name), color=color,
            marker=marker, markersize=5, linewidth=1.6, elinewidth=1, capsize=2.5,
        )  # fmt: skip
    panel.grid(color="0.9")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
