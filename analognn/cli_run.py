"""``analognn run`` and ``analognn sweep``: scenarios of noisy inference."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analognn import progress
from analognn.cli_options import run_options
from analognn.cli_output import end_if_failed, print_table
from analognn.usage import refuses_bad_input

if TYPE_CHECKING:
    from rich.table import Table

    from analognn.experiments import RunResult, Scenario
    from analognn.experiments.engines import Engine, Workers
    from analognn.experiments.summary import Summary


@click.command()
@run_options("default")
@refuses_bad_input
def run(
    scenario: str, out: Path | None, overrides: tuple[str, ...], engine: Engine, address: str | None,
    workers: int | None, **options: Any,
) -> None:  # fmt: skip
    """Run a scenario, or go on where it stopped.

    SCENARIO is a name that `list` prints or a TOML file.

    Writes results.sqlite, results.csv, summary.json and accuracy_vs_wnr.png into the run folder.
    """
    from analognn.experiments import Scenario
    from analognn.experiments.engines import workforce

    named = Scenario.named(scenario, overrides)
    with workforce(engine, address=address, workers=workers) as force:
        result = _run(named, out, workers=force, **options)
    print_table(run_table(result.summary))
    _finish(result.folder, result.failures)


@click.command()
@run_options("default")
@click.option("--over", multiple=True, required=True, metavar="KEY=[V, ...]", help="Axis, e.g. denoiser.kappa=[10,40].")
@refuses_bad_input
def sweep(
    scenario: str, out: Path | None, overrides: tuple[str, ...], over: tuple[str, ...], engine: Engine,
    address: str | None, workers: int | None, **options: Any,
) -> None:  # fmt: skip
    """Run a scenario once for every combination.

    Every combination of the --over values gets a folder of its own in --out.
    """
    from analognn.experiments import Scenario
    from analognn.experiments.engines import workforce

    variants = {}
    for combination in itertools.product(*(_axis(text) for text in over)):
        variants[",".join(combination)] = Scenario.named(scenario, (*overrides, *combination))
    folder = out or Path("runs") / f"{next(iter(variants.values())).name}-sweep"
    failures: list[str] = []
    with workforce(engine, address=address, workers=workers) as force:
        for name, variant in variants.items():
            click.echo(name)
            result = _run(variant, folder / name, workers=force, **options)
            print_table(run_table(result.summary))
            failures += result.failures
    _finish(folder, failures)


def _run(
    scenario: Scenario, out: Path | None, *, data: Path | None, device: str, workers: Workers, logs: tuple[str, ...],
    download: bool,
) -> RunResult:  # fmt: skip
    from analognn import data as data_sets
    from analognn import models
    from analognn.experiments import run as run_scenario
    from analognn.experiments.logs import log

    trackers = [log(text) for text in logs]

    if download:
        models.load(scenario.model, data_dir=data, download=True)
        data_sets.load(models.spec(scenario.model).dataset, data_dir=data, download=True)
    with progress.bar(scenario.name, "trials") as report:
        return run_scenario(
            scenario, out, data_dir=data, device=device, workers=workers, progress=report, logs=trackers
        )


def _axis(text: str) -> list[str]:
    """``key=[1, 2]`` -> ["key=1", "key=2"]."""
    from analognn.experiments.parsing import toml_value

    key, _, values = text.partition("=")
    parsed = toml_value(values, otherwise=None)
    if not key or not isinstance(parsed, list) or not parsed:
        raise ValueError(f"`--over` needs KEY=[V, ...] with one value at least, as TOML; got {text!r}.")
    return [f"{key}={json.dumps(value, default=str)}" for value in parsed]


def run_table(summary: Summary) -> Table:
    """Accuracy by medium, point and receiver, with 95 % intervals."""
    from rich.table import Table

    from analognn.experiments.words import knows, point_text, wnr_text

    clean = f"{summary.clean:.2%}" if summary.clean is not None else "not yet known"
    table = Table(title=f"{summary.scenario.model}, test accuracy with 95 % intervals; {clean} without noise")
    for column in ("medium", "point", "receiver", "knows"):
        table.add_column(column, overflow="fold")  # two points must not look alike
    for column in ("WNR dB", "accuracy %", "over ML"):
        table.add_column(column, justify="right", no_wrap=True)
    media = itertools.groupby(summary.entries, key=lambda entry: entry.medium)
    for medium, of_medium in media:
        for point, of_point in itertools.groupby(of_medium, key=lambda entry: point_text(entry.point)):
            where = [medium, point]
            for entry in of_point:
                wnr_db = wnr_text(entry) if where[0] else ""
                gain = entry.gain_over_ml.percent("+") if entry.gain_over_ml and entry.denoiser != "ml" else ""
                table.add_row(*where, entry.denoiser, knows(entry), wnr_db, entry.accuracy.percent(), gain)
                where = ["", ""]
            table.add_section()
    return table


def _finish(folder: Path, failures: tuple[str, ...] | list[str]) -> None:
    from analognn import plots
    from analognn.experiments.rows import FILE

    for run_folder in [folder, *folder.iterdir()]:
        if (run_folder / FILE).is_file():
            plots.draw(run_folder)
    end_if_failed(failures, "noise draws failed; the same command tries them again.")
    click.echo(f"Records, table and picture are in {folder}/")
