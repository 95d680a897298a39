"""Time and memory of the two routes through a PCM crossbar, ResNet18 (CIFAR form, 11.2 M weights), one thread.

    python benchmarks/hardware_routes.py

The fast route calls the noise models tile by tile, `Pcm.receive`; the slow one converts the model to aihwkit's modules,
programs, drifts and reads back. Time: five turns of each, alternating in one process, CPU seconds of the fastest.
Memory: the rise of the peak resident size in the first run, in a process of its own, in units of the weights' size.
"""

import subprocess
import sys
import time

import torch
from common import bare, peak_bytes
from torch import nn
from torchvision.models import resnet18

from analognn.hardware import Pcm
from analognn.hardware.tiles import analog_model, read_back
from analognn.packing import PackedWeights, ParameterLayout

ROUTES = ["fast", "slow"]
TURNS = 5


def cifar_resnet18() -> nn.Module:
    torch.manual_seed(0)
    model = resnet18(num_classes=10)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return model.eval()


def run(route: str, model: nn.Module, packed: PackedWeights) -> torch.Tensor:
    medium, generator = Pcm(), torch.Generator().manual_seed(1)
    if route == "fast":
        return medium.receive(packed, generator=generator).values
    return read_back(analog_model(model, medium, generator=generator), packed.layout, packed.vector)


def prepare() -> tuple[nn.Module, PackedWeights]:
    """The model, after both routes have imported and called all they need once."""
    torch.set_num_threads(1)
    small = nn.Linear(8, 8)
    for route in ROUTES:
        run(route, small, ParameterLayout.from_model(small).pack(small))
    model = cifar_resnet18()
    return model, ParameterLayout.from_model(model).pack(model)


def extra_memory(route: str) -> float:
    model, packed = prepare()
    before = peak_bytes()
    run(route, model, packed)
    return (peak_bytes() - before) / (packed.vector.numel() * packed.vector.element_size())


def cpu_seconds() -> dict[str, float]:
    model, packed = prepare()
    seconds: dict[str, list[float]] = {route: [] for route in ROUTES}
    for route in ROUTES * TURNS:
        start = time.process_time()
        run(route, model, packed)
        seconds[route].append(time.process_time() - start)
    return {route: min(taken) for route, taken in seconds.items()}


def main() -> None:
    parser = bare(__doc__)
    parser.add_argument("route", nargs="?", choices=ROUTES, help="only its memory, in a process of its own")
    if route := parser.parse_args().route:
        print(extra_memory(route))
        return
    memory = {}
    for route in ROUTES:  # before this process grows: a child's peak begins with its parent's size
        command = [sys.executable, __file__, route]
        memory[route] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds = cpu_seconds()
    for route in ROUTES:
        print(f"{route}: {seconds[route]:.2f} CPU s, {memory[route]:.1f} x the weights' size")
    print(f"slow / fast: {seconds['slow'] / seconds['fast']:.2f}")


if __name__ == "__main__":
    main()
