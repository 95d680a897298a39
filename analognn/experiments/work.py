"""A scenario in its run folder: jobs that yield results, here or on workers, with the same bits either way.

    workspace = prepare(scenario)                 once a process; checks everything
    results   = compute(workspace, job, state)    one by one, each committed to the store as it comes

A job computes on one PyTorch thread (the order of a sum depends on the number of threads). What it yields is committed
by the process that computes it or, for a cluster, which may not see the run folder, by this one.
"""

from __future__ import annotations

import os
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from analognn.evaluate import resolve_device
from analognn.experiments.engines import RayCluster, Workers, WorkersDied, on_processes, one_thread
from analognn.experiments.parsing import Recipe
from analognn.experiments.rows import RowStore
from analognn.files import UnwritableError

Job = TypeVar("Job")


@dataclass(frozen=True)
class Work(ABC, Generic[Job]):
    """A scenario and where it is computed; small, so that it travels to every worker. A subclass says what a job is.

    Args:
        scenario: what is run.
        folder: the run folder.
        data_dir: data and checkpoints; None for the default.
        device: "cpu" or "cuda".
    """

    scenario: Recipe
    folder: Path
    data_dir: Path | None
    device: str

    STORE: ClassVar[type[RowStore[Any, Any]]]

    @staticmethod
    @abstractmethod
    def prepare(scenario: Any, *, data_dir: Path | None, device: str) -> Any:
        """What all jobs share, with a ``fingerprint``; the whole scenario is checked against it."""

    @staticmethod
    @abstractmethod
    def compute(workspace: Any, job: Job, state: Any, /) -> Iterator[Any]:
        """The results that a job lacks; started again from the same state, the same ones."""

    @classmethod
    def begin(cls, out: str | Path | None, scenario: Recipe, *, data_dir: str | Path | None, device: str) -> Self:
        """The work of ``scenario`` in ``out`` (``runs/NAME`` by default); all is checked before a folder is touched."""
        folder = Path(out) if out is not None else Path("runs") / scenario.name
        work = cls(scenario, folder, Path(data_dir) if data_dir is not None else None, str(resolve_device(device)))
        with one_thread():
            fingerprint = work.workspace.fingerprint
        cls.STORE.create(folder, scenario).keep(fingerprint)
        return work

    @property
    def workspace(self) -> Any:
        """What all jobs share, kept for the next job of this process."""
        return _prepared(type(self), self.scenario.to_toml(), self.data_dir, self.device)

    def outcomes(self, jobs: Sequence[Job], workers: Workers) -> Iterator[tuple[int, str]]:
        """How many results are kept now, and the text of what failed (or an empty one), as they come.

        Raises:
            UnwritableError: the folder cannot be written, or the disk is full; what was committed is kept.
        """
        gpus = int(self.device.startswith("cuda"))
        if isinstance(workers, RayCluster):
            yield from self._on_cluster(jobs, workers, gpus)
            return
        count = min(workers or (1 if gpus else os.cpu_count() or 1), len(jobs))
        try:
            yield from on_processes(self._do, jobs, count) if count > 1 else map(self._do, jobs)
        except WorkersDied as error:
            yield 0, str(error)

    def _do(self, job: Job) -> tuple[int, str]:
        store, kept = self.STORE(self.folder), 0
        try:
            with one_thread():
                for result in self.compute(self.workspace, job, store.state(job)):
                    store.commit(result)
                    kept += 1
        except UnwritableError:
            raise  # what follows could not be kept either
        except Exception:
            return kept, f"{job}:\n{traceback.format_exc()}"
        return kept, ""

    def _on_cluster(self, jobs: Sequence[Job], cluster: RayCluster, gpus: int) -> Iterator[tuple[int, str]]:
        """The workspace travels to the cluster, results come back: its machines need neither data nor folder."""
        store, shared = self.STORE(self.folder), (self.compute, self.workspace)
        begun = ((job, store.state(job)) for job in jobs)
        for (job, _), result in cluster.stream(_computed, shared, begun, num_gpus=gpus):
            if isinstance(result, Exception):
                yield 0, f"{job}:\n{result}"
            else:
                store.commit(result)
                yield 1, ""


def _computed(shared: tuple[Callable[..., Iterator[Any]], Any], begun: tuple[Any, Any]) -> Iterator[Any]:
    compute, workspace = shared
    with one_thread():
        yield from compute(workspace, *begun)


@lru_cache(maxsize=1)
def _prepared(work: type[Work[Any]], scenario_toml: str, data_dir: Path | None, device: str) -> Any:
    return work.prepare(work.STORE.SCENARIO.from_toml(scenario_toml), data_dir=data_dir, device=device)
