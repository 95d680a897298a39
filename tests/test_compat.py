"""The table of measured pairs, and the doctor that reads it."""

import pytest
from click.testing import CliRunner

from analognn import compat
from analognn.cli import main

GOOD = {"torch": "2.12.1+cu130", "torchvision": "0.27.1", "aihwkit": "1.1.0", "sionna": "2.2.0", "numpy": "2.4.6"}


@pytest.fixture
def pretend(monkeypatch):
    """Make the installed versions look like these."""

    def install(**versions):
        torch_of_torchvision = versions.pop("built_for", "2.12.1")
        monkeypatch.setattr(compat, "installed", {**GOOD, **versions}.get)
        monkeypatch.setattr(
            compat, "requires", lambda _: ["numpy", f"torch=={torch_of_torchvision}", "scipy; extra=='x'"]
        )

    return install


@pytest.mark.parametrize(
    ("aihwkit", "torch", "fits"),
    [
        ("1.1.0", "2.9.1", False),
        ("1.1.0", "2.10.0", True),
        ("1.1.0", "2.12.1+cpu", True),
        ("1.1.0", "2.13.0", False),
        ("1.2.0", "2.12.1", False),
        ("1.2.0", "2.13.0", True),
        ("1.2.0", "2.15.0", True),
        ("1.2.0", "2.16.0", False),
        ("2.0.0", "2.13.0", False),
    ],
)
def test_a_wrong_pair_is_named_with_the_way_out(pretend, aihwkit, torch, fits):
    pretend(aihwkit=aihwkit, torch=torch)
    problem = compat.aihwkit_problem()
    assert bool(problem) is not fits
    if fits:
        compat.require_aihwkit()
    else:
        assert aihwkit in problem
        assert "constraints.txt" in problem
        with pytest.raises(RuntimeError, match="aihwkit cannot be used here"):
            compat.require_aihwkit()


def test_the_installed_set_fits():
    assert [finding for finding in compat.diagnose() if finding.problem] == []
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 0


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ({"torch": "2.13.0"}, "aihwkit 1.1.0 works with torch >= 2.10, < 2.13; got 2.13.0"),
        (
            {"torchvision": "0.26.0", "built_for": "2.11.0"},
            "torchvision 0.26.0 is built for torch 2.11.0; got 2.12.1+cu130",
        ),
        ({"sionna": "1.2.1"}, "needs sionna >= 2.2; got 1.2.1"),
        ({"aihwkit": ""}, "aihwkit is not installed"),
        ({"numpy": ""}, "numpy is not installed"),
    ],
)
def test_the_doctor_names_what_is_wrong_and_fails(pretend, versions, message):
    pretend(**versions)
    outcome = CliRunner().invoke(main, ["doctor"])
    assert outcome.exit_code == 1
    assert message in outcome.output
    assert "BAD" in outcome.output
