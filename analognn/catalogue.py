"""What there is to choose from, by name: what ``analognn list`` prints."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from analognn import backends, data, models
from analognn.channels import Channel
from analognn.experiments import Scenario
from analognn.experiments.feel import FeelScenario
from analognn.receiver import BUDGETS, Denoise, Stage, stages

Item = dict[str, Any]


def catalogue() -> dict[str, dict[str, Item]]:
    """Kind -> name -> {"summary": one line, "parameters": {name: default}}, the second where there are any.

    Receivers also have their "budget".
    """
    media = {name: backends.load(name) for name in backends.entries()}
    channels = {name: made for name, made in media.items() if isinstance(made, type) and issubclass(made, Channel)}
    return {
        "backends": {name: described(made) for name, made in media.items() if name not in channels},
        "channels": {name: described(made) for name, made in channels.items()},
        "receivers": _receivers(),
        "models": {name: {"summary": text} for name, text in models.describe().items()},
        "data sets": {name: {"summary": text} for name, text in data.describe().items()},
        "scenarios": {name: {"summary": summary} for name, summary in Scenario.shipped().items()},
        "federated scenarios": {name: {"summary": summary} for name, summary in FeelScenario.shipped().items()},
    }


def _receivers() -> dict[str, Item]:
    """The words of a receiver's name, the cheapest first, each with what it may know."""
    found = stages()
    cheapest_first = sorted(found, key=lambda word: BUDGETS.index(found[word].budget))
    return {word: {"budget": found[word].budget, **_described_stage(found[word])} for word in cheapest_first}


def _described_stage(stage: Stage) -> Item:
    made = stage.denoiser if isinstance(stage, Denoise) else stage
    item = described(type(made))
    own = {key: getattr(made, key, default) for key, default in item["parameters"].items()}
    changed = ", ".join(f"{key} = {value}" for key, value in own.items() if value != item["parameters"][key])
    return item | {"summary": f"{item['summary']} ({changed})"} if changed else item


def described(made: Callable[..., object]) -> Item:
    """One entry of the catalogue: the first line of the docstring, and the parameters of the constructor."""
    parameters = inspect.signature(made).parameters.values()
    defaults = {p.name: "required" if p.default is p.empty else p.default for p in parameters}
    return {"summary": (inspect.getdoc(made) or "").partition("\n")[0], "parameters": defaults}
