"""Gains in dB: crossings, pairing, bounds."""

import numpy as np
import pytest

from analognn.estimates import Estimate, bootstrap
from analognn.experiments.gains import area, crossing_db, curves, gains
from analognn.experiments.record import Record


def record(denoiser, seed, wnr_db, correct):
    return Record("awgn", f'{{"wnr_db": {wnr_db}}}', seed, denoiser, "awgn", correct, 100, 0.0, wnr_db=wnr_db)


def sweep(denoiser, seed, shift):
    """Accuracy rises 10 points a dB and is 60 % at ``shift`` dB."""
    return [record(denoiser, seed, x, max(0, min(100, round(60 + 10 * (x - shift))))) for x in range(-10, 21, 2)]


def test_a_shifted_curve_gains_its_shift():
    records = [r for seed in range(5) for r in sweep("ml", seed, 8 + seed) + sweep("better", seed, 2 + 2 * seed)]
    ml, better = gains(records, 0.6)
    assert (ml.denoiser, ml.crossing_db.mean, ml.over_ml_db.mean) == ("ml", pytest.approx(10), 0)
    assert better.crossing_db.mean == pytest.approx(6)
    assert better.over_ml_db.mean == pytest.approx(4)  # 6, 5, 4, 3 and 2: paired by draw
    assert (better.over_ml_db.low, better.over_ml_db.high) == pytest.approx((2.2, 5.8), abs=0.2)
    assert (better.at_least, better.draws) == (False, 5)


def test_intervals_do_not_depend_on_the_order_of_the_records():
    records = [r for seed in range(6) for r in sweep("ml", seed, 8 + seed) + sweep("better", seed, seed**2 / 5)]
    assert gains(records[::-1], 0.6)[::-1] == gains(records, 0.6)


def test_fewer_draws_than_a_bootstrap_needs_have_no_interval():
    records = [r for seed in range(4) for r in sweep("ml", seed, 8 + seed)]
    assert gains(records, 0.6)[0].crossing_db == Estimate(pytest.approx(9.5), None, None)


def test_the_bootstrap_covers_what_it_says():
    """0.95 within 4 standard errors of 300 trials (0.05); intervals half as wide fall out."""

    def covered(shrink):
        found = [bootstrap(draw) for draw in np.random.default_rng(1).normal(size=(300, 10))]
        return np.mean([shrink * (e.low - e.mean) <= -e.mean <= shrink * (e.high - e.mean) for e in found])

    assert covered(1.0) == pytest.approx(0.95, abs=0.05)
    assert covered(0.5) < 0.85


def test_the_crossing_is_the_last_one():
    assert crossing_db([(0, 0.7), (1, 0.5), (2, 0.7), (3, 0.9)], 0.6) == pytest.approx(1.5)


def test_a_curve_that_ends_below_the_target_has_no_crossing():
    assert crossing_db([(0, 0.7), (1, 0.5)], 0.6) is None
    ml, never = gains(sweep("ml", 0, 9) + sweep("never", 0, 40), 0.6)
    assert never.crossing_db is None
    assert never.over_ml_db is None
    assert ml.crossing_db is not None


def test_a_curve_above_the_target_throughout_is_a_bound():
    _, better = gains(sweep("ml", 0, 9) + sweep("better", 0, -30), 0.6)
    assert (better.crossing_db.mean, better.at_least) == (-10, True)
    assert better.over_ml_db.mean == pytest.approx(19)


def test_a_sweep_in_which_ml_never_fails_says_nothing_about_gains():
    _, worse = gains(sweep("ml", 0, -30) + sweep("worse", 0, 9), 0.6)
    assert worse.over_ml_db is None
    assert worse.crossing_db.mean == pytest.approx(9)


def test_records_without_noise_stay_out():
    clean = Record("clean", "{}", 0, "none", "clean", 99, 100, 0.0)
    assert curves([clean, *sweep("ml", 0, 9)]).keys() == {("awgn", "ml")}


def test_the_area_weighs_by_the_width_of_the_steps():
    assert area([(0, 0.0), (1, 0.0), (3, 1.0)]) == pytest.approx(1 / 3)
    assert area([(2, 0.25)]) == 0.25


@pytest.mark.parametrize("target", [0.0, 1.0, 60])
def test_targets_are_shares(target):
    with pytest.raises(ValueError, match="between 0 and 1"):
        gains([], target)
