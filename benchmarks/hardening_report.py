"""REPORT.md of ``hardening.py``."""

from __future__ import annotations

from typing import Any


def report(found: dict[str, Any]) -> str:
    """REPORT.md."""
    soaked, folder, on_disk = found["soak"], found["folder"], found["disk"]
    slope = soaked["kb_a_trial"]
    rows = [
        f"| {name} | {k['kills']} | {k['rows_between_kills'][0]} / {k['rows_between_kills'][1]:g} / "
        f"{k['rows_between_kills'][2]} | {k['rows_lost']} | {k['databases_unsound']} | "
        f"{k['ends_unlike_the_undisturbed_run']} of {k['runs_ended']} | {k['part_files_left']} |"
        for name, k in found["kills"].items()
    ]
    times = [f"| {what} | {seconds:.3f} |" for what, seconds in folder["cpu_seconds"].items()]
    return "\n".join([
        "# What runs stand",
        "",
        f"`python benchmarks/hardening.py{' --quick' if found['quick'] else ''}`, Python "
        f"{found['versions']['python']}, torch {found['versions']['torch']}, one thread; "
        f"{found['cpu_seconds']:.0f} CPU-seconds in all.",
        "",
        "## Soak",
        "",
        f"{soaked['trials']:,} trials in one process ({soaked['cpu_seconds'] / soaked['trials'] * 1000:.0f} CPU-ms "
        f"each). From trial {soaked['warm_up']} on, resident memory went from "
        f"{soaked['rss_kb_after_warm_up'] / 1000:.1f} to {soaked['rss_kb_at_the_end'] / 1000:.1f} MB, a slope of "
        f"{slope['mean']:.2f} kB a trial (95 % interval {slope['low']:.2f} to {slope['high']:.2f}, Student's t over "
        f"{soaked['blocks']} blocks); open files from {soaked['open_files_after_warm_up']} to "
        f"{soaked['open_files_at_the_end']}.",
        "",
        "## Kills",
        "",
        "Killed at a random moment up to 0.6 s after the first new row, then started again. Lost: committed rows that "
        "are missing or changed after a kill. Unlike: finished runs whose rows (times aside) or models differ from "
        "those of an undisturbed run in any bit.",
        "",
        "| command | kills | rows between kills: least / median / most | lost | unsound files | unlike | part files |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        f"## A folder of {folder['trials']:,} trials",
        "",
        f"{folder['mb']['results.sqlite']:.1f} MB of SQLite, {folder['mb']['results.csv']:.1f} MB of CSV.",
        "",
        "| what | CPU-seconds |",
        "|---|---:|",
        *times,
        "",
        "## Disk",
        "",
        *(_disk_lines(on_disk) if on_disk else ["Not measured: only root can mount a disk for it."]),
        "",
    ])  # fmt: skip


def _disk_lines(found: dict[str, Any]) -> list[str]:
    said, codes = found["said"], found["codes"]
    told = {name: " ".join(f"`{line}`" for line in lines) or "nothing" for name, lines in said.items()}
    return [
        f"A disk of 96 kB was full after {found['rows_at_full']} rows: exit code {codes['full']}, {told['full']}. "
        f"With more room the same command ended with code {codes['resumed']}, and its rows were "
        f"{'those' if found['same'] else 'NOT those'} of an undisturbed run, the first ones untouched. In the same "
        f"folder, read-only, `analognn run` ended with code {codes['read_only']}, {told['read_only']}, and "
        f"`analognn show run` with code {codes['shown']}.",
    ]
