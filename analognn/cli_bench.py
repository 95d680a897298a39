"""``analognn bench`` and ``analognn leaderboard``: the reference benchmark and its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from analognn import progress
from analognn.cli_options import place_options
from analognn.usage import refuses_bad_input

if TYPE_CHECKING:
    from analognn.experiments.engines import Engine
    from analognn.suite import Outcome
    from analognn.suite.tiers import Tier


@click.command()
@click.option("--tier", default="tiny", show_default=True, metavar="tiny|standard|full", help="How much is run.")
@click.option("--only", metavar="PART", help="This part and the controls; see --list.")
@click.option("--list", "listed", is_flag=True, help="Name the parts and their scenario files.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of all parts [runs/bench-TIER].")
@place_options
@refuses_bad_input
def bench(
    tier: Tier, only: str | None, listed: bool, out: Path | None, data: Path | None, device: str,
    workers: int | None, engine: Engine, address: str | None,
) -> None:  # fmt: skip
    """Run the reference benchmark, or go on where it stopped.

    Writes a run folder a part, SCORES.md and bench.json. Parts whose data or weights are not there are skipped. The
    exit code is 1 where a control or a trial fails.
    """
    from analognn import suite
    from analognn.experiments.engines import workforce
    from analognn.suite.playing import Place

    chosen = suite.parts(tier, only)
    if listed:
        for part in chosen:
            click.echo(f"{part.name:<13} {suite.PARTS[part.name]}\n{'':<13} {part.path or '(no scenario)'}")
        return
    with workforce(engine, address=address, workers=workers) as force:
        folder = out or Path("runs") / f"bench-{tier}"
        place = Place(folder, data, device, force, lambda part: progress.bar(part, "done"))
        found = suite.bench(chosen, place, told=_tell)
    if only and found.outcomes[-1].status == "skipped":
        raise ValueError(f"Part {only!r} was skipped: {found.outcomes[-1].said[0]}")
    if found.failed:
        click.echo("Failed: a control or a trial; the same command tries the trials again.", err=True)
        raise SystemExit(1)
    click.echo(f"Records, SCORES.md and bench.json are in {found.folder}/")


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="leaderboard.md", show_default=True)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="The same as one HTML file.")
@click.option("--separate", is_flag=True, help="List what cannot be compared one after the other.")
@refuses_bad_input
def leaderboard(folders: tuple[Path, ...], out: Path, html: Path | None, separate: bool) -> None:
    """Write one table a medium of every method in the RUN folders.

    The folders may be committed records without a database. They are put into one table only if they had the same
    media, draws, data, weights and releases; which receivers ran may differ.
    """
    from analognn.files import replacing
    from analognn.suite.board import leaderboard as made
    from analognn.suite.board import markdown, published

    page = made([published(folder) for folder in folders], separate=separate)
    texts = {out: markdown(page)} | ({html: page.html()} if html else {})
    for path, text in texts.items():
        if not path.parent.is_dir():
            raise ValueError(f"`--out` and `--html` must lie in a folder that is there; got {str(path)!r}.")
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
        click.echo(f"Leaderboard: {path}")


def _tell(outcome: Outcome) -> None:
    click.echo(f"{outcome.part:<13} {outcome.status:<8} {outcome.seconds:6.1f} s")
    for line in outcome.said:
        click.echo(f"{'':<13} {line}", err=outcome.status == "failed")
