"""How long media and receivers take on this machine: seconds of one thread, the best of some repetitions.

    medium     backend.receive(packed), a million weights
    receiver   receiver(delivery), what arrived into a model; its search included, the score on test data not

The first of the repetitions loads libraries and warms caches; the best one leaves that out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch

from analognn import backends
from analognn.experiments import Scenario
from analognn.experiments.engines import one_thread
from analognn.experiments.record import Reception
from analognn.experiments.scenario import canonical
from analognn.experiments.trial import arrive, delivery
from analognn.experiments.workspace import Workspace

Made = TypeVar("Made")


@dataclass(frozen=True)
class Timing:
    """One medium or receiver.

    Args:
        kind: "medium" or "receiver".
        name: of it.
        weights: of the model.
        seconds: best of the repetitions.
    """

    kind: str
    name: str
    weights: int
    seconds: float

    @property
    def seconds_per_million(self) -> float:
        """As if it grew with the number of weights."""
        return 1e6 * self.seconds / self.weights


def timings(workspace: Workspace, scenario: Scenario) -> Iterator[Timing]:
    """Every medium of the scenario at its first point, then every receiver on the first medium."""
    weights, first = workspace.packed.vector.numel(), next(iter(scenario.media))
    with one_thread():
        for label, medium in scenario.media.items():
            backend = backends.create(medium.backend, **medium.at(next(medium.points())))

            def receive(backend: backends.Backend = backend) -> object:
                return backend.receive(workspace.packed, generator=torch.Generator().manual_seed(scenario.seed))

            yield Timing("medium", label, weights, _best(receive, scenario.seeds))
        reception = Reception(first, canonical(next(scenario.media[first].points())), 0)
        start = delivery(workspace, reception, arrive(workspace, reception))
        for name, receiver in scenario.denoiser.receivers().items():
            yield Timing("receiver", name, weights, _best(lambda r=receiver: r(start), scenario.seeds))  # type: ignore[misc]


def _best(call: Callable[[], object], repetitions: int) -> float:
    found = []
    for _ in range(repetitions):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found)
