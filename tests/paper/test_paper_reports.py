"""Every row of a report has as many cells as its heading, and runs that are not whole stay out."""

import itertools
import json
from dataclasses import asdict, replace
from pathlib import Path

from paper_recipes import load

from analognn.denoise import Prior
from analognn.experiments import Record

figure7, figure8, table1 = load("figure7"), load("figure8"), load("table1")
presets, recipes, surfaces = load("presets"), load("recipes"), load("surfaces")
TINY = replace(recipes.TIERS["tiny"][0], draws=5)
ACCURACY = {"ml": 0.5, "mmse": 0.1, "mmsepb": 0.55, "oracle-mmsepb": 0.58}


def records(preset) -> list[Record]:
    """Accuracies that rise by 0.1 a point; every draw stands 0.004 above the one before."""
    noisy = []
    for i, db in enumerate(TINY.wnr_db):
        for draw, name in itertools.product(range(TINY.draws), preset.denoisers):
            correct = round(1000 * (ACCURACY[name] + 0.1 * i + 0.004 * draw))
            noisy.append(Record("awgn", f"{{{db}}}", draw, name, "awgn", correct, 1000, 0.0, wnr_db=db))
    return [Record("clean", "{}", 0, "none", "clean", 980, 1000, 0.0), *noisy]


def same_width(lines: list[str]) -> list[str]:
    rows = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1, rows
    return rows[2:]


def test_gains_of_figure_8() -> None:
    found = {name: records(preset) for name, preset in presets.PRESETS.items()}
    rows = same_width(list(figure8.section(TINY, found, Prior(0.0, 1.0))))
    written, coded, audited = ([cell.strip() for cell in row.split("|")[1:-1]] for row in rows)
    assert written[4] == audited[4] == "+1.00"  # 0.05 of accuracy, 0.1 in 2 dB
    assert coded[4] == "+1.60"
    assert coded[6] == "+0.60 ± 0.00"
    assert audited[6] == "+0.00 ± 0.00"


def test_figure_7(tmp_path: Path) -> None:
    selection = surfaces.Selection(10, 0.5, 0.6, 0.1, 0.0, 0.2, 0.03)
    record = {
        "model": "m", "wnr_db": 2.0, "preset": asdict(presets.PRESETS["audited"]),
        "draws": [{"ml_accuracy": 0.4, "best_accuracy": 0.6}],
        "selections": [asdict(replace(selection, kappa=kappa)) for kappa in surfaces.KAPPAS],
    }  # fmt: skip
    (tmp_path / "m-audited.json").write_text(json.dumps(record))
    (row,) = same_width(list(figure7.report(tmp_path)))
    assert "50.0 (60.0)" in row
    assert "10.0 (0.0 to 20.0)" in row


def test_table_1_with_and_without_weights() -> None:
    bare = table1.Row("cifar10-resnet34", "ResNet34", 100, 90)
    first, second = same_width(list(table1.report([bare, replace(bare, test=0.9, train=1.0, mean=0.0, var=1.0)])))
    assert "no weights here (95.81)" in first
    assert "90.00 (95.81)" in second


def test_figure_8_wants_whole_runs(tmp_path: Path) -> None:
    assert figure8.runs(TINY, tmp_path) == {}
