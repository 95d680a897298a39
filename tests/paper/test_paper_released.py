"""How the authors' records are read."""

import numpy as np
from paper_recipes import load

released = load("released")


def test_each_draw_has_its_own_maximum_and_the_others_have_no_say() -> None:
    accuracy = np.array([[[0.9, 0.5]], [[0.2, 0.6]], [[0.3, 0.4]]])  # draws, one lambda', two betas
    assert released.maximum(accuracy).tolist() == [0.9, 0.6, 0.4]
    assert released.other_draws(accuracy).tolist() == [0.5, 0.2, 0.3]  # best of the others: second, first, first


def test_maximum_gains_where_pairs_are_equal_and_other_draws_do_not() -> None:
    accuracy = 0.5 + 0.1 * np.random.default_rng(0).standard_normal((2000, 5, 5))
    error = 0.1 / np.sqrt(2000)
    assert released.maximum(accuracy).mean() > 0.65
    assert abs(released.other_draws(accuracy).mean() - 0.5) < 5 * error


def test_ml_is_found_in_grids_that_lack_the_first_betas() -> None:
    bert = released.ALL[-1]
    full = np.arange(25 * 34, dtype=float).reshape(1, 25, 34)
    assert bert.ml(full).tolist() == [22 * 34 + 8]
    assert bert.ml(full[:, :, 3:]).tolist() == [22 * 34 + 8]
