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
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from common import RECORDS, arguments, peak_bytes, publish, write
from rich.progress import track
from speed_report import KAPPA, PART, WNRS_DB, report
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from analognn import data, models
from analognn.affine import AffineFamily, affine_scores
from analognn.channels import Awgn, Received
from analognn.denoise import MmsePb, Prior
from analognn.evaluate import Evaluator, Execution
from analognn.packing import ParameterLayout
from analognn.search import GridSearchResult, fast_search, grid_search

GRID = {"lambda_primes": [0.9 + 0.02 * i for i in range(12)], "betas": [float(b) for b in range(-11, 12)]}
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
        start = _now(device)
        call()
        _wait(device)
        taken.append(_now(device) - start)
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
            start = _now(options.device)
            result = case.grid(search, **extra)
            taken = _now(options.device) - start
            row[name] = {"correct": result.best_score.correct, "evaluations": result.evaluations, "s": taken}
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


def _now(device: str) -> float:
    """CPU seconds, or elapsed ones on a GPU."""
    return time.process_time() if device == "cpu" else time.perf_counter()


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _peak(device: str) -> float:
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return peak_bytes()


def main() -> None:
    """Measure everything and write the record."""
    parser = arguments(__doc__, RECORDS / "speed")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
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
    write(options.out / "speed.json", json.dumps(record, indent=1) + "\n")
    publish(options.out / "REPORT.md", report(record))


if __name__ == "__main__":
    main()
