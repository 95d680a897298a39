"""What the scripts of this folder share: their options, a run to its end, files, and the phrases of reports."""

from __future__ import annotations

import argparse
import datetime
import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from analognn import compat, progress
from analognn.estimates import Estimate
from analognn.experiments import RunResult, Scenario, run
from analognn.experiments.gains import Gain
from analognn.files import replacing

HERE = Path(__file__).parent
RECORDS = HERE / "records"
TOLD_IN_HEAD = ", whose head says what was measured"
"""A remark for :func:`heading`."""


def bare(about: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the head of the script."""
    return argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)


def arguments(
    about: str | None, out: Path | None, *, data: bool = True, holds: str = "record folder"
) -> argparse.ArgumentParser:
    """The same with ``--out`` and, unless told otherwise, ``--data``."""
    parser = bare(about)
    if data:
        parser.add_argument("--data", type=Path, help="data folder [$ANALOGNN_DATA, else the cache]")
    parser.add_argument("--out", type=Path, default=out, help=holds)
    return parser


def finished(scenario: Scenario, out: Path, *, data_dir: Path | None, workers: int | None = None) -> RunResult:
    """A run to its end, behind a bar; the script ends with what failed, if anything did."""
    with progress.bar(scenario.name, "trials") as report:
        result = run(scenario, out, data_dir=data_dir, workers=workers, progress=report)
    if result.failures:
        raise SystemExit("\n".join(result.failures))
    return result


def write(path: Path, text: str) -> None:
    """Write a whole file or none."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def publish(path: Path, text: str) -> None:
    """Write a report and print it."""
    write(path, text)
    print(text)


def kept(path: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The tables in a file; where it is not there, they are measured and written with the versions of libraries."""
    if not path.is_file():
        write(path, json.dumps({**measure(), "versions": compat.versions()}, indent=2) + "\n")
    tables: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return tables


def peak_bytes() -> int:
    """Largest resident size of this process since it began; what its parent held does not count."""
    status = Path("/proc/self/status")
    if status.is_file():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS, in bytes


def heading(title: str, script: str, *, remark: str = "", end: str = "") -> Iterator[str]:
    """The first lines of a dated report: what made it, ``remark``, versions of libraries, ``end``."""
    versions = ", ".join(f"{name} {version}" for name, version in compat.versions().items())
    yield from (f"# {title}, {datetime.date.today().isoformat()}", "")
    yield from (f"Made by `python benchmarks/{script}`{remark}. {versions}.{end}", "")


def gain_text(gain: Gain, *, digits: int = 1) -> str:
    """What a receiver gains over ML [dB].

    "not reached" where some draw ends below the target; "-" where ML begins above it, or neither is known.
    """
    if gain.over_ml_db is None:
        return "not reached" if gain.crossing_db is None else "-"
    return ("≥ " if gain.at_least else "") + gain.over_ml_db.text("+", digits=digits)


def percent_text(accuracy: Estimate) -> str:
    """In percent; without an interval where all draws ended alike."""
    return f"{100 * accuracy.mean:.1f}" if accuracy.low == accuracy.high else accuracy.percent()
