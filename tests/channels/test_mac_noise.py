"""The noise of over-the-air sums against closed forms: common and individual masks, errors of synchronisation."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from mac_helpers import LOUD, PER_SLOT, QUIET, SMALL, TINY, TINY_SLOT, agrees, error, send, weights
from scipy.special import exp1
from torch import Tensor

from analognn.channels import OfdmMultipleAccess


@pytest.mark.parametrize(("k", "threshold"), [(2, 0.3), (4, 0.05), (4, 0.2)])
def test_a_common_mask_has_the_closed_forms(k: int, threshold: float) -> None:
    """Block fading: slots are the independent samples. Bounds: 5 standard errors over the slots used."""
    x = weights(k, 600_000)
    received = send(OfdmMultipleAccess(LOUD, model="rayleigh", threshold=threshold, **SMALL), x)
    z, var = error(received, x)
    assert [agrees(z.square() / (wrong * var), 1.0) for wrong in (1.0, 0.5, 2.0)] == [True, False, False]
    slots = received.usage.channel_uses / (52 * 14)
    p = math.exp(-k * threshold)
    assert 1 - received.usage.outage == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / slots))
    # q = E[all active / |h|^2] and E[all active / |h|^4]; the largest of k sample means is within the bound of each
    rest, e1 = math.exp(-(k - 1) * threshold), float(exp1(threshold))
    q, square = rest * e1, rest * (math.exp(-threshold) - threshold * e1) / threshold
    a2 = float(x.double().var(-1, correction=0).max())
    assert float(received.noise_var) / (0.1 * a2) == pytest.approx(q, abs=5 * math.sqrt((square - q**2) / slots))


@pytest.mark.parametrize("sigmas", [(1.0, 1.0, 1.0), (1.0, 0.5, 0.1)])
def test_individual_masks_report_each_element(sigmas: tuple[float, ...]) -> None:
    x = weights(3, 300_000) * torch.tensor(sigmas)[:, None]
    received = send(OfdmMultipleAccess(LOUD, model="rayleigh", threshold=0.3, mask="individual", **SMALL), x)
    z, var = error(received, x)
    for part in (var > var.median(), var <= var.median()):  # not only on average
        ratio = z[part].square() / var[part]
        assert [agrees(ratio / wrong, 1.0) for wrong in (1.0, 0.5, 2.0)] == [True, False, False]
    assert received.split is not None
    assert received.split.total == pytest.approx(float(var.mean()), rel=1e-5)
    assert min(received.split.thermal, received.split.truncation) > 0
    assert received.split.csi == received.split.interference == 0
    assert received.source == "side-information"


def test_individual_masks_have_the_closed_forms() -> None:
    """Rayleigh, equal deviations, j of k active: truncation (k / j - 1) v; erased where nobody is."""
    k, threshold, n = 3, 0.5, 900_000
    x = weights(k, n)
    received = send(OfdmMultipleAccess(LOUD, model="rayleigh", threshold=threshold, mask="individual", **SMALL), x)
    assert received.split is not None
    assert isinstance(received.noise_var, Tensor)
    p, slots = math.exp(-threshold), math.ceil(n / 2 / PER_SLOT)
    chances = {j: math.comb(k, j) * p**j * (1 - p) ** (k - j) for j in range(k + 1)}
    assert 1 - received.usage.outage == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / (k * slots)))
    erased = float(received.noise_var.isinf().double().mean())
    assert erased == pytest.approx(chances[0], abs=5 * math.sqrt(chances[0] / slots))
    losses = {j: k / j - 1 for j in range(1, k + 1)}
    mean = sum(chances[j] * loss for j, loss in losses.items()) / (1 - chances[0])
    square = sum(chances[j] * loss**2 for j, loss in losses.items()) / (1 - chances[0])
    v = float(x.double().var(-1, correction=0).sum())
    bound = 5 * math.sqrt((square - mean**2) / (slots * (1 - chances[0])))
    assert received.split.truncation / v == pytest.approx(mean, abs=bound)


def test_a_partial_sum_is_scaled_by_the_active_count() -> None:
    """Without noise each value is (k / j) times the sum over j devices, and the mean where j = 0."""
    x = weights(3, 20_000)
    x = (x - x.mean(-1, keepdim=True)) / x.std(-1, correction=0, keepdim=True)
    received = send(OfdmMultipleAccess(QUIET, model="rayleigh", threshold=0.7, mask="individual", **TINY), x)
    subsets = [a for j in (1, 2, 3) for a in itertools.combinations(range(3), j)]
    readings = torch.stack([torch.zeros(20_000)] + [x[list(a)].sum(0) * 3 / len(a) for a in subsets])
    nearest = (received.values - readings).abs().min(0)
    assert float(nearest.values.max()) < 1e-4
    assert nearest.indices.unique().tolist() == list(range(8))
    assert torch.equal(nearest.indices == 0, torch.as_tensor(received.noise_var).isinf())


def test_correlated_devices_lose_less() -> None:
    """With a correlation c between any two devices the truncation is (1 - c) of the reported one."""
    c, x = 0.4, weights(4, 400_000)
    x = math.sqrt(1 - c) * x + math.sqrt(c) * weights(1, 400_000, seed=1)
    z, var = error(send(OfdmMultipleAccess(QUIET, model="rayleigh", threshold=0.3, mask="individual", **SMALL), x), x)
    missing = var > 1e-6
    assert agrees(z[missing].square() / var[missing], 1 - c)


@pytest.mark.parametrize("phase_std", [0.1, 0.5])
def test_phase_errors_have_the_closed_form(phase_std: float) -> None:
    """E|exp(j theta) / g - 1|^2 = exp(phase_std^2) - 1; slots are the independent samples."""
    x = weights(2, 400_000)
    received = send(OfdmMultipleAccess(QUIET, model="awgn", phase_std=phase_std, **TINY), x)
    v = float(x.double().var(-1, correction=0).sum())
    assert received.noise_var == pytest.approx(v * math.expm1(phase_std**2), rel=1e-6)
    assert received.split is not None
    assert received.split.csi == pytest.approx(float(received.noise_var))
    z, var = error(received, x)
    ratio = z.square() / var
    checks = [agrees(ratio / wrong, 1.0, per_slot=2 * TINY_SLOT) for wrong in (1.0, 0.5, 2.0)]
    assert checks == [True, False, False]
    sent = x.double().sum(0) - x.double().sum(0).mean()
    lossy = (sent + z) * math.exp(-(phase_std**2) / 2)  # had the mean gain not been taken out
    gains = [agrees(sent * (got - sent), 0.0, per_slot=2 * TINY_SLOT) for got in (sent + z, lossy)]
    assert gains == [True, False]


@pytest.mark.parametrize(("kwargs", "growth"), [({"timing_std": 300e-9}, 20.0), ({"cfo_std": 200.0}, 5.0)])
def test_timing_and_frequency_errors_grow_over_the_grid(kwargs: dict[str, float], growth: float) -> None:
    x = weights(2, 300_000)
    channel = OfdmMultipleAccess(QUIET, model="awgn", **kwargs, **TINY)
    z, var = error(send(channel, x), x)
    assert float(var.max() / var[var > 1e-12].min()) > growth
    for part in (var > var.median(), (var <= var.median()) & (var > 1e-12)):
        ratio = z[part].square() / var[part]
        per_slot = int(part.sum()) * 2 * TINY_SLOT // len(z)
        assert [agrees(ratio / wrong, 1.0, per_slot=per_slot) for wrong in (1.0, 0.5, 2.0)] == [True, False, False]


def test_nobody_in_reach_erases_what_is_sent() -> None:
    """A handful of weights in one slot that all devices are silent in: the mean, with infinite variance."""
    x = weights(2, 10)
    received = send(OfdmMultipleAccess(LOUD, model="rayleigh", threshold=50.0, mask="individual", **SMALL), x)
    torch.testing.assert_close(received.values, x.mean(-1).sum().expand(10))
    assert torch.as_tensor(received.noise_var).isinf().all()
    assert received.usage.outage == 1
