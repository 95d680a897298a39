"""Noise draws, the trials on them, and the row that each trial leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analognn.channels import checks
from analognn.experiments.scenario import CLEAN, Scenario, canonical


@dataclass(frozen=True, order=True)
class Reception:
    """One noise draw.

    Args:
        medium: label in the scenario.
        point: the swept parameters as canonical JSON.
        seed: index of the draw.
    """

    medium: str
    point: str
    seed: int

    def __str__(self) -> str:
        return f"{self.medium} {self.point} seed {self.seed}"


@dataclass(frozen=True)
class Record:
    """One row of results: a trial, what its medium did, what its denoiser chose, and the counts on test data.

    Numbers that do not exist for a trial are None: the noise of the clean model, (lambda', beta) of ML. From
    ``budget`` on, four columns are what the receiver used: its budget, examples without and with labels, and the side
    information it asked for [bit], which comes on top of the medium's own ``side_info_bits``. The next four
    are what the reliable path cost, for the reliable tensors and the medium's side information. ``pattern`` counts the
    values of a calibration pattern that the receiver had sent through the medium. ``fingerprint`` is the digest of what
    the row rests on (:mod:`analognn.experiments.fingerprint`).
    """

    medium: str
    point: str
    seed: int
    denoiser: str
    backend: str
    correct: int
    total: int
    loss_sum: float | None
    wnr_db: float | None = None
    gain: float | None = None
    offset: float | None = None
    noise_var: float | None = None
    excess_kurtosis: float | None = None
    ks_distance: float | None = None
    magnitude_corr: float | None = None
    reported_noise_var: float | None = None
    reported_source: str | None = None
    prior_mean: float | None = None
    prior_var: float | None = None
    lambda_prime: float | None = None
    beta: float | None = None
    validation_correct: int | None = None
    validation_total: int | None = None
    channel_uses: int | None = None
    energy: float | None = None
    outage: float | None = None
    retransmissions: int | None = None
    side_info_bits: int | None = None
    tiles: int | None = None
    wall_s: float | None = None
    budget: str | None = None
    unlabelled: int | None = None
    labelled: int | None = None
    receiver_bits: int | None = None
    reliable_bits: int | None = None
    reliable_uses: int | None = None
    reliable_energy: float | None = None
    reliable_retransmissions: int | None = None
    pattern: int | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        checks.counts("Record", "correct", self.correct, of=self.total)

    @property
    def accuracy(self) -> float:
        """On the test data."""
        return self.correct / self.total

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Identity of the trial within its scenario."""
        return self.medium, self.point, self.seed, self.denoiser


def receptions(scenario: Scenario, seeds: Mapping[str, int] | None = None) -> list[Reception]:
    """Every noise draw of the scenario, the clean model first.

    Args:
        scenario: what is run.
        seeds: medium -> draws at each of its points; by default ``scenario.seeds``.
    """
    draws = [Reception(CLEAN, "{}", 0)]
    for label, medium in scenario.media.items():
        points = [canonical(point) for point in medium.points()]
        count = scenario.seeds if seeds is None else seeds[label]
        draws += [Reception(label, point, seed) for point in points for seed in range(count)]
    return draws


def denoisers(scenario: Scenario, reception: Reception) -> tuple[str, ...]:
    """The trials of one reception; the clean model needs no denoiser."""
    return ("none",) if reception.medium == CLEAN else scenario.denoiser.names
