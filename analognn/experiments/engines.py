"""Who computes the jobs of a run: this process, processes of this machine, or a Ray cluster.

The processes of this machine see the run folder, so they commit what they compute. Those of a cluster need not: what
they compute comes back one by one. Both start a job again whose process died; a job's seeds derive from its identity,
so that the second time gives the same bits (on another type of CPU float32 rounding may differ).
"""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, TypeVar

from analognn.channels import checks

RETRIES = 3
"""Times a job starts again after its process died."""
START_ATTEMPTS = 5
"""Times Ray is started that exceeds its own time limit."""
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's own default to come; without it Ray warns
    "RAY_agent_register_timeout_ms": "60000",  # Ray's helpers need more than its 15 s on a busy machine
}
"""What a process that starts Ray sets unless it is set: no usage statistics, no warning, patience."""


class WorkersDied(RuntimeError):
    """Processes died again and again; the jobs that are left are not done."""


Engine = Literal["local", "ray"]
Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")


def on_processes(function: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """``function(job)`` of every job, as they end, by processes of this machine.

    Args:
        function: computes a job; must pickle.
        jobs: what to compute.
        workers: processes.

    Raises:
        WorkersDied: RETRIES + 1 times.
    """
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left = list(enumerate(jobs))
    for _ in range(RETRIES + 1):
        done: set[int] = set()
        pool = joblib.Parallel(n_jobs=workers, backend="loky", return_as="generator_unordered", batch_size=1)
        try:
            for index, result in pool(joblib.delayed(_numbered)(function, index, job) for index, job in left):
                done.add(index)
                yield result
            return
        except BrokenProcessPool:
            # One of the first 2 x workers (joblib's queue) killed its process: the others go ahead of them.
            left = [item for item in left if item[0] not in done]
            left = left[2 * workers :] + left[: 2 * workers]
    raise WorkersDied(
        f"Worker processes died {RETRIES + 1} times; {len(left)} jobs are not done. If memory is short, fewer workers "
        "need less of it."
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread for the time of the block: the order of a sum, and so its bits, depend on their number."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _numbered(function: Callable[[Job], Result], index: int, job: Job) -> tuple[int, Result]:
    return index, function(job)


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster that this process is connected to; :func:`ray_cluster` makes one.

    Args:
        at_once: jobs handed to the cluster at a time; None hands it all and leaves the order to Ray.
    """

    at_once: int | None = None

    def stream(
        self,
        function: Callable[[Shared, Job], Iterator[Result]],
        shared: Shared,
        jobs: Iterable[Job],
        *,
        num_gpus: int = 0,
    ) -> Iterator[tuple[Job, Result | Exception]]:
        """Everything that ``function(shared, job)`` yields, as it comes, each with its job.

        Args:
            function: yields the results of a job, the same ones when started again.
            shared: travels to each process once.
            jobs: what to compute; one that raises, or kills its process RETRIES + 1 times, ends with that exception.
            num_gpus: GPUs a job needs.
        """
        import ray

        remote: Any = ray.remote(_stream)  # Ray's annotations do not know generators
        start = remote.options(num_returns="streaming", max_retries=RETRIES, num_gpus=num_gpus).remote
        reference, waiting = ray.put(shared), iter(jobs)
        running: dict[Any, Job] = {}
        while True:
            free = None if self.at_once is None else self.at_once - len(running)
            running |= {start(function, [reference], job): job for job in islice(waiting, free)}
            if not running:
                return
            first: Any = ray.wait(list(running), num_returns=1)[0][0]
            try:
                yield running[first], ray.get(next(first))
            except StopIteration:
                del running[first]
            except ray.exceptions.RayError as error:
                yield running[first], error


Workers = int | RayCluster | None
"""Who computes a run: so many processes of this machine (None: one a core), or a cluster."""


def _stream(function: Callable[[Shared, Job], Iterator[Result]], reference: list[Any], job: Job) -> Iterator[Result]:
    yield from function(_fetched(reference[0]), job)


@lru_cache(maxsize=1)
def _fetched(reference: Any) -> Any:
    """What is behind a reference, kept for the next job of the same process: unpacking a model takes its time."""
    import ray

    return ray.get(reference)


@contextmanager
def ray_cluster(address: str | None = None, *, workers: int | None = None) -> Iterator[RayCluster]:
    """A Ray cluster for the time of the block.

    Args:
        address: of a cluster that runs, "host:port" or "auto"; it goes on running afterwards. None starts one on this
            machine and stops it afterwards, or uses the one that this process is connected to.
        workers: jobs at a time; by default as many as the cluster has CPUs (GPUs for work on a GPU).

    Raises:
        ModuleNotFoundError: Ray is not installed.
        ValueError: no cluster answers at ``address``.
    """
    if importlib.util.find_spec("ray") is None:
        raise ModuleNotFoundError("`--engine ray` needs Ray: pip install 'analognn[ray]'.", name="ray")
    for name, value in RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    ours = address is not None or not ray.is_initialized()
    if ours:
        _connect(address, workers)
    try:
        yield RayCluster(workers)
    finally:
        if ours:
            ray.shutdown()


def _connect(address: str | None, workers: int | None) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        _start({"num_cpus": workers, "include_dashboard": False, **quiet})
        return
    if address != "auto":
        _check_answers(address)
    try:
        ray.init(address=address, **quiet)
    except ConnectionError as error:
        raise ValueError(f"No Ray cluster answers at {address!r}: {error}") from None


def _start(options: dict[str, Any]) -> None:
    """Start Ray here. It gives itself 30 s, which a machine under load may exceed; the next time is faster."""
    import ray

    for attempt in range(START_ATTEMPTS):
        try:
            ray.init(address="local", **options)
            return
        except Exception as error:  # Ray has no type of its own for this
            ray.shutdown()
            if "timed out during startup" not in str(error) or attempt == START_ATTEMPTS - 1:
                raise


def _check_answers(address: str) -> None:
    """Ask before Ray does, which would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "://" in address:
        raise ValueError(f"`--address` must be HOST:PORT of the cluster's head node, or auto; got {address!r}.")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ValueError(f"No Ray cluster answers at {address!r}: {error}.") from None


@contextmanager
def workforce(engine: Engine, *, address: str | None, workers: int | None) -> Iterator[Workers]:
    """What :func:`analognn.run` takes as ``workers``, from the options of a command.

    Raises:
        ModuleNotFoundError: Ray is asked for and not installed.
        ValueError: another engine, an address without Ray, or one where no cluster answers.
    """
    checks.choice("workforce", "engine", engine, ("local", "ray"))
    if engine == "ray":
        with ray_cluster(address, workers=workers) as cluster:
            yield cluster
        return
    if address is not None:
        raise ValueError(f"`--address {address}` is of a Ray cluster: add --engine ray.")
    yield workers
