"""The grid search looks at every point; the fast search finds the same top with a fifth of the work or less."""

import math

import pytest
import torch
from torch import nn

from analognn import Evaluator, MmsePb, ParameterLayout, Prior, grid_search
from analognn.channels import Awgn, Received
from analognn.search import fast_search

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


def test_both_routes_give_the_same_surface(problem):
    loop, batch = (grid_search(*problem, **GRID, route=route) for route in ("loop", "affine"))
    assert torch.equal(loop.surface, batch.surface)
    assert (loop.best_score.correct, loop.evaluations) == (batch.best_score.correct, 9)
    assert loop.best_score.loss == pytest.approx(batch.best_score.loss)
    assert torch.equal(grid_search(*problem, **GRID).surface, loop.surface)  # "auto", on a CPU


PAPER_GRID = {"lambda_primes": [0.9 + 0.02 * i for i in range(12)], "betas": [float(b) for b in range(-11, 12)]}


@pytest.fixture(scope="module")
def clusters():
    """A small network trained on ten Gaussian clusters, and 600 points it has not seen."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(1800) % 10
    centres = 0.5 * torch.randn(10, 64, generator=generator)
    inputs = centres[labels] + torch.randn(1800, 64, generator=generator)
    model = nn.Sequential(nn.Linear(64, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU())
    model.append(nn.Linear(32, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
    for _ in range(150):
        part = torch.randint(1200, (128,), generator=generator)
        loss = nn.functional.cross_entropy(model(inputs[part]), labels[part])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
    evaluator = Evaluator(inputs[1200:], labels[1200:], device="cpu")
    assert evaluator(model.eval()).accuracy > 0.9
    return model, ParameterLayout.from_model(model), evaluator


def noisy(clusters, seed, *, kappa=100):
    """One of 24 noisy models: six levels of noise, four draws."""
    model, layout, evaluator = clusters
    channel = Awgn(wnr_db=[0.0, 2.0, 4.0, 6.0, 9.0, 12.0][seed % 6])
    received = channel.transmit(layout.pack(model).vector, generator=torch.Generator().manual_seed(seed))
    sample = evaluator.sample(kappa, generator=torch.Generator().manual_seed(seed))
    return model, layout, received, Prior.from_received(received), sample


def test_the_fast_search_finds_the_top_of_the_grid_in_a_fifth_of_the_evaluations(clusters):
    shares, counts = [], []
    for seed in range(24):
        case = noisy(clusters, seed)
        whole, fast = grid_search(*case, **PAPER_GRID), fast_search(*case, **PAPER_GRID)
        counts.append((whole.best_score.correct, fast.best_score.correct))
        shares.append(fast.evaluations / whole.evaluations)
        seen = ~fast.surface.isnan()
        assert torch.equal(fast.surface[seen], whole.surface[seen])
        assert int(seen.sum()) == fast.evaluations
    assert [fast for _, fast in counts] == [whole for whole, _ in counts]
    assert max(shares) <= 0.2
    assert sum(shares) / 24 < 1 / 6


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_the_exact_search_returns_what_the_grid_returns(clusters, seed):
    case = noisy(clusters, seed, kappa=60)
    whole, exact = grid_search(*case, **PAPER_GRID), fast_search(*case, **PAPER_GRID, exact=True)
    assert (exact.best, exact.best_score) == (whole.best, whole.best_score)
    assert exact.evaluations < whole.evaluations
    # With one evaluation to start from the forecast is no use, and the answer is the same.
    blind = fast_search(*case, **PAPER_GRID, exact=True, max_evaluations=1)
    assert (blind.best, blind.best_score) == (whole.best, whole.best_score)


def test_equal_surfaces_are_settled_as_in_the_grid(problem):
    model, layout, _, prior, evaluator = problem
    clean = Received(layout.pack(model).vector, 0.0, "exact")
    for case in ((model, layout, clean, prior, evaluator), problem):
        whole = grid_search(*case, **GRID)
        exact = fast_search(*case, **GRID, exact=True)
        assert (exact.best, exact.best_score) == (whole.best, whole.best_score)


@pytest.mark.parametrize(
    "grid",
    [
        {"lambda_primes": [1.0], "betas": [0.0]},
        {"lambda_primes": [1.0, 0.5, 0.0, 1.0], "betas": [0.0]},
        {"lambda_primes": [0.9], "betas": [2.0, -1.0, 0.0, 1.0]},
        {"lambda_primes": [0.5, 1.0, 9.0], "betas": [-1.0, 0.0]},  # 9 is outside its domain
    ],
)
def test_small_and_unsorted_grids(problem, grid):
    whole, fast = grid_search(*problem, **grid), fast_search(*problem, **grid)
    assert fast.best_score.correct == whole.best_score.correct
    assert fast.surface.shape == whole.surface.shape
    assert torch.equal(whole.surface.isnan()[2:], fast.surface.isnan()[2:])


def test_a_surface_without_a_slope(problem):
    model, layout, _, _, evaluator = problem
    noiseless = Received(layout.pack(model).vector, 0.0, "exact")
    result = fast_search(model, layout, noiseless, Prior(mean=0.0, var=0.25), evaluator, **GRID)
    assert result.best_score.accuracy == 1.0


def test_a_network_that_overflows_everywhere(problem):
    overflowing = Evaluator(torch.full((10, 20), torch.inf), torch.zeros(10, dtype=torch.long), device="cpu")
    assert fast_search(*problem[:-1], overflowing, **GRID).best_score.accuracy == 0.0


def test_noise_of_many_variances_takes_the_loop(problem):
    model, layout, received, prior, evaluator = problem
    variances = torch.linspace(0.1, 1.0, layout.numel)
    variances[3] = torch.inf
    received = Received(received.values, variances, "exact")
    case = model, layout, received, prior, evaluator
    grid = {"lambda_primes": [0.0, 0.3, 0.6, 0.9], "betas": [-1.0, 0.0, 1.0]}
    whole, fast = grid_search(*case, **grid), fast_search(*case, **grid)
    assert fast.best_score.correct == whole.best_score.correct
    with pytest.raises(ValueError, match="needs one noise variance for all weights"):
        grid_search(*case, **grid, route="affine")


def test_an_evaluator_of_ones_own(problem):
    class Negated(Evaluator):
        def logits(self, model):
            return -super().logits(model)

    class Scored(Evaluator):
        def __call__(self, model):
            return super().__call__(model)

    *case, evaluator = problem
    inputs, labels = evaluator.batch(slice(None)), evaluator.labels
    negated = Negated(inputs, labels, device="cpu")
    whole = grid_search(*case, negated, **GRID)
    assert fast_search(*case, negated, **GRID, exact=True).best_score == whole.best_score
    assert whole.best_score.accuracy < 0.5
    scored = Scored(inputs, labels, device="cpu")
    assert torch.equal(grid_search(*case, scored, **GRID).surface, grid_search(*problem, **GRID).surface)
    with pytest.raises(TypeError, match="let Scored override `logits` instead of `__call__`"):
        fast_search(*case, scored, **GRID)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_evaluations": 0}, r"`fast_search\(max_evaluations=...\)` must be an integer >= 1; got 0"),
        ({"route": "gpu"}, r"`fast_search\(route=...\)` must be one of auto, loop, affine; got 'gpu'"),
        ({"betas": []}, r"`fast_search\(betas=...\)` must hold at least one value"),
    ],
)
def test_bad_options_are_refused(problem, options, message):
    with pytest.raises(ValueError, match=message):
        fast_search(*problem, **{**GRID, **options})


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
