"""The report and the picture of ``quantisation.py``: they read its rows and never run anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from commands import TOLD_IN_HEAD, heading, percent_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analognn.experiments.summary import Entry
from analognn.plots import STYLES, reach, tidy

if TYPE_CHECKING:
    from quantisation import Row

UNIFORM_KURTOSIS, UNIFORM_KS = -1.2, 0.057


def report(
    rows: Sequence[Row], entries: Mapping[str, Sequence[Entry]], *, draws: Mapping[str, int], receiver_draws: int
) -> str:
    """All of it as Markdown."""
    lines = [
        *heading("Quantisation as noise", "paper/quantisation.py", remark=TOLD_IN_HEAD),
        *_conclusion(rows),
        "![formats](quantisation.png)",
        "",
    ]
    for model in entries:
        own = [row for row in rows if row.model == model]
        lines += [*_table(model, own, draws[model]), *_receivers(model, entries[model], receiver_draws)]
    return "\n".join(lines)


def _conclusion(rows: Sequence[Row]) -> Iterator[str]:
    nearest = [row for row in rows if row.rounding == "nearest"]
    groups = {
        "Integers that clip nothing have the uniform error of theory "
        f"(kurtosis {UNIFORM_KURTOSIS}, KS distance {UNIFORM_KS})": [r for r in nearest if r.span == "symmetric"],
        "Integers clipped for least error leave a uniform error and a few large ones": [
            r for r in nearest if r.span == "mse"
        ],
        "Short floats and cut mantissas have an error in proportion to the weight": [r for r in nearest if not r.span],
    }
    yield "**Gaussian in shape: none of them.** " + " ".join(
        f"{what}: kurtosis {_range(own, 'excess_kurtosis', '.1f')}, KS distance {_range(own, 'ks_distance', '.3f')}, "
        f"correlation of abs(z) with abs(w) {_range(own, 'magnitude_corr', '.2f')}."
        for what, own in groups.items()
        if own
    )
    yield ""
    differ = [row for row in rows if not row.as_awgn]
    yield (
        f"**Gaussian in effect: {len(rows) - len(differ)} of {len(rows)} cases.** A layer sums many weights: so many "
        "are as accurate as AWGN of the same variance in each tensor, whatever the shape of the error (at 95 %, one "
        "in twenty falls outside by chance). "
    ) + ("AWGN does not explain: " + ", ".join(map(_apart, differ)) + "." if differ else "")
    yield ""


def _apart(row: Row) -> str:
    how = ", ".join(word for word in (row.span, row.rounding) if word)
    return f"{row.format} ({how}) on {row.model}, {100 * row.gap.mean:+.1f} points"


def _table(model: str, rows: Sequence[Row], draws: int) -> Iterator[str]:
    yield from (
        f"## {model}: the error, and AWGN of its variance",
        "",
        f"{draws} draws. Clean {100 * rows[0].clean:.1f} %. Accuracy and gap (AWGN less quantised) in points with 95 %",
        "intervals; nearest rounding has one outcome, held against the interval that holds 95 % of draws of AWGN.",
        "",
        "| format | how | bits | WNR dB | kurtosis | KS | corr abs z, w | row sums | accuracy | AWGN | gap | as AWGN |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
        *(_row(row) for row in rows),
        "",
    )


def _row(row: Row) -> str:
    cells = (
        row.format,
        ", ".join(word for word in (row.span, row.rounding) if word),
        str(row.bits),
        f"{row.wnr_db:.1f}",
        f"{row.excess_kurtosis:+.2f}",
        f"{row.ks_distance:.3f}",
        f"{row.magnitude_corr:+.2f}",
        f"{row.row_sum_var:.2f}",
        f"{100 * row.accuracy.mean:.1f}" if row.rounding == "nearest" else row.accuracy.percent(),
        row.awgn.percent(),
        row.gap.percent("+"),
        "yes" if row.as_awgn else f"**no** ({100 * row.likely[0]:.1f} to {100 * row.likely[1]:.1f})",
    )
    return f"| {' | '.join(cells)} |"


def _receivers(model: str, entries: Sequence[Entry], draws: int) -> Iterator[str]:
    names = list(dict.fromkeys(entry.denoiser for entry in entries))
    formats = list(dict.fromkeys(str(entry.point["format"]) for entry in entries))
    accuracy = {(str(entry.point["format"]), entry.denoiser): entry.accuracy for entry in entries}
    yield from (
        f"## {model}: receivers on nearest rounding",
        "",
        f"{draws} draws of the examples a receiver uses; those that use none have one outcome.",
        "",
        f"| format | {' | '.join(names)} |",
        f"|---|{'---:|' * len(names)}",
        *(f"| {form} | {' | '.join(percent_text(accuracy[form, name]) for name in names)} |" for form in formats),
        "",
    )


def _range(rows: Sequence[Row], name: str, form: str) -> str:
    values = [getattr(row, name) for row in rows]
    return f"{min(values):{form}} to {max(values):{form}}"


def picture(rows: Sequence[Row], entries: Mapping[str, Sequence[Entry]]) -> Figure:
    """A row a model: accuracy of each format beside AWGN, shape of the error, accuracy after receivers."""
    figure = Figure(figsize=(17, 5.2 * len(entries)), layout="constrained")
    for axes, model in zip(figure.subplots(len(entries), 3, squeeze=False), entries, strict=True):
        own = sorted((r for r in rows if r.model == model and r.rounding == "nearest"), key=lambda r: -r.wnr_db)
        _accuracy(axes[0], model, own)
        _shape(axes[1], own)
        _after(axes[2], entries[model])
        for panel in axes:
            tidy(panel)
    return figure


def _accuracy(panel: Axes, model: str, rows: Sequence[Row]) -> None:
    x = range(len(rows))
    panel.axhline(rows[0].clean, color="0.45", linestyle="--", linewidth=1, label="float32")
    spread = [[r.awgn.mean - r.likely[0] for r in rows], [r.likely[1] - r.awgn.mean for r in rows]]
    panel.errorbar(
        x, [r.awgn.mean for r in rows], yerr=spread, linestyle="none", color=STYLES[1][0], marker=STYLES[1][1],
        markersize=9, capsize=5, elinewidth=2, label="AWGN of its variance in each tensor, 95 % of draws",
    )  # fmt: skip
    found = [r.accuracy.mean for r in rows]
    panel.plot(x, found, linestyle="none", color=STYLES[0][0], marker="o", label="quantised", zorder=5)
    panel.set_title(f"{model}: nearest rounding beside AWGN")
    panel.set_xticks(x, [f"{_short(r)}  {r.wnr_db:.0f} dB" for r in rows], rotation=60, ha="right")
    panel.set_ylabel("test accuracy")
    panel.set_ylim(max(0.0, math.floor(10 * min(r.accuracy.mean for r in rows) - 1) / 10), 1.01)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.legend(frameon=False, loc="lower left")


def _shape(panel: Axes, rows: Sequence[Row]) -> None:
    panel.axhline(0.0, color="0.45", linewidth=1, label="Gaussian: both 0")
    panel.axhline(UNIFORM_KURTOSIS, color="0.45", linestyle=":", linewidth=1.2, label="uniform: kurtosis -1.2")
    for (color, marker), name, label in (
        (STYLES[0], "excess_kurtosis", "excess kurtosis"),
        (STYLES[2], "magnitude_corr", "correlation of |z| with |w|"),
    ):
        values = [getattr(row, name) for row in rows]
        panel.plot(range(len(rows)), values, color=color, marker=marker, linestyle="none", label=label)
    panel.set_title("Shape of the error, each tensor in its own units")
    panel.set_yscale("symlog", linthresh=2.0)
    panel.set_ylim(-2.0, None)
    panel.set_xticks(range(len(rows)), [_short(row) for row in rows], rotation=60, ha="right")
    panel.legend(frameon=False, loc="upper right")


def _short(row: Row) -> str:
    return f"{row.format} unclipped" if row.span == "symmetric" else row.format


def _after(panel: Axes, entries: Sequence[Entry]) -> None:
    formats = list(dict.fromkeys(str(entry.point["format"]) for entry in entries))
    names = list(dict.fromkeys(entry.denoiser for entry in entries))
    for index, name in enumerate(names):
        color, marker = STYLES[index % len(STYLES)]
        found = [entry.accuracy for entry in entries if entry.denoiser == name]
        x = [i + 0.09 * (index - (len(names) - 1) / 2) for i in range(len(formats))]
        panel.errorbar(
            x, [e.mean for e in found], yerr=reach(found), color=color, marker=marker, markersize=5, capsize=2,
            linestyle="none", markerfacecolor=color if index < len(STYLES) else "white", label=name,
        )  # fmt: skip
    panel.set_title("After a receiver")
    panel.set_xticks(range(len(formats)), [form.replace("-", "\n") for form in formats])
    panel.set_ylim(0, 1.03)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4)
