"""The command ``analognn``. Exit codes: 0 done, 1 a trial failed or the installation is broken, 2 bad usage.

Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from analognn import __version__
from analognn.cli_bench import bench, leaderboard
from analognn.cli_feel import feel
from analognn.cli_report import report
from analognn.cli_run import run, sweep
from analognn.cli_save import save
from analognn.cli_show import show
from analognn.cli_theory import theory
from analognn.cli_train import train
from analognn.usage import refuses_bad_input


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="analognn")
def main() -> None:
    """Neural-network weights through imperfect media: measured as noise, denoised, judged by accuracy."""


for command in (run, sweep, show, theory, train, feel, bench, leaderboard, report, save):
    main.add_command(command)


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
