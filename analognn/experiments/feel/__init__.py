"""Federated trainings over the air: scenario, runs, rounds in a store, resumed where they stopped."""

from analognn.experiments.feel.rounds import RoundRow, Run
from analognn.experiments.feel.runner import FeelResult, feel
from analognn.experiments.feel.scenario import FeelScenario, Station
from analognn.experiments.feel.store import FeelStore
from analognn.experiments.feel.summary import FeelEntry, FeelSummary, summarise_feel

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
