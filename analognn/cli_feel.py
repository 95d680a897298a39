"""``analognn feel``: federated trainings over the air, told round by round."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analognn import progress
from analognn.cli_options import run_options
from analognn.cli_output import end_if_failed, print_table
from analognn.usage import refuses_bad_input

if TYPE_CHECKING:
    from rich.table import Table

    from analognn.experiments.engines import Engine
    from analognn.experiments.feel import FeelEntry, FeelScenario, FeelSummary, RoundRow


@click.command()
@run_options("feel")
@refuses_bad_input
def feel(
    scenario: str, out: Path | None, overrides: tuple[str, ...], data: Path | None, device: str, workers: int | None,
    engine: Engine, address: str | None, logs: tuple[str, ...], download: bool,
) -> None:  # fmt: skip
    """Train a federation over the air, or go on where it stopped.

    SCENARIO is a name that `list` prints or a TOML file.

    Says after each round what happened. Writes results.sqlite, results.csv, summary.json, two pictures, and the model
    of each training (states/) into the run folder.
    """
    from analognn import plots_feel
    from analognn.experiments.engines import workforce
    from analognn.experiments.feel import FeelScenario
    from analognn.experiments.feel import feel as run
    from analognn.experiments.logs import log

    named, trackers = FeelScenario.named(scenario, overrides), [log(text) for text in logs]
    if download:
        _fetch(named, data)
    with workforce(engine, address=address, workers=workers) as force, progress.bar(named.name, "rounds") as report:
        told = _narrator(named, report)
        result = run(named, out, data_dir=data, device=device, workers=force, progress=told, logs=trackers)
    print_table(feel_table(result.summary), width=110)
    pictures = plots_feel.draw(result.folder)
    end_if_failed(result.failures, "trainings failed; the same command goes on with them.")
    click.echo(f"Rounds, table, models and {len(pictures)} pictures are in {result.folder}/")


def feel_table(summary: FeelSummary) -> Table:
    """Accuracy by point of the uplink and base station, with 95 % intervals."""
    from rich.table import Table

    from analognn.experiments.words import point_text

    scenario = summary.scenario
    table = Table(title=f"{scenario.model}, test accuracy with 95 % intervals over {scenario.seeds} trainings")
    for column in ("uplink", "base station"):
        table.add_column(column, overflow="fold")
    for column in ("WNR dB", "accuracy %", "over ML", "best by validation %", "diverged", "overhead %"):
        table.add_column(column, justify="right", no_wrap=True)
    for point, entries in itertools.groupby(summary.entries, key=lambda entry: point_text(entry.point)):
        where = point or "no noise"
        for entry in entries:
            table.add_row(where, *_cells(entry))
            where = ""
        table.add_section()
    return table


def _cells(entry: FeelEntry) -> tuple[str, ...]:
    return (
        entry.station,
        "" if entry.wnr_db is None else f"{entry.wnr_db:.1f}",
        entry.accuracy.percent(),
        entry.gain_over_ml.percent("+") if entry.gain_over_ml else "",
        entry.best_by_validation.percent(),
        f"{entry.diverged} of {entry.seeds}" if entry.diverged else "",
        f"{100 * entry.overhead:.0f}",
    )


def _narrator(scenario: FeelScenario, report: progress.Report) -> Callable[[RoundRow, int, int], None]:
    """Prints a line a round and moves the bar."""
    started, first = time.monotonic(), [0]

    def told(row: RoundRow, done: int, total: int) -> None:
        first[0] = first[0] or done - 1
        left = (time.monotonic() - started) / (done - first[0]) * (total - done)
        rounds = scenario.served(row.station).num_rounds
        click.echo(f"{done}/{total} {line(row, rounds)}, {int(left) // 60}:{int(left) % 60:02} left")
        report(done, total)

    return told


def line(row: RoundRow, rounds: int) -> str:
    """A round in one line."""
    import json

    from analognn.experiments.words import point_text

    parts = [f"{row.station} {point_text(json.loads(row.point))} seed {row.seed} round {row.round + 1}/{rounds}:"]
    figures = [f"power {row.update_power:.2e}"] if row.update_power is not None else []
    figures += [f"WNR {row.effective_wnr_db:.1f} dB"] if row.effective_wnr_db is not None else []
    figures += [f"lambda' {row.lambda_prime:.3f} beta {row.beta:.3g}"] if row.lambda_prime is not None else []
    figures += [f"validation {100 * row.validation:.1f} %"]
    figures += [f"dropped {row.dropped}"] if row.dropped != "[]" else []
    figures += [" ".join(json.loads(row.refused).values())] if row.refused != "{}" else []
    figures += [row.note] if row.note else []
    return " ".join([*parts, ", ".join(figures)])


def _fetch(scenario: FeelScenario, data: Path | None) -> None:
    from analognn import data as data_sets
    from analognn import models

    data_sets.load(models.spec(scenario.model).dataset, data_dir=data, download=True)
