"""The report and the picture of ``retraining.py``: they read its records and never run anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from commands import TOLD_IN_HEAD, gain_text, heading, percent_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analognn.estimates import Estimate, estimate
from analognn.experiments import Record
from analognn.experiments.gains import gains
from analognn.plots import STYLES, reach, tidy

if TYPE_CHECKING:
    from retraining import Recipe

RECEIVERS = ("ml", "mmsepb", "protect", "recalibrate")
ORIGINAL, CONTROL = "as trained", "retrained without noise"
TARGETS = (0.6, 0.9)
"""Accuracies that gains are read at."""
Results = Mapping["Recipe", tuple[Sequence[Record], Mapping[str, Any]]]


class Accuracies:
    """Accuracy by network, receiver, WNR [dB] and seed."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.found: dict[tuple[str, str, float], dict[int, float]] = {}
        for record in records:
            network, _, receiver = record.denoiser.rpartition(" + ")
            key = network or ORIGINAL, receiver, float(json.loads(record.point)["wnr_db"])
            self.found.setdefault(key, {})[record.seed] = record.correct / record.total

    def mean(self, network: str, receiver: str, wnr_db: float) -> Estimate:
        """Over the seeds."""
        return estimate(list(self.found[network, receiver, wnr_db].values()))

    def difference(self, one: tuple[str, str], other: tuple[str, str], wnr_db: float) -> Estimate:
        """One (network, receiver) less another, seed by seed."""
        a, b = self.found[(*one, wnr_db)], self.found[(*other, wnr_db)]
        return estimate([a[seed] - b[seed] for seed in a])


def report(results: Results) -> str:
    """All of it as Markdown."""
    lines = [
        *heading("Retrain or denoise", "paper/retraining.py", remark=TOLD_IN_HEAD),
        "![accuracy](retraining.png)",
        "",
    ]
    for recipe, (records, tables) in results.items():
        lines += _section(recipe, records, tables)
    return "\n".join(lines)


def _section(recipe: Recipe, records: Sequence[Record], tables: Mapping[str, Any]) -> Iterator[str]:
    accuracies, networks = Accuracies(records), (ORIGINAL, *recipe.networks)
    yield from (
        f"## {recipe.model}",
        "",
        f"{recipe.seeds} seeds, 95 % intervals. {recipe.epochs} epochs of AdamW on {recipe.train_examples or 'all'} "
        f"training images for each network, peak rate {recipe.peak_rate:g}; {tables['cpu_s'] / 60:.0f} CPU minutes.",
        "",
        *_conclusion(recipe, accuracies),
        *_verdicts(recipe, accuracies),
        *_gains(records, networks),
        *_accuracies(recipe, accuracies, networks, tables["clean"]),
    )


def _contest(recipe: Recipe, accuracies: Accuracies, wnr_db: float) -> tuple[str, dict[str, Estimate], str, Estimate]:
    """The network retrained nearest to this WNR, what it is ahead of each receiver, and what the best adds to it."""
    target = min(recipe.targets, key=lambda target: (abs(target - wnr_db), target))
    network, others = f"retrained at {target:g} dB", RECEIVERS[1:]
    over = {name: accuracies.difference((network, "ml"), (ORIGINAL, name), wnr_db) for name in others}
    on_top = {name: accuracies.difference((network, name), (network, "ml"), wnr_db) for name in others}
    best = max(on_top, key=lambda name: on_top[name].mean)
    return network, over, best, on_top[best]


def _conclusion(recipe: Recipe, accuracies: Accuracies) -> Iterator[str]:
    contests = {wnr_db: _contest(recipe, accuracies, wnr_db) for wnr_db in recipe.wnr_db}
    for name in RECEIVERS[1:]:
        over = {wnr_db: contest[1][name] for wnr_db, contest in contests.items()}
        yield f"- `{name}` on the original network against retraining: {_ahead(over, 'retraining', 'it')}."
    on_top = {wnr_db: contest[3] for wnr_db, contest in contests.items()}
    yield f"- The best receiver on the retrained network against none there: {_ahead(on_top, 'the receiver', 'none')}."
    yield ""


def _ahead(differences: Mapping[float, Estimate], one: str, other: str) -> str:
    """Who is ahead where; an interval that holds 0 leaves it open."""
    found: dict[str, list[str]] = {}
    for wnr_db, value in differences.items():
        low, high = value.low or 0.0, value.high or 0.0
        who = f"{one} is ahead" if low > 0 else f"{other} is ahead" if high < 0 else "open"
        found.setdefault(who, []).append(f"{wnr_db:g}")
    return "; ".join(f"{who} at {', '.join(points)} dB" for who, points in found.items())


def _verdicts(recipe: Recipe, accuracies: Accuracies) -> Iterator[str]:
    """At each WNR, the network retrained nearest to it against every receiver on the original one."""
    others = RECEIVERS[1:]
    yield from (
        "### Who wins where",
        "",
        "Points that the network retrained nearest to that WNR, its weights taken as they come, lies above the",
        "original network with a receiver; last column: what the best of the receivers adds to the retrained network.",
        "",
        f"| WNR dB | network | {' | '.join(f'over {name}' for name in others)} | wins | receivers on top |",
        f"|---:|---|{'---:|' * len(others)}---|---:|",
    )
    for wnr_db in recipe.wnr_db:
        network, over, best, added = _contest(recipe, accuracies, wnr_db)
        apart = " | ".join(value.percent("+") for value in over.values())
        yield f"| {wnr_db:g} | {network} | {apart} | {_winner(over)} | {best} {added.percent('+')} |"
    yield ""


def _winner(over: Mapping[str, Estimate]) -> str:
    """Receivers that beat retraining, else retraining where it beats them all; an interval over 0 decides nothing."""
    if beaten := [name for name, value in over.items() if value.high is not None and value.high < 0]:
        return ", ".join(beaten)
    ahead = all(value.low is not None and value.low > 0 for value in over.values())
    return "retraining" if ahead else "no one"


def _gains(records: Sequence[Record], networks: Sequence[str]) -> Iterator[str]:
    found = {target: {gain.denoiser: gain for gain in gains(records, target)} for target in TARGETS}
    heads = " | ".join(f"{target:.0%}: {name}" for target in TARGETS for name in RECEIVERS)
    yield from (
        "### dB over the original network with ML, by accuracy",
        "",
        f"| network | {heads} |",
        f"|---|{'---:|' * len(TARGETS) * len(RECEIVERS)}",
    )
    for network in networks:
        before = "" if network == ORIGINAL else f"{network} + "
        cells = [gain_text(found[target][before + name]) for target in TARGETS for name in RECEIVERS]
        yield f"| {network} | {' | '.join(cells)} |"
    yield from ("", '"≥": at the target from the lowest WNR on, in some draw.', "")


def _accuracies(
    recipe: Recipe, accuracies: Accuracies, networks: Sequence[str], clean: Mapping[str, float]
) -> Iterator[str]:
    yield from (
        "### Accuracy",
        "",
        f"| network | receiver | clean | {' | '.join(f'{wnr_db:g} dB' for wnr_db in recipe.wnr_db)} |",
        f"|---|---|---:|{'---:|' * len(recipe.wnr_db)}",
    )
    for network in networks:
        undisturbed = estimate([clean[f"{network}/{seed}"] for seed in range(recipe.seeds)])
        for name in RECEIVERS:
            cells = [accuracies.mean(network, name, wnr_db).percent() for wnr_db in recipe.wnr_db]
            first = f"{network} | {name} | {percent_text(undisturbed)}"
            yield f"| {first} | {' | '.join(cells)} |"
    yield ""


def picture(results: Results) -> Figure:
    """A row a model, a panel a receiver, a line a network."""
    figure = Figure(figsize=(17, 4.6 * len(results)), layout="constrained")
    grid = figure.subplots(len(results), len(RECEIVERS), squeeze=False, sharey=True)
    for axes, (recipe, (records, _)) in zip(grid, results.items(), strict=True):
        accuracies = Accuracies(records)
        for panel, receiver in zip(axes, RECEIVERS, strict=True):
            _panel(panel, recipe, accuracies, receiver)
            panel.set_title(f"{recipe.model}: {receiver}")
        axes[0].set_ylabel("test accuracy")
        axes[-1].legend(loc="lower right", frameon=False)  # each model has targets of its own
    figure.suptitle("Retrain or denoise: accuracy by receiver, mean and 95 % interval over retrainings and noise draws")
    return figure


def _panel(panel: Axes, recipe: Recipe, accuracies: Accuracies, receiver: str) -> None:
    for (color, marker), network in zip(STYLES, (ORIGINAL, *recipe.networks), strict=False):
        means = [accuracies.mean(network, receiver, wnr_db) for wnr_db in recipe.wnr_db]
        panel.errorbar(
            recipe.wnr_db, [mean.mean for mean in means], yerr=reach(means), color=color, marker=marker,
            linestyle="-" if network == ORIGINAL else "--", linewidth=1.6, elinewidth=1, capsize=2.5, label=network,
        )  # fmt: skip
    panel.set_xlabel("WNR [dB], relative to the weights that are sent")
    panel.set_ylim(0, 1.03)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    tidy(panel)
