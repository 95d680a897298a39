"""The training methods of the source papers: every study, and one table of what they claim and what we find.

    python benchmarks/training.py [--data DIR] [--out benchmarks/records/training] [--only NAME] [--seeds 10] [--again]

A study whose record is there with as many seeds is not run again. The table is made of all records in the folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from common import RECORDS, arguments, heading, write

from analognn import plots, plots_training, progress
from analognn.training.study import STUDIES, load

COLUMNS = ("where", "source", "ours", "verdict", "why")


def record(name: str, folder: Path, *, seeds: int, data_dir: Path | None) -> None:
    """Run one study and write its numbers and its picture."""
    study = load(name)
    with progress.bar(name, "runs") as report:
        findings = study.find(seeds=seeds, data_dir=data_dir, progress=report)
    plots.write(plots_training.draw(findings, title=study.summary), folder / f"{name}.png")
    findings.write(study, folder / f"{name}.json")


def recorded(path: Path) -> dict[str, Any] | None:
    """A record, if there is one."""
    made: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return made


def section(name: str, made: dict[str, Any]) -> Iterator[str]:
    """The claims of one study as Markdown lines."""
    yield from (
        f"## {name}",
        "",
        f"{made['summary']} {made['source']}. {made['settings']['seeds']} seeds.",
        "",
        f"[picture]({name}.png), [numbers]({name}.json)",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---|---|---|---|---|",
    )
    for claim in made["claims"]:
        cells = [str(claim[column]).replace("|", "\\|") for column in COLUMNS]  # absolute values are no columns
        yield "| " + " | ".join(cells) + " |"
    yield ""


def report(folder: Path) -> str:
    """Verdicts counted, and a table for each study whose record is in ``folder``."""
    records = {name: made for name in STUDIES if (made := recorded(folder / f"{name}.json"))}
    counts = Counter(claim["verdict"] for made in records.values() for claim in made["claims"])
    lines = [
        *heading("Noise as a friend: claims and verdicts", "training.py"),
        "Means with 95 % intervals (t) over seeds, paired where the settings of a seed share data, weights and noise.",
        ", ".join(f"{verdict}: {count}" for verdict, count in counts.most_common()) + ".",
        "",
        *(line for name, made in records.items() for line in section(name, made)),
    ]
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then write the table."""
    parser = arguments(__doc__, RECORDS / "training")
    parser.add_argument("--only", choices=STUDIES, help="one study; the table keeps all")
    parser.add_argument("--seeds", type=int, default=10, help="independent runs of each study")
    parser.add_argument("--again", action="store_true", help="also what is recorded already")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in STUDIES:
        made = recorded(options.out / f"{name}.json")
        done = made is not None and made["settings"]["seeds"] >= options.seeds and not options.again
        if options.only in (None, name) and not done:
            record(name, options.out, seeds=options.seeds, data_dir=options.data)
    write(options.out / "REPORT.md", report(options.out))
    print(options.out / "REPORT.md")


if __name__ == "__main__":
    main()
