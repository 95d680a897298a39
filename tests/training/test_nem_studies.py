"""What the studies of noise-boosted backpropagation train, and how they judge it."""

import math

import pytest
import torch

from analognn.training.studies.boosted import (
    NUM_CONTROLS,
    Course,
    Digits,
    Setting,
    _Boost,
    constant,
    controls,
    noise,
    quiet,
    relative,
    train,
)
from analognn.training.studies.nem import scans
from analognn.training.studies.nem_claims import _found, _gradient_identity, _taken_on_the_simplex
from analognn.training.studies.nem_regression import mean_of_printed


def digits(networks=2, samples=60):
    """Two blobs a network, told apart by ten labels."""
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(samples).expand(networks, samples) % 10
    inputs = torch.rand(networks, samples, 784, generator=g) + torch.nn.functional.one_hot(labels, 784) * 3
    return Digits(inputs, labels, inputs[0], labels[0])


def alone(found, k):
    return Digits(found.inputs[k : k + 1], found.labels[k : k + 1], found.test_inputs, found.test_labels)


@pytest.mark.parametrize(
    "setting",
    [
        Setting(output=noise(0.01), hidden=noise(0.01), reading="activation"),
        Setting(output=noise(0.01, "mirrored"), law="likelihood", optimiser="cg"),
    ],
)
def test_a_network_trains_in_a_stack_as_it_trains_alone(setting):
    state, data = torch.get_rng_state(), digits()
    stacked = train(setting, data, [3, 4], iterations=2)
    single = train(setting, alone(data, 1), [4], iterations=2)
    assert torch.allclose(stacked.train_loss[:, 1:], single.train_loss, rtol=1e-4)
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_of_no_variance_is_no_noise_and_settings_of_a_seed_share_all_else():
    data = digits(1)
    still = train(Setting(), data, [0], iterations=2)
    for setting in (Setting(output=noise(0.0)), Setting(hidden=noise(0.0)), Setting(output=noise(0.0), constant=True)):
        assert torch.allclose(train(setting, data, [0], iterations=2).train_loss, still.train_loss, rtol=1e-5)
    moved = train(Setting(output=noise(0.01)), data, [0], iterations=2)
    assert not torch.allclose(moved.train_loss, still.train_loss, rtol=1e-3)


def test_line_searches_lower_the_loss_and_samples_of_states_train():
    data = digits(1)
    found = train(Setting(optimiser="cg"), data, [0], iterations=3).train_loss
    assert (found.diff(dim=0) < 0).all()
    assert torch.isfinite(train(Setting(samples=3), data, [0], iterations=1).train_loss).all()


def test_the_constant_is_the_mean_of_accepted_noise_at_even_odds():
    """E[n_k; n . ln a >= 0] = -sqrt(v / 2 pi K) at a = 1/K; the control adds it with the other sign."""
    variance, draws = 0.3, 200_000
    output, target = torch.zeros(draws, 10), torch.eye(10)[0].expand(draws, 10)
    boosted = [
        _Boost(Setting(output=noise(variance, rule)), [0]).targets(output[None], target[None], 0)[0] - target
        for rule in ("nem", "mirrored")
    ]
    standard_error = math.sqrt(variance / draws / 10)  # of the mean over components; accepted or not, at most this
    for added, sign in zip(boosted, (-1, 1), strict=True):
        assert abs(float(added.mean()) - sign * constant(variance)) < 4 * standard_error
        assert abs(float(added.mean()) - 2 * sign * constant(variance)) > 4 * standard_error
    control = _Boost(Setting(output=noise(variance), constant=True), [0]).targets(output[:5], target[:5], 0)
    assert torch.allclose(control - target[:5], torch.tensor(constant(variance)))


def test_mean_of_noise_in_the_printed_sphere():
    n = math.sqrt(0.3) * torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    for e in (-0.2, 0.7):
        kept = n * ((n - e).abs() <= abs(e))
        standard_error = float(kept.std()) / math.sqrt(len(n))
        mean = float(mean_of_printed(torch.tensor(e), 0.3))
        assert abs(float(kept.mean()) - mean) < 4 * standard_error
        assert abs(float(kept.mean()) - 2 * mean) > 4 * standard_error


def test_relative_compares_each_network_with_itself():
    base = Course(*(torch.tensor([[1.0, 4.0], [3.0, 4.0]]) for _ in range(4)))
    half = Course(*(torch.tensor([[1.0, 2.0], [1.0, 2.0]]) for _ in range(4)))
    assert relative(half, base, "train_error") == [0.5, 0.5]
    diverged = base._replace(train_loss=base.train_loss * torch.tensor([9.0, math.nan]))
    assert relative(diverged, base, "train_loss") == [3, 3]


def test_every_setting_has_its_noiseless_twin_and_the_best_has_all_controls():
    settings = [each for scan in scans().values() for curve in scan.values() for each in curve.values()]
    for each in settings:
        twin = quiet(each)
        assert (twin.rate, twin.optimiser, twin.output, twin.hidden) == (each.rate, each.optimiser, None, None)
    found = controls(Setting(output=noise(0.01, decay=4), rate=0.1))
    assert len(found) == NUM_CONTROLS
    assert found["inequality reversed"].output == noise(0.01, "mirrored", decay=4)
    with pytest.raises(ValueError, match="needs noise on the targets"):
        controls(Setting())


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ([-0.17, -0.19, -0.18], "reproduced"),
        ([-0.05, -0.06, -0.07], "partly"),
        ([-0.3, 0.3, -0.1], "not reproduced"),
        ([0.5, 0.6, 0.7], "not reproduced"),
        ([-0.2], "reproduced"),
    ],
)
def test_verdict_needs_an_interval_below_zero_that_reaches_the_source(changes, verdict):
    assert _found("here", -0.18, "error", changes).verdict == verdict


def test_theory_figures():
    identity, means = _gradient_identity()
    assert identity < 1e-12
    assert means > 0.05
    right, wrong = _taken_on_the_simplex()
    assert right == 0  # noise that keeps a 1-in-K target on the simplex can only help the classes above the true one
    assert wrong > 0.1
