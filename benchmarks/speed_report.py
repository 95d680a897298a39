"""REPORT.md of ``speed.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

KAPPA = 100
PART = 24  # candidates timed where the whole grid would take minutes
WNRS_DB = (-1.0, 1.0, 3.0, 5.0, 7.0, 9.0)
SEARCHES = ("grid", "fast", "exact")


def report(record: dict[str, Any]) -> str:
    """The record as tables."""
    lines = ["# Speed", "", f"{record['machine']}. `python benchmarks/speed.py`.", "", *_vectors(record["vectors"])]
    lines += [*_surface(record["surface"], record["peak_mb"]), *_execution(record["execution"])]
    return "\n".join([*lines, *_search(record["search"]), ""])


def _vectors(steps: dict[str, float]) -> Iterator[str]:
    copy, fresh = steps["copy"], steps["copy into new memory"]
    yield from (f"## Vectors: {steps['weights'] / 1e6:.1f} M weights", "")
    yield from ("| step | ms | copies | copies into new memory |", "|---|---:|---:|---:|")
    for name, s in steps.items():
        if name != "weights":
            yield f"| {name} | {1e3 * s:.1f} | {s / copy:.1f} | {s / fresh:.1f} |"


def _surface(networks: dict[str, dict[str, float]], peak_mb: dict[str, float]) -> Iterator[str]:
    yield from ("", f"## Surface: 12 x 23 pairs on {KAPPA} examples", "")
    yield from ("| network | loop s | affine s | arithmetic alone s |", "|---|---:|---:|---:|")
    for name, found in networks.items():
        yield f"| {name} | {found['loop_s']:.1f} | {found['affine_s']:.1f} | {found['limit_s']:.1f} |"
    memory = ", ".join(f"{route} {mb:.0f} MB" for route, mb in peak_mb.items())
    yield from ("", f"Peak memory, {PART} candidates of mnist-resnet8, affine bound 134 MB: {memory}.", "")


def _execution(networks: dict[str, dict[str, dict[str, Any]]]) -> Iterator[str]:
    yield from (
        "## Execution: 1,000 examples",
        "",
        "| network | how | s | right | changed |",
        "|---|---|---:|---:|---:|",
    )
    for name, rows in networks.items():
        for how, row in rows.items():
            yield f"| {name} | {how} | {row['s_per_1000']:.2f} | {row['correct']} | {row['changed']} |"


def _search(rows: list[dict[str, Any]]) -> Iterator[str]:
    hits = sum(row["fast"]["correct"] == row["grid"]["correct"] for row in rows)
    same = sum(row["exact"]["best"] == row["grid"]["best"] for row in rows)
    yield from ("", f"## Search: {len(rows)} noisy mnist-resnet8", "")
    yield from (f"Accuracy of the grid's best reached: fast {hits} of {len(rows)}; exact, the same pair: {same}.", "")
    yield "| WNR dB | best of 100 | evaluations: grid | fast | exact | s: grid | fast | exact |"
    yield "|---:" * 8 + "|"
    for wnr_db in WNRS_DB:
        group = [row for row in rows if row["wnr_db"] == wnr_db]
        means = [_mean(group, "grid", "correct"), *(_mean(group, name, "evaluations") for name in SEARCHES)]
        counts = " | ".join(f"{mean:.0f}" for mean in means)
        times = " | ".join(f"{_mean(group, name, 's'):.2f}" for name in SEARCHES)
        yield f"| {wnr_db:g} | {counts} | {times} |"


def _mean(rows: list[dict[str, Any]], search: str, key: str) -> float:
    return sum(row[search][key] for row in rows) / len(rows)
