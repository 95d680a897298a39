"""Every crossbar medium of aihwkit on ResNet-20 and CIFAR-10, from 20 s to a year after programming: a dated report.

    python benchmarks/hardware.py [--data DIR] [--out benchmarks/records/hardware]

Three parts, each kept in the record folder and not computed again when it is there:

    run            benchmarks/hardware.toml, medium x compensation x time x denoiser (resumes trial by trial)
    certificates   one a medium, 1 day after programming: shape of the noise, accuracy against matched AWGN
    forward        PCM after 1 day, weight noise alone against the full analog forward pass, same seeds, same devices
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import HERE, RECORDS, arguments, finished, heading, kept, publish
from rich.progress import track
from torch import Tensor, nn

from analognn import backends, data, models, plots
from analognn.certificate import certify
from analognn.certificate.by_name import Named
from analognn.estimates import Estimate, estimate
from analognn.evaluate import Evaluator, Score
from analognn.experiments import Scenario
from analognn.experiments.summary import Entry
from analognn.hardware import AnalogForward, Pcm
from analognn.packing import ParameterLayout

MODEL = "cifar10-resnet20"
DAY = 86400.0
MEDIA: dict[str, tuple[str, dict[str, Any]]] = {
    "pcm": ("pcm", {}),
    "hermes": ("hermes", {}),
    "hermes-1": ("hermes", {"num_devices": 1}),
    "state-independent": ("state-independent", {}),
    "reram-wan2022": ("reram-wan2022", {}),
    "reram-cmo": ("reram-cmo", {}),
}
DRAWS = 5
TEST_EXAMPLES = 500


@dataclass(frozen=True)
class Subject:
    """The network under test and the test images of the smaller parts."""

    model: nn.Module
    layout: ParameterLayout
    evaluator: Evaluator

    @classmethod
    def load(cls, data_dir: Path | None) -> Subject:
        """ResNet-20 and the first TEST_EXAMPLES images."""
        model, spec = models.load(MODEL, data_dir=data_dir), models.spec(MODEL)
        test = data.load(spec.dataset, data_dir=data_dir).test
        inputs, labels = spec.normalise(test.inputs[:TEST_EXAMPLES]), test.labels[:TEST_EXAMPLES]
        layout = ParameterLayout.from_model(model)
        return cls(model, layout, Evaluator(inputs, labels, device="cpu", batch_size=100))

    def score(self, values: Tensor) -> Score:
        """Of the network with these analog weights [n]."""
        return self.evaluator(self.layout.unpack(values, self.model))


def certificates(folder: Path, subject: Subject) -> Iterator[dict[str, Any]]:
    """The certificate of each medium after a day, as tables."""
    for label, (name, parameters) in MEDIA.items():
        path = folder / f"certificate-{label}.json"
        if not path.is_file():
            certificate = certify(
                subject.layout.pack(subject.model),
                backends.create(name, t_inference=DAY, **parameters),
                score=subject.score,
                seeds=track(range(DRAWS), f"certificate {label}"),
                times=(DAY,),
            )
            Named(name, {"t_inference": DAY, **parameters}, MODEL, certificate).write(path)
        yield {"label": label, **json.loads(path.read_text())}


def forward(subject: Subject) -> dict[str, list[float]]:
    """Accuracy per seed: digital products with noisy weights, and the converters and output noise besides."""
    medium = Pcm(t_inference=DAY)
    arms = {"weights": AnalogForward(medium=medium, is_perfect=True), "forward": AnalogForward(medium=medium)}
    found: dict[str, list[float]] = {name: [] for name in arms}
    for seed in track(range(DRAWS), "forward"):
        for name, arm in arms.items():
            analog = arm.convert(subject.model, generator=torch.Generator().manual_seed(seed))
            found[name].append(subject.evaluator(analog).accuracy)
    return found


def report(entries: tuple[Entry, ...], certified: list[dict[str, Any]], products: dict[str, list[float]]) -> str:
    """The three parts as Markdown."""
    loss = estimate([full - weights for weights, full in zip(products["weights"], products["forward"], strict=True)])
    lines = [
        *heading("Crossbar media on ResNet-20 and CIFAR-10", "hardware.py"),
        "## Accuracy over time",
        "",
        "First 1,000 test images, 3 noise draws, 95 % intervals (Student's t), % right. WNR is the effective one,",
        "at unit gain. `-uncompensated` leaves the gain that drift took; ReRAM does not drift in gain, so its",
        "default is none, and `-compensated` shows what compensation does to it.",
        "",
        "| medium | time s | WNR dB | ML | MMSE | MMSEpb |",
        "|---|---:|---:|---:|---:|---:|",
        *_accuracy_rows(entries),
        "",
        "## How far from AWGN, one day after programming",
        "",
        f"{DRAWS} draws, first {TEST_EXAMPLES} test images. The gaps say how many points AWGN",
        "overstates the accuracy of the medium: with each tensor's variance, and with one variance for all.",
        "",
        "| medium | WNR dB | gain | offset / s_w | kurtosis | corr abs z, w | accuracy % | gap, per layer | gap, one |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_certificate_row(certificate) for certificate in certified),
        "",
        "## What weight noise leaves out",
        "",
        f"PCM, 1 day, {DRAWS} seeds, first {TEST_EXAMPLES} test images, the same devices in both arms:",
        f"weight noise alone {estimate(products['weights']).percent()} %, with 7-bit DAC, 9-bit ADC and output noise "
        f"{estimate(products['forward']).percent()} %: {loss.percent('+')} points.",
        "",
    ]
    return "\n".join(lines)


def _accuracy_rows(entries: tuple[Entry, ...]) -> Iterator[str]:
    points: dict[tuple[str, float], dict[str, Entry]] = {}
    for entry in entries:
        points.setdefault((entry.medium, entry.point["t_inference"]), {})[entry.denoiser] = entry
    for (medium, t), by_denoiser in points.items():
        accuracy = " | ".join(by_denoiser[name].accuracy.percent() for name in ("ml", "mmse", "mmsepb"))
        yield f"| {medium} | {t:g} | {by_denoiser['ml'].wnr_db:.1f} | {accuracy} |"


def _certificate_row(certificate: dict[str, Any]) -> str:
    whole, (point,) = certificate["whole"], certificate["accuracy"]
    s_w = (whole["noise_var"] * 10 ** (whole["wnr_db"] / 10)) ** 0.5
    numbers = (
        f"{whole['wnr_db']:.1f} | {whole['gain']:.3f} | {whole['offset'] / s_w:.3f} | {whole['excess_kurtosis']:.1f}"
    )
    gaps = " | ".join(Estimate(**point[key]).percent("+") for key in ("gap_per_layer", "gap_global"))
    accuracy = Estimate(**point["medium"]).percent()
    return f"| {certificate['label']} | {numbers} | {whole['magnitude_corr']:.2f} | {accuracy} | {gaps} |"


def main() -> None:
    """Run what is missing and write the report."""
    options = arguments(__doc__, RECORDS / "hardware").parse_args()
    torch.set_num_threads(1)
    result = finished(Scenario.named(str(HERE / "hardware.toml")), options.out, data_dir=options.data)
    plots.draw(options.out)
    subject = Subject.load(options.data)
    products = kept(options.out / "forward.json", lambda: {"accuracy": forward(subject)})["accuracy"]
    certified = list(certificates(options.out, subject))
    publish(options.out / "REPORT.md", report(result.summary.entries, certified, products))


if __name__ == "__main__":
    main()
