"""Studies: the table, curves over seeds, records, pictures and the command."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from analognn import cli_train, plots_training
from analognn.training import study
from analognn.training.study import STUDIES, Claim, Curve, Findings, Panel, Study, load


def findings(*, seeds, data_dir, progress):
    runs = [[1.0, 0.5 + 0.1 * seed] for seed in range(seeds)]
    curves = (
        Curve.over_seeds("loss", [1, 2], runs),
        Curve("loss", (1.0, 2.0), (1.0, 0.6), None, "theory"),
        Curve.over_seeds("error", [1, 2], runs, kind="points"),
        Curve("bound", (1.0, 2.0), (1.0, 1.0), None, "theory"),
    )
    progress(seeds, seeds)
    panels = tuple(Panel("t" * 80, "step", "loss", curves, log_x, not log_x) for log_x in (True, False))
    return Findings(panels, (Claim("here", "1", "1", "reproduced"),), {"seeds": seeds})


SMALL = Study("small", "A small study.", "a paper", findings)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(STUDIES, "small", "small:STUDY")
    monkeypatch.setattr(study, "load", lambda name: SMALL if name == "small" else load(name))


def test_the_names_load_no_torch():
    code = "import sys, analognn.cli, analognn.training.study as s; print(len(s.STUDIES), 'torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(len(STUDIES)), "False"]


@pytest.mark.parametrize("name", ["masks", "backprop", "weight-decay"])
def test_a_study_knows_its_name(name):
    assert load(name).name == name


def test_an_unknown_method_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="must be one of .*; got 'mask'. Did you mean 'masks'"):
        load("mask")


def test_a_curve_over_seeds_has_the_mean_and_student_s_interval():
    curve = Curve.over_seeds("loss", [0, 1], [[1.0, 2.0], [1.0, 4.0]])
    assert curve.y == (1.0, 3.0)
    assert curve.half_width == pytest.approx((0.0, 12.706), rel=1e-4)
    assert Curve.over_seeds("loss", [0], [[1.0]]).half_width is None
    with pytest.raises(ValueError, match=r"`Curve\('loss'\)` needs x, y and half_width of one length; got \[1, 2\]"):
        Curve("loss", (1.0,), (1.0, 2.0))


def test_no_seeds_is_an_error():
    with pytest.raises(ValueError, match="must be an integer >= 1; got 0"):
        SMALL.find(seeds=0)


def test_the_command_writes_picture_and_numbers(small, tmp_path):
    out = tmp_path / "small.png"
    result = CliRunner().invoke(cli_train.train, ["small", "--seeds", "3", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "reproduced" in result.output
    assert out.stat().st_size > 10000
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["method"] == "small"
    assert record["panels"][0]["curves"][0]["y"] == pytest.approx([1.0, 0.6])
    assert record["settings"] == {"seeds": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.json", "small.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mask"], "Did you mean 'masks'?"),
        (["small", "--out", "small.jpg"], "`--out` must be a .png file"),
        (["small", "--out", "nowhere/small.png"], "in a folder that is there"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(small, arguments, message):
    result = CliRunner().invoke(cli_train.train, arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_help_names_the_methods_and_list_explains_them(small, monkeypatch):
    assert "weight-noise" in CliRunner().invoke(cli_train.train, ["--help"]).output
    monkeypatch.setattr(cli_train, "STUDIES", {"small": "small:STUDY"})
    assert "A small study." in CliRunner().invoke(cli_train.train, ["--list"]).output


def test_a_label_keeps_its_colour_and_theory_shares_it():
    figure = plots_training.draw(findings(seeds=3, data_dir=None, progress=lambda *_: None), title="small")
    assert len(figure.axes) == 2
    for axes in figure.axes:
        measured, theory = axes.lines[:2]
        assert measured.get_color() == theory.get_color()
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss", "bound", "error", "theory"]
    assert figure.axes[0].lines[0].get_color() == figure.axes[1].lines[0].get_color()
