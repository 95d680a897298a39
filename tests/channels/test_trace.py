from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from analognn.channels import Fading, Grid
from analognn.channels.air import FrequencyAir
from analognn.channels.cir import SLOTS_PER_CHUNK
from analognn.channels.trace import TraceCirs, load_trace, save_trace

SMALL = Grid(fft_size=16, num_guard_carriers=(1, 1), cyclic_prefix_length=4)
STILL = np.array([[[1.0], [1j]], [[2.0], [0.0]], [[3j], [1.0]]])  # [3, 2, 1]
DELAYS = np.array([1e-7, 3e-7])


def recording(path: Path, a: np.ndarray = STILL, tau: np.ndarray = DELAYS, rate: float | None = None) -> Fading:
    save_trace(path, a, tau, sampling_frequency=rate)
    return Fading("trace", trace=str(path))


def cirs(path: Path, slot: float = 1.0) -> TraceCirs:
    return TraceCirs(load_trace(path), slot_duration=slot, device="cpu", precision="double", gain=1.0)


def test_slots_come_in_order_from_a_random_one(tmp_path: Path) -> None:
    recording(tmp_path / "r.npz")
    starts = set()
    for seed in range(20):
        cir = cirs(tmp_path / "r.npz")(seed, 1, 1.0)
        slots = [int(np.abs(STILL[:, :, 0] - a.numpy()).sum(-1).argmin()) for a in cir.a[:, 0, 0, 0, 0, :, 0]]
        assert slots == [(slots[0] + i) % 3 for i in range(SLOTS_PER_CHUNK)]
        starts.add(slots[0])
        torch.testing.assert_close(cir.tau[0, 0, 0], torch.tensor([0.0, 2e-7], dtype=torch.float64))
    assert starts == {0, 1, 2}


def test_a_long_recording_is_cut_into_slots_and_interpolated(tmp_path: Path) -> None:
    """A gain that grows linearly with time is met exactly between the steps."""
    times = np.arange(101) / 100.0  # 1 s
    a = np.stack([1 + times * (1 + 2j), 5 + times * (1 + 2j)])[:, None]
    recording(tmp_path / "r.npz", a, np.zeros(1), rate=100.0)
    source = cirs(tmp_path / "r.npz", slot=0.3)  # three slots a realisation
    cir = source(0, 4, 1 / 0.07)
    starts = [a + t * (1 + 2j) for a in (1, 5) for t in (0.0, 0.3, 0.6)]
    first = starts.index(min(starts, key=lambda start: abs(start - complex(cir.a[0].flatten()[0]))))
    for slot in range(SLOTS_PER_CHUNK):
        expected = starts[(first + slot) % 6] + torch.arange(4) * 0.07 * (1 + 2j)
        torch.testing.assert_close(cir.a[slot].flatten(), expected.to(torch.complex128))


def test_the_aged_channel_is_the_recording_earlier(tmp_path: Path) -> None:
    a = (np.arange(101) / 100.0 + 0j)[None, None]
    recording(tmp_path / "r.npz", a, np.zeros(1), rate=100.0)
    source = cirs(tmp_path / "r.npz", slot=0.3)
    cir = source(0, 4, 1 / 0.07, 0.15)
    torch.testing.assert_close(cir.a - cir.a_then, torch.full_like(cir.a, 0.15))
    assert float(cir.a.real.max()) <= 1.0
    with pytest.raises(ValueError, match=re.escape("at least a slot of 0.3 s and the 0.8 s before it; got 1 s")):
        source(0, 4, 1 / 0.07, 0.8)


@pytest.mark.parametrize("antennas", [{}, {"num_rx": 2}, {"num_tx": 3}])
def test_a_saved_sionna_channel_replays_as_it_was(tmp_path: Path, antennas: dict[str, int]) -> None:
    """The examples of a Sionna CIR data set: its shapes with a batch axis."""
    model = Fading("umi", **antennas)
    cir = model.cirs(SMALL, device="cpu", precision="double")(5, 1, 1.0)
    path = tmp_path / "umi.npz"
    save_trace(path, cir.a, cir.tau)
    replay = Fading("trace", trace=str(path), path_loss=True, reference_loss_db=0.0, **antennas)
    h = FrequencyAir(replay, SMALL, device="cpu", precision="double").draw(0).h
    original = FrequencyAir(model, SMALL, device="cpu", precision="double").draw(5).h
    first = int((h[0] - original).abs().sum((1, 2, 3)).argmin())
    torch.testing.assert_close(h, original.roll(-first, 0))


def test_mean_power_is_made_one_or_left(tmp_path: Path) -> None:
    recording(tmp_path / "r.npz")
    for fading, expected in (
        (Fading("trace", trace=str(tmp_path / "r.npz")), 1.0),
        (Fading("trace", trace=str(tmp_path / "r.npz"), path_loss=True, reference_loss_db=-10.0), 16 / 3 / 10),
    ):
        a = fading.cirs(SMALL, device="cpu", precision="double")(0, 1, 1.0).a[:30]
        assert float(a.abs().square().sum(-2).mean()) == pytest.approx(expected)


def test_another_recording_in_the_same_place_is_seen(tmp_path: Path) -> None:
    recording(tmp_path / "r.npz")
    recording(tmp_path / "r.npz", STILL[:1])
    assert len(load_trace(tmp_path / "r.npz").a) == 1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a": STILL}, "needs the entries a and tau; got a."),
        (
            {"a": STILL[0], "tau": DELAYS},
            "needs a[n, paths, steps] or a[n, 1, num_rx_ant, 1, num_tx_ant, paths, steps]",
        ),
        ({"a": STILL, "tau": DELAYS[:1]}, "that fits a; got a[3, 2, 1], tau[1]"),
        ({"a": STILL * np.nan, "tau": DELAYS}, "needs finite numbers in a; got NaN"),
        ({"a": STILL.real, "tau": DELAYS}, "needs complex a and real tau; got float64 and float64"),
        ({"a": STILL, "tau": -DELAYS}, "needs tau >= 0; got -3e-07"),
        ({"a": 0 * STILL, "tau": DELAYS}, "needs gains a that are not all 0"),
        ({"a": STILL.repeat(9, -1), "tau": DELAYS}, "needs sampling_frequency [Hz] for a of 9 steps; got none"),
        (
            {"a": STILL, "tau": DELAYS, "sampling_frequency": -1.0},
            "sampling_frequency=...)` must be a finite number > 0",
        ),
        ({"a": STILL, "tau": DELAYS, "sampling_frequency": [1.0, 2.0]}, "needs sampling_frequency as one number"),
        ({"a": np.array([object()]), "tau": DELAYS}, "plain arrays"),
    ],
)
def test_bad_files(tmp_path: Path, entries: dict[str, object], message: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **entries)
    with pytest.raises(ValueError, match=re.escape(message)):
        Fading("trace", trace=str(path))


def test_what_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Fading("trace", trace=str(tmp_path / "none.npz"))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match=r"needs an \.npz file of plain arrays"):
        load_trace(tmp_path / "text.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz; got 'r\.mat'"):
        save_trace("r.mat", STILL, DELAYS)
    recording(tmp_path / "r.npz")
    with pytest.raises(ValueError, match="was recorded with num_rx=1, num_tx=1; got num_rx=2, num_tx=1"):
        Fading("trace", trace=str(tmp_path / "r.npz"), num_rx=2)
    with pytest.raises(ValueError, match="of a recording needs reference_loss_db"):
        Fading("trace", trace=str(tmp_path / "r.npz"), path_loss=True)
    short = recording(tmp_path / "s.npz", STILL.repeat(9, -1), DELAYS, rate=1e6)
    with pytest.raises(
        ValueError, match=re.escape("at least a slot of 0.000583333 s; got 8e-06 s (9 steps at 1e+06 Hz)")
    ):
        short.cirs(SMALL, device="cpu", precision="double")
