"""ResNet-20 over OFDM: six channels, three ways to meet their fades, four Es/N0, four receivers: a dated report.

    python benchmarks/wireless.py [--data DIR] [--out benchmarks/records/wireless]

The run of `benchmarks/wireless.toml` resumes trial by trial. Beside the effective WNR the table has the WNR after MMSE,

    Var[w] / E[(w_hat - w)^2],    w_hat of MMSE with mean and variance of the weights and the noise variance of each,

because mean noise says little where noise differs from weight to weight: full inversion and equalisation have the same
mean noise on the same channel, no E[1 / |h|^2], which inversion spreads over all weights and equalisation leaves where
the fades are.
"""

from __future__ import annotations

import itertools
import json
import statistics
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from common import HERE, RECORDS, arguments, finished, heading, publish, write
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analognn import backends, models, plots
from analognn.channels.precoding import UnboundedPowerWarning
from analognn.channels.units import linear_to_db
from analognn.denoise import Mmse, Prior
from analognn.estimates import estimate
from analognn.experiments import Record, Scenario, Store
from analognn.experiments.record import receptions
from analognn.experiments.trial import seeded
from analognn.packing import ParameterLayout

CHANNELS = ("awgn", "rayleigh", "tdl-a", "tdl-c", "cdl-c", "umi")
MEANS = {"full": "full inversion", "truncated": "truncated inversion, 0.1", "mmse": "equalisation"}
RECEIVERS = {"ml": "ML", "mmse": "MMSE", "mmsepb": "MMSEpb", "mmse+recalibrate": "MMSE + recalibrate"}
TARGET = 0.8
"""Share of the clean accuracy whose Es/N0 is reported."""

Curves = dict[tuple[str, str], dict[float, list[float]]]
"""(medium, receiver) -> Es/N0 [dB] -> accuracy of each draw."""


def after_mmse(folder: Path, scenario: Scenario, data_dir: Path | None) -> dict[str, float]:
    """WNR after MMSE [dB] by "medium Es/N0", mean error over the draws of the run, which are drawn again."""
    path = folder / "after-mmse.json"
    if not path.is_file():
        model = models.load(scenario.model, data_dir=data_dir)
        packed = ParameterLayout.from_model(model).pack(model)
        prior = Prior.from_weights(packed.vector, source="side-information")
        errors: dict[str, list[float]] = {}
        for reception in receptions(scenario)[1:]:  # the first is the clean model
            medium, point = scenario.media[reception.medium], json.loads(reception.point)
            backend = backends.create(medium.backend, **medium.at(point))
            received = backend.receive(packed, generator=seeded(scenario, reception, "medium"))
            error = Mmse()(received, prior) - packed.vector
            errors.setdefault(_key(reception.medium, point["esn0_db"]), []).append(
                float(error.double().square().mean())
            )
        var = float(packed.vector.double().var(correction=0))
        found = {key: linear_to_db(var / statistics.fmean(each)) for key, each in errors.items()}
        write(path, json.dumps(found, indent=2) + "\n")
    known: dict[str, float] = json.loads(path.read_text())
    return known


def curves(records: Iterable[Record]) -> Curves:
    """Accuracy by point."""
    found: Curves = {}
    for record in sorted(records, key=lambda record: json.loads(record.point)["esn0_db"]):
        curve = found.setdefault((record.medium, record.denoiser), {})
        curve.setdefault(json.loads(record.point)["esn0_db"], []).append(record.correct / record.total)
    return found


def media(channel: str) -> dict[str, str]:
    """What a channel has in the scenario: medium -> the way it meets fades."""
    return {"awgn": "no fading"} if channel == "awgn" else {f"{channel}-{key}": text for key, text in MEANS.items()}


def needed(curve: dict[float, list[float]], accuracy: float) -> str:
    """Least Es/N0 [dB] for ``accuracy`` as text, linear between the points."""
    means = [(esn0_db, statistics.fmean(draws)) for esn0_db, draws in curve.items()]
    if means[0][1] >= accuracy:
        return f"< {means[0][0]:g}"
    for (low, a), (high, b) in itertools.pairwise(means):
        if a < accuracy <= b:
            return f"{low + (high - low) * (accuracy - a) / (b - a):.1f}"
    return f"> {means[-1][0]:g}"


def picture(found: Curves, clean: float, scenario: Scenario) -> Figure:
    """Accuracy against Es/N0: a panel a channel, a colour a way to meet fades, solid with MMSE and re-calibration."""
    figure = Figure(figsize=(12, 7.2), layout="constrained")
    panels = figure.subplots(2, 3, sharex=True, sharey=True)
    for panel, channel in zip(panels.flat, CHANNELS, strict=True):
        panel.axhline(clean, color="0.45", linestyle="--", linewidth=1, label="no noise")
        for medium, text in media(channel).items():
            color, marker = plots.STYLES[3 if channel == "awgn" else list(MEANS.values()).index(text)]
            for name, line, fill in (("ml", ":", "white"), ("mmse+recalibrate", "-", color)):
                curve = found[medium, name]
                mean = [statistics.fmean(draws) for draws in curve.values()]
                reach = [
                    [m - min(draws) for m, draws in zip(mean, curve.values(), strict=True)],
                    [max(draws) - m for m, draws in zip(mean, curve.values(), strict=True)],
                ]
                panel.errorbar(
                    list(curve), mean, yerr=reach, color=color, marker=marker, markerfacecolor=fill, linestyle=line,
                    markersize=5.5, linewidth=1.7, elinewidth=0.9, capsize=2.5, label=f"{text}, {RECEIVERS[name]}",
                )  # fmt: skip
        panel.set(title=channel, ylim=(0, 1.0), xticks=list(curve))
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        plots.tidy(panel)
    for panel in panels[-1]:
        panel.set_xlabel("Es/N0 [dB]")
    for panel in panels[:, 0]:
        panel.set_ylabel("test accuracy")
    both = [panel.get_legend_handles_labels() for panel in panels.flat[:2]]
    labels = {label: handle for handles, names in both for handle, label in zip(handles, names, strict=True)}
    figure.legend(labels.values(), labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{scenario.model} over OFDM, mean, lowest and highest of {scenario.seeds} draws", fontsize=12)
    return figure


def report(records: list[Record], mmse_wnr_db: dict[str, float], scenario: Scenario) -> Iterator[str]:
    """Markdown lines."""
    (clean,) = (record.correct / record.total for record in records if record.medium == "clean")
    noisy = [record for record in records if record.medium != "clean"]
    found = curves(noisy)
    yield from heading("ResNet-20 over OFDM", "wireless.py")
    yield from (
        f"First {scenario.test_examples} test images (clean {100 * clean:.1f} %), {scenario.seeds} draws, 95 %",
        "intervals (Student's t). A transmission takes 14 to 19 slots, each with a channel of its own: few enough that",
        "draws differ much, most of all under block fading. Energy per data position is the same for all, silent ones",
        "included; a truncated link needs 1 / (1 - outage) times as many of them. Receivers know mean and variance of",
        "the weights, which the link sends over its reliable path; MMSEpb chooses on "
        f"{scenario.denoiser.kappa} labelled examples,",
        f"re-calibration uses {scenario.denoiser.unlabelled} inputs without labels.",
        "",
        f"## Es/N0 for {TARGET:.0%} of the clean accuracy [dB]",
        "",
        "Of the mean accuracy, linear between points 5 dB apart: good to about 1 dB. Equalisation with ML is zero",
        "forcing, with MMSE it is MMSE equalisation.",
        "",
        "| channel | how fades are met | " + " | ".join(RECEIVERS.values()) + " |",
        "|---|---|" + "---:|" * len(RECEIVERS),
        *_needs(found, TARGET * clean),
        "",
        "![accuracy](accuracy_vs_esn0.png)",
        "",
        "## Everything",
        "",
        "WNR is the effective one, WNR after MMSE what the error of the MMSE estimate would be as noise.",
        "",
        "| medium | Es/N0 dB | WNR dB | after MMSE | outage % | " + " | ".join(RECEIVERS.values()) + " |",
        "|---|---:|---:|---:|---:|" + "---:|" * len(RECEIVERS),
        *_everything(noisy, found, mmse_wnr_db),
        "",
    )


def _needs(found: Curves, accuracy: float) -> Iterator[str]:
    for channel in CHANNELS:
        for medium, text in media(channel).items():
            cells = " | ".join(needed(found[medium, name], accuracy) for name in RECEIVERS)
            yield f"| {channel} | {text} | {cells} |"


def _everything(records: list[Record], found: Curves, mmse_wnr_db: dict[str, float]) -> Iterator[str]:
    groups: dict[tuple[str, float], list[Record]] = {}
    for record in records:
        if record.denoiser == "ml":
            groups.setdefault((record.medium, json.loads(record.point)["esn0_db"]), []).append(record)
    for medium in (medium for channel in CHANNELS for medium in media(channel)):
        for esn0_db in found[medium, "ml"]:
            draws = groups[medium, esn0_db]
            wnr_db, outage = (
                statistics.fmean(values) for values in zip(*((d.wnr_db, d.outage) for d in draws), strict=True)
            )
            accuracy = " | ".join(estimate(found[medium, name][esn0_db]).percent() for name in RECEIVERS)
            after = mmse_wnr_db[_key(medium, esn0_db)]
            yield f"| {medium} | {esn0_db:g} | {wnr_db:.1f} | {after:.1f} | {100 * outage:.1f} | {accuracy} |"


def _key(medium: str, esn0_db: float) -> str:
    return f"{medium} {esn0_db:g}"


def main() -> None:
    """Run what is missing and write the report and the picture."""
    parser = arguments(__doc__, RECORDS / "wireless")
    parser.add_argument("--workers", type=int, help="processes [one a core]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override, for a trial run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", UnboundedPowerWarning)  # what full inversion costs is a question here
    scenario = Scenario.named(str(HERE / "wireless.toml"), options.set)
    result = finished(scenario, options.out, data_dir=options.data, workers=options.workers)
    records = list(Store(options.out).records())
    clean = result.summary.clean
    assert clean is not None
    found = curves(record for record in records if record.medium != "clean")
    plots.write(picture(found, clean, scenario), options.out / "accuracy_vs_esn0.png")
    lines = report(records, after_mmse(options.out, scenario, options.data), scenario)
    publish(options.out / "REPORT.md", "\n".join(lines))


if __name__ == "__main__":
    main()
