"""Pictures of studies: every panel that a `Findings` holds, whatever the method. They draw what they are given."""

from __future__ import annotations

import itertools
import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from analognn.plots import STYLES, tidy
from analognn.training.study import Curve, Findings, Panel

_INK = "0.15"


def draw(findings: Findings, *, title: str) -> Figure:
    """All panels in rows; bands and bars are 95 % intervals over seeds, dashed lines are theory.

    A label keeps its colour from panel to panel. A seventh label of one panel is dash-dotted in the first colour.
    """
    columns = min(len(findings.panels), 2 if len(findings.panels) == 4 else 3)
    rows = -(-len(findings.panels) // columns)
    figure = Figure(figsize=(1 + 5 * columns, 0.6 + 4.1 * rows), layout="constrained")
    colors: dict[str, int] = {}
    for index, panel in enumerate(findings.panels):
        colors |= _new_colors(panel, colors)
        _panel(figure.add_subplot(rows, columns, index + 1), panel, colors)
    figure.suptitle("\n".join(textwrap.wrap(title, 60 * columns)))
    return figure


def _new_colors(panel: Panel, known: dict[str, int]) -> dict[str, int]:
    """The first colours that the panel's known labels leave, for its new ones; theory on its own is black."""
    labels = [curve.label for curve in panel.curves if curve.kind != "theory" or not _is_alone(curve, panel)]
    taken = {known[label] for label in labels if label in known}
    free = (index for index in itertools.count() if index not in taken)
    return {label: next(free) for label in dict.fromkeys(labels) if label not in known}


def _panel(axes: Axes, panel: Panel, colors: dict[str, int]) -> None:
    axes.set_xscale("log" if panel.log_x else "linear")
    axes.set_yscale("log" if panel.log_y else "linear")
    for curve in panel.curves:
        _curve(axes, curve, colors.get(curve.label, 0), alone=_is_alone(curve, panel))
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            _log_ticks(axis)
    axes.set_title("\n".join(textwrap.wrap(panel.title, 55)), fontsize="medium")
    tidy(axes)
    _legend(axes, panel)


def _log_ticks(axis: Axis) -> None:
    """Powers of ten, or round numbers where there are fewer than two of them in sight."""
    low, high = axis.get_view_interval()
    axis.set_minor_formatter(NullFormatter())
    if math.floor(math.log10(high)) - math.ceil(math.log10(low)) < 1:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 10 * low else MaxNLocator(5))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())


def _is_alone(curve: Curve, panel: Panel) -> bool:
    """Whether no other curve of the panel has its label, so that the legend has to name it."""
    return sum(each.label == curve.label for each in panel.curves) == 1


def _curve(axes: Axes, curve: Curve, index: int, *, alone: bool) -> None:
    color, marker = STYLES[index % len(STYLES)]
    if curve.kind == "theory":
        ink, label = (_INK, curve.label) if alone else (color, None)
        axes.plot(curve.x, curve.y, "--", color=ink, linewidth=1.4, zorder=3, label=label)
    elif curve.kind == "points" or len(curve.x) == 1:
        axes.errorbar(
            curve.x, curve.y, yerr=curve.half_width, fmt=marker, color=color, markerfacecolor="white", markersize=6,
            elinewidth=1.2, capsize=3, label=curve.label, zorder=4,
        )  # fmt: skip
    else:
        _line(axes, curve, color, "-" if index < len(STYLES) else "-.")


def _line(axes: Axes, curve: Curve, color: str, style: str) -> None:
    axes.plot(curve.x, curve.y, style, color=color, label=curve.label)
    if curve.half_width is not None:
        y, half = np.array(curve.y), np.array(curve.half_width)
        low = y - half if axes.get_yscale() == "linear" else np.maximum(y - half, y / 10)  # a band may reach below 0
        axes.fill_between(curve.x, low, y + half, color=color, alpha=0.25, linewidth=0)


def _legend(axes: Axes, panel: Panel) -> None:
    """Names in the order of the curves; one entry for all theory that shares its colour with what it explains."""
    handles, names = axes.get_legend_handles_labels()
    if any(curve.kind == "theory" and not _is_alone(curve, panel) for curve in panel.curves):
        handles.append(Line2D([], [], linestyle="--", color="0.35"))
        names.append("theory")
    axes.legend(handles, names, frameon=False, fontsize="small")
