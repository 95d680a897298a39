"""The grid search looks at every point, breaks ties by the loss, and leaves what it was given alone."""

import math

import pytest
import torch
from torch import nn

from analognn import Evaluator, MmsePb, ParameterLayout, Prior, grid_search
from analognn.channels import Awgn, Received

GRID = {"lambda_primes": [0.0, 0.5, 1.0], "betas": [-1.0, 0.0, 1.0]}


@pytest.fixture(scope="module")
def problem():
    """A linear classifier, its noisy weights, and data it labels itself."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 5), nn.BatchNorm1d(5, affine=False)).eval()
    nn.init.normal_(model[0].weight, generator=generator)
    nn.init.zeros_(model[0].bias)
    inputs = torch.randn(300, 20, generator=generator)
    evaluator = Evaluator(inputs, model(inputs).argmax(-1), device="cpu")
    layout = ParameterLayout.from_model(model)
    received = Awgn(noise_var=0.5).transmit(layout.pack(model).vector, generator=generator)
    return model, layout, received, Prior.from_received(received), evaluator


def test_every_point_of_the_surface_is_the_accuracy_of_its_denoiser(problem):
    model, layout, received, prior, evaluator = problem
    result = grid_search(*problem, **GRID)
    for i, lambda_prime in enumerate(GRID["lambda_primes"]):
        for j, beta in enumerate(GRID["betas"]):
            w_hat = MmsePb(lambda_prime, beta)(received, prior)
            assert result.surface[i, j] == evaluator(layout.unpack(w_hat, model)).accuracy
    assert result.best_score.accuracy == result.surface.max()
    assert evaluator(layout.unpack(result.best(received, prior), model)) == result.best_score


def test_nothing_given_is_changed(problem):
    model, _, received, *_ = problem
    before, values = {k: v.clone() for k, v in model.state_dict().items()}, received.values.clone()
    grid_search(*problem, **GRID)
    assert torch.equal(received.values, values)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_equal_counts_are_settled_by_the_loss(problem):
    # lambda' scales all weights and the scale of the logits of a linear model does not change the classes.
    *_, evaluator = problem
    model, layout, received, _, _ = problem
    prior = Prior(mean=0.0, var=1.0)
    result = grid_search(model, layout, received, prior, evaluator, lambda_primes=[0.0, 0.5, 1.0, 1.2], betas=[0.0])
    assert len(set(result.surface.flatten().tolist())) == 1
    losses = {
        v: evaluator(layout.unpack(MmsePb(v, 0.0)(received, prior), model)).loss_sum for v in result.lambda_primes
    }
    assert result.best.lambda_prime == min(losses, key=losses.get)


def test_points_outside_the_domain_are_nan_and_never_chosen(problem):
    model, layout, received, _, evaluator = problem
    prior = Prior(mean=0.0, var=0.25)  # bound 1.5
    result = grid_search(model, layout, received, prior, evaluator, lambda_primes=[1.0, 1.5, 2.0], betas=[0.0, 1.0])
    assert result.surface[1:].isnan().all()
    assert not result.surface[0].isnan().any()
    assert result.best.lambda_prime == 1.0
    with pytest.raises(ValueError, match=r"must hold a value < 1 \+ s_w\^2 / s_z\^2 = 1.5; got 1.5 at least"):
        grid_search(model, layout, received, prior, evaluator, lambda_primes=[1.5, 2.0], betas=[0.0])


def test_without_noise_every_point_is_the_clean_model(problem):
    model, layout, _, prior, evaluator = problem
    clean = Received(layout.pack(model).vector, 0.0, "exact")
    result = grid_search(model, layout, clean, prior, evaluator, **GRID)
    assert (result.surface == 1.0).all()


@pytest.mark.parametrize(
    ("grid", "error", "message"),
    [
        ({"lambda_primes": []}, ValueError, r"`grid_search\(lambda_primes=...\)` must hold at least one value"),
        ({"betas": []}, ValueError, r"`grid_search\(betas=...\)` must hold at least one value"),
        ({"lambda_primes": [-0.1]}, ValueError, r"lambda_primes=...\)` must be a finite number >= 0; got -0.1"),
        ({"betas": [math.inf]}, ValueError, r"betas=...\)` must be a finite number; got inf"),
        ({"betas": ["0"]}, TypeError, r"betas=...\)` must be a finite number; got '0' \(str\)"),
    ],
)
def test_bad_grids_are_refused(problem, grid, error, message):
    with pytest.raises(error, match=message):
        grid_search(*problem, **{**GRID, **grid})
