"""How the tests of the theory hold a number against a simulation."""

import numpy as np

SIGMAS = 4.5
"""Two-sided: one false alarm in 150,000 checks of a right value."""


def assert_agrees(theory, simulation):
    """Every candidate's theory lies within 4.5 standard errors of its simulated mean."""
    off = np.abs(np.asarray(theory) - simulation.mean) / simulation.standard_error
    assert (off < SIGMAS).all(), f"off by {off} standard errors: theory {theory}, simulated {simulation.mean}"
