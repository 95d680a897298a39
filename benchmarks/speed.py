"""Where the time goes: vectors against the memory bandwidth, surfaces against the matrix-product rate, searches.

    python benchmarks/speed.py [--data DIR] [--device cpu|cuda] [--out benchmarks/records/speed]

    vectors     pack, noise, denoise, unpack of ResNet18 (CIFAR form), against copies of the same size
    surface     a 12 x 23 grid of (lambda', beta) on 100 examples: rewritten weights one by one, and the affine form
    execution   one pass in each arithmetic and layout, and how many answers change
    search      fast_search, plain and exact, against the whole grid on 24 noisy models

One thread on a CPU. A figure is the fastest of its turns; limits are measured in the same run. ResNet-20 takes part
where its weights and CIFAR-10 are at hand.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from analognn import data, models
from analognn.affine import AffineFamily, affine_scores
from analognn.channels import Awgn, Received
from analognn.denoise import MmsePb, Prior
from analognn.evaluate import Evaluator, Execution
from analognn.files import replacing
from analognn.packing import ParameterLayout
from analognn.search import GridSearchResult, fast_search, grid_search

HERE = Path(__file__).parent
GRID = {"lambda_primes": [0.9 + 0.02 * i for i in range(12)], "betas": [float(b) for b in range(-11, 12)]}
KAPPA = 100
PART = 24  # candidates timed where the whole grid would take minutes
WNRS_DB = (-1.0, 1.0, 3.0, 5.0, 7.0, 9.0)
DRAWS = 4
EXECUTIONS = {
    "float32": Execution(),
    "channels_last": Execution(channels_last=True),
    "bfloat16": Execution(precision="bfloat16"),
    "bfloat16, channels_last": Execution(precision="bfloat16", channels_last=True),
}


@dataclass(frozen=True)
class Case:
    """A noisy network and the examples it is judged on."""

    model: nn.Module
    layout: ParameterLayout
    received: Received
    prior: Prior
    evaluator: Evaluator

    @classmethod
    def make(cls, name: str, options: argparse.Namespace, *, wnr_db: float, seed: int) -> Case:
        """Network ``name`` after AWGN, on KAPPA validation examples."""
        model, spec = models.load(name, data_dir=options.data), models.spec(name)
        part = data.load(spec.dataset, data_dir=options.data).validation
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(len(part), generator=generator)[:KAPPA]
        layout = ParameterLayout.from_model(model)
        received = Awgn(wnr_db=wnr_db).transmit(layout.pack(model).vector, generator=generator)
        evaluator = Evaluator(spec.normalise(part.inputs[drawn]), part.labels[drawn], device=options.device)
        return cls(model, layout, received, Prior.from_received(received), evaluator)

    def grid(self, search: Callable[..., GridSearchResult], **options: Any) -> GridSearchResult:
        """What ``search`` finds on GRID."""
        return search(self.model, self.layout, self.received, self.prior, self.evaluator, **GRID, **options)

    def pairs(self, count: int) -> list[tuple[float, float]]:
        """(lambda', beta) of ``count`` points spread over GRID."""
        every = [(value, beta) for value in GRID["lambda_primes"] for beta in GRID["betas"]]
        return every[:: len(every) // count][:count]


def seconds(call: Callable[[], Any], device: str, *, turns: int = 5) -> float:
    """Fastest of ``turns`` after one that does not count: CPU seconds, or elapsed ones on a GPU."""
    taken = []
    for _ in range(turns + 1):
        _wait(device)
        start = time.process_time() if device == "cpu" else time.perf_counter()
        call()
        _wait(device)
        taken.append((time.process_time() if device == "cpu" else time.perf_counter()) - start)
    return min(taken[1:]) if turns else taken[0]


def vectors(device: str) -> dict[str, float]:
    """Seconds of each step on 11.2 M weights, and of the copies that bound them."""
    model = models.build("cifar10-resnet18", generator=torch.Generator().manual_seed(0)).to(device)
    layout = ParameterLayout.from_model(model)
    packed = layout.pack(model)
    generator = torch.Generator(device).manual_seed(1)
    received = Awgn(wnr_db=5.0).transmit(packed.vector, generator=generator)
    prior = Prior.from_received(received)
    w_hat, other = MmsePb(0.95, 1.0)(received, prior), torch.empty_like(packed.vector)
    steps: dict[str, Callable[[], Any]] = {
        "copy": lambda: other.copy_(received.values),
        "copy into new memory": lambda: received.values.clone(),
        "triad": lambda: torch.add(received.values, w_hat, alpha=0.5, out=other),
        "pack": lambda: layout.pack(model),
        "noise": lambda: Awgn(wnr_db=5.0).transmit(packed.vector, generator=generator),
        "prior": lambda: Prior.from_received(received),
        "denoise": lambda: MmsePb(0.95, 1.0)(received, prior),
        "unpack in place": lambda: layout.write(w_hat, model),
        "unpack": lambda: layout.unpack(w_hat, model),
    }
    return {"weights": layout.numel, **{name: seconds(step, device) for name, step in steps.items()}}


def surface(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the whole grid by each route, scaled up from PART candidates, and the arithmetic's own bound."""
    case, device = Case.make(name, options, wnr_db=5.0, seed=0), options.device
    pairs = case.pairs(PART)
    count = len(GRID["lambda_primes"]) * len(GRID["betas"])
    scratch = case.layout.unpack(case.received.values, case.model).to(case.evaluator.device)
    family = AffineFamily.mmsepb(case.received, case.prior, pairs)

    def loop() -> None:
        for pair in pairs:
            case.layout.write(MmsePb(*pair)(case.received, case.prior), scratch)
            case.evaluator(scratch)

    with FlopCounterMode(display=False) as counter:
        case.evaluator(scratch)
    rate = gemm_rate(device)
    scale = count / PART
    return {
        "candidates": count,
        "kappa": KAPPA,
        "loop_s": scale * seconds(loop, device, turns=2),
        "affine_s": scale
        * seconds(lambda: affine_scores(case.model, case.layout, [family], case.evaluator), device, turns=2),
        "limit_s": count * counter.get_total_flops() / rate,
        "gemm_gflops": rate / 1e9,
    }


def gemm_rate(device: str) -> float:
    """Operations per second of a float32 matrix product."""
    size = 1024 if device == "cpu" else 8192
    a = torch.randn(size, size, device=device)
    return 2 * size**3 / seconds(lambda: a @ a, device)


def execution(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds per 1,000 examples in each arithmetic and layout; answers that differ from float32, and right ones."""
    model, spec = models.load(name, data_dir=options.data).to(options.device), models.spec(name)
    part = data.load(spec.dataset, data_dir=options.data).validation
    inputs, labels = spec.normalise(part.inputs[:1000]), part.labels[:1000]
    plain = Evaluator(inputs, labels, device=options.device).logits(model).argmax(-1)
    rows = {}
    for label, how in EXECUTIONS.items():
        evaluator = Evaluator(inputs, labels, device=options.device, execution=how)
        answers = evaluator.logits(model).argmax(-1)
        rows[label] = {
            "s_per_1000": seconds(lambda scored=evaluator: scored(model), options.device, turns=2),
            "correct": evaluator(model).correct,
            "changed": int((answers != plain).sum()),
        }
    return rows


def searches(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The three searches on each noisy model: right answers, evaluations, seconds."""
    every = [(wnr_db, seed) for wnr_db in WNRS_DB for seed in range(DRAWS)]
    for wnr_db, seed in track(every, description="search"):
        case = Case.make("mnist-resnet8", options, wnr_db=wnr_db, seed=seed)
        row: dict[str, Any] = {"wnr_db": wnr_db, "seed": seed}
        for name, search, extra in (
            ("grid", grid_search, {"route": "loop"}),
            ("fast", fast_search, {}),
            ("exact", fast_search, {"exact": True}),
        ):
            start = time.process_time() if options.device == "cpu" else time.perf_counter()
            result = case.grid(search, **extra)
            end = time.process_time() if options.device == "cpu" else time.perf_counter()
            row[name] = {"correct": result.best_score.correct, "evaluations": result.evaluations, "s": end - start}
            row[name]["best"] = asdict(result.best)
        yield row


def peak_mb(route: str, options: argparse.Namespace) -> float:
    """Rise of the peak memory while PART candidates of mnist-resnet8 are evaluated, in this process [MB]."""
    case = Case.make("mnist-resnet8", options, wnr_db=5.0, seed=0)
    pairs = case.pairs(PART)
    before = _peak(options.device)
    if route == "affine":
        family = AffineFamily.mmsepb(case.received, case.prior, pairs)
        affine_scores(case.model, case.layout, [family], case.evaluator, max_bytes=2**27)
    else:
        scratch = case.layout.unpack(case.received.values, case.model).to(case.evaluator.device)
        for pair in pairs:
            case.layout.write(MmsePb(*pair)(case.received, case.prior), scratch)
            case.evaluator(scratch)
    return (_peak(options.device) - before) / 1e6


def report(record: dict[str, Any]) -> str:
    """The record as tables."""
    steps, rows = record["vectors"], record["search"]
    copy, fresh = steps["copy"], steps["copy into new memory"]
    hits = sum(row["fast"]["correct"] == row["grid"]["correct"] for row in rows)
    same = sum(row["exact"]["best"] == row["grid"]["best"] for row in rows)
    lines = ["# Speed", "", f"{record['machine']}. `python benchmarks/speed.py`.", ""]
    lines += [f"## Vectors: {steps['weights'] / 1e6:.1f} M weights", ""]
    lines += ["| step | ms | copies | copies into new memory |", "|---|---:|---:|---:|"]
    lines += [f"| {k} | {1e3 * s:.1f} | {s / copy:.1f} | {s / fresh:.1f} |" for k, s in steps.items() if k != "weights"]
    lines += ["", f"## Surface: 12 x 23 pairs on {KAPPA} examples", ""]
    lines += ["| network | loop s | affine s | arithmetic alone s |", "|---|---:|---:|---:|"]
    lines += [
        f"| {k} | {v['loop_s']:.1f} | {v['affine_s']:.1f} | {v['limit_s']:.1f} |" for k, v in record["surface"].items()
    ]
    memory = ", ".join(f"{route} {mb:.0f} MB" for route, mb in record["peak_mb"].items())
    lines += ["", f"Peak memory, {PART} candidates of mnist-resnet8, affine bound 134 MB: {memory}.", ""]
    lines += ["## Execution: 1,000 examples", "", "| network | how | s | right | changed |", "|---|---|---:|---:|---:|"]
    lines += [
        f"| {name} | {how} | {v['s_per_1000']:.2f} | {v['correct']} | {v['changed']} |"
        for name, table in record["execution"].items()
        for how, v in table.items()
    ]
    lines += ["", f"## Search: {len(rows)} noisy mnist-resnet8", ""]
    lines += [f"Accuracy of the grid's best reached: fast {hits} of {len(rows)}; exact, the same pair: {same}.", ""]
    lines += ["| WNR dB | best of 100 | evaluations: grid | fast | exact | s: grid | fast | exact |", "|---:" * 8 + "|"]
    for wnr_db in WNRS_DB:
        group = [row for row in rows if row["wnr_db"] == wnr_db]
        mean = {
            (n, k): sum(r[n][k] for r in group) / len(group)
            for n in ("grid", "fast", "exact")
            for k in group[0][n]
            if k != "best"
        }
        cells = [mean["grid", "correct"], *(mean[n, "evaluations"] for n in ("grid", "fast", "exact"))]
        times = " | ".join(f"{mean[n, 's']:.2f}" for n in ("grid", "fast", "exact"))
        lines.append(f"| {wnr_db:g} | " + " | ".join(f"{cell:.0f}" for cell in cells) + f" | {times} |")
    return "\n".join([*lines, ""])


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _peak(device: str) -> float:
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure everything and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="data folder [$ANALOGNN_DATA, else the cache]")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=HERE / "records" / "speed", help="record folder")
    parser.add_argument("--peak", choices=("loop", "affine"), help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        print(peak_mb(options.peak, options))
        return
    peaks = {}
    for route in ("loop", "affine"):  # before this process grows: a child's peak begins with its parent's size
        command = [sys.executable, __file__, "--peak", route, "--device", options.device]
        peaks[route] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    names = ["mnist-resnet8"]
    try:
        models.load("cifar10-resnet20", data_dir=options.data)
        names.append("cifar10-resnet20")
    except FileNotFoundError as missing:
        print(missing)
    processor = torch.cuda.get_device_name() if options.device == "cuda" else f"{platform.machine()}, one thread"
    record = {
        "machine": f"{processor}, torch {torch.__version__}",
        "peak_mb": peaks,
        "vectors": vectors(options.device),
        "surface": {name: surface(name, options) for name in names},
        "execution": {name: execution(name, options) for name in names},
        "search": list(searches(options)),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in (("speed.json", json.dumps(record, indent=1)), ("REPORT.md", report(record))):
        with replacing(options.out / name) as part:
            part.write_text(text + "\n" if name == "speed.json" else text, encoding="utf-8")
    print(report(record))


if __name__ == "__main__":
    main()
