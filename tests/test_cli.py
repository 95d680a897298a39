"""The command as scripts and people use it."""

import io
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from rich.console import Console

from analognn import __version__
from analognn.cli import main
from analognn.cli_run import run_table
from analognn.estimates import Estimate
from analognn.experiments import Entry, Scenario, Store, Summary


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def scenario_file(tiny, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(tiny.to_toml())
    return path


def test_run_leaves_records_summary_and_picture_and_says_where(scenario_file, tmp_path):
    out = tmp_path / "out"
    outcome = call("run", scenario_file, "--out", out, "--workers", 1, "--device", "cpu")
    assert outcome.exit_code == 0
    files = {"results.sqlite", "results.csv", "summary.json", "accuracy_vs_wnr.png"}
    assert {path.name for path in out.iterdir()} == files
    assert (out / "accuracy_vs_wnr.png").read_bytes().startswith(b"\x89PNG")
    assert outcome.output.splitlines()[-1] == f"Records, table and picture are in {out}/"
    assert "mmsepb" in outcome.output
    assert "±" in outcome.output

    shown = call("show", "run", out)
    assert shown.exit_code == 0
    assert shown.output in outcome.output
    (out / "accuracy_vs_wnr.png").unlink()
    assert call("plot", out).exit_code == 0
    assert (out / "accuracy_vs_wnr.png").exists()

    again = call("run", scenario_file, "--out", out, "--set", "seeds=3")
    assert again.exit_code == 2
    assert "+seeds = 3" in again.output


def test_a_narrow_table_cuts_no_name_short():
    accuracy = Estimate(0.5, 0.4, 0.6)
    points = [{"a_parameter_with_a_long_name": value} for value in (0.001, 0.003)]
    entries = [
        Entry("awgn", "awgn", point, "protect+recalibrate", "unlabelled", 9, 0, 9, 2, accuracy, None, 3.0)
        for point in points
    ]
    console = Console(width=70, record=True, file=io.StringIO())
    console.print(run_table(Summary(Scenario.named("default"), 0.9, tuple(entries))))
    cells = console.export_text()
    assert "…" not in cells
    assert "".join(line.split("│")[2].strip() for line in cells.splitlines() if "│" in line).count("0.00") == 2


def test_sweep_runs_every_combination_in_a_folder_of_its_own(scenario_file, tmp_path):
    out = tmp_path / "sweep"
    over = ["--over", "denoiser.kappa=[10, 20]", "--over", "seed=[0]", "--set", "media.awgn.wnr_db=[3.0]"]
    assert call("sweep", scenario_file, "--out", out, "--workers", 1, *over).exit_code == 0
    folders = sorted(path.name for path in out.iterdir())
    assert folders == ["denoiser.kappa=10,seed=0", "denoiser.kappa=20,seed=0"]
    assert [Store(out / name).scenario.denoiser.kappa for name in folders] == [10, 20]
    assert all((out / name / "accuracy_vs_wnr.png").exists() for name in folders)


def test_list_names_everything_with_a_line_each():
    outcome = call("list")
    assert outcome.exit_code == 0
    found = json.loads(call("list", "--json").output)
    kinds = {"backends", "channels", "receivers", "models", "data sets", "scenarios", "federated scenarios"}
    assert set(found) == kinds
    for items in found.values():
        assert items
        for name, item in items.items():
            assert item["summary"], name
            assert name in outcome.output
    assert found["channels"]["awgn"]["parameters"] == {"noise_var": None, "wnr_db": None}


def test_show_scenario_prints_a_file_that_runs(tmp_path):
    printed = call("show", "scenario", "default", "--set", "seeds=2").output
    (tmp_path / "mine.toml").write_text(printed)
    assert call("show", "scenario", tmp_path / "mine.toml").output == printed
    assert "seeds = 2" in printed


def test_show_certificate_writes_a_picture_and_its_numbers(tmp_path):
    out = tmp_path / "certificate.png"
    arguments = ["pcm", "--set", "t_inference=60.0", "--seeds", 2, "--test-examples", 20, "--out", out]
    outcome = call("show", "certificate", *arguments)
    assert outcome.exit_code == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    found = json.loads(out.with_suffix(".json").read_text())
    assert found["medium"] == {"backend": "pcm", "t_inference": 60.0}
    assert (found["model"], found["draws"], len(found["accuracy"])) == ("mnist-resnet8", 2, 7)
    assert found["versions"]["analognn"] == __version__
    assert {path.name for path in tmp_path.iterdir()} == {"certificate.png", "certificate.json"}
    assert "Held against AWGN" in outcome.output
    assert outcome.output.splitlines()[-1] == f"Picture and numbers are in {out} and {out.with_suffix('.json')}"


def test_version():
    assert call("--version").output == f"analognn, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "defalt"], "Did you mean 'default'"),
        (["run", "--set", "denoiser.kapa=4"], "Did you mean 'denoiser.kappa'"),
        (["run", "--set", "denoiser.kappa=501"], "must be <= 500"),
        (["run", "--set", "media.awgn.wnr_db=ten"], "`Awgn(wnr_db=...)` must be a finite number; got 'ten' (str)"),
        (["run", "--device", "tpu"], "must be one of auto, cpu, cuda; got 'tpu'"),
        (["run", "cifar10-resnet20", "--data", "nowhere"], "ANALOGNN_DATA or --data DIR"),
        (["run", "--workers", "0"], "0 is not in the range"),
        (["run", "--nonsense"], "No such option"),
        (["sweep", "--over", "denoiser.kappa=10"], "`--over` needs KEY=[V, ...]"),
        (["sweep"], "Missing option '--over'"),
        (["show", "run", "nowhere"], "No results in 'nowhere'"),
        (["show", "certificate", "pmc"], "Did you mean 'pcm'"),
        (["show", "certificate", "pcm", "--set", "g_max=-1.0"], "`Pcm(g_max=...)` must be a finite number > 0"),
        (["show", "certificate", "pcm", "--set", "gmax=1.0"], "Did you mean 'g_max'"),
        (["show", "certificate", "pcm", "--set", "g_max"], "`--set` needs KEY=VALUE"),
        (["show", "certificate", "pcm", "--model", "resnet"], "must be one of"),
        (["show", "certificate", "pcm", "--seeds", "0"], "0 is not in the range"),
        (["show", "certificate", "pcm", "--test-examples", "1001"], "must be <= 1000"),
        (["show", "certificate", "pcm", "--out", "nowhere/a.png"], "in a folder that is there"),
        (["show", "certificate", "pcm", "--out", "a.jpg"], "must be a .png file"),
        (["plot", "nowhere"], "No results in 'nowhere'"),
        (["nonsense"], "No such command"),
    ],
)
def test_bad_usage_is_one_message_and_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = call(*arguments)
    assert outcome.exit_code == 2
    assert message in outcome.output
    assert not list(tmp_path.iterdir())


def test_a_failed_trial_is_exit_code_1(scenario_file, tmp_path, monkeypatch):
    from analognn.experiments import runner

    def breaks(*_):
        raise RuntimeError("the medium broke")

    monkeypatch.setattr(runner, "run_trials", breaks)
    outcome = call("run", scenario_file, "--out", tmp_path / "out", "--workers", 1)
    assert outcome.exit_code == 1
    assert "the medium broke" in outcome.output
    assert "5 noise draws failed; the same command tries them again." in outcome.output


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['analognn', '--help']\n"
        "from analognn.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'sionna', 'aihwkit', 'pydantic', 'matplotlib', 'rich'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"
    assert "Usage: analognn" in output
