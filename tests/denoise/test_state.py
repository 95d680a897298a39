"""Noise that depends on the weight: the table from pairs, offsets undone, the posterior mean at the Bayes risk."""

import math

import numpy as np
import pytest
import torch
from bayes import assert_error, draw, least_error

from analognn.channels import Awgn, Received
from analognn.denoise import Mmse, NoiseTable, Npmle, Prior, StateDependent

SPAN = (-1.6, 1.6)
N = 60_000


def gaussian(w):
    return np.exp(-(w**2) / (2 * 0.4**2))


def var(w):
    return 0.01 + 0.3 * np.abs(w) ** 2


def offset(w):
    return -0.15 - 0.1 * np.abs(w)


LEVELS = tuple(np.linspace(*SPAN, 65).tolist())
TRUE = NoiseTable(LEVELS, tuple(offset(np.array(LEVELS)).tolist()), tuple(var(np.array(LEVELS)).tolist()))


def through(w, seed):
    z = torch.randn(w.shape, generator=torch.Generator().manual_seed(seed), dtype=w.dtype)
    values = w + torch.from_numpy(offset(w.numpy())) + torch.from_numpy(var(w.numpy())).sqrt() * z
    return Received(values, float(var(w.numpy()).mean()), "estimated")


@pytest.mark.parametrize("table", ["true", "from pairs"])
def test_the_least_error_under_this_noise_is_met_blind(table):
    w, pattern = (draw(gaussian, N, span=SPAN, seed=seed) for seed in (0, 1))
    table = TRUE if table == "true" else NoiseTable.from_pairs(pattern, through(pattern, 2))
    received = through(w, 3)
    prior = Prior.from_received(received)
    w_hat = StateDependent(table)(received, prior)
    least = least_error(gaussian, var, span=SPAN, offset=offset)
    assert_error(w_hat, w, least, above=0.02)
    assert least < 0.85 * float((Mmse()(table.correct(received), prior) - w).square().mean())
    for wrong in (0.0, 2 * least):
        with pytest.raises(AssertionError):
            assert_error(w_hat, w, wrong, above=0.02)


def test_pairs_give_offset_and_variance_within_their_standard_errors():
    found = []
    for seed in range(8):
        pattern = draw(gaussian, N // 4, span=SPAN, seed=seed)
        table = NoiseTable.from_pairs(pattern, through(pattern, 50 + seed))
        found.append(torch.stack(table.at(torch.tensor([-0.7, -0.2, 0.0, 0.3, 0.8], dtype=torch.float64))))
    found = torch.stack(found)
    w = np.array([-0.7, -0.2, 0.0, 0.3, 0.8])
    wanted = torch.from_numpy(np.stack([offset(w), var(w)]))
    bound = 5 * found.std(0) / math.sqrt(len(found)) + 0.03 * wanted.abs()  # and what lines between knots leave
    assert ((found.mean(0) - wanted).abs() < bound).all()
    assert ((found.mean(0) - 2 * wanted).abs() > bound).all()


def test_correct_removes_the_offset_and_states_each_variance():
    w = draw(gaussian, N, span=SPAN)
    quiet = NoiseTable(TRUE.levels, TRUE.offset, tuple(v / 400 for v in TRUE.var))
    z = torch.from_numpy(var(w.numpy()) / 400).sqrt() * torch.randn(N, generator=torch.Generator().manual_seed(4))
    received = quiet.correct(Received(w + torch.from_numpy(offset(w.numpy())) + z, 1e-4, "estimated"))
    error = received.values - w
    assert abs(float(error.mean())) < 5 * float(error.std()) / math.sqrt(N) + 1e-3
    ratio = error.square() / received.noise_var
    assert float(ratio.mean()) == pytest.approx(1.0, abs=4 * float(ratio.std()) / math.sqrt(N) + 0.02)
    assert received.source == "estimated"


def test_without_dependence_on_the_weight_it_is_empirical_bayes():
    w = draw(gaussian, 5000, span=SPAN)
    received = Awgn(noise_var=0.04).transmit(w, generator=torch.Generator().manual_seed(0))
    flat = NoiseTable((0.0,), (0.0,), (0.04,))
    prior = Prior.from_received(received)
    apart = (StateDependent(flat)(received, prior) - Npmle()(received, prior)).abs()
    assert float(apart.mean()) < 0.01 * 0.2  # of the noise's standard deviation: grids of another start
    assert torch.equal(flat.correct(received).values, received.values)


def test_what_came_without_noise_or_not_at_all_needs_no_table():
    received = Received(torch.tensor([0.3, -0.2, 9.0, 0.1]), torch.tensor([0.0, 0.01, math.inf, 0.01]), "exact")
    prior = Prior(mean=0.5, var=1.0)
    w_hat = StateDependent(TRUE)(received, prior)
    assert (float(w_hat[0]), float(w_hat[2])) == (pytest.approx(0.3), 0.5)
    corrected = TRUE.correct(received)
    assert corrected.values[[0, 2]].tolist() == received.values[[0, 2]].tolist()
    assert torch.isinf(corrected.noise_var[2])
    nothing = Received(torch.tensor([0.3, 0.7]), torch.tensor([0.0, math.inf]), "exact")
    assert StateDependent(TRUE)(nothing, prior).tolist() == [pytest.approx(0.3), 0.5]


def test_a_pattern_of_few_or_equal_values_gives_a_table():
    one = NoiseTable.from_pairs(torch.zeros(50), Received(torch.linspace(-1, 1, 50) + 0.5, 0.1, "exact"))
    assert one.levels == (0.0,)
    assert one.offset[0] == pytest.approx(0.5)
    few = NoiseTable.from_pairs(torch.tensor([0.0, 1.0]), Received(torch.tensor([0.1, 0.8]), 0.1, "exact"))
    assert all(v > 0 for v in few.var)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NoiseTable((), (), ()), "needs one offset and one variance per level"),
        (lambda: NoiseTable((0.0, 1.0), (0.0,), (1.0, 1.0)), "got 2, 1 and 2 values"),
        (lambda: NoiseTable((1.0, 0.0), (0.0, 0.0), (1.0, 1.0)), r"`NoiseTable\(levels=...\)` must ascend"),
        (lambda: NoiseTable((0.0,), (0.0,), (-1.0,)), r"`NoiseTable\(var=...\)` must be a finite number > 0; got -1.0"),
        (
            lambda: NoiseTable((0.0,), (math.nan,), (1.0,)),
            r"`NoiseTable\(offset=...\)` must be a finite number; got nan",
        ),
        (
            lambda: NoiseTable.from_pairs(torch.zeros(2), Received(torch.zeros(3), 0.1, "exact")),
            r"needs one shape; got \[2\] and \[3\]",
        ),
        (
            lambda: NoiseTable.from_pairs(torch.ones(2), Received(torch.ones(2), 0.0, "exact")),
            "needs values that arrived with noise; got none",
        ),
    ],
)
def test_tables_that_are_none_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
