"""Pictures of the theory: Figures 3, 5 and 6 of the paper, simulation over theory. They draw what they are given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter

from analognn.plots import STYLES, tidy
from analognn.theory.estimator import Affine, NoisyWeights, temperatures
from analognn.theory.figures import Cut, Figure3, Figure5, Figure6
from analognn.theory.monte_carlo import Array
from analognn.theory.quadratic import CriticalPoint

_SURFACE = "cividis"
_INK, _PRINTED = "0.15", STYLES[5][0]
_NAMED = {  # label, colour and marker; the first three as in the pictures of runs
    "ml": ("ML", *STYLES[0]),
    "mmse": ("MMSE", *STYLES[1]),
    "mmsepb": ("MMSEpb of the theorem", *STYLES[3]),
    "best": ("best denoiser", STYLES[2][0], "*"),
}
_THETA, _RHO, _LAMBDA = r"factor $\theta$", r"offset $\rho$", r"population compensator $\lambda'$"
_RANGE, _ERROR = "input range c", "expected squared output error D"
_SIMULATED = "simulation, 95 %"
_Line = Literal["-", "--", ":"]


def figure3(found: Figure3) -> Figure:
    """Theorem 3: surface, contours with P1...P4, the cut rho = 0, and simulation against the closed form."""
    figure = Figure(figsize=(13, 10), layout="constrained")
    contour, cut, relative = (figure.add_subplot(2, 2, index) for index in (2, 3, 4))
    norm = LogNorm(float(found.surface.min()), float(found.surface.max()))
    solid = figure.add_subplot(2, 2, 1, projection="3d", computed_zorder=False)
    _solid(solid, found, found.surface, norm, found.named, -112.0)
    solid.set_title("D by the closed form (20)")
    _colorbar(figure, contour, _contour(contour, found.theta, found.rho, found.surface, norm))
    contour.axvspan(found.theta[0], found.named["mmse"].theta, facecolor="none", edgecolor="0.6", hatch="//", lw=0)
    contour.set_title(r"Its contours; hatched: $\lambda' < 0$")
    _critical(contour, found.points)
    _mark(contour, found.named)
    _error_cut(cut, found.cut, r"closed form (20), $C_2 = (c^2 + 1/3)^2$", r"as printed, $C_2 = (c^2 - 1/3)^2$")
    cut.set(title=r"Along $\rho = 0$", xlabel=_THETA, ylabel=_ERROR, ylim=(0, None))
    _mark_cut(cut, found.cut)
    _relative(relative, found.cut)
    relative.set(title=r"Along $\rho = 0$, relative to the closed form", xlabel=_THETA, ylabel="D / closed form - 1")
    _legend(figure, {name: f"{_NAMED[name][0]}, D = {error:#.4g}" for name, error in found.errors.items()})
    network = found.network
    figure.suptitle(
        _title(f"Theorem 3, quadratic network with d = {network.dim}, c = {network.shift:g}", network.weights)
    )
    return figure


def figure5(found: Figure5) -> Figure:
    """Theorem 5: exact surface, its contours beside those of (31), cuts along theta, rho and lambda'."""
    figure = Figure(figsize=(15.5, 10), layout="constrained")
    exact, printed, theta, rho, excess = (figure.add_subplot(2, 3, index) for index in range(2, 7))
    norm = LogNorm(float(found.exact.min()), float(found.exact.max()))
    marked = {name: at for name, at in found.named.items() if name != "best"}  # best lies on MMSE's marker
    solid = figure.add_subplot(2, 3, 1, projection="3d", computed_zorder=False)
    _solid(solid, found, found.exact, norm, marked, -30.0)
    solid.set_title("Exact D (quadrature)")
    _contour(exact, found.theta, found.rho, found.exact, norm)
    exact.set_title("Its contours")
    _colorbar(figure, printed, _contour(printed, found.theta, found.rho, found.printed, norm))
    printed.set_title(f"(31) as printed; it reaches {found.printed.max():.3g}")
    for panel in (exact, printed):
        _mark(panel, marked)
    for panel, cut in ((theta, found.along_theta), (rho, found.along_rho), (excess, found.excess)):
        _error_cut(panel, cut, "exact", "(31) as printed")
    theta.set(title=r"Along $\rho = 0$", xlabel=_THETA, ylabel=_ERROR, ylim=(0, None))
    _mark_cut(theta, found.along_theta)
    rho.set(title=r"Along $\theta = 1$", xlabel=_RHO, ylabel=_ERROR, yscale="log")
    _excess(excess, found)
    _legend(figure, {name: f"{_NAMED[name][0]}, D = {error:#.4g}" for name, error in found.errors.items()})
    network = found.network
    figure.suptitle(
        _title(f"Theorem 5, tanh network with N = {network.hidden}, c = {network.half_width:g}", network.weights)
    )
    return figure


def figure6(found: Figure6) -> Figure:
    """D against c: the paper's figure, the same relative to the exact error, and the best lambda'."""
    figure = Figure(figsize=(15.5, 5.6), layout="constrained")
    error, ratio, best = figure.subplots(1, 3)
    for name, cut in found.cuts.items():
        _, color, marker = _NAMED[name]
        error.plot(cut.x, cut.exact, color=color)
        error.plot(cut.x, cut.printed, "--", color=color)
        _points(error, cut, marker=marker, color=color)
        ratio.plot(cut.x, cut.printed / cut.exact - 1, "--", color=color)
        ratio.plot(cut.x, found.series[name] / cut.exact - 1, ":", linewidth=2, color=color)
        _points(ratio, _over_theory(cut), marker=marker, color=color)
    ratio.axhline(0, color=_INK)
    error.set(title="Points: simulation, 95 %", xlabel=_RANGE, ylabel=_ERROR, ylim=(0, None))
    ratio.set(title="Relative to the exact error", xlabel=_RANGE, ylabel="D / exact D - 1")
    ratio.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _best_lambda(best, found)
    for panel in (error, ratio, best):
        tidy(panel)
    best.legend(frameon=False, loc="center right")
    lines: dict[str, _Line] = {"exact": "-", "(31) as printed": "--", r"(31) corrected, order $c^2$": ":"}
    _legend(figure, {name: _NAMED[name][0] for name in found.cuts}, lines)
    figure.suptitle(_title(f"Theorem 5, tanh network with N = {found.network.hidden}", found.network.weights))
    return figure


def _solid(
    panel: Any, found: Figure3 | Figure5, error: Array, norm: LogNorm, names: Iterable[str], azimuth: float
) -> None:
    """The surface on 3-D axes (which have no stubs), in the colours of the contours: logarithmic, low errors matter."""
    panel.plot_surface(
        found.theta[None, :], found.rho[:, None], error, cmap=_SURFACE, norm=norm, rcount=40, ccount=40,
        edgecolor="white", linewidth=0.15,
    )  # fmt: skip
    panel.set(xlabel=_THETA, ylabel=_RHO)
    for axis in (panel.xaxis, panel.yaxis, panel.zaxis):
        axis.set_major_locator(MaxNLocator(5))
    panel.view_init(elev=45, azim=azimuth)
    panel.set_box_aspect(None, zoom=0.92)
    for name in names:
        _spot(panel, name, found.named[name].theta, found.named[name].rho, found.errors[name])


def _contour(panel: Axes, theta: Array, rho: Array, error: Array, norm: LogNorm) -> ContourSet:
    """Filled contours in 24 steps of equal ratio; every second is outlined. Beyond ``norm`` the colour is the last."""
    levels = np.geomspace(float(norm.vmin or error.min()), float(norm.vmax or error.max()), 25)
    filled = panel.contourf(theta, rho, error, levels=levels, cmap=_SURFACE, norm=norm, extend="both")
    panel.contour(theta, rho, error, levels=levels[2::2], colors="white", linewidths=0.6, alpha=0.7)
    panel.set(xlabel=_THETA, ylabel=_RHO)
    return filled


def _colorbar(figure: Figure, panel: Axes, filled: ContourSet) -> None:
    ticks = LogLocator(subs=(1, 2, 5))
    figure.colorbar(filled, ax=panel, label="D", pad=0.02, ticks=ticks, format="%g").minorticks_off()


def _critical(panel: Axes, points: tuple[CriticalPoint, ...]) -> None:
    for point in points:
        mirrored = {(s * point.at.theta, t * point.at.rho) for s in (-1, 1) for t in (-1, 1)}
        if point.name == "P3":  # MMSEpb's marker says it
            mirrored.discard((point.at.theta, point.at.rho))
        panel.plot(*zip(*mirrored, strict=True), "x", color="white", markersize=7, markeredgewidth=2)
        panel.annotate(
            f"{point.name} {point.kind}", (point.at.theta, point.at.rho), textcoords="offset points",
            xytext=(0, -22) if point.name == "P3" else (0, 10), color="white", ha="center", fontweight="bold",
            path_effects=[withStroke(linewidth=2.5, foreground="0.25")],
        )  # fmt: skip


def _mark(panel: Axes, named: dict[str, Affine]) -> None:
    for name, at in named.items():
        _spot(panel, name, at.theta, at.rho)


def _spot(panel: Axes, name: str, *at: float) -> None:
    _, color, marker = _NAMED[name]
    panel.plot(
        *([value] for value in at), marker=marker, color=color, markersize=15 if marker == "*" else 10,
        markeredgecolor="white", markeredgewidth=1.3, zorder=4,
    )  # fmt: skip


def _error_cut(panel: Axes, cut: Cut, exact: str, printed: str) -> None:
    panel.plot(cut.x, cut.exact, color=_INK, label=exact)
    panel.plot(cut.x, cut.printed, "--", color=_PRINTED, label=printed)
    _points(panel, cut, label=_SIMULATED)
    tidy(panel)
    panel.legend(frameon=False)


def _relative(panel: Axes, cut: Cut) -> None:
    panel.axhline(0, color=_INK)
    panel.plot(cut.x, cut.printed / cut.exact - 1, "--", color=_PRINTED)
    _points(panel, _over_theory(cut))
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    tidy(panel)


def _over_theory(cut: Cut) -> Cut:
    """Its simulated points relative to the theory there."""
    return replace(cut, mean=cut.mean / cut.theory - 1, standard_error=cut.standard_error / cut.theory)


def _points(panel: Axes, cut: Cut, *, marker: str = "o", color: str = _INK, label: str | None = None) -> None:
    panel.errorbar(
        cut.at, cut.mean, yerr=1.96 * cut.standard_error, fmt=marker, color=color, markerfacecolor="white",
        markersize=5, elinewidth=1.2, capsize=3, label=label, zorder=3,
    )  # fmt: skip


def _mark_cut(panel: Axes, cut: Cut) -> None:
    """The first three points of a cut along theta are denoisers."""
    for index, name in enumerate(("ml", "mmse", "mmsepb")):
        _spot(panel, name, float(cut.at[index]), float(cut.theory[index]))


def _excess(panel: Axes, found: Figure5) -> None:
    panel.axvspan(found.excess.x[0], 0, color="0.94")
    panel.set(title=r"Along $\rho = 0$, against MMSE; grey: $\lambda' < 0$", xlabel=_LAMBDA, ylabel="D / D of MMSE - 1")
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for name in ("mmsepb", "best", "mmse"):
        at = temperatures(found.network.weights, found.named[name]).lambda_prime
        _spot(panel, name, at, float(np.interp(at, found.excess.x, found.excess.exact)))


def _best_lambda(panel: Axes, found: Figure6) -> None:
    c = found.cuts["ml"].x
    panel.plot(c, found.best_lambda, color=_INK, label="least exact error")
    panel.plot(
        c, found.first_order, ":", linewidth=2, color=STYLES[2][0], label=r"first order, $-(3/10)\,c^2 \sigma_w^2$"
    )
    panel.axhline(found.printed_lambda, linestyle="--", color=_PRINTED, label="Theorem 5 as printed")
    bottom = panel.get_ylim()[0]
    panel.axhspan(bottom, 0, color="0.94", zorder=0)
    panel.set(title=r"The best $\lambda'$; grey: $\lambda' < 0$", xlabel=_RANGE, ylabel=_LAMBDA, ylim=(bottom, None))


def _legend(figure: Figure, labels: dict[str, str], lines: dict[str, _Line] | None = None) -> None:
    """One legend below all panels: the denoisers by colour and marker; line styles where colours are taken."""
    handles = []
    for name, label in labels.items():
        _, color, marker = _NAMED[name]
        size = 12 if marker == "*" else 9
        handles.append(Line2D([], [], linestyle="none", marker=marker, color=color, markersize=size, label=label))
    for label, style in (lines or {}).items():
        handles.append(Line2D([], [], linestyle=style, color="0.35", label=label))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def _title(what: str, weights: NoisyWeights) -> str:
    return f"{what}; weights of variance {weights.weight_var:g} in noise of variance {weights.noise_var:g}"
