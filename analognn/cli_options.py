"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]
Option = Callable[[Command], Command]


def together(*options: Option) -> Option:
    """Several options as one decorator; ``--help`` lists them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Data folder [$ANALOGNN_DATA, else the cache]."
)
device_option = click.option("--device", default="auto", metavar="auto|cpu|cuda", show_default=True)
place_options = together(
    data_option,
    device_option,
    click.option("--workers", type=click.IntRange(min=1), help="Jobs at a time [one a core; one on a GPU]."),
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Processes of this machine, or a Ray cluster.",
    ),
    click.option("--address", metavar="HOST:PORT", help="Ray cluster that runs [one is started here]."),
)
"""Where the data lie and where the work is done."""


def run_options(default: str) -> Option:
    """What every command takes that runs a scenario; ``default`` is the one it runs unless told otherwise."""
    return together(
        click.argument("scenario", default=default),
        click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder [runs/NAME]."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override, e.g. seeds=3."),
        place_options,
        click.option(
            "--log", "logs", multiple=True, metavar="KIND:PLACE", help="tensorboard:DIR, mlflow:URI, or a plug-in's."
        ),
        click.option("--download", is_flag=True, help="Fetch missing data and checkpoints first."),
    )
