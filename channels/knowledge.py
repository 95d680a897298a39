"""The channel as both ends know it, several antennas combined into one channel by what is known of them.

    receive (MRC)   y = h_hat^H y / ||h_hat||        transmit (MRT)   x_a = conj(h_hat_a) / ||h_hat|| x

Either way the link has the known gain ||h_hat||, the noise of one antenna, and the error variance
sum_a |h_hat_a|^2 err_var_a / ||h_hat||^2. With perfect knowledge of A Rayleigh antennas, ||h||^2 is Gamma(A)
distributed: full inversion has a mean power, E[1 / ||h||^2] = 1 / (A - 1), from two antennas on.

Where h is not Gaussian its conditional mean is no multiple of the estimate o. What it is, g(|o|) o with the error
variance v(|o|), is then measured on slots of the model (:class:`Calibration`), which stand for long use: both ends know
the statistics of their channel. The same where a short prefix costs h part of its energy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .air import Air, Draw
from .csi import GAUSSIAN, Csi
from .fading import BLOCK, Fading
from .grid import Grid
from .seeding import next_seed

CALIBRATION_CHUNKS = 64
"""Of slots, 2048 in all: variances good to some 5 % on a channel that is flat over the band, better on others."""

CALIBRATION_POSITIONS = 8192
"""Looked at in a chunk; neighbours tell nothing new."""

CALIBRATION_BINS = 12


@dataclass(frozen=True)
class Known:
    """What both ends know of some slots.

    Args:
        h_hat: [slots, num_symbols or 1, fft_size], complex; with several antennas the norm over them.
        err_var: E|h - h_hat|^2 given h_hat, in the same shape.
        beam: [slots, antennas, num_symbols or 1, fft_size], conj(h_hat) / ||h_hat||; None for one antenna.
    """

    h_hat: Tensor
    err_var: Tensor
    beam: Tensor | None = None

    def combine(self, h: Tensor) -> Tensor:
        """[slots, ...] of h or of received symbols [slots, antennas, ...]."""
        return h[:, 0] if self.beam is None else (h * self.beam).sum(1)


@dataclass(frozen=True)
class Calibration:
    """What h is on average where its estimate is o, and how far from that: measured, by the size of o.

    Args:
        size: |o| [bins], ascending.
        gain: E[h conj(o)] / E|o|^2 there, complex.
        err_var: E|h - gain o|^2 there.
    """

    size: Tensor
    gain: Tensor
    err_var: Tensor

    @classmethod
    def fit(cls, o: Tensor, h: Tensor) -> Calibration:
        """From pairs [n] of an estimate and the channel, n >> CALIBRATION_BINS; bins hold equally many."""
        order = o.abs().argsort()
        bins = [(o[part], h[part]) for part in order.tensor_split(CALIBRATION_BINS)]
        size = torch.stack([a.abs().mean() for a, _ in bins])
        gain = torch.stack([(b * a.conj()).mean() / a.abs().square().mean() for a, b in bins])
        err_var = torch.stack([(b - g * a).abs().square().mean() for (a, b), g in zip(bins, gain, strict=True)])
        return cls(size, gain, err_var)

    def __call__(self, o: Tensor) -> tuple[Tensor, Tensor]:
        """h_hat and err_var for ``o`` [...]: linear between the bins, constant outside.

        >>> o = torch.tensor([2 + 0j, 1 + 0j])
        >>> table = Calibration(torch.tensor([1.0, 3.0]), torch.tensor([0.8 + 0j, 1.0 + 0j]), torch.tensor([0.2, 0.1]))
        >>> h_hat, err_var = table(o)
        >>> h_hat.real, err_var
        (tensor([1.8000, 0.8000]), tensor([0.1500, 0.2000]))
        """
        size = o.abs()
        right = torch.bucketize(size, self.size).clamp(1, len(self.size) - 1)
        low, high = self.size[right - 1], self.size[right]
        share = ((size - low) / (high - low).clamp_min(torch.finfo(size.dtype).tiny)).clamp(0, 1)
        gain = torch.lerp(self.gain[right - 1], self.gain[right], share.to(self.gain.dtype))
        return gain * o, torch.lerp(self.err_var[right - 1], self.err_var[right], share)


@dataclass(frozen=True)
class Knowledge:
    """How the channel becomes known.

    Args:
        csi: what is observed of it.
        fading: the channel.
        grid: numbers of a slot.
        no: noise on the pilots where ``csi`` says nothing of it.
        calibration: measured on the model, for channels without closed forms.
    """

    csi: Csi
    fading: Fading
    grid: Grid
    no: float
    calibration: Calibration | None = None

    def draw(self, air: Air, generator: torch.Generator) -> tuple[Draw, int]:
        """A chunk of slots, and the seed of the noise on their pilots."""
        draw = air.draw(next_seed(generator), self.csi.delay or 0.0)
        return draw, next_seed(generator) if self.csi.kind == "ls" else 0

    def __call__(self, draw: Draw, seed: int) -> Known:
        """What both ends know of ``draw``, with ``seed`` for the noise on the pilots."""
        h_hat, err_var = self.csi.estimate(
            draw.h,
            draw.h_then,
            grid=self.grid,
            doppler=self.fading.doppler,
            no=self.no,
            generator=torch.Generator().manual_seed(seed),
        )
        known = combined(h_hat, err_var)
        return known if self.calibration is None else Known(*self.calibration(known.h_hat), known.beam)

    def calibrated(self, air: Air) -> Knowledge:
        """With a calibration, on slots from a fixed seed: statistics that both ends know from long use."""
        generator = torch.Generator().manual_seed(0)
        estimates, channels = [], []
        chunks = CALIBRATION_CHUNKS * (4 if self.fading.model in BLOCK else 1)  # one value a slot there, quickly drawn
        for _ in range(chunks):
            draw, seed = self.draw(air, generator)
            known = self(draw, seed)
            step = known.h_hat.numel() // CALIBRATION_POSITIONS | 1  # odd: not always the same carriers
            estimates.append(known.h_hat.flatten()[::step])
            channels.append(known.combine(draw.h).flatten()[::step])
        return replace(self, calibration=Calibration.fit(torch.cat(estimates), torch.cat(channels)))

    def feedback_bits(self, draw: Draw) -> int:
        """Bits that tell the transmitter a quantised channel.

        Two parts for each carrier and antenna, and for each OFDM symbol where the channel moves within a slot.
        """
        slots, antennas, times, _ = draw.h.shape
        return 2 * (self.csi.bits or 0) * slots * antennas * times * self.grid.num_carriers

    def needs_calibration(self, domain: str) -> bool:
        """Whether the closed forms do not hold: h is not Gaussian, or not quite the channel of a carrier."""
        return self.csi.kind != "perfect" and not (self.fading.model in GAUSSIAN and domain == "frequency")


def combined(h_hat: Tensor, err_var: Tensor) -> Known:
    """One channel of h_hat [slots, antennas, num_symbols or 1, fft_size]; ``err_var`` broadcasts to it."""
    err_var = err_var.expand(h_hat.shape)
    if h_hat.shape[1] == 1:
        return Known(h_hat[:, 0], err_var[:, 0])
    power = h_hat.real.square() + h_hat.imag.square()
    total = power.sum(1)
    norm = total.sqrt()
    return Known(norm.to(h_hat.dtype), (power * err_var).sum(1) / total, h_hat.conj() / norm[:, None])
