"""``analognn report``: runs as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from analognn.usage import refuses_bad_input


@click.command("report")
@click.argument("folders", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="[RUN/report.html; report.html for several]"
)
@refuses_bad_input
def report(folders: tuple[Path, ...], out: Path | None) -> None:
    """Write one HTML file about the RUN folders of `run` or of `feel`.

    Several are compared first. The file loads nothing: it can be mailed and read offline.
    """
    from analognn.report import write

    written = write(folders, out or (folders[0] if len(folders) == 1 else Path()) / "report.html")
    click.echo(f"Report: {written} ({written.stat().st_size / 1000:,.0f} kB)")
