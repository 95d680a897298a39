from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analognn.channels import units

db = st.floats(-100, 100)
positive = st.floats(1e-6, 1e6)


@given(value=db)
def test_db_and_back(value: float) -> None:
    assert units.linear_to_db(units.db_to_linear(value)) == pytest.approx(value, abs=1e-9)


@given(wnr_db=db, var=positive)
def test_wnr_and_back(wnr_db: float, var: float) -> None:
    assert units.noise_var_to_wnr_db(units.wnr_db_to_noise_var(wnr_db, var), var) == pytest.approx(wnr_db, abs=1e-9)


@given(no=positive, var=positive)
def test_noise_per_symbol_and_per_weight(no: float, var: float) -> None:
    assert units.noise_var_to_no(units.no_to_noise_var(no, var), var) == pytest.approx(no)


@given(esn0_db=db, var=positive)
def test_wnr_equals_esn0_for_two_weights_a_symbol(esn0_db: float, var: float) -> None:
    noise_var = units.no_to_noise_var(units.esn0_db_to_no(esn0_db), var)
    assert units.noise_var_to_wnr_db(noise_var, var) == pytest.approx(esn0_db, abs=1e-9)


@given(wnr_db=db, mean=st.floats(-10, 10), var=positive)
def test_snr_counts_the_mean_and_wnr_does_not(wnr_db: float, mean: float, var: float) -> None:
    snr = units.db_to_linear(units.wnr_db_to_snr_db(wnr_db, mean=mean, var=var))
    assert snr == pytest.approx((mean**2 + var) / units.wnr_db_to_noise_var(wnr_db, var))


def test_reference_values() -> None:
    assert units.db_to_linear(3.0) == pytest.approx(1.9953, abs=1e-4)
    assert units.linear_to_db(0.0) == -math.inf
    assert units.noise_var_to_wnr_db(0.0, 1.0) == math.inf
    assert units.ebn0_db_to_esn0_db(2.0, bits_per_symbol=2, coderate=0.5) == pytest.approx(2.0)
