"""How far inversion turns fading into AWGN when the channel is known imperfectly: a dated report.

    python benchmarks/wireless_csi.py [--data DIR] [--out benchmarks/records/wireless]

TDL-A with 100 ns at 3.5 GHz, Es/N0 10 dB, truncated inversion at a tenth of the mean power. For each kind of channel
knowledge: two million standard normal weights, which show the noise itself; the certificate on ResNet-20, which says
what AWGN of the same variance would promise; for some, what interleaving changes. An error e of the channel multiplies
the symbol it meets,

    r = s + (e s + n) / (h_hat q),

so the noise is larger on large weights and its variance differs from position to position. The receiver is told the
variance of each position, averaged over what may have been sent there: "told" is the kurtosis of z / sqrt(noise_var).
In "prefix a quarter of the channel" the delay spread is 1 us and both ends know the channel: what is left is
interference.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from common import RECORDS, TOLD_IN_HEAD, arguments, heading, kept, publish
from hardware import Subject
from rich.progress import track

from analognn import ChannelBackend, plots, plots_wireless
from analognn.certificate import certify
from analognn.certificate.by_name import Named
from analognn.channels import Ofdm
from analognn.channels.base import NoiseSplit
from analognn.channels.grid import Grid
from analognn.channels.units import linear_to_db
from analognn.channels.waveform import InterferenceWarning
from analognn.effective import effective_noise
from analognn.estimates import Estimate, estimate
from analognn.progress import bar, counted

MODEL = "cifar10-resnet20"
LINK: dict[str, Any] = {"esn0_db": 10.0, "model": "tdl-a", "threshold": 0.1}
SLOT = Grid().num_symbols * Grid().symbol_duration
"""[s]"""
KMH = 1 / 3.6
CASES: dict[str, dict[str, Any]] = {
    "perfect": {},
    "pilots at 20 dB": {"csi": "ls", "csi_esn0_db": 20.0},
    "pilots at 10 dB": {"csi": "ls", "csi_esn0_db": 10.0},
    "a slot old, 30 km/h": {"csi": "outdated", "csi_delay": SLOT, "speed": 30 * KMH},
    "a slot old, 60 km/h": {"csi": "outdated", "csi_delay": SLOT, "speed": 60 * KMH},
    "a slot old, 120 km/h": {"csi": "outdated", "csi_delay": SLOT, "speed": 120 * KMH},
    "fed back, 2 x 4 bits": {"csi": "quantised", "csi_bits": 4},
    "fed back, 2 x 2 bits": {"csi": "quantised", "csi_bits": 2},
    "prefix a quarter of the channel": {"domain": "time", "delay_spread": 1e-6},
}
INTERLEAVED = (
    "perfect",
    "pilots at 10 dB",
    "a slot old, 30 km/h",
    "fed back, 2 x 4 bits",
    "prefix a quarter of the channel",
)
"""Cases whose accuracy is also measured with interleaved weights."""
NUM_WEIGHTS = 2_000_000
DRAWS = 3
INTERLEAVED_DRAWS = 8


def gaussian() -> dict[str, dict[str, Any]]:
    """Noise on standard normal weights by case."""
    w = torch.randn(NUM_WEIGHTS, generator=torch.Generator().manual_seed(1))
    found = {}
    for label, parameters in CASES.items():
        received = Ofdm(**LINK, **parameters).transmit(w, generator=torch.Generator().manual_seed(0))
        x = (received.values - w).double() / torch.as_tensor(received.noise_var, dtype=torch.float64).sqrt()
        assert received.split is not None
        found[label] = {
            "parameters": {**LINK, **parameters},
            "outage": received.usage.outage,
            "split": asdict(received.split),
            "told_kurtosis": float(x.pow(4).mean() / x.square().mean() ** 2) - 3,
            **asdict(effective_noise(w, received)),
        }
    return found


def certificates(folder: Path, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """The certificate of each case, as tables."""
    subject = None
    for label, parameters in CASES.items():
        path = folder / f"certificate-{_slug(label)}.json"
        if not path.is_file():
            subject = subject or Subject.load(data_dir)
            with bar(label, "draws") as reported:
                certificate = certify(
                    subject.layout.pack(subject.model),
                    ChannelBackend(Ofdm(**LINK, **parameters)),
                    score=subject.score,
                    seeds=counted(DRAWS, reported),
                )
            Named("ofdm", {**LINK, **parameters}, MODEL, certificate).write(path)
        yield json.loads(path.read_text())


def interleaving(data_dir: Path | None) -> dict[str, dict[str, list[float]]]:
    """Accuracy of each draw by case, weights in their own order and interleaved."""
    subject = Subject.load(data_dir)
    w = subject.layout.pack(subject.model).vector
    found: dict[str, dict[str, list[float]]] = {}
    for label in track(INTERLEAVED, "interleaving"):
        for name, interleave in (("in order", False), ("interleaved", True)):
            link = Ofdm(**LINK, **CASES[label], interleave=interleave)
            draws = (torch.Generator().manual_seed(1000 + seed) for seed in range(INTERLEAVED_DRAWS))
            scores = [subject.score(link.transmit(w, generator=generator).values).accuracy for generator in draws]
            found.setdefault(label, {})[name] = scores
    return found


def report(
    noise: dict[str, dict[str, Any]], certified: list[dict[str, Any]], orders: dict[str, dict[str, list[float]]]
) -> str:
    """All parts as Markdown."""
    lines = [
        *heading("Inversion with imperfect channel knowledge", "wireless_csi.py", remark=TOLD_IN_HEAD),
        "## The noise, on two million standard normal weights",
        "",
        "| channel knowledge | WNR dB | reported | not thermal | gain | kurtosis | told | KS | corr abs z, w |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_noise_row(label, found) for label, found in noise.items()),
        "",
        f"5 standard errors of AWGN: kurtosis {5 * math.sqrt(24 / NUM_WEIGHTS):.3f}, KS "
        f"{2.74 / math.sqrt(NUM_WEIGHTS):.4f}, correlation {5 / math.sqrt(NUM_WEIGHTS):.4f}.",
        "",
        "![noise by its parts](csi-split.png)",
        "",
        "## What it costs ResNet-20",
        "",
        f"{DRAWS} draws, ML, first 500 test images, % right with 95 % intervals. The gaps say how many points AWGN",
        "overstates the accuracy of the link: with each tensor's variance, and with one variance for all. "
        "Draws of pure",
        "AWGN differ by 7 points here (standard deviation), so only gaps far beyond that are findings.",
        "",
        "| channel knowledge | WNR dB | layers | kurtosis | KS | corr abs z, w | neighbours | accuracy | gap, layers |"
        " gap, one |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_certificate_row(label, found) for label, found in zip(noise, certified, strict=True)),
        "",
        "Neighbours: the largest autocorrelation of the noise along a row of a layer, lags 1 to 8. Interference and",
        "errors of the channel reach neighbouring carriers alike, so weights next to each other err together, which",
        "sums over a row do not average out. WNR, kurtosis and KS see none of it.",
        "",
        "## Interleaving",
        "",
        f"The same links, {INTERLEAVED_DRAWS} draws, weights in their own order and interleaved (`interleave = true`).",
        "",
        "| channel knowledge | in order | interleaved |",
        "|---|---:|---:|",
        *(
            f"| {label} | {' | '.join(estimate(each).percent() for each in row.values())} |"
            for label, row in orders.items()
        ),
        "",
    ]
    return "\n".join(lines)


def _noise_row(label: str, found: dict[str, Any]) -> str:
    split = NoiseSplit(**found["split"])
    cells = (
        label,
        f"{found['wnr_db']:.2f}",
        f"{linear_to_db(1 / split.total):.2f}",
        f"{1 - split.thermal / split.total:.0%}",
        f"{found['gain']:.3f}",
        f"{found['excess_kurtosis']:.2f}",
        f"{found['told_kurtosis']:.2f}",
        f"{found['ks_distance']:.4f}",
        f"{found['magnitude_corr']:.3f}",
    )
    return f"| {' | '.join(cells)} |"


def _certificate_row(label: str, found: dict[str, Any]) -> str:
    shape, (point,) = found["shape"], found["accuracy"]
    layers = [tensor["wnr_db"] for tensor in found["tensors"].values()]
    cells = (
        label,
        f"{found['whole']['wnr_db']:.1f}",
        f"{min(layers):.1f} to {max(layers):.1f}",
        f"{shape['excess_kurtosis']:.1f}",
        f"{shape['ks_distance']:.3f}",
        f"{shape['magnitude_corr']:.2f}",
        f"{max(shape['along_rows']['rho'], key=abs):+.3f}",
        Estimate(**point["medium"]).percent(),
        *(Estimate(**point[key]).percent("+") for key in ("gap_per_layer", "gap_global")),
    )
    return f"| {' | '.join(cells)} |"


def _slug(label: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in label).replace("--", "-")


def main() -> None:
    """Measure what is missing and write the report and the picture."""
    options = arguments(__doc__, RECORDS / "wireless").parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", InterferenceWarning)  # what a short prefix costs is a question here
    noise = kept(options.out / "csi-noise.json", lambda: {"cases": gaussian()})["cases"]
    splits = {label: NoiseSplit(**found["split"]) for label, found in noise.items()}
    title = "Noise on the weights by what is known of the channel: TDL-A, Es/N0 10 dB, truncated inversion"
    plots.write(plots_wireless.noise_splits(splits, title=title), options.out / "csi-split.png")
    certified = list(certificates(options.out, options.data))
    orders = kept(options.out / "csi-interleaving.json", lambda: {"accuracy": interleaving(options.data)})
    publish(options.out / "CSI.md", report(noise, certified, orders["accuracy"]))


if __name__ == "__main__":
    main()
