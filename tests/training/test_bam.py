"""Every matrix settles, and the energy never rises on the way."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analognn.training.bam import Bam

CODINGS = st.sampled_from(["binary", "bipolar"])
WEIGHTS = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, allow_subnormal=False))  # ties, and none


def random_states(shape, memory, seed):
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(drawn < 0.5, memory.low, 1.0).to(memory.weight)


@st.composite
def memories(draw):
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    values = draw(st.lists(WEIGHTS, min_size=rows * columns, max_size=rows * columns))
    return Bam(torch.tensor(values, dtype=torch.float64).view(rows, columns), draw(CODINGS))


def check_settled(memory, recall):
    """Nothing moves any more, and the energy fell with every change (up to the rounding of its sum)."""
    again = memory.recall(recall.v, recall.h)
    assert torch.equal(again.v, recall.v)
    assert torch.equal(again.h, recall.h)
    assert int(again.steps.max()) == 0
    slack = 1e-12 * memory.weight.abs().sum()
    assert bool((recall.energies.diff(dim=1) <= slack).all())


@settings(deadline=None, max_examples=200)
@given(memories(), st.integers(0, 2**32))
def test_any_matrix_settles_and_the_energy_never_rises(memory, seed):
    rows, columns = memory.weight.shape
    v, h = random_states((8, rows), memory, seed), random_states((8, columns), memory, seed + 1)
    recall = memory.recall(v, h)
    check_settled(memory, recall)
    assert bool((recall.steps <= 2 ** (rows + columns)).all())
    lower = -(memory.weight.abs().sum() * (1 + 1e-12))
    assert bool((recall.energies >= lower).all())


def test_the_check_fails_for_a_rising_energy():
    memory = Bam(torch.eye(3, dtype=torch.float64))
    recall = memory.recall(random_states((4, 3), memory, 0), random_states((4, 3), memory, 1))
    recall.energies.neg_()
    with pytest.raises(AssertionError):
        check_settled(memory, recall)


def test_ties_that_rounding_would_break_stay():
    """.1 + .2 - .3 is not 0 in floating point, but 0 within its rounding."""
    memory = Bam(torch.tensor([[0.1, 0.2, -0.3]], dtype=torch.float64).T.contiguous())
    h = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    recall = memory.recall(torch.ones(2, 3, dtype=torch.float64), h)
    assert recall.energies[:, 1].abs().max() < 1e-15
    assert recall.h[:, 0].tolist() == [1.0, -1.0]


def test_energy_is_minus_v_w_h():
    memory = Bam(torch.tensor([[1.0, -2.0], [3.0, 4.0], [0.0, 1.0]]))
    v, h = torch.tensor([[1.0, -1.0, 1.0]]), torch.tensor([[1.0, -1.0]])
    assert memory.energy(v, h).item() == -(1 + 2 - 3 + 4 + 0 - 1)


def test_a_change_costs_what_the_proof_says():
    """dE = -sum_i dv_i (W h)_i, for the first update alone."""
    memory = Bam(torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64), "binary")
    v, h = random_states((6, 5), memory, 1), random_states((6, 4), memory, 2)
    field = v @ memory.weight
    change = ((field > 0).double() - h) * field
    torch.testing.assert_close(memory.recall(v, h).energies.diff(dim=1)[:, 0], -change.sum(1))


def test_stored_pairs_are_recalled_from_damaged_cues():
    g = torch.Generator().manual_seed(0)
    v, h = (torch.randint(0, 2, (4, n), generator=g) * 2.0 - 1 for n in (64, 48))
    memory = Bam.storing(v, h)
    assert torch.equal(memory.weight, sum(torch.outer(a, b) for a, b in zip(v, h, strict=True)))
    cue = v.clone()
    cue[:, :5] *= -1
    recall = memory.recall(cue)
    assert torch.equal(recall.v, v)
    assert torch.equal(recall.h, h)
    assert int(recall.steps.max()) <= 2


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Bam(torch.ones(3)), ValueError, r"matrix \[I, J\]; got shape \[3\]"),
        (lambda: Bam(torch.full((2, 2), torch.nan)), ValueError, "NaN"),
        (lambda: Bam([[1.0]]), TypeError, "list"),
        (lambda: Bam(torch.ones(2, 2), "bipolr"), ValueError, "Did you mean 'bipolar'"),
        (lambda: Bam(torch.ones(2, 2)).recall(torch.zeros(1, 2)), ValueError, "of -1 and 1"),
        (lambda: Bam(torch.ones(2, 2)).recall(torch.ones(1, 3)), ValueError, r"needs v \[n, 2\]"),
        (lambda: Bam.storing(torch.ones(2, 3), torch.ones(1, 3)), ValueError, "2 states v and 1 states h"),
    ],
)
def test_one_clear_error_for_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
