"""The figures, the table of claims and the command."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from analognn.cli import main
from analognn.theory import NoisyWeights, Quadratic, Shallow, figures
from analognn.theory.claims import claims


def call(*arguments):
    return CliRunner().invoke(main, ["theory", *(str(argument) for argument in arguments)], catch_exceptions=False)


def test_the_simulated_points_lie_on_the_curves():
    found = figures.figure5(Shallow(), draws=20_000, seed=1)
    cuts = [figures.figure3(Quadratic(), draws=100_000, seed=1).cut, found.along_theta, found.along_rho, found.excess]
    cuts += figures.figure6(Shallow(half_width=0.5), draws=20_000, seed=1).cuts.values()
    for cut in cuts:
        known = cut.standard_error > 0  # MMSE against itself has none
        assert (np.abs(cut.mean - cut.theory)[known] < 4.5 * cut.standard_error[known]).all()
        np.testing.assert_allclose(np.interp(cut.at, cut.x, cut.exact), cut.theory, rtol=0.01, atol=1e-3)


def test_the_best_denoiser_is_drawn_where_it_is_not_theorem_3s():
    assert set(figures.figure3(Quadratic(), draws=1000).named) == {"ml", "mmse", "mmsepb"}
    noisy = figures.figure3(Quadratic(NoisyWeights(2.25, 9.0)), draws=1000)
    assert noisy.errors["best"] < noisy.errors["mmsepb"]
    assert noisy.errors["best"] <= noisy.surface[:, noisy.theta >= noisy.named["mmse"].theta].min()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("figure3", "D: ml 15.56, mmse 7.459, mmsepb 6.447. Theorem 3: lambda' = 0.3679, gain over ML 58.6%"),
        ("figure5", "D: ml 0.5349, mmse 0.2530, mmsepb 0.2572, best 0.2529. Theorem 5: lambda' = 0.1716"),
        ("figure6", "c up to 0.5: ml -20.0% to +9.1%"),
    ],
)
def test_a_figure_is_a_line_and_a_picture(name, line, tmp_path):
    out = tmp_path / "it.png"
    outcome = call(name, "--draws", 1000, "--out", out)
    assert outcome.exit_code == 0, outcome.output
    assert line in outcome.output.splitlines()[0]
    assert outcome.output.splitlines()[-1] == f"Picture: {out}"
    assert out.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [out]


def test_a_figure_takes_another_network(tmp_path):
    outcome = call("figure3", "--draws", 1000, "--noise-var", 9, "--dim", 5, "--out", tmp_path / "it.png")
    assert "best 13.98" in outcome.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure3", "--noise-var", "-1"], "`NoisyWeights(noise_var=...)` must be a finite number > 0; got -1.0."),
        (["figure3", "--dim", "0"], "`Quadratic(dim=...)` must be an integer >= 1; got 0."),
        (["figure5", "--half-width", "9"], "`Shallow(half_width=...)` must be a finite number > 0 and <= 3.26599"),
        (["figure6", "--out", "nowhere/a.png"], "in a folder that is there"),
        (["figure6", "--out", "a.jpg"], "must be a .png file"),
        (["figure3", "--draws", "10"], "is not in the range"),
        (["figure4"], "No such command"),
    ],
)
def test_bad_usage_is_one_message_and_exit_code_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = call(*arguments)
    assert outcome.exit_code == 2
    assert message in outcome.output
    assert not list(tmp_path.iterdir())


def test_the_table_says_what_holds():
    found = {claim["where"]: claim for claim in json.loads(call("table", "--json").output)}
    assert len(found) == len(claims())
    assert found["Theorem 3, (18)"]["verdict"] == "wrong"
    assert found["Figure 3, gain (19)"]["ours"] == "58.6%"
    assert found["Appendix A, P4"]["ours"].startswith("saddle")
    assert "-0.0396" in found["Theorem 5, lambda*"]["ours"]
    assert {claim["verdict"] for claim in found.values()} == {"holds", "holds in part", "wrong", "misprint"}
    printed = call("table").output
    assert "Proposition 1" in printed
    assert "misprint" in printed
