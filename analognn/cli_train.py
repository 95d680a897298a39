"""``analognn train``: the training methods of the source papers, run, drawn and held against their claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analognn import progress
from analognn.cli_options import data_option
from analognn.cli_output import check_out, print_table
from analognn.training.study import STUDIES
from analognn.usage import refuses_bad_input

if TYPE_CHECKING:
    from rich.table import Table

    from analognn.training.study import Claim


def _list(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the methods and end; their modules say what they are."""
    if not wanted:
        return
    from analognn.training.study import load

    for name in STUDIES:
        study = load(name)
        click.echo(f"{name:<16} {study.summary}\n{'':<16} {study.source}")
    context.exit()


@click.command(
    help=f"Run METHOD's experiment, draw it, and hold it against its paper.\n\nMETHOD: {', '.join(STUDIES)}."
)
@click.argument("method")
@click.option("--seeds", type=click.IntRange(min=1), default=10, show_default=True, help="Independent runs.")
@data_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A .png file [METHOD.png].")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="Explain the methods.")
@refuses_bad_input
def train(method: str, seeds: int, data: Path | None, out: Path | None) -> None:
    """Its help names the studies and so is given above."""
    from analognn import plots, plots_training
    from analognn.training.study import load

    study = load(method)
    path = out or Path(f"{method}.png")
    check_out(path, ".png")
    with progress.bar(method, "runs") as report:
        findings = study.find(seeds=seeds, data_dir=data, progress=report)
    print_table(_table(study.source, findings.claims), width=150)
    plots.write(plots_training.draw(findings, title=study.summary), path)
    findings.write(study, path.with_suffix(".json"))
    click.echo(f"Picture and numbers are in {path} and {path.with_suffix('.json')}")


def _table(title: str, claims: tuple[Claim, ...]) -> Table:
    from rich.table import Table

    table = Table(title=title, show_lines=True)
    for column in ("where", "source", "ours", "verdict", "why"):
        table.add_column(column)
    for claim in claims:
        table.add_row(claim.where, claim.source, claim.ours, claim.verdict, claim.why)
    return table
