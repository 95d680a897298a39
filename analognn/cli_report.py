"""``analognn report``: runs as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from analognn import progress
from analognn.usage import refuses_bad_input


@click.command("report")
@click.argument("folders", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="[RUN/report.html; report.html for several]"
)
@click.option("--draw", is_flag=True, help="First draw what rows do not hold into the folders; some minutes.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Data folder for --draw [$ANALOGNN_DATA, else the cache]."
)
@refuses_bad_input
def report(folders: tuple[Path, ...], out: Path | None, draw: bool, data: Path | None) -> None:
    """Write one HTML file about the RUN folders of `run` or of `feel`.

    Several are compared first. The file loads nothing: it can be mailed and read offline. --draw adds, by medium, a
    certificate, a picture of the radio link, and the surface on which a draw chose its (lambda', beta).
    """
    from analognn.report import check, write
    from analognn.report.drawing import draw as draw_into

    target = out or (folders[0] if len(folders) == 1 else Path()) / "report.html"
    check(folders, target)
    for folder in folders if draw else ():
        with progress.bar(folder.name, "drawings") as told:
            draw_into(folder, data_dir=data, progress=told)
    written = write(folders, target)
    click.echo(f"Report: {written} ({written.stat().st_size / 1000:,.0f} kB)")
