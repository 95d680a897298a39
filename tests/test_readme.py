"""What the README and the pages of results show runs as it stands there."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from analognn.cli import main
from analognn.experiments import Scenario

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/results/*.md"))]
HARDWARE = ROOT / "docs" / "results" / "hardware.md"


def blocks(language, *pages):
    texts = [page.read_text(encoding="utf-8") for page in pages or PAGES[:1]]
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)]


def run(code, folder):
    (folder / "example.py").write_text(code, encoding="utf-8")
    runpy.run_path(str(folder / "example.py"))


def test_the_python_example_runs(tmp_path, capsys):
    example, *_ = blocks("python")
    (forward,) = blocks("python", HARDWARE)
    run(example + forward, tmp_path)
    printed = capsys.readouterr().out
    assert "EffectiveNoise(gain=" in printed
    assert 0.9 < float(printed.splitlines()[-1]) <= 1.0  # on tiles, at the measured noise


def test_the_channel_example_keeps_the_contract(tmp_path):
    *_, channel, contract = blocks("python")
    run(channel + contract, tmp_path)


def test_the_scenario_is_one():
    (text,) = (block for block in blocks("toml") if "[media.awgn]" in block)
    scenario = Scenario.from_toml(text)
    assert scenario.media["rayleigh"].backend == "ofdm"


def test_the_entry_point_is_in_the_group_that_is_read():
    (text,) = (block for block in blocks("toml") if "entry-points" in block)
    assert "analognn.backends" in tomllib.loads(text)["project"]["entry-points"]


@pytest.mark.parametrize(
    "line", [line for block in blocks("sh", *PAGES) for line in block.splitlines() if line.startswith("analognn ")]
)
def test_every_command_has_the_options_shown(line):
    words = line.split("#")[0].split()
    command, options = words[1 : 3 if words[1] == "show" else 2], [word for word in words if word.startswith("--")]
    usage = CliRunner().invoke(main, [*command, "--help"]).output
    assert "Usage" in usage
    assert all(option in usage for option in options)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_named_is_there(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
