"""Pictures of wireless links: a channel with its constellation, and what the noise on the weights is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from analognn.channels import units
from analognn.channels.base import NoiseSplit
from analognn.ofdm_view import OfdmView
from analognn.plots import STYLES, tidy

_BLUE, _ORANGE, _GREEN, _PINK, _SKY, _RED = (color for color, _ in STYLES)
_QUADRANTS = (_BLUE, _ORANGE, _GREEN, _PINK)
_PARTS = {
    "thermal": (_BLUE, "thermal", ""),
    "csi": (_ORANGE, "channel knowledge", "///"),
    "interference": (_GREEN, "interference", "..."),
    "truncation": (_PINK, "peak power", "xx"),
    "clipping": (_SKY, "clipping", "\\\\\\"),
}
"""Part of a NoiseSplit -> colour, label, hatch."""
_POINTS = 2500
_SLOTS = 8
_WEAKEST_DB, _STRONGEST_DB = -20.0, 8.0


def channel(seen: OfdmView, *, title: str) -> Figure:
    """Constellation before and after, noise by its parts, and the channel over the resource grid."""
    figure = Figure(figsize=(13, 8.6), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=(1.0, 0.9))
    before, after, parts = (figure.add_subplot(grid[0, i]) for i in range(3))
    _constellations(before, after, seen)
    _parts(parts, seen)
    _gain(figure, figure.add_subplot(grid[1, :]), seen)
    figure.suptitle(title, fontsize=13)
    return figure


def noise_splits(splits: Mapping[str, NoiseSplit], *, title: str) -> Figure:
    """One stacked bar a label: variance of the noise on weights of variance 1, by its parts."""
    figure = Figure(figsize=(10, 1.4 + 0.45 * len(splits)), layout="constrained")
    panel = figure.subplots()
    labels = list(splits)
    left = np.zeros(len(labels))
    used = [part for part in _PARTS if any(getattr(split, part) > 0 for split in splits.values())]
    for part in used:
        color, label, hatch = _PARTS[part]
        width = np.array([getattr(split, part) for split in splits.values()])
        panel.barh(labels, width, left=left, color=color, hatch=hatch, edgecolor="white", height=0.7, label=label)
        left += width
    for y, split in enumerate(splits.values()):
        panel.annotate(
            f"WNR {_wnr_db(split.total):.1f} dB", (left[y], y), xytext=(5, 0), textcoords="offset points", va="center",
            fontsize=9,
        )  # fmt: skip
    panel.set_xlim(0, 1.15 * left.max() or 1.0)
    panel.invert_yaxis()
    panel.set_xlabel("noise variance / variance of the weights")
    tidy(panel)
    panel.grid(visible=False, axis="y")
    figure.legend(loc="outside lower center", ncols=len(used) or 1, frameon=False)
    figure.suptitle(title, fontsize=12)
    return figure


def _constellations(before: Axes, after: Axes, seen: OfdmView) -> None:
    """The same positions in both, so that a point on the left is found on the right."""
    active = (~seen.silent).flatten().nonzero().squeeze(-1)
    some = active[:: max(1, len(active) // _POINTS)]
    sent = seen.sent.flatten()[some].numpy()
    quadrant = (sent.real < 0) + 2 * (sent.imag < 0)
    how = "divided by the channel" if seen.channel.precoder == "equalise" else "precoded and scaled back"
    for panel, name, title in (
        (before, "before", "QPSK received, sent as it is"),
        (after, "after", f"QPSK received, {how}"),
    ):
        points = getattr(seen, name).flatten()[some].numpy()
        for index, color in enumerate(_QUADRANTS):
            own = points[quadrant == index]
            panel.scatter(own.real, own.imag, s=4, color=color, alpha=0.5, linewidths=0)
        ideal = np.unique(sent.round(4))
        panel.scatter(ideal.real, ideal.imag, s=55, marker="+", color="black", linewidths=1.6, zorder=3)
        reach = max(1.6, float(np.quantile(np.abs([points.real, points.imag]), 0.99)))
        panel.set(title=title, xlabel="in phase", ylabel="quadrature", xlim=(-reach, reach), ylim=(-reach, reach))
        panel.set_box_aspect(1)
        tidy(panel)


def _parts(panel: Axes, seen: OfdmView) -> None:
    split = seen.received.split or NoiseSplit()
    names = [field.name for field in fields(NoiseSplit)]
    shares = [getattr(split, name) for name in names]
    labels = [_PARTS[name][1] for name in names]
    bars = panel.barh(labels, shares, color=[_PARTS[name][0] for name in names], height=0.65)
    panel.bar_label(bars, [f"{share:.3g}" for share in shares], padding=4, fontsize=9)
    panel.invert_yaxis()
    panel.set_xlim(0, 1.35 * max(*shares, 1e-12))
    panel.set(
        title=f"WNR {_wnr_db(split.total):.1f} dB reported, {_wnr_db(seen.noise_var):.1f} dB measured",
        xlabel="noise variance / variance of the weights",
    )
    if isinstance(seen.received.noise_var, Tensor):
        half = _wnr_db(float(seen.received.noise_var.median()))
        note = f"not the same for all:\nhalf of the weights\nhave {half:.1f} dB or more"
        panel.text(0.97, 0.06, note, transform=panel.transAxes, ha="right", fontsize=9)
    panel.set_box_aspect(1)
    tidy(panel)
    panel.grid(visible=False, axis="y")


def _gain(figure: Figure, panel: Axes, seen: OfdmView) -> None:
    """Carriers from left to right, OFDM symbols of some slots from top to bottom."""
    slots = min(_SLOTS, len(seen.gain))
    rows = seen.gain[:slots].flatten(0, 1).double().numpy()
    silent = np.ma.masked_equal(seen.silent[:slots].flatten(0, 1).numpy().astype(float), 0.0)
    grid = seen.channel.grid
    low = grid.num_guard_carriers[0] - grid.fft_size // 2
    edges = [c * grid.subcarrier_spacing / 1e6 for c in (low - 0.5, low + grid.num_carriers + grid.dc_null - 0.5)]
    place = (edges[0], edges[1], float(slots), 0.0)
    shown = panel.imshow(
        10 * np.log10(rows.clip(1e-12)), extent=place, aspect="auto", interpolation="nearest", cmap="cividis",
        vmin=_WEAKEST_DB, vmax=_STRONGEST_DB,
    )  # fmt: skip
    panel.imshow(
        silent, extent=place, aspect="auto", interpolation="nearest", cmap=ListedColormap([_RED]), vmin=0, vmax=1
    )
    for slot in range(1, slots):
        panel.axhline(slot, color="white", linewidth=1.5)
    panel.set_yticks(np.arange(slots) + 0.5, [str(slot + 1) for slot in range(slots)])
    antennas = "" if seen.channel.fading.num_antennas == 1 else ", all antennas together"
    panel.set(title="Channel over the resource grid", xlabel="frequency from the carrier [MHz]", ylabel="slot")
    figure.colorbar(shown, ax=panel, label=f"|h|² [dB]{antennas}", extend="both", pad=0.01)
    label = f"silent: {seen.outage:.1%} of the positions of {len(seen.gain)} slots"
    panel.legend(handles=[Patch(color=_RED, label=label)], loc="upper right", framealpha=0.9, edgecolor="none")


def _wnr_db(noise_var: float) -> float:
    """Of weights of variance 1."""
    return units.noise_var_to_wnr_db(noise_var, 1.0)
