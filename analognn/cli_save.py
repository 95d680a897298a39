"""``analognn save``: the model of one trial as a file."""

from __future__ import annotations

from pathlib import Path

import click

from analognn.cli_options import data_option, device_option
from analognn.cli_output import check_out
from analognn.usage import refuses_bad_input


@click.command("save")
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--receiver", required=True, help="One of the run's, e.g. mmsepb.")
@click.option("--medium", default="", help="Label in the scenario [the only one].")
@click.option("--point", multiple=True, metavar="KEY=VALUE", help="Swept parameter, e.g. wnr_db=6.0.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Number of the noise draw.")
@data_option
@device_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="model.safetensors", show_default=True)
@refuses_bad_input
def save(
    folder: Path, receiver: str, medium: str, point: tuple[str, ...], seed: int, data: Path | None, device: str,
    out: Path,
) -> None:  # fmt: skip
    """Write the model that a receiver of RUN put back together to a safetensors file.

    It is made again from the seeds of that trial, bit for bit. In plain PyTorch, safetensors' load_file
    reads it, and load_state_dict takes that.
    """
    check_out(out, ".safetensors")
    from analognn import checkpoints
    from analognn.experiments.reading import kind, read
    from analognn.experiments.restoring import reception_of, restored
    from analognn.experiments.store import Store

    if kind(folder) is not Store:
        raise ValueError(
            f"`analognn save` restores trials of `analognn run`; {str(folder)!r} has its models in states/."
        )
    scenario = read(Store, folder).scenario
    reception = reception_of(scenario, medium, point, seed)
    checkpoints.save(restored(scenario, reception, receiver, data_dir=data, device=device).state_dict(), out)
    click.echo(f"Model of {reception.medium} {reception.point} draw {seed}, {receiver}: {out}")
