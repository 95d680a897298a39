"""The command: parts run, are skipped and resumed; controls catch what they are for."""

import dataclasses
import json
import math

import pytest
from click.testing import CliRunner

from analognn.cli import main
from analognn.experiments.record import Record
from analognn.suite import Part, violations
from analognn.suite.scoring import scores

CONTROLS = """
name = "controls"
model = "mnist-resnet8"
seeds = 1
test_examples = 50
[media.infinite-wnr]
backend = "awgn"
noise_var = 0.0
[denoiser]
names = ["ml", "mmse", "laplace@tensor", "protect"]
kappa = 20
"""
INFERENCE = """
name = "inference"
model = "mnist-resnet8"
seeds = 5
test_examples = 50
[media.awgn]
wnr_db = [-6.0, 10.0]
[denoiser]
names = ["ml", "protect"]
kappa = 20
"""
SPEED = INFERENCE.replace('"inference"', '"speed"').replace("seeds = 5", "seeds = 2")
TRANSFORMERS = 'name = "transformers"\nmodel = "sst2-minilm"\n[media.awgn]\nwnr_db = 6.0\n'


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A small tier: name -> its file; parts without one run what needs none."""
    made = {"controls": CONTROLS, "inference": INFERENCE, "speed": SPEED, "transformers": TRANSFORMERS}
    paths = {name: tmp_path / f"{name}.toml" for name in made}
    for name, text in made.items():
        paths[name].write_text(text)
    monkeypatch.setattr(Part, "path", property(lambda part: paths.get(part.name)))
    for module in ("tiers", "pages"):
        monkeypatch.setattr(f"analognn.suite.{module}.PARTS", dict.fromkeys([*made, "theory"], ""))
    return paths


def bench(tmp_path, *options):
    return CliRunner().invoke(main, ["bench", "--out", str(tmp_path / "out"), "--workers", "1", *options])


def test_a_tier_runs_skips_what_lacks_data_and_scores_the_rest(files, tmp_path):
    done = bench(tmp_path, "--data", str(tmp_path))
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out" / "bench.json").read_text())["parts"]
    status = {each["part"]: each["status"] for each in found}
    assert status == {
        "controls": "done", "inference": "done", "speed": "done", "transformers": "skipped", "theory": "done",
    }  # fmt: skip
    (skipped,) = (each["said"] for each in found if each["part"] == "transformers")
    assert "ANALOGNN_DATA or --data DIR" in skipped[0]
    scores = (tmp_path / "out" / "SCORES.md").read_text()
    assert scores.index("| ml | none |") < scores.index("| protect | side-information | 15.8 kbit |")
    assert "| awgn | wnr_db=-6 |" in scores
    assert "| Theorem 3, (18) |" in scores
    assert "| receiver | protect |" in scores
    assert json.loads((tmp_path / "out" / "theory" / "claims.json").read_text())
    timed = json.loads((tmp_path / "out" / "speed" / "timings.json").read_text())["timings"]
    assert {each["name"] for each in timed} == {"awgn", "ml", "protect"}
    assert all(each["seconds"] > 0 for each in timed)

    before = (tmp_path / "out" / "inference" / "results.csv").read_text()
    again = bench(tmp_path, "--only", "theory")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "out" / "inference" / "results.csv").read_text() == before
    assert len(json.loads((tmp_path / "out" / "bench.json").read_text())["parts"]) == 5


def test_a_failing_control_fails_the_command(files, tmp_path):
    files["controls"].write_text(CONTROLS.replace("noise_var = 0.0", "noise_var = 1e-5"))
    done = bench(tmp_path, "--only", "theory")
    assert done.exit_code == 1
    assert "infinite-wnr {} draw 0, ml: noise_var" in done.output
    assert "control or a trial" in done.output


def test_a_part_that_was_asked_for_and_lacks_data_is_an_error(files, tmp_path):
    done = bench(tmp_path, "--only", "transformers", "--data", str(tmp_path))
    assert done.exit_code == 2
    assert "Part 'transformers' was skipped" in done.output


def record(medium, denoiser, **changes):
    plain = Record(medium, "{}", 0, denoiser, "awgn", 99, 100, 1.5, noise_var=0.0, wnr_db=9.0, budget="none")
    return dataclasses.replace(plain, **changes)


CLEAN = record("clean", "none", noise_var=None, wnr_db=None)


@pytest.mark.parametrize(
    ("records", "lines"),
    [
        ([record("infinite-wnr", "ml"), record("noiseless-x", "ml", loss_sum=1.6)], 0),
        ([record("infinite-wnr", "ml", loss_sum=1.5000001)], 1),
        ([record("infinite-wnr", "ml", noise_var=1e-30)], 1),
        ([record("infinite-wnr", "protect", loss_sum=1.6, budget="side-information")], 1),
        ([record("infinite-wnr", "mmsepb", loss_sum=1.6, budget="labelled")], 0),
        ([record("infinite-wnr", "protect", correct=98, budget="side-information")], 1),
        ([record("noiseless-x", "ml", correct=98)], 1),
        ([record("awgn", "ml", correct=5), record("awgn", "mmse", correct=7)], 0),
        ([record("awgn", "ml"), record("awgn", "mmse", noise_var=0.1)], 1),
    ],
)
def test_controls_catch_what_they_are_for(records, lines):
    assert len(list(violations([CLEAN, *records]))) == lines


def test_a_digital_link_that_delivers_nothing_or_all_is_scored_by_what_it_delivered():
    at = [("0", -math.inf, 10, None), ("1", 30.0, 40, 20), ("2", 30.0, 80, 20)]
    rows = [
        record("digital", "recalibrate", point=point, wnr_db=wnr_db, correct=correct, unlabelled=used)
        for point, wnr_db, correct, used in at
    ]
    (score,) = scores([CLEAN, *rows])
    assert score.area.mean == pytest.approx(0.6)
    assert score.unlabelled == 20
