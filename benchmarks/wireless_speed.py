"""Time and memory of 11.2 M weights (ResNet18, CIFAR form) through the OFDM link, one thread: a dated record.

    python benchmarks/wireless_speed.py [--out benchmarks/records/wireless]

Beside each link stands Sionna's own generation of as many slots of the same channel, 32 at a time as its users write
it, `GenerateOFDMChannel(model, resource_grid)(32)`, in the same process; the two take turns. `link / generation` is
what our mapping, precoding, air and bookkeeping make of it. Every case is a process of its own; memory is its peak
resident size after the transmission, and how far that is above what it was with all libraries loaded and used. Cases
that the record holds already are not measured again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from common import RECORDS, arguments, heading, peak_bytes, write

from analognn import compat
from analognn.channels import Ofdm
from analognn.channels.cir import SLOTS_PER_CHUNK
from analognn.channels.tr38901 import Site

NUM_WEIGHTS = 11_173_962
TURNS = 2
CARRIER, DELAY_SPREAD = 3.5e9, 100e-9
PEDESTRIAN = {"speed": 1.5}
"""[m/s]: h changes from symbol to symbol, for us as for Sionna."""
CASES: dict[str, dict[str, Any]] = {
    "awgn": {"model": "awgn"},
    "rayleigh": {"model": "rayleigh"},
    "tdl-a": {"model": "tdl-a"},
    "cdl-c": {"model": "cdl-c"},
    "umi": {"model": "umi"},
    "tdl-a, moving": {"model": "tdl-a", **PEDESTRIAN},
    "cdl-c, moving": {"model": "cdl-c", **PEDESTRIAN},
    "umi, moving": {"model": "umi", **PEDESTRIAN},
    "tdl-a, pilots at 20 dB": {"model": "tdl-a", "csi": "ls", "csi_esn0_db": 20.0},
    "tdl-a, equalised": {"model": "tdl-a", "precoder": "equalise"},
    "tdl-a, time domain": {"model": "tdl-a", "domain": "time"},
    "tdl-a, time domain, moving": {"model": "tdl-a", "domain": "time", **PEDESTRIAN},
}


def measure(label: str, num_weights: int) -> dict[str, Any]:
    """One case, in this process."""
    link = Ofdm(esn0_db=10.0, **CASES[label])
    generator = torch.Generator().manual_seed(0)
    link.transmit(torch.randn(1000, generator=generator), generator=generator)  # imports, and statistics of the channel
    w = torch.randn(num_weights, generator=generator)
    before = peak_bytes()
    seconds: dict[str, list[float]] = {"link": [], "generation": []}
    generate: Callable[[], object] | None = None
    for _ in range(TURNS):
        start = time.process_time()
        received = link.transmit(w, generator=generator)
        seconds["link"].append(time.process_time() - start)
        if generate is None:
            peak = peak_bytes()
            generate = sionna_generation(link)
        slots = received.usage.channel_uses // (link.grid.num_data + link.grid.num_pilots)
        start = time.process_time()
        for _ in range(-(-slots // SLOTS_PER_CHUNK)):
            generate()
        seconds["generation"].append(time.process_time() - start)
    return {
        "parameters": CASES[label],
        "weights": num_weights,
        "slots": slots,
        "link_s": min(seconds["link"]),
        "generation_s": min(seconds["generation"]),
        "peak_mb": peak / 1e6,
        "rise_mb": (peak - before) / 1e6,
    }


def sionna_generation(link: Ofdm) -> Callable[[], object]:
    """A function that draws a chunk of slots as users of Sionna do; for the constant channel one that does nothing."""
    from sionna.phy.channel import GenerateOFDMChannel, RayleighBlockFading, gen_single_sector_topology, tr38901

    if link.model == "awgn":
        return lambda: None
    site = Site(CARRIER, link.speed or 0.0, 1, 1, "cpu", "single")
    speeds = {"min_speed": site.speed, "max_speed": site.speed}
    if link.model == "rayleigh":
        model: Any = RayleighBlockFading(1, 1, 1, 1, device="cpu")
    elif link.model == "umi":
        quiet = {"enable_pathloss": False, "enable_shadow_fading": False}
        model = tr38901.UMi(CARRIER, "low", direction="uplink", device="cpu", **quiet, **site.arrays())
    elif link.model.startswith("cdl"):
        model = tr38901.CDL(
            link.model[-1].upper(), DELAY_SPREAD, CARRIER, direction="uplink", device="cpu", **speeds, **site.arrays()
        )
    else:
        model = tr38901.TDL(link.model[-1].upper(), DELAY_SPREAD, CARRIER, device="cpu", **speeds)
    generate = GenerateOFDMChannel(model, link.grid.resource_grid(device="cpu", precision="single"), device="cpu")

    def chunk() -> None:
        if link.model == "umi":
            drops = {"min_ut_velocity": site.speed, "max_ut_velocity": site.speed, "device": "cpu"}
            model.set_topology(*gen_single_sector_topology(SLOTS_PER_CHUNK, 1, "umi", **drops))
        generate(SLOTS_PER_CHUNK)

    return chunk


def report(found: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    return "\n".join(
        (
            *heading(f"{NUM_WEIGHTS:,} weights over the OFDM link", "wireless_speed.py"),
            "CPU seconds on one thread of a busy machine, the faster of two turns. Generation is Sionna's own of as",
            "many slots, at every OFDM symbol; where the channel stands still the link asks for one symbol a slot.",
            "",
            "| link | slots | link s | generation s | link / generation | peak MB | of it for the transmission |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *(_row(label, case) for label, case in found.items()),
            "",
        )
    )


def _row(label: str, case: dict[str, Any]) -> str:
    generation = case["generation_s"]
    ratio = f"{case['link_s'] / generation:.2f}" if CASES[label]["model"] != "awgn" else "-"
    return (
        f"| {label} | {case['slots']} | {case['link_s']:.2f} | {generation:.2f} | {ratio} | {case['peak_mb']:.0f} | "
        f"{case['rise_mb']:.0f} |"
    )


def main() -> None:
    """Measure every case and write the record; with ``--case`` one of them, to standard output."""
    parser = arguments(__doc__, RECORDS / "wireless", data=False)
    parser.add_argument("--case", choices=CASES, help="only this one, to standard output")
    parser.add_argument("--weights", type=int, default=NUM_WEIGHTS, help="for a trial run")
    options = parser.parse_args()
    if options.case:
        torch.set_num_threads(1)
        print(json.dumps(measure(options.case, options.weights)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    record = options.out / "speed.json"
    found = json.loads(record.read_text())["cases"] if record.is_file() else {}
    for label in CASES:
        if label not in found:
            command = [sys.executable, __file__, "--case", label, "--weights", str(options.weights)]
            found[label] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            write(record, json.dumps({"cases": found, "versions": compat.versions()}, indent=2) + "\n")
        print(_row(label, found[label]), flush=True)
    write(options.out / "SPEED.md", report(found))


if __name__ == "__main__":
    main()
