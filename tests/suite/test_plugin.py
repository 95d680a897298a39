"""A third party's receiver: less than 30 lines, checked by the contract, listed, run, and in the table."""

import subprocess
import sys
from pathlib import Path

PLUGIN = Path(__file__).parent.parent / "plugins" / "keepvariance"
SCENARIO = """
name = "mine"
model = "mnist-resnet8"
seeds = 5
test_examples = 50
[media.awgn]
wnr_db = [-2.0, 6.0]
[denoiser]
names = ["ml", "keep-variance", "keep-variance@tensor+recalibrate"]
unlabelled = 50
"""
CODE = """
import sys
from analognn.catalogue import catalogue
from analognn.cli import main
from analognn.denoise.testing import check_denoiser
from analognn_keepvariance import KeepVariance
check_denoiser(KeepVariance())
assert "third party" in catalogue()["receivers"]["keep-variance"]["summary"]
scenario, out, board = sys.argv[1:]
main(["run", scenario, "--out", out, "--workers", "1"], standalone_mode=False)
main(["leaderboard", out, "--out", board], standalone_mode=False)
"""


def test_a_third_party_receiver_is_in_the_leaderboard(tmp_path):
    lines = (PLUGIN / "analognn_keepvariance.py").read_text().splitlines()
    assert len(lines) < 30
    site, source = tmp_path / "site", tmp_path / "source"
    source.mkdir()
    for file in PLUGIN.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--no-index", "--target", str(site), str(source)], check=True)
    (tmp_path / "mine.toml").write_text(SCENARIO)
    environment = {"PYTHONPATH": str(site), "PATH": "", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CODE, *(str(tmp_path / name) for name in ("mine.toml", "out", "board.md"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    board = (tmp_path / "board.md").read_text()
    assert "| keep-variance | none |" in board
    assert "| keep-variance@tensor+recalibrate | unlabelled | 50 inputs |" in board
