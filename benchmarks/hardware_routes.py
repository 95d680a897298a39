"""Time and memory of the two routes through a PCM crossbar, ResNet18 (CIFAR form, 11.2 M weights), one thread.

    python benchmarks/hardware_routes.py

The fast route calls the noise models tile by tile, `Pcm.receive`; the slow one converts the model to aihwkit's modules,
programs, drifts and reads back. Each is run three times in a process of its own, CPU seconds of the fastest; memory is
the rise of the peak resident size during the first run, in units of the weights' size.
"""

import json
import resource
import subprocess
import sys
import time

import torch
from torch import nn
from torchvision.models import resnet18

from analognn.hardware import Pcm
from analognn.hardware.tiles import analog_model, read_back
from analognn.packing import PackedWeights, ParameterLayout

RUNS = 3


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


def measure(route: str) -> dict[str, float]:
    torch.set_num_threads(1)
    small = nn.Linear(8, 8)
    run(route, small, ParameterLayout.from_model(small).pack(small))  # imports and first calls
    model = cifar_resnet18()
    packed = ParameterLayout.from_model(model).pack(model)
    peaks, seconds = [peak_bytes()], []
    for _ in range(RUNS):
        start = time.process_time()
        run(route, model, packed)
        seconds.append(time.process_time() - start)
        peaks.append(peak_bytes())
    size = packed.vector.numel() * packed.vector.element_size()
    return {"cpu_s": min(seconds), "extra_memory": (peaks[1] - peaks[0]) / size}


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    results = {}
    for route in ("fast", "slow"):
        out = subprocess.run([sys.executable, __file__, route], check=True, capture_output=True, text=True).stdout
        results[route] = json.loads(out)
        print(f"{route}: {results[route]['cpu_s']:.2f} CPU s, {results[route]['extra_memory']:.1f} x the weights' size")
    print(f"slow / fast: {results['slow']['cpu_s'] / results['fast']['cpu_s']:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
