"""``analognn show``: a run's table, a scenario, and what is to be known of a medium."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analognn import progress
from analognn.cli_feel import feel_table
from analognn.cli_options import data_option
from analognn.cli_output import check_out, print_table
from analognn.cli_run import run_table
from analognn.usage import refuses_bad_input

if TYPE_CHECKING:
    from analognn.channels.ofdm import Ofdm


@click.group()
def show() -> None:
    """Print a run's table, a scenario or a medium; certify a medium, or draw a wireless link."""


@show.command("run")
@click.argument("folder", type=click.Path(path_type=Path))
@refuses_bad_input
def show_run(folder: Path) -> None:
    """Print the table of the run in FOLDER."""
    from analognn.experiments import Store, summarise
    from analognn.experiments.feel import FeelStore, summarise_feel

    if FeelStore.is_in(folder):
        print_table(feel_table(summarise_feel(FeelStore(folder))), width=110)
    else:
        print_table(run_table(summarise(Store(folder))))


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
@data_option
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
    from analognn.experiments.scenario import Medium

    check_out(out, ".png")
    parameters = _set({}, settings)
    with progress.bar(medium, "draws") as report:
        named = certify_by_name(
            medium, Medium(medium, parameters).at({}), model,
            seeds=progress.counted(seeds, report), data_dir=data, test_examples=test_examples,
        )  # fmt: skip
    print_table(checks_table(named.certificate))
    print_table(accuracy_table(named.certificate))
    named.write(out.with_suffix(".json"))
    plots_certificate.draw(named.certificate, out, title=named.title)
    click.echo(f"Picture and numbers are in {out} and {out.with_suffix('.json')}")


@show.command("channel")
@click.argument("medium", default="ofdm")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Parameter, e.g. model=cdl-c.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the channel drawn.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="channel.png", show_default=True)
@refuses_bad_input
def show_channel(medium: str, settings: tuple[str, ...], seed: int, out: Path) -> None:
    """Draw the OFDM link MEDIUM: constellation, fades and silence, noise by its parts.

    Es/N0 is 15 dB unless set. For example: analognn show channel --set model=tdl-c --set csi=ls
    """
    check_out(out, ".png")
    parameters, link = _link(medium, settings)
    import torch

    from analognn import plots, plots_wireless
    from analognn.ofdm_view import view

    seen = view(link, generator=torch.Generator().manual_seed(seed))
    text = ", ".join(f"{key} = {value}" for key, value in parameters.items())
    plots.write(plots_wireless.channel(seen, title=f"{medium} ({text})"), out)
    click.echo(f"Picture: {out}")


def _set(parameters: dict[str, Any], settings: tuple[str, ...]) -> dict[str, Any]:
    """The parameters with every KEY=VALUE set."""
    from analognn.experiments.parsing import set_key

    for setting in settings:
        set_key(parameters, setting)
    return parameters


def _link(medium: str, settings: tuple[str, ...]) -> tuple[dict[str, Any], Ofdm]:
    """Its parameters and the link itself."""
    from analognn import backends
    from analognn.backends import ChannelBackend
    from analognn.channels.ofdm import Ofdm
    from analognn.experiments.scenario import Medium

    parameters = _set({"esn0_db": 15.0} if medium == "ofdm" else {}, settings)
    backend = backends.create(medium, **Medium(medium, parameters).at({}))
    if not isinstance(backend, ChannelBackend) or not isinstance(backend.channel, Ofdm):
        raise ValueError(f"`analognn show channel` draws OFDM links; {medium!r} is none. Use 'ofdm'.")
    return parameters, backend.channel
