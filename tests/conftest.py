"""What several test modules share."""

import pytest

from analognn.experiments import Denoising, Medium, Scenario


@pytest.fixture
def tiny() -> Scenario:
    """A scenario of a few seconds: one channel, two points, two draws, a small grid."""
    return Scenario(
        name="tiny",
        model="mnist-resnet8",
        media={"awgn": Medium("awgn", {"wnr_db": [0.0, 6.0]})},
        denoiser=Denoising(kappa=20, lambda_primes=(0.9, 1.0), betas=(-1.0, 0.0)),
        seeds=2,
        test_examples=100,
    )
