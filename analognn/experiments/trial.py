"""One trial: one noise draw at one point of one medium, one denoiser, one number of right answers.

Everything random in a trial comes from seeds made of its identity, so the result depends neither on the order of the
trials nor on who runs them. All denoisers see the same draw and the same validation examples: differences are paired.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from analognn import backends, data, models
from analognn.channels import Received
from analognn.denoise import DENOISERS, Denoiser, Ml, Mmse, Prior
from analognn.effective import EffectiveNoise, effective_noise
from analognn.evaluate import Evaluator, Score
from analognn.experiments.scenario import Scenario
from analognn.packing import PackedWeights, ParameterLayout
from analognn.search import grid_search

CLEAN = "clean"
"""Label of the medium that changes nothing: the reference row of every run."""


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


@dataclass(frozen=True)
class Record:
    """One row of results: a trial, what its medium did, what its denoiser chose, and the counts on test data.

    Numbers that do not exist for a trial are None: the noise of the clean model, (lambda', beta) of ML.
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

    @property
    def key(self) -> tuple[str, str, int, str]:
        """Identity of the trial within its scenario."""
        return self.medium, self.point, self.seed, self.denoiser


@dataclass(frozen=True)
class Workspace:
    """What all trials of a scenario share: the model, its packed weights, and the data on the device."""

    model: nn.Module
    layout: ParameterLayout
    packed: PackedWeights
    validation: Evaluator
    test: Evaluator


def prepare(scenario: Scenario, *, data_dir: Path | None = None, device: str = "auto") -> Workspace:
    """Load the model and the data, and check the whole scenario against them before any work is done.

    Raises:
        ValueError: anything in the scenario that does not fit, kappa above the validation examples included.
        FileNotFoundError: data set or checkpoint not there.
    """
    for medium in scenario.media.values():
        for point in medium.points():
            backends.create(medium.backend, **medium.at(point))
    spec = models.spec(scenario.model)
    model = models.load(scenario.model, data_dir=data_dir)
    splits = data.load(spec.dataset, data_dir=data_dir)
    _at_most("denoiser.kappa", scenario.denoiser.kappa, len(splits.validation), f"validation set of {spec.dataset}")
    _at_most("test_examples", scenario.test_examples, len(splits.test), f"test set of {spec.dataset}")
    stop = scenario.test_examples or len(splits.test)
    layout = ParameterLayout.from_model(model)
    return Workspace(
        model=model,
        layout=layout,
        packed=layout.pack(model),
        validation=Evaluator(spec.normalise(splits.validation.inputs), splits.validation.labels, device=device),
        test=Evaluator(spec.normalise(splits.test.inputs[:stop]), splits.test.labels[:stop], device=device),
    )


def receptions(scenario: Scenario) -> list[Reception]:
    """Every noise draw of the scenario, the clean model first."""
    draws = [Reception(CLEAN, "{}", 0)]
    for label, medium in scenario.media.items():
        points = [json.dumps(point, sort_keys=True) for point in medium.points()]
        draws += [Reception(label, point, seed) for point in points for seed in range(scenario.seeds)]
    return draws


def denoisers(scenario: Scenario, reception: Reception) -> tuple[str, ...]:
    """The trials of one reception; the clean model needs no denoiser."""
    return ("none",) if reception.medium == CLEAN else scenario.denoiser.names


def run_trials(
    workspace: Workspace, scenario: Scenario, reception: Reception, names: Sequence[str]
) -> Iterator[Record]:
    """Receive once, then denoise with each of ``names`` and score on the test data; a record as each ends."""
    if reception.medium == CLEAN:
        yield _record(reception, "none", CLEAN, workspace.test(workspace.model), wall_s=None)
        return
    medium = scenario.media[reception.medium]
    backend = backends.create(medium.backend, **medium.at(json.loads(reception.point)))
    started = time.perf_counter()
    received = backend.receive(workspace.packed, generator=seeded(scenario, reception, "medium"))
    shared = _noise_columns(received, effective_noise(workspace.packed.vector, received))
    prior = _prior(workspace, scenario, received)
    for name in names:
        denoiser, tuned = _choose(workspace, scenario, reception, received, prior, name)
        score = workspace.test(workspace.layout.unpack(denoiser(received, prior), workspace.model))
        wall_s = time.perf_counter() - started
        columns = {**shared, "prior_mean": prior.mean, "prior_var": prior.var, **tuned, "wall_s": wall_s}
        yield _record(reception, name, medium.backend, score, **columns)
        started = time.perf_counter()


def seeded(scenario: Scenario, reception: Reception, purpose: str) -> torch.Generator:
    """A CPU generator whose seed is made of what the draw is for and nothing else."""
    identity = f"{scenario.seed}/{reception.medium}/{reception.point}/{reception.seed}/{purpose}"
    seed = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(seed)


def _at_most(name: str, value: int, available: int, what: str) -> None:
    if value > available:
        raise ValueError(f"`Scenario({name}=...)` must be <= {available}, the size of the {what}; got {value}.")


def _prior(workspace: Workspace, scenario: Scenario, received: Received) -> Prior:
    if scenario.denoiser.prior == "blind":
        return Prior.from_received(received)
    return Prior.from_weights(workspace.packed.vector, source="side-information")


def _choose(
    workspace: Workspace, scenario: Scenario, reception: Reception, received: Received, prior: Prior, name: str
) -> tuple[Denoiser, dict[str, Any]]:
    """The denoiser of that name and what tuning it on kappa validation examples gave."""
    cls = DENOISERS[name]
    if cls is Ml or cls is Mmse:
        return cls(), {}
    config = scenario.denoiser
    result = grid_search(
        workspace.model,
        workspace.layout,
        received,
        prior,
        workspace.validation.sample(config.kappa, generator=seeded(scenario, reception, "validation")),
        lambda_primes=config.lambda_primes,
        betas=config.betas if name == "mmsepb" else (0.0,),
    )
    return result.best, {
        "lambda_prime": result.best.lambda_prime,
        "beta": result.best.beta,
        "validation_correct": result.best_score.correct,
        "validation_total": result.best_score.total,
    }


def _noise_columns(received: Received, noise: EffectiveNoise) -> dict[str, Any]:
    reported = torch.as_tensor(received.noise_var, dtype=torch.float64)
    return {
        "wnr_db": noise.wnr_db,
        "gain": noise.gain,
        "offset": noise.offset,
        "noise_var": noise.noise_var,
        "excess_kurtosis": noise.excess_kurtosis,
        "ks_distance": noise.ks_distance,
        "magnitude_corr": noise.magnitude_corr,
        "reported_noise_var": float(reported[torch.isfinite(reported)].mean()),
        "reported_source": received.source,
        **vars(received.usage),
    }


def _record(reception: Reception, denoiser: str, backend: str, score: Score, **columns: Any) -> Record:
    return Record(**vars(reception), denoiser=denoiser, backend=backend, **vars(score), **columns)
