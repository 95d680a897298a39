"""The picture of a certificate. It reads the certificate and never runs anything."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from analognn.certificate import Accuracy, Certificate, NoiseShape
from analognn.certificate.shape import histogram_edges
from analognn.effective import EffectiveNoise
from analognn.estimates import Estimate
from analognn.experiments.words import time_text
from analognn.plots import STYLES, reach, tidy, write

Array = NDArray[np.float64]
_BLUE, _ORANGE, _GREEN, _, _SKY, _ = (color for color, _ in STYLES)
_ARMS = (  # field, label, colour, marker, line
    ("medium", "medium", _BLUE, "o", "-"),
    ("aligned", "medium aligned: gain and offset of each layer removed", _SKY, "v", "--"),
    ("per_layer", "AWGN with the variance of each layer", _ORANGE, "s", "-"),
    ("global_", "AWGN with one global variance", _GREEN, "D", "-"),
)
_NORMAL_95 = 1.96
_LABELS_AT_MOST = 80
_CHARACTERS_ABREAST = 150
_NAME_AT_MOST = 30
_HISTOGRAM_MERGE = 4


def draw(certificate: Certificate, path: Path, *, title: str) -> None:
    """Write the picture of ``certificate`` as PNG."""
    write(picture(certificate, title=title), path)


def picture(certificate: Certificate, *, title: str) -> Figure:
    """WNR of each layer; noise histogram, variance against abs(w), accuracy beside matched AWGN."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(0.8, 1.0))
    layers = figure.add_subplot(grid[0, :])
    histogram, curve, accuracy = (figure.add_subplot(grid[1, i]) for i in range(3))
    _layers(layers, certificate)
    _histogram(histogram, certificate.shape)
    _curve(curve, certificate.shape)
    _accuracy(accuracy, certificate)
    for panel in (layers, histogram, curve, accuracy):
        tidy(panel)
    wnr = certificate.whole.wnr_db
    strength = f"effective WNR {wnr:.1f} dB" if math.isfinite(wnr) else "no noise"
    draws = f"{certificate.draws} draw{'s' if certificate.draws > 1 else ''}"
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=len(labels) or 1, frameon=False)
    read = f"read {time_text(certificate.t)} after programming, " if certificate.t is not None else ""
    figure.suptitle(f"How far from AWGN: {title}\n{read}{strength}, {draws}", fontsize=13)
    return figure


def _histogram(panel: Axes, shape: NoiseShape | None) -> None:
    panel.set_title("Noise against the fitted Gaussian")
    panel.set_xlabel("noise / its standard deviation in the layer")
    panel.set_ylabel("probability density")
    if shape is None:
        _nothing(panel)
        return
    edges = histogram_edges().numpy()[::_HISTOGRAM_MERGE]
    counts = np.asarray(shape.histogram, dtype=np.float64).reshape(-1, _HISTOGRAM_MERGE).sum(1)
    width = edges[1] - edges[0]
    used = np.flatnonzero(counts)
    end = max(4.0, -edges[used[0]], edges[used[-1] + 1])
    x: Array = np.linspace(-end, end, 400)
    gaussian = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    panel.stairs(counts / counts.sum() / width, edges, fill=True, color=_BLUE, alpha=0.35, label="medium")
    panel.plot(x, gaussian, color=_ORANGE, linewidth=2, label="Gaussian")
    panel.set_yscale("log")
    panel.set_xlim(-end, end)
    panel.set_ylim(0.5 / (shape.count * width), 3.0)
    panel.legend(frameon=False, loc="upper right")
    _note(panel, f"excess kurtosis {shape.excess_kurtosis:.2f}\nKS distance {shape.ks_distance:.3f}")


def _curve(panel: Axes, shape: NoiseShape | None) -> None:
    panel.set_title("Noise variance against the size of the weight")
    panel.set_xlabel("|w| / standard deviation of the layer")
    panel.set_ylabel("noise variance / its mean in the layer")
    if shape is None:
        _nothing(panel)
        return
    curve = shape.curve
    error = [_NORMAL_95 * e for e in curve.standard_error]
    panel.axhline(1.0, color=_ORANGE, linewidth=2, label="AWGN")
    panel.errorbar(
        curve.magnitude, curve.variance, yerr=error, color=_BLUE, marker="o", markersize=4.5, linewidth=1.2,
        elinewidth=1, capsize=2.5, label="medium, 95 % intervals",
    )  # fmt: skip
    panel.set_xlim(0, 1.05 * curve.magnitude[-1])
    panel.set_ylim(0, max(1.5, 1.2 * max(v + e for v, e in zip(curve.variance, error, strict=True))))
    panel.legend(frameon=False, loc="lower right")
    lags = max((abs(rho) for rho in (*shape.along_rows.rho, *shape.along_columns.rho)), default=0.0)
    lines = [
        f"correlation of |z| with |w| {shape.magnitude_corr:.3f}",
        f"largest autocorrelation {lags:.3f}",
    ]
    if not math.isnan(shape.row_sum_var):  # older certificates do not have it
        lines.append(f"variance of row sums {shape.row_sum_var:.2f} (AWGN: 1)")
    _note(panel, "\n".join(lines))


def _accuracy(panel: Axes, certificate: Certificate) -> None:
    panel.set_title("Test accuracy, 95 % intervals")
    panel.set_ylabel("test accuracy")
    points = certificate.accuracy
    if not points:
        _nothing(panel, "not scored")
        return
    if certificate.clean is not None:
        panel.axhline(certificate.clean, color="0.45", linestyle=":", linewidth=1.2, label="no noise")
    if len(points) == 1:
        _points(panel, points[0])
    else:
        _lines(panel, points)
    low, high = panel.get_ylim()  # an interval from two draws may leave the possible range
    panel.set_ylim(max(low, 0.0), min(high, 1.0 + 0.03 * (high - low)))
    panel.yaxis.set_major_formatter(PercentFormatter(1.0))


def _lines(panel: Axes, points: tuple[Accuracy, ...]) -> None:
    for i, (name, label, color, marker, line) in enumerate(_ARMS):
        found = [getattr(point, name) for point in points]
        beside = 0.06 * (i - 1.5)  # so that equal values stay visible
        panel.errorbar(
            [x + beside for x in range(len(points))], [e.mean for e in found], yerr=reach(found), label=label,
            color=color, marker=marker, linestyle=line, markersize=5, linewidth=1.5, elinewidth=1, capsize=2.5,
        )  # fmt: skip
    panel.set_xticks(range(len(points)), [time_text(point.t or 0.0) for point in points])
    panel.set_xlabel("time since programming")


def _points(panel: Axes, point: Accuracy) -> None:
    for i, (name, label, color, marker, _) in enumerate(_ARMS):
        found: Estimate = getattr(point, name)
        panel.errorbar(
            [i], [found.mean], yerr=reach([found]), label=label, color=color, marker=marker, linestyle="none",
            markersize=9, elinewidth=2, capsize=5,
        )  # fmt: skip
    panel.set_xlim(-0.7, len(_ARMS) - 0.3)
    panel.set_xticks(range(len(_ARMS)), ["medium", "medium,\naligned", "AWGN\nper layer", "AWGN\nglobal"])


def _layers(panel: Axes, certificate: Certificate) -> None:
    panel.set_title("Effective WNR of each layer, with its standard error")
    panel.set_ylabel("WNR [dB]")
    noisy = {name: noise for name, noise in certificate.tensors.items() if math.isfinite(noise.wnr_db)}
    exact = len(certificate.tensors) - len(noisy)
    if not noisy:
        _nothing(panel)
        return
    x = range(len(noisy))
    heights = [noise.wnr_db for noise in noisy.values()]
    panel.bar(x, heights, yerr=[_wnr_error(noise) for noise in noisy.values()], color=_BLUE, width=0.7, capsize=2)
    whole = certificate.whole.wnr_db
    panel.axhline(whole, color=_ORANGE, linestyle="--", linewidth=1.5, label=f"all weights, {whole:.1f} dB")
    low, high = min(0.0, *heights), max(0.0, *heights)
    panel.set_ylim(1.15 * low, 1.15 * high)
    panel.set_xlim(-0.8, len(noisy) - 0.2)
    step = -(-len(noisy) // _LABELS_AT_MOST)
    names = [_short(name) for name in noisy]
    fits = len(names) * max(map(len, names)) <= _CHARACTERS_ABREAST
    panel.set_xticks(x[::step], names[::step], rotation=0 if fits else 90, fontsize=9 if len(names) <= 50 else 8)
    if exact:
        panel.set_xlabel(f"{exact} tensor{'s' if exact > 1 else ''} without noise left out")
    panel.legend(frameon=True, framealpha=0.9, edgecolor="none", loc="upper right")


def _short(name: str) -> str:
    """The end of a tensor's name, where it differs from others.

    >>> _short("layer1.0.conv1.weight")
    'layer1.0.conv1'
    """
    name = name.removesuffix(".weight")
    return name if len(name) <= _NAME_AT_MOST else f"…{name[1 - _NAME_AT_MOST :]}"


def _wnr_error(noise: EffectiveNoise) -> float:
    """Standard error [dB]: 10 / ln 10 times that of the variance, relative."""
    return 10 / math.log(10) * noise.noise_var_se / noise.noise_var


def _note(panel: Axes, text: str) -> None:
    panel.text(0.03, 0.97, text, transform=panel.transAxes, va="top", ha="left", fontsize=9)


def _nothing(panel: Axes, why: str = "no noise") -> None:
    panel.text(0.5, 0.5, why, transform=panel.transAxes, va="center", ha="center", color="0.45")
