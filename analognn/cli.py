"""The command ``analognn``. Exit codes: 0 done, 1 a trial failed or the installation is broken, 2 bad usage.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analognn import __version__, progress
from analognn.cli_bench import bench, leaderboard
from analognn.cli_channel import show_channel
from analognn.cli_feel import feel, results_table
from analognn.cli_options import run_options
from analognn.cli_report import report
from analognn.cli_save import save
from analognn.cli_theory import theory
from analognn.cli_train import train
from analognn.usage import refuses_bad_input

if TYPE_CHECKING:
    from rich.table import Table

    from analognn.experiments import RunResult, Scenario
    from analognn.experiments.engines import Engine, Workers
    from analognn.experiments.summary import Summary


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="analognn")
def main() -> None:
    """Neural-network weights through imperfect media: measured as noise, denoised, judged by accuracy."""


main.add_command(theory)
main.add_command(train)
main.add_command(feel)
main.add_command(bench)
main.add_command(leaderboard)
main.add_command(report)
main.add_command(save)


@main.command()
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
    _console_print(_results_table(result.summary))
    _finish(result.folder, result.failures)


@main.command()
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
            _console_print(_results_table(result.summary))
            failures += result.failures
    _finish(folder, failures)


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, with parameters.")
@refuses_bad_input
def list_(as_json: bool) -> None:
    """Name the media, receivers by budget, models, data sets and scenarios there are."""
    from analognn.catalogue import catalogue

    found = catalogue()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for kind, items in found.items():
        click.secho(kind, bold=True)
        for name, item in items.items():
            budget = f"[{item['budget']}] " if "budget" in item else ""
            click.echo(f"  {name:<22} {budget}{item['summary']}")
    click.echo("`analognn show medium NAME` explains the parameters of a backend or channel.")


@main.group()
def show() -> None:
    """Print a run's table, a scenario or a medium; certify a medium, or draw a wireless link."""


show.add_command(show_channel)


@show.command("run")
@click.argument("folder", type=click.Path(path_type=Path))
@refuses_bad_input
def show_run(folder: Path) -> None:
    """Print the table of the run in FOLDER."""
    from analognn.experiments import Store, summarise
    from analognn.experiments.feel import FeelStore, summarise_feel

    if FeelStore.is_in(folder):
        _console_print(results_table(summarise_feel(FeelStore(folder))))
    else:
        _console_print(_results_table(summarise(Store(folder))))


@show.command("scenario")
@click.argument("scenario", default="default")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override first.")
@refuses_bad_input
def show_scenario(scenario: str, overrides: tuple[str, ...]) -> None:
    """Print SCENARIO as TOML: a file to change and run."""
    from analognn.experiments import Scenario
    from analognn.experiments.feel import FeelScenario

    kind = FeelScenario if scenario in FeelScenario.shipped() else Scenario
    click.echo(kind.named(scenario, overrides).to_toml(), nl=False)


@show.command("medium")
@click.argument("name")
@refuses_bad_input
def show_medium(name: str) -> None:
    """Explain the backend or channel NAME and print its parameters with their defaults."""
    import inspect

    from analognn.backends import load
    from analognn.catalogue import described

    medium = load(name)
    click.echo(inspect.getdoc(medium))
    click.secho("\nDefaults", bold=True)
    for parameter, default in described(medium)["parameters"].items():
        click.echo(f"  {parameter} = {default}")


@show.command("certificate")
@click.argument("medium")
@click.option("--model", default="mnist-resnet8", show_default=True, help="A name that `list` prints.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Parameter of the medium.")
@click.option("--seeds", type=click.IntRange(min=1), default=10, show_default=True, help="Draws of the medium.")
@click.option("--test-examples", type=click.IntRange(min=0), default=0, help="The first so many [all].")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder [$ANALOGNN_DATA, else the cache].")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="certificate.png", show_default=True)
@refuses_bad_input
def show_certificate(
    medium: str, model: str, settings: tuple[str, ...], seeds: int, test_examples: int, data: Path | None, out: Path
) -> None:
    """Measure how far MEDIUM is from AWGN, and draw it.

    Writes the picture and, beside it, all numbers as JSON. Crossbars are scored from 0 s to a year.
    """
    from analognn import plots_certificate
    from analognn.certificate.by_name import certify_by_name
    from analognn.certificate.tables import accuracy_table, checks_table
    from analognn.experiments.parsing import set_key
    from analognn.experiments.scenario import Medium

    if out.suffix != ".png" or not out.parent.is_dir():
        raise ValueError(f"`--out` must be a .png file in a folder that is there; got {str(out)!r}.")
    parameters: dict[str, Any] = {}
    for setting in settings:
        set_key(parameters, setting)
    with progress.bar(medium, "draws") as report:
        named = certify_by_name(
            medium, Medium(medium, parameters).at({}), model,
            seeds=progress.counted(seeds, report), data_dir=data, test_examples=test_examples,
        )  # fmt: skip
    _console_print(checks_table(named.certificate))
    _console_print(accuracy_table(named.certificate))
    named.write(out.with_suffix(".json"))
    plots_certificate.draw(named.certificate, out, title=named.title)
    click.echo(f"Picture and numbers are in {out} and {out.with_suffix('.json')}")


@main.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@refuses_bad_input
def plot(folders: tuple[Path, ...]) -> None:
    """Draw the pictures of run folders again.

    accuracy_vs_wnr.png, and accuracy_vs_KEY.png where all media sweep the same KEY and nothing else; of `feel`,
    accuracy_per_round.png and accuracy_vs_noise.png.
    """
    from analognn import plots, plots_feel
    from analognn.experiments.feel import FeelStore

    for folder in folders:
        drawn = plots_feel.draw(folder) if FeelStore.is_in(folder) else plots.draw(folder)
        click.echo("\n".join(str(path) for path in drawn))


@main.command()
def doctor() -> None:
    """Check that the installed libraries fit together (exit code 1: no)."""
    from analognn.compat import diagnose

    findings = diagnose()
    for finding in findings:
        mark = click.style("ok ", fg="green") if not finding.problem else click.style("BAD", fg="red")
        click.echo(f"{mark} {finding.name:<24} {finding.found}")
        if finding.problem:
            click.echo(f"    {finding.problem}")
    if any(finding.problem for finding in findings):
        raise SystemExit(1)


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


def _results_table(summary: Summary) -> Table:
    from rich.table import Table

    from analognn.experiments.words import knows, point_text, wnr_text

    clean = f"{summary.clean:.2%}" if summary.clean is not None else "not yet known"
    table = Table(title=f"{summary.scenario.model}, test accuracy with 95 % intervals; {clean} without noise")
    for column in ("medium", "point", "receiver", "knows"):
        table.add_column(column)
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


def _console_print(table: Table) -> None:
    from rich.console import Console

    terminal = Console().is_terminal
    Console(width=None if terminal else 100).print(table)


def _finish(folder: Path, failures: tuple[str, ...] | list[str]) -> None:
    from analognn import plots
    from analognn.experiments.rows import FILE

    for run_folder in [folder, *folder.iterdir()]:
        if (run_folder / FILE).is_file():
            plots.draw(run_folder)
    for failure in failures:
        click.echo(f"Failed: {failure}", err=True)
    if failures:
        click.echo(f"{len(failures)} noise draws failed; the same command tries them again.", err=True)
        raise SystemExit(1)
    click.echo(f"Records, table and picture are in {folder}/")
