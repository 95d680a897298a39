"""Plays the parts of a tier, one after the other, each resumed where it stopped, and writes what they came to.

    OUT/PART/        the run folder of each part (for `theory` claims.json, for `speed` timings.json)
    OUT/bench.json   part -> outcome, seconds, fingerprints; versions
    OUT/SCORES.md    every receiver on every medium: gains, area, cost; accuracy by point; the other parts

A part whose data, weights or libraries are not there is skipped, and says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from analognn import compat
from analognn.experiments import Store, run
from analognn.experiments.engines import Workers
from analognn.experiments.feel import FeelScenario, FeelStore, feel
from analognn.experiments.workspace import prepare
from analognn.files import replacing
from analognn.progress import Report
from analognn.suite.board import markdown
from analognn.suite.controls import violations
from analognn.suite.pages import CLAIMS, TIMINGS, page
from analognn.suite.speed import timings
from analognn.suite.tiers import Part
from analognn.theory.claims import claims

FILE = "bench.json"
Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a part.

    Args:
        part: its name.
        status: "done"; "skipped" for lack of data, weights or a library; "failed" where a trial or a control did.
        said: why it was skipped, or what failed, a line each.
        seconds: that it took this time; what was done before is not done again.
        fingerprints: digests of what its rows rest on.
    """

    part: str
    status: Status
    said: tuple[str, ...]
    seconds: float
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bench:
    """What a tier came to.

    Args:
        folder: of all parts.
        outcomes: in the order of the parts.
    """

    folder: Path
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> bool:
        """Whether a control or a trial failed."""
        return any(outcome.status == "failed" for outcome in self.outcomes)


@dataclass(frozen=True)
class Place:
    """Where and on what the parts are played.

    Args:
        out: folder of all parts.
        data_dir: data and checkpoints; None for the default.
        device: "auto", "cpu" or "cuda".
        workers: see :func:`analognn.run`.
        progress: part -> a block that gives what is told of its progress.
    """

    out: Path
    data_dir: Path | None = None
    device: str = "auto"
    workers: Workers = None
    progress: Callable[[str], AbstractContextManager[Report]] = lambda _part: nullcontext(lambda _done, _total: None)


def bench(parts: Sequence[Part], place: Place, *, told: Callable[[Outcome], None] = lambda _: None) -> Bench:
    """Play ``parts`` and write ``bench.json`` and ``SCORES.md``.

    Args:
        parts: from :func:`analognn.suite.tiers.parts`.
        place: where.
        told: called as parts end.

    Raises:
        ValueError: the folder of a part holds the results of another scenario, as of another tier.
    """
    outcomes = []
    for part in parts:
        outcomes.append(play(part, place))
        told(outcomes[-1])
    _write(place.out, outcomes)
    return Bench(place.out, tuple(outcomes))


def play(part: Part, place: Place) -> Outcome:
    """One part, from where it stands."""
    started = time.perf_counter()
    try:
        with place.progress(part.name) as told:
            said = tuple(_play(part, place, told))
    except (FileNotFoundError, ModuleNotFoundError) as missing:
        return Outcome(part.name, "skipped", (str(missing),), time.perf_counter() - started)
    seconds = time.perf_counter() - started
    return Outcome(part.name, "failed" if said else "done", said, seconds, _fingerprints(place.out / part.name))


def _play(part: Part, place: Place, told: Report) -> Iterator[str]:
    """What failed."""
    scenario, folder = part.scenario, place.out / part.name
    options: dict[str, Any] = {"data_dir": place.data_dir, "device": place.device, "workers": place.workers}
    if scenario is None:
        _keep(folder / CLAIMS, [asdict(claim) for claim in claims()])
        told(1, 1)
    elif isinstance(scenario, FeelScenario):
        yield from feel(scenario, folder, **options, progress=lambda _row, done, total: told(done, total)).failures
    elif part.name == "speed":
        workspace = prepare(scenario, data_dir=place.data_dir, device=place.device)
        found = [{**asdict(each), "per_million": each.seconds_per_million} for each in timings(workspace, scenario)]
        _keep(folder / TIMINGS, {"timings": found, "versions": compat.versions()})
        told(1, 1)
    else:
        yield from run(scenario, folder, **options, progress=told).failures
        yield from violations(Store(folder).records())


def _fingerprints(folder: Path) -> tuple[str, ...]:
    for store in (Store, FeelStore):
        if store.is_in(folder):
            return tuple(store(folder).fingerprints())
    return ()


def _write(out: Path, outcomes: Sequence[Outcome]) -> None:
    """The scores of all parts that lie there. Outcomes of parts that were not played now stay as they are."""
    found = json.loads((out / FILE).read_text(encoding="utf-8"))["parts"] if (out / FILE).is_file() else []
    by_part = {each["part"]: each for each in [*found, *map(asdict, outcomes)]}
    _keep(out / FILE, {"parts": list(by_part.values()), "versions": compat.versions()})
    with replacing(out / "SCORES.md") as part:
        part.write_text(markdown(page(out)), encoding="utf-8")


def _keep(path: Path, found: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
