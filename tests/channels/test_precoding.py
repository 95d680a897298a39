from __future__ import annotations

import math

import pytest
import torch
from scipy.special import exp1
from torch import Tensor

from analognn.channels import precoding


def rayleigh(n: int, *, mean_power: float = 1.0) -> Tensor:
    g = torch.Generator().manual_seed(0)
    parts = torch.randn(n, 2, generator=g, dtype=torch.float64)
    return torch.view_as_complex(parts) * (mean_power / 2) ** 0.5


@pytest.mark.parametrize("mean_power", [1.0, 0.56])
@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.1, 0.01])
def test_rayleigh_closed_forms(threshold: float, mean_power: float) -> None:
    """Outage 1 - exp(-threshold); rho = E|h|^2 / E1(threshold). Bounds: 5 standard errors."""
    n = 400_000
    h = rayleigh(n, mean_power=mean_power)
    active = precoding.active_positions(h, threshold=threshold, mean_power=mean_power)
    p = math.exp(-threshold)
    assert float(active.double().mean()) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n))
    power = precoding.inverse(h, active).abs().square()
    se = float(power.std()) / math.sqrt(n)
    assert 1 / precoding.power_scale(precoding.inverse(h, active)) == pytest.approx(
        float(exp1(threshold)) / mean_power, abs=5 * se
    )


def test_inversion_gives_unit_gain_at_the_stated_power() -> None:
    h = rayleigh(1000)
    active = precoding.active_positions(h, threshold=0.2)
    inverse = precoding.inverse(h, active)
    rho = precoding.power_scale(inverse, power=2.0)
    p = math.sqrt(rho) * inverse
    torch.testing.assert_close((h * p)[active], torch.full_like(h[active], math.sqrt(rho)))
    assert bool((p[~active] == 0).all())
    assert float(p.abs().square().mean()) == pytest.approx(2.0)
    torch.testing.assert_close(p[active], (math.sqrt(rho) * h.conj() / h.abs().square())[active])


def test_full_inversion_leaves_out_zeros_only() -> None:
    h = torch.tensor([0j, 1e-6 + 0j, 1j])
    assert precoding.active_positions(h, threshold=0.0).tolist() == [False, True, True]
    assert bool(torch.isfinite(precoding.inverse(h, precoding.active_positions(h, threshold=0.0))).all())


def test_silence_has_no_power() -> None:
    assert precoding.power_scale(torch.zeros(3, dtype=torch.complex64)) == math.inf
