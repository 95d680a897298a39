"""``analognn theory``: Figures 3, 5 and 6 and the claims of the denoising paper, checked."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from analognn.cli_options import together
from analognn.cli_output import check_out, print_table
from analognn.usage import refuses_bad_input

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analognn.theory import Quadratic, Shallow
    from analognn.theory.figures import Cut

    Network = TypeVar("Network", Quadratic, Shallow)


@click.group()
def theory() -> None:
    """Draw the theorems of the denoising paper, simulation over theory, and check its claims."""


_figure_options = together(
    click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A .png file [FIGURE.png]."),
    click.option("--weight-var", type=float, help="s_w^2 [the paper's]."),
    click.option("--noise-var", type=float, help="s_z^2 [the paper's]."),
    click.option("--draws", type=click.IntRange(min=1000), help="Simulated networks a point."),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the simulation."),
)
"""What all figures share; what is not given stays as in the paper."""


@theory.command()
@_figure_options
@click.option("--dim", type=int, help="Inputs d [5].")
@click.option("--shift", type=float, help="Shift c [0.1].")
@refuses_bad_input
def figure3(out: Path | None, draws: int | None, seed: int, **given: float | None) -> None:
    """Theorem 3: the error of a quadratic network over (theta, rho)."""
    from analognn import plots_theory
    from analognn.theory import Quadratic, figures, quadratic

    path = _png(out, "figure3")
    network = _network(Quadratic(), given)
    found = figures.figure3(network, seed=seed, **_given(draws=draws))
    theorem, printed = quadratic.theorem3(network), quadratic.theorem3(network, quadratic.printed_constants(network))
    click.echo(
        f"D: {_errors(found.errors)}. Theorem 3: lambda' = {theorem.temperatures.lambda_prime:.4f}, gain over ML "
        f"{theorem.gain:.1%} ({printed.gain:.1%} by the printed constants). Simulated: {_simulated(found.cut)}."
    )
    _write(plots_theory.figure3(found), path)


@theory.command()
@_figure_options
@click.option("--hidden", type=int, help="Hidden neurons N [10].")
@click.option("--half-width", type=float, help="Input range c [0.4].")
@refuses_bad_input
def figure5(out: Path | None, draws: int | None, seed: int, **given: float | None) -> None:
    """Theorem 5: the error of a tanh network, exact, by (31) and simulated."""
    from analognn import plots_theory
    from analognn.theory import Shallow, figures, shallow

    path = _png(out, "figure5")
    network = _network(Shallow(), given)
    found = figures.figure5(network, seed=seed, **_given(draws=draws))
    theorem, free = shallow.theorem5(network), shallow.optimum(network, restricted=False)
    click.echo(
        f"D: {_errors(found.errors)}. Theorem 5: lambda' = {theorem.temperatures.lambda_prime:.4f}, "
        f"D = {theorem.error:.4f}, gain over ML {theorem.gain:.1%}; exact optimum: lambda' = "
        f"{free.temperatures.lambda_prime:.4f}, gain {free.gain:.1%}. Simulated: {_simulated(found.along_theta)}."
    )
    _write(plots_theory.figure5(found), path)


@theory.command()
@_figure_options
@click.option("--hidden", type=int, help="Hidden neurons N [10].")
@click.option("--half-width", type=float, default=0.5, show_default=True, help="Largest input range c.")
@refuses_bad_input
def figure6(out: Path | None, draws: int | None, seed: int, **given: float | None) -> None:
    """Theorem 5's error against the input range c."""
    from analognn import plots_theory
    from analognn.theory import Shallow, figures

    path = _png(out, "figure6")
    found = figures.figure6(_network(Shallow(), given), seed=seed, **_given(draws=draws))
    off = {name: cut.printed / cut.exact - 1 for name, cut in found.cuts.items()}
    span = ", ".join(f"{name} {each.min():+.1%} to {each.max():+.1%}" for name, each in off.items())
    click.echo(
        f"(31) as printed against the exact D, c up to {found.network.half_width:g}: {span}. Best lambda' at the end: "
        f"{found.best_lambda[-1]:.4f} (Theorem 5: {found.printed_lambda:.4f})."
    )
    _write(plots_theory.figure6(found), path)


@theory.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def table(as_json: bool) -> None:
    """The paper's claims beside what we find, with a verdict each."""
    from analognn.theory.claims import claims

    if as_json:
        click.echo(json.dumps([dataclasses.asdict(claim) for claim in claims()], indent=2))
        return
    from rich.table import Table

    found = Table(title="Claims of the denoising paper", show_lines=True)
    for column in ("where", "paper", "ours", "verdict"):
        found.add_column(column)
    for claim in claims():
        found.add_row(claim.where, claim.paper, claim.ours, claim.verdict)
    print_table(found, width=130)


def _network(default: Network, given: dict[str, float | None]) -> Network:
    """The paper's example with the given fields replaced."""
    values = _given(**given)
    weights = {name: values.pop(name) for name in ("weight_var", "noise_var") if name in values}
    return dataclasses.replace(default, weights=dataclasses.replace(default.weights, **weights), **values)


def _given(**options: float | None) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _png(out: Path | None, name: str) -> Path:
    path = out or Path(f"{name}.png")
    check_out(path, ".png")
    return path


def _write(figure: Figure, path: Path) -> None:
    from analognn import plots

    plots.write(figure, path)
    click.echo(f"Picture: {path}")


def _errors(errors: dict[str, float]) -> str:
    return ", ".join(f"{name} {error:#.4g}" for name, error in errors.items())


def _simulated(cut: Cut) -> str:
    """The first three points of a cut along theta, with 95 % intervals."""
    names = ("ml", "mmse", "mmsepb")
    return ", ".join(
        f"{name} {mean:#.4g} ± {1.96 * error:.2g}"
        for name, mean, error in zip(names, cut.mean, cut.standard_error, strict=False)
    )
