from __future__ import annotations

import math
import re

import pytest
import torch
from scipy.special import exp1
from torch import Tensor

from analognn.channels import precoding
from analognn.channels.precoding import PRECODERS, Precoder


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


@pytest.mark.parametrize("reg", [0.01, 0.1, 1.0])
def test_regularised_inversion_has_a_mean_power(reg: float) -> None:
    """E[|h|^2 / (|h|^2 + r)^2] = exp(r) (1 + r) E1(r) - 1 with Rayleigh fading; 5 standard errors."""
    p = Precoder("regularised", regularisation=reg)(rayleigh(400_000), mean_power=1.0, no=0.0)
    power = p.abs().square()
    mean = math.exp(reg) * (1 + reg) * float(exp1(reg)) - 1
    assert float(power.mean()) == pytest.approx(mean, abs=5 * float(power.std()) / math.sqrt(400_000))
    assert 1 / precoding.power_scale(p) == pytest.approx(float(power.mean()))


@pytest.mark.parametrize("name", PRECODERS)
@pytest.mark.parametrize("peak_power_db", [None, 6.0, 1.0])
def test_average_and_peak_power_are_kept(name: str, peak_power_db: float | None) -> None:
    precoder = Precoder(name, threshold=None if name == "equalise" else 0.05, peak_power_db=peak_power_db)
    h = rayleigh(10_000)
    p = precoder(h, mean_power=1.0, no=0.1)
    q = precoding.limited(math.sqrt(precoding.power_scale(p, peak=precoder.peak)) * p, peak=precoder.peak)
    power = q.abs().square()
    assert float(power.mean()) == pytest.approx(1.0)
    assert float(power.max()) <= precoder.peak * (1 + 1e-12)
    assert bool((q[p == 0] == 0).all())
    if name != "equalise":  # after precoding the channel is real and positive, at the peak as well
        torch.testing.assert_close((h * q).imag, torch.zeros(len(h), dtype=torch.float64), rtol=0, atol=1e-12)
        assert bool(((h * q).real >= 0).all())


def test_positions_that_need_more_than_the_peak_are_sent_at_the_peak() -> None:
    h = torch.tensor([0.1, 1.0, 1.0, 1.0], dtype=torch.complex128)
    precoder = Precoder(threshold=0.0, peak_power_db=10 * math.log10(2.0))
    p = precoder(h, mean_power=1.0, no=0.1)
    rho = precoding.power_scale(p, peak=2.0)
    assert rho == pytest.approx((4 - 2) / 3)  # the other three share what the weak one leaves
    power = precoding.limited(math.sqrt(rho) * p, peak=2.0).abs().square()
    assert power.tolist() == pytest.approx([2.0, 2 / 3, 2 / 3, 2 / 3])


def test_a_peak_that_holds_everywhere_makes_all_positions_alike() -> None:
    """Half the positions are silent and the others may have no more than 1.5: the average stays at 0.75."""
    p = torch.tensor([0.0, 0.0, 1.0, 3.0], dtype=torch.complex128)
    power = precoding.limited(math.sqrt(precoding.power_scale(p, peak=1.5)) * p, peak=1.5).abs().square()
    assert power.tolist() == pytest.approx([0.0, 0.0, 1.5, 1.5])


def test_zero_forcing_and_mmse_shrinkage_are_mmse_equalisation() -> None:
    """Per-element noise loses nothing: the MMSE denoiser turns y / g into conj(g) y / (|g|^2 + no)."""
    g, no, var = rayleigh(1000), 0.1, 0.3
    s = rayleigh(1000).flip(0)
    y = g * s + math.sqrt(no) * rayleigh(1000).roll(7)
    noise_var = var * no / g.abs().square()
    shrunk = var / (var + noise_var) * (y / g)
    torch.testing.assert_close(shrunk, g.conj() * y / (g.abs().square() + no))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"name": "zf"}, "`Ofdm(precoder=...)` must be one of inversion, regularised, phase, equalise; got 'zf'"),
        ({"threshold": -0.1}, "`Ofdm(threshold=...)` must be a finite number >= 0; got -0.1"),
        ({"name": "equalise", "threshold": 0.1}, "must be 0 or None for precoder='equalise'"),
        ({"regularisation": 0.1}, "`Ofdm(regularisation=...)` has no meaning for precoder='inversion'; got 0.1"),
        ({"name": "regularised", "regularisation": 0.0}, "must be a finite number > 0; got 0.0"),
        ({"peak_power_db": -1.0}, "`Ofdm(peak_power_db=...)` must be a finite number >= 0; got -1.0"),
    ],
)
def test_bad_precoders(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Precoder(**kwargs)
