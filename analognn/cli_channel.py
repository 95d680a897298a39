"""``analognn show channel``: a picture of a wireless link."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analognn.usage import refuses_bad_input

if TYPE_CHECKING:
    from analognn.channels.ofdm import Ofdm


@click.command("channel")
@click.argument("medium", default="ofdm")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Parameter, e.g. model=cdl-c.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the channel drawn.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="channel.png", show_default=True)
@refuses_bad_input
def show_channel(medium: str, settings: tuple[str, ...], seed: int, out: Path) -> None:
    """Draw the OFDM link MEDIUM: constellation, fades and silence, noise by its parts.

    Es/N0 is 15 dB unless set. For example: analognn show channel --set model=tdl-c --set csi=ls
    """
    if out.suffix != ".png" or not out.parent.is_dir():
        raise ValueError(f"`--out` must be a .png file in a folder that is there; got {str(out)!r}.")
    parameters, link = _link(medium, settings)
    import torch

    from analognn import plots_wireless
    from analognn.ofdm_view import view

    seen = view(link, generator=torch.Generator().manual_seed(seed))
    text = ", ".join(f"{key} = {value}" for key, value in parameters.items())
    plots_wireless.write(plots_wireless.channel(seen, title=f"{medium} ({text})"), out)
    click.echo(f"Picture: {out}")


def _link(medium: str, settings: tuple[str, ...]) -> tuple[dict[str, Any], Ofdm]:
    """Its parameters and the link itself."""
    from analognn import backends
    from analognn.backends import ChannelBackend
    from analognn.channels.ofdm import Ofdm
    from analognn.experiments.parsing import set_key
    from analognn.experiments.scenario import Medium

    parameters: dict[str, Any] = {"esn0_db": 15.0} if medium == "ofdm" else {}
    for setting in settings:
        set_key(parameters, setting)
    backend = backends.create(medium, **Medium(medium, parameters).at({}))
    if not isinstance(backend, ChannelBackend) or not isinstance(backend.channel, Ofdm):
        raise ValueError(f"`analognn show channel` draws OFDM links; {medium!r} is none. Use 'ofdm'.")
    return parameters, backend.channel
