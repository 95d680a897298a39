"""What each receiver gains over ML, in dB, by what it may know: a dated report.

    python benchmarks/denoisers.py [--data DIR] [--out benchmarks/records/denoisers] [--only awgn]

One run folder for each scenario in `benchmarks/denoisers/`, which resumes trial by trial, and one table a scenario and
medium: gain at 60 % accuracy and at 80 % of the clean accuracy, mean accuracy over the sweep (area), what it cost.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from common import HERE, RECORDS, arguments, finished, gain_text, heading, publish

from analognn import plots
from analognn.estimates import bootstrap
from analognn.experiments import Record, Scenario, Store
from analognn.experiments.gains import Gain, area, curves, gains
from analognn.receiver import BUDGETS

SCENARIOS = sorted((HERE / "denoisers").glob("*.toml"))


def section(folder: Path) -> Iterator[str]:
    """The tables of one run folder as Markdown lines."""
    store = Store(folder)
    scenario, records = store.scenario, sorted(store.records(), key=lambda record: record.key)
    (clean,) = (record.correct / record.total for record in records if record.medium == "clean")
    noisy = [record for record in records if record.medium != "clean"]
    yield from (
        f"## {scenario.name}: {scenario.model}",
        "",
        f"{scenario.summary} {scenario.seeds} noise draws, {noisy[0].total} test images, clean {100 * clean:.2f} %.",
        f"kappa = {scenario.denoiser.kappa} labelled, {scenario.denoiser.unlabelled} unlabelled examples.",
        "",
    )
    for medium in scenario.media:
        own = [record for record in noisy if record.medium == medium]
        yield from _table(medium, own, clean, scenario.denoiser.names)


def _table(medium: str, records: Sequence[Record], clean: float, names: Sequence[str]) -> Iterator[str]:
    at_60, at_80 = ({gain.denoiser: gain for gain in gains(records, target)} for target in (0.6, 0.8 * clean))
    areas = {name: [area(curve) for curve in draws.values()] for (_, name), draws in curves(records).items()}
    yield from (
        f"### {medium}",
        "",
        f"ML needs {_crossing(at_60['ml'])} for 60 % and {_crossing(at_80['ml'])} for {80 * clean:.1f} %.",
        "",
        "| budget | receiver | dB over ML at 60 % | at 80 % of clean | area % | area - ML | side info kbit | s |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    )
    by_name = {name: [record for record in records if record.denoiser == name] for name in names}
    budgets = {name: max((r.budget or "none" for r in rows), key=BUDGETS.index) for name, rows in by_name.items()}
    for name in sorted(names, key=lambda name: (BUDGETS.index(budgets[name]), -statistics.fmean(areas[name]))):
        paired = [own - ml for own, ml in zip(areas[name], areas["ml"], strict=True)]
        yield " | ".join(
            (
                f"| {budgets[name]}",
                f"`{name}`",
                gain_text(at_60[name]),
                gain_text(at_80[name]),
                bootstrap(areas[name]).percent(),
                bootstrap(paired).percent("+"),
                f"{statistics.fmean(record.receiver_bits or 0 for record in by_name[name]) / 1000:.1f}",
                f"{statistics.median(record.wall_s or 0.0 for record in by_name[name]):.1f} |",
            )
        )
    yield ""


def _crossing(gain: Gain) -> str:
    return "more than the sweep holds" if gain.crossing_db is None else f"{gain.crossing_db.text()} dB"


def report(folders: Sequence[Path]) -> str:
    """All run folders as Markdown."""
    lines = [
        *heading("Receivers by what they may know", "denoisers.py"),
        "Gains are paired over noise draws: how much lower the effective WNR may be for the same accuracy. 95 %",
        'intervals are bootstraps over draws. "≥": some draw was at the target at the lowest WNR already. Side',
        "information is counted on top of the normalisation layers, which every receiver gets. s is the median time of",
        "a trial, evaluation included, on one thread of a busy machine.",
        "",
        *(line for folder in folders for line in section(folder)),
    ]
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and write the report."""
    parser = arguments(__doc__, RECORDS / "denoisers")
    parser.add_argument("--only", choices=[path.stem for path in SCENARIOS], help="one scenario; the report keeps all")
    options = parser.parse_args()
    for path in SCENARIOS:
        if options.only in (None, path.stem):
            finished(Scenario.named(str(path)), options.out / path.stem, data_dir=options.data)
            plots.draw(options.out / path.stem)
    folders = [folder for path in SCENARIOS if (folder := options.out / path.stem).is_dir()]
    publish(options.out / "REPORT.md", report(folders))


if __name__ == "__main__":
    main()
