"""Federated trainings over the air: scenario, runs, rounds in a store, resumed where they stopped."""

from analognn.experiments.feel.runner import FeelResult, feel
from analognn.experiments.feel.scenario import FeelScenario, Station
from analognn.experiments.feel.store import FeelStore
from analognn.experiments.feel.summary import FeelEntry, FeelSummary, summarise_feel
from analognn.experiments.feel.training import RoundRow, Run

__all__ = [
    "FeelEntry",
    "FeelResult",
    "FeelScenario",
    "FeelStore",
    "FeelSummary",
    "RoundRow",
    "Run",
    "Station",
    "feel",
    "summarise_feel",
]
