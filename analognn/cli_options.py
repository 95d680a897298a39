"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import click

P = ParamSpec("P")


def run_options(default: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """What every command takes that runs a scenario; ``default`` is the one it runs unless told otherwise."""
    options = [
        click.argument("scenario", default=default),
        click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder [runs/NAME]."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override, e.g. seeds=3."),
        click.option("--data", type=click.Path(path_type=Path), help="Data folder [$ANALOGNN_DATA, else the cache]."),
        click.option("--device", default="auto", metavar="auto|cpu|cuda", show_default=True),
        click.option("--workers", type=click.IntRange(min=1), help="Jobs at a time [one a core; one on a GPU]."),
        click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True),
        click.option("--address", metavar="HOST:PORT", help="Ray cluster that runs [one is started here]."),
        click.option(
            "--log", "logs", multiple=True, metavar="KIND:PLACE", help="tensorboard:DIR, mlflow:URI, or a plug-in's."
        ),
        click.option("--download", is_flag=True, help="Fetch missing data and checkpoints first."),
    ]

    def decorate(command: Callable[P, None]) -> Callable[P, None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
