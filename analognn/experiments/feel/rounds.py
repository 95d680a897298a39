"""The trainings of a scenario, and the row that each of their rounds leaves."""

from __future__ import annotations

from dataclasses import dataclass

from analognn.channels import checks
from analognn.experiments.feel.scenario import NOISELESS, FeelScenario
from analognn.experiments.scenario import canonical


@dataclass(frozen=True, order=True)
class Run:
    """One training.

    Args:
        station: label in the scenario, or NOISELESS.
        point: the swept parameters of the uplink as canonical JSON.
        seed: number of the training.
    """

    station: str
    point: str
    seed: int

    def __str__(self) -> str:
        return f"{self.station} {self.point} seed {self.seed}"


@dataclass(frozen=True)
class RoundRow:
    """One row of results: a round, and what the model after it answers.

    The columns from ``devices`` to ``note`` are those of :class:`analognn.federated.RoundRecord`, tuples and mappings
    as JSON; ``searched`` counts are on the base station's examples, ``validation`` on examples that nothing was chosen
    on, ``test`` on those of which a summary uses the reported rounds alone. ``loss`` is None where it is not finite.
    """

    station: str
    point: str
    seed: int
    round: int
    devices: str
    refused: str
    dropped: str
    diverged: int
    note: str
    loss: float | None
    update_power: float | None
    noise_var: float | None
    effective_wnr_db: float | None
    gain: float | None
    lambda_prime: float | None
    beta: float | None
    searched_correct: int | None
    searched_total: int | None
    channel_uses: int
    outage: float
    side_info_bits: int
    validation_correct: int
    validation_total: int
    test_correct: int
    test_total: int
    seconds_training: float
    seconds_air: float
    seconds_station: float

    def __post_init__(self) -> None:
        checks.counts("RoundRow", "validation_correct", self.validation_correct, of=self.validation_total)
        checks.counts("RoundRow", "test_correct", self.test_correct, of=self.test_total)

    @property
    def run(self) -> Run:
        """The training it is of."""
        return Run(self.station, self.point, self.seed)

    @property
    def validation(self) -> float:
        """Accuracy on validation examples."""
        return self.validation_correct / self.validation_total

    @property
    def test(self) -> float:
        """Accuracy on test examples."""
        return self.test_correct / self.test_total


def runs(scenario: FeelScenario) -> list[Run]:
    """Every training of the scenario, the noiseless ones first; seed by seed, so that a part of them is of use."""
    points = [canonical(point) for point in scenario.uplink.points()]
    found = []
    for seed in range(scenario.seeds):
        found.append(Run(NOISELESS, "{}", seed))
        found += [Run(label, point, seed) for point in points for label in scenario.station]
    return found
