"""Figures 7 and 8 drawn from what was found; nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter
from surfaces import Answers, Selection, Surface

from analognn.experiments.gains import Curve
from analognn.plots import STYLES, tidy

DPI = 130
LABELS = {"ml": "ML", "mmse": "MMSE", "mmsepb": "MMSEpb", "oracle-mmsepb": "MMSEpb, best pair on the test set"}
_STYLE = dict(zip(LABELS, (STYLES[0], STYLES[1], STYLES[3], STYLES[5]), strict=True))
_BEST, _CHOSEN = (STYLES[2][0], "*"), ("white", "X")


def figure8(
    panels: Mapping[tuple[str, str], Mapping[str, Mapping[int, Curve]]], targets: Mapping[str, float]
) -> Figure:
    """Accuracy against the effective WNR, three panels a row: mean, and one standard deviation shaded.

    Args:
        panels: (model, preset) -> receiver -> draw -> curve.
        targets: model -> accuracy at which the gain is read.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1 + 4.2 * columns, 1.3 + 3.3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for panel in axes.flat[len(panels) :]:
        panel.set_axis_off()
    for panel, ((model, preset), receivers) in zip(axes.flat, panels.items(), strict=False):
        for name, draws in receivers.items():
            _band(panel, name, draws)
        panel.axhline(targets[model], color="0.6", linestyle=":", linewidth=1)
        panel.set_title(f"{model}, {preset}", fontsize=10)
        tidy(panel)
    for panel in axes[:, 0]:
        panel.set_ylabel("test accuracy")
    for panel in axes[-1]:
        panel.set_xlabel("effective WNR [dB]")
    axes[0, 0].set_ylim(0, 1)
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    shown = [name for name in LABELS if any(name in receivers for receivers in panels.values())]
    handles = [_handle(LABELS[name], *_STYLE[name], line="-") for name in shown]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.suptitle("Accuracy after noise and receiver: mean and standard deviation over noise draws", fontsize=11)
    return figure


def figure7(draws: Sequence[Surface], found: Sequence[Selection], shown: Mapping[int, Answers], title: str) -> Figure:
    """Accuracy over (lambda', beta) on test and on kappa validation examples, and what kappa examples select.

    Args:
        draws: a surface each noise draw; the first is drawn.
        found: what kappa examples select, over redraws and noise draws.
        shown: kappa -> the answers on the examples that are drawn.
        title: above all.
    """
    figure = Figure(figsize=(14.5, 8.6), layout="constrained")
    axes = list(figure.subplots(2, 3).flat)
    surface = draws[0]
    tops = [answers.right.mean(1).max() for answers in (surface.test, *shown.values())]
    levels = np.arange(0, np.ceil(20 * max(tops)) + 1) / 20
    title_a = f"(a) {surface.test.right.shape[1]} test examples; best {tops[0]:.1%}"
    filled = _surface(axes[0], surface, surface.test, levels, title_a)
    for panel, (kappa, answers), letter in zip(axes[1:4], shown.items(), "bcd", strict=True):
        achieved = surface.test.right[answers.best].mean()
        theirs = f"({letter}) {kappa} validation examples; theirs has {achieved:.1%} on test"
        _surface(panel, surface, answers, levels, theirs)
    figure.colorbar(
        filled, ax=axes[:4], label="accuracy", ticks=levels[::2], format=PercentFormatter(1.0, decimals=0), shrink=0.8
    )
    _selected(axes[4], draws, found)
    _lost(axes[5], found)
    handles = [
        _handle("ML", *_STYLE["ml"]), _handle("MMSE", *_STYLE["mmse"]), _handle("best on test", *_BEST),
        _handle("best on these examples", *_CHOSEN),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title, fontsize=11)
    return figure


def _band(panel: Axes, name: str, draws: Mapping[int, Curve]) -> None:
    color, marker = _STYLE[name]
    x, y = (np.array([[point[i] for point in curve] for curve in draws.values()]) for i in (0, 1))
    mean, spread = y.mean(0), y.std(0, ddof=1 if len(y) > 1 else 0)
    panel.fill_between(x.mean(0), mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0)
    panel.plot(x.mean(0), mean, color=color, marker=marker, markersize=4, linewidth=1.6)


def _surface(panel: Axes, surface: Surface, answers: Answers, levels: np.ndarray, title: str) -> ContourSet:
    """Filled contours of the accuracy; pairs outside the domain of lambda' are left white."""
    lambdas, betas = (sorted({pair[i] for pair in surface.pairs}) for i in (0, 1))
    accuracy = np.full((len(betas), len(lambdas)), np.nan)
    for (lambda_prime, beta), value in zip(surface.pairs, answers.right.mean(1), strict=True):
        accuracy[betas.index(beta), lambdas.index(lambda_prime)] = value
    filled = panel.contourf(lambdas, betas, accuracy, levels=levels, cmap="cividis")
    panel.contour(lambdas, betas, accuracy, levels=levels[::2], colors="white", linewidths=0.5, alpha=0.6)
    panel.set(xlabel=r"$\lambda'$", ylabel=r"$\beta$")
    panel.set_title(title, fontsize=9.5)
    _spot(panel, (1.0, 0.0), *_STYLE["ml"])
    if (0.0, 0.0) in surface.pairs:
        _spot(panel, (0.0, 0.0), *_STYLE["mmse"])
    _spot(panel, surface.pairs[surface.test.best], *_BEST, size=15)
    if answers is not surface.test:
        _spot(panel, surface.pairs[answers.best], *_CHOSEN)
    return filled


def _selected(panel: Axes, draws: Sequence[Surface], found: Sequence[Selection]) -> None:
    color, marker = _STYLE["mmsepb"]
    kappas = [row.kappa for row in found]
    panel.plot(kappas, [r.promised for r in found], "--", color="0.35", marker="v", label="on the examples: promised")
    panel.plot(kappas, [r.achieved for r in found], color=color, marker=marker, label="on test: achieved")
    for accuracy, own, label in (
        ([surface.test.right.mean(1).max() for surface in draws], _BEST[0], "best pair on test"),
        ([surface.test.right.mean(1)[surface.index(1.0, 0.0)] for surface in draws], _STYLE["ml"][0], "ML"),
    ):
        panel.axhline(np.mean(accuracy), color=own, linewidth=1, label=label)
    _kappa_axis(panel, kappas)
    panel.set_title("(e) mean accuracy of the pair that kappa examples select", fontsize=9.5)
    low, high = panel.get_ylim()
    panel.set_ylim(low - 0.3 * (high - low), high)  # room for the legend
    panel.legend(loc="lower left", ncols=2, fontsize=8, frameon=False)


def _lost(panel: Axes, found: Sequence[Selection]) -> None:
    color, marker = _STYLE["mmsepb"]
    kappas = [row.kappa for row in found]
    panel.fill_between(kappas, [r.low for r in found], [r.high for r in found], color=color, alpha=0.15, linewidth=0)
    panel.plot(kappas, [row.lost for row in found], color=color, marker=marker)
    _kappa_axis(panel, kappas)
    panel.set_ylim(0, 1.25 * max(row.high for row in found) + 0.01)  # room for the shares
    for row in found:
        panel.annotate(
            f"{row.below_ml:.1%}\nworse\nthan ML", (row.kappa, 0.97), xycoords=("data", "axes fraction"),
            ha="center", va="top", fontsize=8, color="0.3",
        )  # fmt: skip
    panel.set_title("(f) accuracy lost against the best pair on test: mean, 5 to 95 %", fontsize=9.5)


def _kappa_axis(panel: Axes, kappas: Sequence[int]) -> None:
    panel.set_xscale("log", base=2)
    panel.set_xticks(kappas, [str(kappa) for kappa in kappas])
    panel.set_xlabel(r"validation examples $\kappa$")
    panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    tidy(panel)


def _spot(panel: Axes, at: tuple[float, float], color: str, marker: str, size: float = 10) -> None:
    edge = "black" if color == "white" else "white"
    panel.plot(
        *at, marker=marker, color=color, markersize=size, markeredgecolor=edge, markeredgewidth=1.2, clip_on=False
    )


def _handle(label: str, color: str, marker: str, line: str = "none") -> Line2D:
    edge = "black" if color == "white" else color
    return Line2D([], [], linestyle=line, color=color, marker=marker, markersize=9, markeredgecolor=edge, label=label)
