from __future__ import annotations

import math
import re

import pytest
import torch
from scipy.special import j0
from torch import Tensor

from analognn.channels import Fading, Grid
from analognn.channels.air import make_air
from analognn.channels.csi import Csi, interpolation, jakes, least_squares
from analognn.channels.feedback import RANGE, cells, quantise
from analognn.channels.knowledge import Calibration, Knowledge, combined
from analognn.channels.seeding import seeded

GRID = Grid(num_symbols=6, fft_size=4, num_guard_carriers=(0, 0), cyclic_prefix_length=0, pilot_symbols=(1, 4))
NO = 0.2


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    parts = torch.randn(*shape, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.view_as_complex(parts) / 2**0.5


def learn(csi: Csi, fading: Fading, chunks: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """H, h_hat, err_var [slots, num_symbols or 1, fft_size] of many slots."""
    air = make_air("frequency", fading, GRID, device="cpu", precision="double")
    knowledge = Knowledge(csi, fading, GRID, NO)
    generator = torch.Generator().manual_seed(0)
    parts = []
    for _ in range(chunks):
        draw, seed = knowledge.draw(air, generator)
        known = knowledge(draw, seed)
        parts.append((known.combine(draw.h), known.h_hat, known.err_var))
    h, h_hat, err_var = (torch.cat(part) for part in zip(*parts, strict=True))
    return h, h_hat, err_var


def check_mean_of_slots(terms: Tensor, wanted: float) -> None:
    """Slots are independent: 5 standard errors of the mean over them."""
    slots = terms.flatten(1).mean(1)
    assert float(slots.mean()) == pytest.approx(wanted, abs=5 * float(slots.std()) / math.sqrt(len(slots)) + 1e-12)


KINDS = [
    (Csi("perfect"), Fading("rayleigh")),
    (Csi("ls"), Fading("rayleigh")),
    (Csi("ls"), Fading("rayleigh", speed=60.0)),  # stands still within a slot
    (Csi("ls", esn0_db=0.0), Fading("tdl-a")),
    (Csi("ls"), Fading("tdl-b", speed=100.0, carrier_frequency=6e9)),
    (Csi("outdated", delay=1e-3), Fading("rayleigh", speed=20.0)),
    (Csi("outdated", delay=2e-3), Fading("tdl-c", speed=20.0)),
    (Csi("quantised", bits=1), Fading("rayleigh")),
    (Csi("quantised", bits=3), Fading("tdl-a")),
]


@pytest.mark.parametrize(("csi", "fading"), KINDS, ids=lambda x: str(x)[:24])
def test_what_is_known_is_the_conditional_mean(csi: Csi, fading: Fading) -> None:
    """The error has the stated variance and nothing to do with the estimate, of whatever size that is."""
    h, h_hat, err_var = learn(csi, fading)
    error = h - h_hat
    check_mean_of_slots(error.abs().square() - err_var, 0.0)
    check_mean_of_slots((error * h_hat.conj()).real, 0.0)
    small = (h_hat.abs().square() < 0.5).double()
    check_mean_of_slots(small * (error * h_hat.conj()).real, 0.0)
    check_mean_of_slots(small * (error.abs().square() - err_var), 0.0)


@pytest.mark.parametrize("factor", [0.0, 2.0])
@pytest.mark.parametrize(("csi", "fading"), KINDS[1:], ids=lambda x: str(x)[:24])
def test_another_variance_would_be_noticed(csi: Csi, fading: Fading, factor: float) -> None:
    h, h_hat, err_var = learn(csi, fading)
    with pytest.raises(AssertionError):
        check_mean_of_slots((h - h_hat).abs().square() - factor * err_var, 0.0)


def test_closed_forms() -> None:
    """LS of P pilots: s2 / (P + s2); one old observation: 1 - J0(2 pi f_D t)^2; one bit a part: 1 - 2 / pi."""
    for speed in (None, 60.0):
        _, _, err_var = learn(Csi("ls"), Fading("rayleigh", speed=speed), chunks=1)
        assert float(err_var[0, 0, 0]) == pytest.approx(NO / (2 + NO))
    fading = Fading("rayleigh", speed=20.0, carrier_frequency=3e9)
    _, _, err_var = learn(Csi("outdated", delay=1e-3), fading, chunks=1)
    assert float(err_var[0, 0, 0]) == pytest.approx(1 - float(j0(2 * math.pi * 20.0 * 3e9 / 299_792_458 * 1e-3)) ** 2)
    _, _, err_var = learn(Csi("quantised", bits=1), Fading("rayleigh"), chunks=1)
    assert float(err_var[0, 0, 0]) == pytest.approx(1 - 2 / math.pi)
    assert float(jakes(torch.tensor(2.404826 / (2 * math.pi)))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("pilots", [(1, 4), (4, 1), (0, 2, 5)])
@pytest.mark.parametrize("still", [False, True])
def test_same_numbers_as_sionnas_estimator(pilots: tuple[int, ...], still: bool) -> None:
    grid = Grid(6, 8, 30e3, 0, (1, 1), True, pilots)
    with seeded(0, "cpu"):
        from sionna.phy.ofdm import LSChannelEstimator, ResourceGridMapper

        sionna = grid.resource_grid(device="cpu", precision="double")
        sent = ResourceGridMapper(sionna, precision="double", device="cpu")(gaussian(1, 1, 1, grid.num_data))
        kind = "lin_time_avg" if still else "lin"
        estimator = LSChannelEstimator(sionna, interpolation_type=kind, precision="double", device="cpu")
    seen = gaussian(6, 8, seed=1)  # y / pilot
    theirs = estimator((sent[:, 0, 0] * seen)[:, None, None], torch.tensor(NO))[0][0, 0, 0, 0, 0]
    ours = interpolation(grid, still=still).to(seen) @ seen[list(pilots)]
    torch.testing.assert_close(ours.expand(6, -1)[:, sionna.effective_subcarrier_ind], theirs)


def test_least_squares_has_the_variance_of_its_pilots() -> None:
    h = torch.zeros(50_000, 1, 1, 2, dtype=torch.complex128)
    o = least_squares(h, GRID, NO, torch.Generator().manual_seed(0))
    assert float(o.abs().square().mean()) == pytest.approx(NO / 2, rel=5 / math.sqrt(100_000))


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_cells_are_those_of_the_normal_distribution(bits: int) -> None:
    mean, var = cells(bits)
    width = 2 * RANGE / 2**bits
    assert len(mean) == 2**bits
    torch.testing.assert_close(mean, -mean.flip(0), rtol=0, atol=1e-9)
    assert bool((var > 0).all())
    if bits == 12:  # narrow cells are nearly uniform
        torch.testing.assert_close(var[1:-1], torch.full_like(var[1:-1], width**2 / 12), rtol=0.02, atol=0)


def test_quantised_parts_stay_in_their_cells() -> None:
    h = gaussian(1000)
    h_hat, _ = quantise(h, 6)
    inside = torch.view_as_real(h).abs().amax(-1) * 2**0.5 < RANGE - 2 * RANGE / 64  # not in an outermost cell
    assert float((torch.view_as_real(h - h_hat).abs().amax(-1) * 2**0.5)[inside].max()) <= 2 * RANGE / 64


def test_calibration_finds_the_closed_form() -> None:
    """o = h + n with h, n Gaussian: gain 1 / (1 + s2) and error variance s2 / (1 + s2) whatever the size of o."""
    n, bins = 240_000, 12
    h = gaussian(n)
    table = Calibration.fit(h + NO**0.5 * gaussian(n, seed=1), h)
    per_bin = n / bins
    err_var = NO / (1 + NO)
    gain_se = (err_var / 2 / per_bin) ** 0.5 / table.size
    assert bool(((table.gain - 1 / (1 + NO)).abs() < 5 * gain_se + 1e-3).all())
    torch.testing.assert_close(table.err_var, torch.full_like(table.err_var, err_var), rtol=5 / per_bin**0.5, atol=0)


def test_antennas_are_combined_into_one() -> None:
    h_hat, err_var = gaussian(5, 3, 1, 4), torch.rand(5, 3, 1, 4, generator=torch.Generator().manual_seed(0)).double()
    known = combined(h_hat, err_var)
    torch.testing.assert_close(known.h_hat.real, h_hat.norm(dim=1))
    torch.testing.assert_close(known.combine(h_hat), known.h_hat)  # noise of one antenna: the beam has unit norm
    assert known.beam is not None
    torch.testing.assert_close(known.beam.norm(dim=1), torch.ones(5, 1, 4, dtype=torch.float64))
    power = h_hat.abs().square()
    torch.testing.assert_close(known.err_var, (power * err_var).sum(1) / power.sum(1))


def test_feedback_is_counted() -> None:
    fading = Fading("tdl-a", speed=10.0, num_rx=2)
    knowledge = Knowledge(Csi("quantised", bits=3), fading, GRID, NO)
    air = make_air("frequency", fading, GRID, device="cpu", precision="single")
    draw, _ = knowledge.draw(air, torch.Generator())
    assert (
        knowledge.feedback_bits(draw.first(5)) == 2 * 3 * 5 * 2 * 6 * 3
    )  # parts, bits, slots, antennas, times, carriers


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"kind": "lss"},
            "`Ofdm(csi=...)` must be one of perfect, ls, outdated, quantised; got 'lss'. Did you mean 'ls'?",
        ),
        ({"kind": "ls", "esn0_db": math.inf}, "csi_esn0_db=...)` must be a finite number; got inf"),
        ({"kind": "perfect", "delay": 1e-3}, "csi_delay=...)` has no meaning for csi='perfect'; got 0.001"),
        ({"kind": "outdated"}, "`Ofdm(csi='outdated')` needs csi_delay"),
        ({"kind": "outdated", "delay": 0.0}, "csi_delay=...)` must be a finite number > 0; got 0.0"),
        ({"kind": "quantised"}, "needs csi_bits"),
        ({"kind": "quantised", "bits": 0}, "csi_bits=...)` must be an integer >= 1; got 0"),
        ({"kind": "quantised", "bits": 13}, "csi_bits=...)` must be <= 12; got 13"),
    ],
)
def test_bad_csi(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Csi(**kwargs)
