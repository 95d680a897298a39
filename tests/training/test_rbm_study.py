"""The enumerated part of the study on Boltzmann machines: identities to rounding, and the condition on NEM noise."""

from analognn.training.studies.rbm_exact import exact


def test_identities_hold_and_no_noise_meets_the_condition_at_maximum_likelihood():
    found = exact(0)
    assert found.hebbian < 1e-12
    assert found.surrogate < 1e-12
    assert 0.5 < found.cosine < 0.9999  # close, and not the gradient
    assert 0.4 < found.accepted < 0.6
    assert 0 < found.holds < 1
    assert found.learned == 0
