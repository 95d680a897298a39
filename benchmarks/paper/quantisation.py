"""Number formats as noise: how far "quantisation behaves like Gaussian noise" holds, and what receivers make of it.

    python benchmarks/paper/quantisation.py [--tier tiny] [--data DIR] [--out benchmarks/records/paper/quantisation]

Sec. I-A of Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", counts truncation and quantisation among the noise on
weights. Each tensor is put into each format at a scale of its own; integers clip where the error is least ("mse") or
nothing ("symmetric").

    shape      effective WNR; excess kurtosis, KS distance and correlation of abs(z) with abs(w), per tensor
               a uniform error, which theory promises for fine steps and no clipping: kurtosis -1.2, KS distance
               0.057, correlation 0
    effect     accuracy of the quantised network less that of AWGN with the same variance in every tensor
    receivers  accuracy after denoising or correction of the quantised network

Rounding to the nearest draws nothing: the AWGN beside it is drawn several times, and the one quantised network is held
against the interval in which 95 % of such draws fall. Stochastic rounding is drawn as often, and compared draw by draw.

tiny      mnist-resnet8, shipped with the package; about two minutes of CPU
standard  CIFAR-10 ResNet-20 besides, first 500 test images; about ten
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from commands import RECORDS, arguments, finished, publish, write
from quantisation_report import picture, report
from torch import Tensor

from analognn import compat, data, models, plots, progress
from analognn.certificate import Certificate, certify
from analognn.channels import Quantised
from analognn.estimates import Estimate
from analognn.evaluate import Evaluator, Score
from analognn.experiments import Denoising, Medium, Scenario
from analognn.experiments.summary import Entry
from analognn.files import replacing
from analognn.packing import ParameterLayout
from analognn.per_tensor import PerTensor

MODELS = {"tiny": ("mnist-resnet8",), "standard": ("mnist-resnet8", "cifar10-resnet20")}
MEDIUM = "quantised-per-tensor"
INTEGERS = ("int8", "int6", "int5", "int4", "int3", "int2")
FLOATS = ("float8-e4m3", "float8-e5m2", "mantissa3", "mantissa2", "mantissa1", "mantissa0")
CASES = (
    *(Quantised(name) for name in (*INTEGERS, *FLOATS)),
    *(Quantised(name, rounding="stochastic") for name in ("int5", "int4", "int3", "int2")),
    *(Quantised(name, "symmetric") for name in ("int8", "int6", "int4", "int3")),
)
DENOISED = ("int5", "int4", "int3", "int2", "float8-e5m2", "mantissa0")
RECEIVERS = Denoising(
    names=("ml", "mmse", "mmse@tensor", "mmsepb", "protect", "recalibrate", "mmsepb+recalibrate"),
    kappa=50,
    unlabelled=128,
    lambda_primes=(0.8, 0.95, 1.0, 1.05, 1.2),
    betas=(-1.0, 0.0, 1.0),
)
DRAWS, RECEIVER_DRAWS = {"mnist-resnet8": 10, "cifar10-resnet20": 6}, 3
TEST_EXAMPLES = {"mnist-resnet8": 0, "cifar10-resnet20": 500}
"""The first so many; 0 for all."""


@dataclass(frozen=True)
class Row:
    """One format on one model.

    Args:
        model: name.
        format: of a weight.
        span: of integers, "mse" or "symmetric".
        rounding: "nearest" or "stochastic".
        bits: of a code; those of a scale come on top, once a tensor.
        wnr_db: effective [dB], all tensors together.
        excess_kurtosis: of the error in units of its tensor.
        ks_distance: of it from N(0, 1).
        magnitude_corr: of abs(z) with abs(w).
        row_sum_var: variance of the error's sums along rows; 1 for independent errors.
        clean: accuracy of the float32 network.
        accuracy: quantised.
        awgn: with AWGN of the same variance in every tensor.
        gap: awgn - accuracy, draw by draw.
        likely: lowest and highest accuracy that AWGN explains at 95 %: of one draw for "nearest", of the mean for
            "stochastic", where the gap has an interval of its own.
    """

    model: str
    format: str
    span: str
    rounding: str
    bits: int
    wnr_db: float
    excess_kurtosis: float
    ks_distance: float
    magnitude_corr: float
    row_sum_var: float
    clean: float
    accuracy: Estimate
    awgn: Estimate
    gap: Estimate
    likely: tuple[float, float]

    @property
    def as_awgn(self) -> bool:
        """Whether the draws leave no difference in accuracy to see."""
        return self.likely[0] <= self.accuracy.mean <= self.likely[1]

    @classmethod
    def of(cls, model: str, medium: Quantised, found: Certificate) -> Row:
        """What a certificate says."""
        (point,), shape = found.accuracy, found.shape
        assert shape is not None
        assert found.clean is not None
        return cls(
            model=model,
            format=medium.format,
            span=(medium.span or "mse") if medium.format in INTEGERS else "",
            rounding=medium.rounding,
            bits=medium.quantiser.bits,
            wnr_db=found.whole.wnr_db,
            excess_kurtosis=shape.excess_kurtosis,
            ks_distance=shape.ks_distance,
            magnitude_corr=shape.magnitude_corr,
            row_sum_var=shape.row_sum_var,
            clean=found.clean,
            accuracy=point.medium,
            awgn=point.per_layer,
            gap=point.gap_per_layer,
            likely=_likely(point.per_layer, point.gap_per_layer, point.medium, medium.rounding, found.draws),
        )

    @classmethod
    def read(cls, table: dict[str, Any]) -> Row:
        """From JSON."""
        parts = {name: Estimate(**table[name]) for name in ("accuracy", "awgn", "gap")}
        return cls(**{**table, **parts, "likely": tuple(table["likely"])})


def _likely(awgn: Estimate, gap: Estimate, own: Estimate, rounding: str, draws: int) -> tuple[float, float]:
    """One more draw of AWGN falls within t s sqrt(1 + 1/n), and t s / sqrt(n) is half the interval of their mean."""
    if rounding == "stochastic":
        assert gap.high is not None
        return own.mean + gap.mean - (gap.high - gap.mean), own.mean + gap.high
    assert awgn.high is not None
    half = (awgn.high - awgn.mean) * (draws + 1) ** 0.5
    return awgn.mean - half, awgn.mean + half


class Remembering:
    """Scores weights [n] of a model, the same ones once: rounding to the nearest gives one network, however often."""

    def __init__(self, model: str, data_dir: Path | None) -> None:
        spec, self.model = models.spec(model), models.load(model, data_dir=data_dir)
        test = data.load(spec.dataset, data_dir=data_dir).test
        inputs, labels = spec.prepare(test.take(slice(TEST_EXAMPLES[model] or None)))
        self.evaluator = Evaluator(inputs, labels, device="cpu", batch_size=100)
        self.layout = ParameterLayout.from_model(self.model)
        self.packed, self.seen = self.layout.pack(self.model), dict[bytes, Score]()

    def __call__(self, values: Tensor) -> Score:
        """Counts on the test images."""
        key = values.numpy().tobytes()
        if key not in self.seen:
            self.seen[key] = self.evaluator(self.layout.unpack(values, self.model))
        return self.seen[key]


def certificates(model: str, folder: Path, data_dir: Path | None) -> Iterator[Row]:
    """The rows of a model; those the folder holds are not measured again."""
    path = folder / f"{model}.json"
    kept = json.loads(path.read_text())["rows"] if path.is_file() else []
    rows, score = [Row.read(table) for table in kept], None
    yield from rows
    for medium in CASES[len(rows) :]:
        score = score or Remembering(model, data_dir)
        with progress.bar(f"{model}, {medium.format}, {medium.rounding}", "draws") as reported:
            seeds = progress.counted(DRAWS[model], reported)
            found = certify(score.packed, PerTensor(medium), score=score, seeds=seeds)
        rows.append(Row.of(model, medium, found))
        score.seen.clear()
        tables = {"draws": DRAWS[model], "rows": [asdict(row) for row in rows], "versions": compat.versions()}
        write(path, json.dumps(tables, indent=1) + "\n")
        yield rows[-1]


def receivers(model: str, folder: Path, data_dir: Path | None) -> tuple[Entry, ...]:
    """What each receiver makes of the formats that need one."""
    scenario = Scenario(
        name=f"quantisation, {model}",
        summary="Receivers on quantised weights, each tensor with a scale of its own.",
        model=model,
        media={"nearest": Medium(MEDIUM, {"format": list(DENOISED)})},
        denoiser=RECEIVERS,
        seeds=RECEIVER_DRAWS,
        test_examples=TEST_EXAMPLES[model],
    )
    return finished(scenario, folder / f"receivers-{model}", data_dir=data_dir).summary.entries


def write_csv(rows: list[Row], path: Path) -> None:
    """One line a row; intervals as mean, low, high."""
    tables = []
    for row in rows:
        flat: dict[str, Any] = {}
        for name, value in asdict(row).items():
            spread = value if isinstance(value, dict) else dict(zip(("low", "high"), value, strict=True)) \
                if isinstance(value, tuple) else {"": value}  # fmt: skip
            flat |= {f"{name}_{key}".strip("_"): part for key, part in spread.items()}
        tables.append({**flat, "as_awgn": row.as_awgn})
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, tables[0])
        writer.writeheader()
        writer.writerows(tables)


def main() -> None:
    """Measure what is missing; write tables, picture and report."""
    parser = arguments(__doc__, RECORDS / "quantisation")
    parser.add_argument("--tier", choices=MODELS, default="standard")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rows, entries = [], {}
    for model in MODELS[options.tier]:
        rows += certificates(model, options.out, options.data)
        entries[model] = receivers(model, options.out, options.data)
    write_csv(rows, options.out / "quantisation.csv")
    plots.write(picture(rows, entries), options.out / "quantisation.png")
    publish(options.out / "REPORT.md", report(rows, entries, draws=DRAWS, receiver_draws=RECEIVER_DRAWS))


if __name__ == "__main__":
    main()
