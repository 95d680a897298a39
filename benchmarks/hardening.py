"""What runs stand: thousands of trials in one process, kills at random, full and read-only disks, large folders.

    python benchmarks/hardening.py [--quick] [--out benchmarks/records/hardening]

    soak        1,000 trials in one process: growth of memory and of open files after a warm-up of 200
    kills       `analognn run` killed (SIGKILL) 50 times at random moments, `analognn feel` 10 times, each resumed until
                it ends: nothing committed may be lost, and the end must be that of an undisturbed run, bit by bit
    folder      10,000 trials in one folder: seconds to open it with its check, to plan, summarise, read and export
    disk        a full disk and a read-only folder, on a file system of its own (root only)

Trials are as small as they can be (ResNet-8, ten test images), so that what surrounds them is what is measured. One
thread. --quick does a tenth of everything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from common import RECORDS, arguments, publish, write
from hardening_report import report
from rich.progress import track
from safetensors.torch import load_file

from analognn import compat
from analognn.estimates import estimate
from analognn.experiments import Medium, Record, Scenario, Store, run, runner, summarise
from analognn.experiments.feel import FeelScenario, FeelStore, feel
from analognn.experiments.reading import read
from analognn.experiments.record import denoisers, receptions
from analognn.experiments.rows import RowStore
from analognn.experiments.scenario import Denoising

WARM_UP, BLOCKS = 0.2, 8
ROWS_A_START = 8  # of a run that is to be killed: most starts are killed before they end
DISK_ROWS = 300  # more than a disk of 96 kB holds
CLOCKS = ("wall_s", "seconds_training", "seconds_air", "seconds_station")
FEEL = """
name = "killed"
model = "mnist-resnet8-projection"
seeds = 1
kappa = 20
test_examples = 50
[federation]
num_devices = 20
num_active = 1
num_rounds = 20
local_epochs = 1
batch_size = 200
[uplink]
wnr_db = [-5.0]
[station.ml]
[station.mmse]
"""


def trials(count: int) -> Scenario:
    """A scenario of ``count`` trials and the clean one."""
    media = {"awgn": Medium("awgn", {"wnr_db": 6.0})}
    return Scenario("killed", "mnist-resnet8", media, denoiser=Denoising(names=("ml",)), seeds=count, test_examples=10)


def soak(count: int) -> dict[str, Any]:
    """Resident memory [kB] and open files over ``count`` trials; slopes of blocks after the warm-up."""
    samples: list[tuple[int, float, int]] = []

    def look(done: int, _total: int) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        samples.append((done, pages * os.sysconf("SC_PAGE_SIZE") / 1024, len(os.listdir("/proc/self/fd"))))

    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run(trials(count), folder, workers=1, device="cpu", progress=look)
    late = [sample for sample in samples if sample[0] > WARM_UP * count]
    size = len(late) // BLOCKS
    blocks = [late[i * size : (i + 1) * size] for i in range(BLOCKS)]
    slopes = [statistics.linear_regression([s[0] for s in b], [s[1] for s in b]).slope for b in blocks]
    found = estimate(slopes)
    return {
        "trials": count,
        "warm_up": int(WARM_UP * count),
        "blocks": BLOCKS,
        "cpu_seconds": time.process_time() - started,
        "rss_kb_after_warm_up": late[0][1],
        "rss_kb_at_the_end": late[-1][1],
        "kb_a_trial": {"mean": found.mean, "low": found.low, "high": found.high},
        "open_files_after_warm_up": late[0][2],
        "open_files_at_the_end": late[-1][2],
    }


def kept(store: RowStore[Any, Any]) -> dict[tuple[Any, ...], Any]:
    """Rows by key, without what a clock says."""
    rows = store.records()
    still = {name: 0.0 for name in CLOCKS if rows and hasattr(rows[0], name)}
    return {tuple(getattr(r, name) for name in store.KEY): dataclasses.replace(r, **still) for r in rows}


def there(kind: type[RowStore[Any, Any]], folder: Path) -> int:
    """Rows that another process has committed so far."""
    try:
        return len(kind(folder).records())
    except FileNotFoundError:  # not made yet
        return 0


def killed(kind: type[RowStore[Any, Any]], command: list[str], folder: Path, moment: random.Random) -> bool:
    """Start the command, kill it at a random moment after its first row; whether it was killed before it ended."""
    before = there(kind, folder)
    process = subprocess.Popen([*command, "--out", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and there(kind, folder) == before:
        time.sleep(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment.uniform(0.0, 0.6))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def kills(
    kind: type[RowStore[Any, Any]], command: list[str], finish: Callable[[Path], object], count: int
) -> dict[str, Any]:
    """Kill and resume ``count`` times, in a fresh folder whenever a run is over; compare each end with a whole run."""
    moment, lost, unsound, different, rows = random.Random(0), 0, 0, 0, []
    with tempfile.TemporaryDirectory() as parent:
        whole = Path(parent, "whole")
        finish(whole)
        folder, before, done = Path(parent, "0"), {}, 0
        for _ in track(range(count), f"kills of {' '.join(command[2:4])}"):
            while not killed(kind, command, folder, moment):  # it was over: begin another
                different += not same(kind, folder, whole)
                done += 1
                folder, before = Path(parent, str(done)), {}
            with contextlib.closing(sqlite3.connect(folder / "results.sqlite")) as db:
                unsound += db.execute("PRAGMA integrity_check").fetchone() != ("ok",)
            now = kept(kind(folder))
            lost += sum(now.get(key) != row for key, row in before.items())
            rows.append(len(now) - len(before))
            before = now
        finish(folder)
        different += not same(kind, folder, whole)
        parts = len(list(folder.rglob("*.part")))
    return {
        "kills": count,
        "runs_ended": done + 1,
        "rows_between_kills": [min(rows), statistics.median(rows), max(rows)],
        "rows_lost": lost,
        "databases_unsound": unsound,
        "ends_unlike_the_undisturbed_run": different,
        "part_files_left": parts,
    }


def same(kind: type[RowStore[Any, Any]], folder: Path, whole: Path) -> bool:
    """Same rows, and same models bit by bit."""
    one, other = ({p.name: load_file(p) for p in (f / "states").glob("*.safetensors")} for f in (folder, whole))
    models = one.keys() == other.keys() and all(
        state.keys() == other[name].keys() and all(torch.equal(t, other[name][key]) for key, t in state.items())
        for name, state in one.items()
    )
    return models and kept(kind(folder)) == kept(kind(whole))


def large_folder(count: int) -> dict[str, Any]:
    """Seconds of what a command does with a folder of ``count`` trials."""
    scenario = trials(count)
    rows = [
        Record(**vars(draw), denoiser=name, backend="awgn", correct=7, total=10, loss_sum=1.5, wnr_db=6.0, gain=1.0)
        for draw in receptions(scenario)
        for name in denoisers(scenario, draw)
    ]
    seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def timed(what: str) -> Iterator[None]:
        started = time.process_time()
        yield
        seconds[what] = time.process_time() - started

    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder), scenario)
        with timed("commit 100 rows one by one"):
            for row in rows[:100]:
                store.put(row)
        with timed("commit the others at once"):
            store.put(*rows[100:])
        with timed("open and check"):
            Store.create(Path(folder), scenario)
        with timed("plan what is left"):
            runner.left(store)
        with timed("summarise"):
            summarise(store)
        with timed("export as CSV"):
            store.export_csv()
        with timed("read for a report"):
            read(Store, Path(folder))
        size = (store.path.stat().st_size / 1e6, (Path(folder) / "results.csv").stat().st_size / 1e6)
    return {"trials": count, "cpu_seconds": seconds, "mb": {"results.sqlite": size[0], "results.csv": size[1]}}


def disk(command: list[str], finish: Callable[[Path], object]) -> dict[str, Any] | None:
    """What is said on a full disk and in a read-only folder, and what is left; None where no disk can be mounted."""
    if os.geteuid() != 0:
        return None
    with tempfile.TemporaryDirectory() as parent:
        place, whole = Path(parent, "disk"), Path(parent, "whole")
        place.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "none", place]).returncode:
            return None
        try:
            finish(whole)
            folder = place / "run"
            full = subprocess.run([*command, "--out", str(folder)], capture_output=True, text=True)
            before = kept(Store(folder))
            subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
            resumed = subprocess.run([*command, "--out", str(folder)], capture_output=True, text=True)
            complete = same(Store, folder, whole) and before.items() <= kept(Store(folder)).items()
            subprocess.run(["mount", "-o", "remount,ro", place], check=True)
            refused = subprocess.run([*command, "--out", str(folder)], capture_output=True, text=True)
            shown = subprocess.run([*command[:3], "show", "run", folder], capture_output=True, text=True)
        finally:
            subprocess.run(["umount", place], check=True)
    lines = {name: end.stderr.replace(str(place), "DISK").splitlines() for name, end in
             {"full": full, "resumed": resumed, "read_only": refused, "shown": shown}.items()}  # fmt: skip
    codes = {"full": full.returncode, "resumed": resumed.returncode, "read_only": refused.returncode}
    return {"said": lines, "codes": {**codes, "shown": shown.returncode}, "rows_at_full": len(before), "same": complete}


def main() -> None:
    """Measure everything and write the record."""
    parser = arguments(__doc__, RECORDS / "hardening", data=False)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    share = 10 if options.quick else 1
    found = measured(share)
    found |= {"quick": options.quick, "cpu_seconds": sum(os.times()[:4]), "versions": compat.versions()}
    options.out.mkdir(parents=True, exist_ok=True)
    write(options.out / "hardening.json", json.dumps(found, indent=1) + "\n")
    publish(options.out / "REPORT.md", report(found))


def measured(share: int) -> dict[str, Any]:
    """All of it, divided by ``share``."""
    lives, rounds = 50 // share, max(10 // share, 2)
    asked, small, trained = trials(ROWS_A_START * lives), trials(DISK_ROWS), FeelScenario.from_toml(FEEL)
    command = [sys.executable, "-m", "analognn"]
    with tempfile.TemporaryDirectory() as folder:
        commands = {}
        for name, verb, scenario in (("run", "run", asked), ("disk", "run", small), ("feel", "feel", trained)):
            file = Path(folder, f"{name}.toml")
            file.write_text(scenario.to_toml())
            commands[name] = [*command, verb, str(file), "--workers", "1", "--device", "cpu"]

        def run_whole(out: Path) -> object:
            return run(asked, out, workers=1, device="cpu")

        def small_whole(out: Path) -> object:
            return run(small, out, workers=1, device="cpu")

        def feel_whole(out: Path) -> object:
            return feel(trained, out, workers=1, device="cpu")

        return {
            "soak": soak(1000 // share),
            "kills": {
                "run": kills(Store, commands["run"], run_whole, lives),
                "feel": kills(FeelStore, commands["feel"], feel_whole, rounds),
            },
            "folder": large_folder(10_000 // share),
            "disk": disk(commands["disk"], small_whole),
        }


if __name__ == "__main__":
    main()
