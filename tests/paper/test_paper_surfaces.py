"""What kappa examples select, on answers whose statistics are known."""

import math

import numpy as np
import pytest
from paper_recipes import load

surfaces = load("surfaces")
Answers, Surface = surfaces.Answers, surfaces.Surface
PAIRS = [(1.0, 0.0), (1.0, -1.0), (1.1, 0.0)]


def answers(accuracies: tuple[float, ...], n: int, seed: int) -> object:
    rng = np.random.default_rng(seed)
    right = rng.random((len(accuracies), n)) < np.array(accuracies)[:, None]
    return Answers(right, rng.random(right.shape))


def test_ties_go_to_the_smaller_loss() -> None:
    right = np.array([[1, 0], [0, 1], [0, 0]], dtype=bool)
    assert Answers(right, np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 0.0]])).best == 1


def test_a_clear_winner_is_found_and_one_example_finds_nothing() -> None:
    surface = Surface(PAIRS, answers((0.3, 0.8, 0.3), 4000, 0), answers((0.3, 0.8, 0.3), 320, 1), 1)
    found = surfaces.selections([surface])
    assert [row.kappa for row in found] == [10, 20, 40, 80]
    assert found[-1].achieved == pytest.approx(surface.test.right[1].mean())
    assert found[-1].below_ml == 0
    assert found[0].achieved < found[-1].achieved


def test_equal_pairs_promise_too_much() -> None:
    """The largest of three binomial shares lies E[max of 3 normals] = 0.846 deviations above the mean."""
    rng = np.random.default_rng(0)
    half = Answers(np.stack([rng.permutation(4000) < 2000 for _ in PAIRS]), rng.random((3, 4000)))
    surface = Surface(PAIRS, half, half, 1)
    for row in surfaces.selections([surface]):
        expected = 0.5 + 0.846 * math.sqrt(0.25 / row.kappa)
        # of 1,000 redraws: deviation of a maximum of three is 0.75 of one; five standard errors and the lattice
        assert row.promised == pytest.approx(
            expected, abs=5 * 0.75 * math.sqrt(0.25 / row.kappa / 1000) + 0.1 / row.kappa
        )
        assert row.achieved == 0.5


def test_cropped_examples_are_the_first_with_other_crops_for_every_pair() -> None:
    places = np.arange(320)
    pool = Answers(np.zeros((3, 320), dtype=bool), np.tile(places, (3, 1)).astype(float))
    seen = Surface(PAIRS, pool, pool, 4).drawn(10, np.random.default_rng(0)).loss.astype(int)
    assert (seen % 80 == np.arange(10)).all()
    assert len({tuple(row) for row in seen}) == 3
