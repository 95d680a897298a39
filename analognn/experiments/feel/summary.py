"""From rounds to one entry a base station and point: test accuracy of the reported round, with intervals.

    accuracy       a = mean(a_i),   a +- t_{0.975, n-1} s / sqrt(n)       over n trainings, each with its own data deal
    gain over ML   the same on a_i - a_i(ML), the training of the same seed with the plain sum
    overhead       seconds(packing, channel, unpacking, denoising, search) / seconds(local training), all rounds

Three rounds of each training are told apart: the last one, the one that was best on validation examples, and the one
that was best on test examples (which no experiment may choose; a released code does).
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from analognn import compat
from analognn.estimates import Estimate, estimate
from analognn.experiments.feel.rounds import RoundRow, Run, runs
from analognn.experiments.feel.scenario import NOISELESS, FeelScenario
from analognn.experiments.feel.store import FeelStore
from analognn.experiments.rows import Results
from analognn.experiments.scenario import Point

Rounds = Sequence[RoundRow]
Trainings = Results[FeelScenario, RoundRow]


@dataclass(frozen=True)
class FeelEntry:
    """One base station at one point over all its trainings.

    Args:
        station: label in the scenario, or "noiseless".
        point: swept parameters of the uplink.
        seeds: trainings that are over.
        diverged: those of them that were given up.
        accuracy: on test data, of the round that the rules report.
        gain_over_ml: paired difference to ML for the same devices; None where there is none.
        last: on test data, of the last round.
        best_by_validation: on test data, of the round that was best on validation examples.
        best_on_test: of the round that was best on test data.
        wnr_db: mean over rounds and trainings of the effective WNR of the sum [dB]; None without noise.
        overhead: time of everything but local training, relative to it.
        round_seconds: of a round, evaluation not counted.
    """

    station: str
    point: Point
    seeds: int
    diverged: int
    accuracy: Estimate
    gain_over_ml: Estimate | None
    last: Estimate
    best_by_validation: Estimate
    best_on_test: Estimate
    wnr_db: float | None
    overhead: float
    round_seconds: float


@dataclass(frozen=True)
class FeelSummary:
    """What a folder of trainings found.

    Args:
        scenario: that was run.
        entries: in the order of the scenario, the noiseless one first.
        fingerprints: digest -> what the rounds rest on; see :mod:`analognn.experiments.fingerprint`.
    """

    scenario: FeelScenario
    entries: tuple[FeelEntry, ...]
    fingerprints: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``summary.json``."""
        return {
            "scenario": self.scenario.to_dict(),
            "scenario_hash": self.scenario.hash,
            "entries": [dataclasses.asdict(entry) for entry in self.entries],
            "versions": compat.versions(),
            "fingerprints": self.fingerprints,
        }


def last(rounds: Rounds) -> RoundRow:
    """The last round."""
    return rounds[-1]


def best_by_validation(rounds: Rounds) -> RoundRow:
    """The first of those with most right answers on validation examples."""
    return max(rounds, key=lambda row: row.validation_correct)


def best_on_test(rounds: Rounds) -> RoundRow:
    """The first of those with most right answers on test examples."""
    return max(rounds, key=lambda row: row.test_correct)


CHOICES = {"last": last, "best-on-test": best_on_test}
"""What a rule reports -> how that round is found."""


def finished(results: Trainings) -> dict[Run, list[RoundRow]]:
    """The rounds of each training that is over, in the order of the scenario."""
    scenario, there = results.scenario, defaultdict(list)
    for row in results.records():
        there[row.run].append(row)
    found = {}
    for run in runs(scenario):
        rounds = sorted(there[run], key=lambda row: row.round)
        if rounds and (rounds[-1].diverged or len(rounds) == scenario.served(run.station).num_rounds):
            found[run] = rounds
    return found


def reported(scenario: FeelScenario, station: str, rounds: Rounds) -> RoundRow:
    """The round whose test accuracy counts under the rules of this base station."""
    return CHOICES[scenario.served(station).rules.reported](rounds)


def summarise_feel(results: Trainings) -> FeelSummary:
    """Group the trainings of a folder; points still unfinished count with those there are."""
    scenario, found = results.scenario, finished(results)
    groups: dict[tuple[str, str], dict[int, list[RoundRow]]] = {}
    for run, rounds in found.items():
        groups.setdefault((run.station, run.point), {})[run.seed] = rounds
    order = [(run.station, run.point) for run in runs(scenario) if run.seed == 0]
    entries = []
    for station, point in order:
        if trainings := groups.get((station, point)):
            baseline = groups.get((_ml_beside(scenario, station), point), {})
            entries.append(_entry(scenario, station, trainings, baseline))
    return FeelSummary(scenario, tuple(entries))


def write_summary(store: FeelStore) -> FeelSummary:
    """Summarise into ``summary.json`` of the folder."""
    summary = dataclasses.replace(summarise_feel(store), fingerprints=store.fingerprints())
    store.write_summary(summary.to_dict())
    return summary


def _ml_beside(scenario: FeelScenario, station: str) -> str:
    """The base station with the plan "ml" that serves the same federation, or an empty text."""
    if station == NOISELESS:
        return ""
    served = scenario.served(station)
    for label, other in scenario.station.items():
        if other.plan == "ml" and not other.recalibrate and scenario.served(label) == served:
            return label if label != station else ""
    return ""


def _entry(
    scenario: FeelScenario, station: str, trainings: dict[int, list[RoundRow]], baseline: dict[int, list[RoundRow]]
) -> FeelEntry:
    accuracy = {seed: reported(scenario, station, rounds).test for seed, rounds in trainings.items()}
    ml = {seed: reported(scenario, station, rounds).test for seed, rounds in baseline.items()}
    paired = [accuracy[seed] - ml[seed] for seed in accuracy if seed in ml]
    every = [row for rounds in trainings.values() for row in rounds]
    wnrs = [row.effective_wnr_db for row in every if row.effective_wnr_db is not None]
    training = sum(row.seconds_training for row in every)
    beside = sum(row.seconds_air + row.seconds_station for row in every)
    return FeelEntry(
        station=station,
        point=json.loads(every[0].point),
        seeds=len(trainings),
        diverged=sum(rounds[-1].diverged for rounds in trainings.values()),
        accuracy=estimate(list(accuracy.values())),
        gain_over_ml=estimate(paired) if paired else None,
        last=estimate([last(rounds).test for rounds in trainings.values()]),
        best_by_validation=estimate([best_by_validation(rounds).test for rounds in trainings.values()]),
        best_on_test=estimate([best_on_test(rounds).test for rounds in trainings.values()]),
        wnr_db=statistics.fmean(wnrs) if wnrs else None,
        overhead=beside / training if training else 0.0,
        round_seconds=(beside + training) / len(every),
    )
