"""Verdicts, records and report of quantisation as noise; the certificate itself has tests of its own."""

import math
from dataclasses import asdict, replace

import pytest
import torch
from paper_recipes import load
from scipy import stats

from analognn.estimates import Estimate, estimate
from analognn.experiments.summary import Entry

quantisation, reporting = load("quantisation"), load("quantisation_report")
ROW = quantisation.Row(
    model="mnist-resnet8",
    format="int4",
    span="mse",
    rounding="nearest",
    bits=4,
    wnr_db=20.0,
    excess_kurtosis=-1.2,
    ks_distance=0.06,
    magnitude_corr=0.0,
    row_sum_var=1.0,
    clean=0.99,
    accuracy=Estimate(0.9, 0.9, 0.9),
    awgn=Estimate(0.92, 0.91, 0.93),
    gap=Estimate(0.02, 0.01, 0.03),
    likely=(0.88, 0.96),
)


def test_one_outcome_is_held_against_what_one_more_draw_of_awgn_may_give() -> None:
    """Of 2,000 times ten draws and one more, the interval holds it 95 % of the time, within 5 standard errors."""
    generator = torch.Generator().manual_seed(0)
    draws = 0.8 + 0.02 * torch.randn(2000, 11, generator=generator, dtype=torch.float64)
    held = 0
    for *ten, another in draws.tolist():
        awgn = estimate(ten)
        low, high = quantisation._likely(awgn, awgn, awgn, "nearest", 10)
        held += low <= another <= high
    assert abs(held / 2000 - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 2000)


@pytest.mark.parametrize(("gap", "same"), [((-0.01, 0.03), True), ((0.01, 0.03), False), ((-0.03, -0.01), False)])
def test_stochastic_rounding_is_like_awgn_where_the_gap_may_be_zero(gap: tuple[float, float], same: bool) -> None:
    own, found = Estimate(0.9, 0.89, 0.91), Estimate(sum(gap) / 2, *gap)
    row = replace(ROW, accuracy=own, likely=quantisation._likely(own, found, own, "stochastic", 10))
    assert row.as_awgn == same


def test_the_constants_of_a_uniform_error() -> None:
    x = torch.linspace(-math.sqrt(3), math.sqrt(3), 100_001, dtype=torch.float64)
    distance = (torch.special.ndtr(x) - (x / math.sqrt(3) + 1) / 2).abs().max()
    assert float(distance) == pytest.approx(reporting.UNIFORM_KS, abs=5e-4)
    assert stats.uniform.stats(moments="k") == pytest.approx(reporting.UNIFORM_KURTOSIS)


def test_the_same_weights_are_scored_once() -> None:
    score = quantisation.Remembering("mnist-resnet8", None)
    score.evaluator = score.evaluator.subset(torch.arange(5))
    w = score.packed.vector
    assert score(w) is score(w.clone())
    assert score(0 * w) is not score(w)


def test_rows_are_read_back_and_reported() -> None:
    rows = [ROW, replace(ROW, format="mantissa0", span="", likely=(0.91, 0.93)), replace(ROW, format="int8", bits=8)]
    assert [quantisation.Row.read(asdict(row)) for row in rows] == rows
    entry = Entry("nearest", "quantised-per-tensor", {"format": "int4"}, "ml", "none", 0, 0, 0, 2, ROW.awgn, None, 20.0)
    entries = {"mnist-resnet8": [entry, replace(entry, denoiser="protect")]}
    text = reporting.report(rows, entries, draws={"mnist-resnet8": 10}, receiver_draws=3)
    assert "AWGN does not explain: mantissa0 (nearest) on mnist-resnet8, +2.0 points." in text
    assert "**no** (91.0 to 93.0)" in text
    figure = reporting.picture(rows, entries)
    figure.canvas.draw()
    assert [panel.get_title() for panel in figure.axes][1:] == [
        "Shape of the error, each tensor in its own units",
        "After a receiver",
    ]
