"""The studies on Boltzmann machines and memories: the enumerated part, single runs, and what is made of runs."""

import pytest
import torch

from analognn.training.studies import bam, rbm, rbm_runs
from analognn.training.studies.rbm_exact import Exact, exact


def test_identities_hold_and_no_noise_meets_the_condition_at_maximum_likelihood():
    found = exact(0)
    assert found.hebbian < 1e-12
    assert found.surrogate < 1e-12
    assert 0.5 < found.cosine < 0.9999  # close, and not the gradient
    assert 0.4 < found.accepted < 0.6
    assert 0 < found.holds < 1
    assert found.learned == 0


@pytest.fixture
def runs():
    """Two runs in which every setting with a 1.25-fold rate, and no other, halves the error."""
    settings = {s for scan in rbm_runs.scans().values() for curve in scan.values() for s in curve.values()}
    plain = rbm_runs.Setting()
    settings |= {plain, rbm_runs.Setting(batch=1000), rbm_runs.Setting(visible="gaussian")}
    settings |= {rbm_runs.noisy(plain, "nem", rbm_runs.LITERAL)}
    errors = {s: [(4.0 if s.faster != 1.25 else 2.0) / (k + 1) for k in range(rbm_runs.ITERATIONS)] for s in settings}
    tuned = {"pretrained": [0.1] * 20, "random weights": [0.9] * 20}
    return [rbm_runs.Run(errors, Exact(0.0, 0.0, 0.9, 0.5, 0.1, 0.0), tuned)] * 2


def test_gains_are_against_the_same_setting_without_noise(runs):
    assert runs[0].gain(rbm_runs.Setting(faster=1.25)) == 0.5
    assert runs[0].gain(rbm_runs.noisy(rbm_runs.Setting(), "nem", 0.5)) == 0


def test_a_gain_that_is_not_there_is_not_reproduced(runs):
    verdicts = {claim.where: claim.verdict for claim in rbm._claims(runs)}
    assert verdicts["Figure 6"] == "not reproduced"
    assert verdicts["Figure 7"] == "reproduced"
    assert verdicts["section 8"] == "reproduced"


def test_every_setting_has_its_curve(runs):
    for title, scan in rbm_runs.scans().items():
        panel = rbm._panel(title, scan, runs)
        assert [curve.label for curve in panel.curves] == [*scan, "source: 16 %"]


def test_learning_lowers_the_error_and_is_paired(monkeypatch):
    monkeypatch.setattr(rbm_runs, "ITERATIONS", 4)
    images = (torch.rand(200, 30, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    plain, quiet = rbm_runs.Setting(batch=20), rbm_runs.noisy(rbm_runs.Setting(batch=20), "nem", 0.0)
    errors = rbm_runs.learn(plain, 0, images)
    assert errors[-1] < errors[0]
    assert rbm_runs.learn(quiet, 0, images) == errors  # noise draws from a generator of its own


def test_recall_of_one_pair_and_of_far_too_many():
    for kind in bam.KINDS[:2]:
        assert bam._recalled(0, kind, 1) == 1
        assert bam._recalled(0, kind, 60) < 0.1
    assert bam._recalled(0, bam.KINDS[2], 2) == 0


def test_first_crossing():
    assert bam._first([3.0, 2.0, 1.0], 2.0) == 2
    assert bam._first([3.0, 2.0], 1.0) == 3
