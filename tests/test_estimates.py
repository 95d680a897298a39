"""Means and intervals of values that leave no interval."""

import math

import pytest

from analognn.estimates import Estimate, bootstrap, estimate


@pytest.mark.parametrize("of", [estimate, bootstrap])
def test_a_run_that_diverged_leaves_a_mean_without_interval(of):
    found = of([1.0, 2.0, 3.0, 4.0, math.nan, 6.0])
    assert math.isnan(found.mean)
    assert found.half_width is None
    assert of([1.0, math.inf, 1.0, 1.0, 1.0, 1.0]) == Estimate(math.inf, None, None)


def test_interval_is_students():
    """t_{0.975, 2} = 4.3027 and s = 1: 4.3027 / sqrt(3)."""
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
