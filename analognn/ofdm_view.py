"""What an OFDM link looks like: its channel, where it is silent, and a constellation before and after the precoder.

    before    y = h s + n                    QPSK s on every position, sent as it is
    after     r = (h q s + n) / (h_hat q)    the same symbols and the same noise, precoded and equalised

Both go over the air that the channel itself uses. The noise on weights is what one transmission of standard normal
weights reports, beside what it measures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from analognn.channels import Received, precoding
from analognn.channels.air import make_air
from analognn.channels.grid import Grid
from analognn.channels.knowledge import Known
from analognn.channels.ofdm import Ofdm
from analognn.channels.seeding import next_seed

NUM_WEIGHTS = 200_000


@dataclass(frozen=True)
class OfdmView:
    """One chunk of slots, on the carriers that are used: positions are [slots, num_symbols, carriers].

    Args:
        channel: what was looked at.
        gain: |h|^2; with several antennas the sum over them.
        silent: where the transmitter sends nothing.
        sent: s, complex.
        before: y without precoder; with several antennas combined.
        after: r; 0 where silent.
        received: standard normal weights after a transmission.
        noise_var: measured on them, at the gain they have; erased ones left out.
    """

    channel: Ofdm
    gain: Tensor
    silent: Tensor
    sent: Tensor
    before: Tensor
    after: Tensor
    received: Received
    noise_var: float

    @property
    def outage(self) -> float:
        """Fraction of the positions that are silent."""
        return float(self.silent.float().mean())


def view(channel: Ofdm, *, generator: torch.Generator) -> OfdmView:
    """Look at ``channel``.

    Args:
        channel: an OFDM link.
        generator: the only source of randomness.

    Raises:
        ValueError: the channel is too weak nearly everywhere.
    """
    w = torch.randn(NUM_WEIGHTS, generator=generator)
    received = channel.transmit(w, generator=generator)
    arrived = torch.isfinite(torch.as_tensor(received.noise_var)).expand(w.shape)
    positions = _positions(channel, generator)
    return OfdmView(
        channel=channel,
        received=received,
        noise_var=float((received.values - w)[arrived].double().square().mean()),
        **{name: position[..., _carriers(channel.grid)] for name, position in positions.items()},
    )


def _positions(channel: Ofdm, generator: torch.Generator) -> dict[str, Tensor]:
    """[slots, num_symbols, fft_size] of every field that has positions."""
    air = make_air(channel.domain, channel.fading, channel.grid, device="cpu", precision="single")
    knowledge = channel.knowledge
    if knowledge.needs_calibration(channel.domain):
        knowledge = knowledge.calibrated(air)
    draw, seed = knowledge.draw(air, generator)
    known = knowledge(draw, seed)
    q = _precoder(channel, known)
    shape = (len(q), channel.grid.num_symbols, channel.grid.fft_size)
    sent = _qpsk(shape, channel.grid, generator)
    noise_seed = next_seed(generator)

    def through(x: Tensor) -> Tensor:
        beam = known.beam if known.beam is not None and channel.num_tx > 1 else 1.0
        y = air(x[:, None] * beam, draw, channel.no, noise_seed)
        return known.combine(y) if channel.num_rx > 1 else y[:, 0]

    silent = (q == 0).expand(shape)
    return {
        "gain": draw.h.abs().square().sum(1).expand(shape),
        "silent": silent,
        "sent": sent,
        "before": through(sent),
        "after": (through(q * sent) / (known.h_hat * q)).masked_fill(silent, 0),
    }


def _precoder(channel: Ofdm, known: Known) -> Tensor:
    """Q [slots, num_symbols or 1, fft_size], at average power 1 over the carriers that are used."""
    mean_power = channel.fading.mean_power * channel.fading.num_antennas
    p = channel.precoding(known.h_hat, mean_power=mean_power, no=channel.no)
    peak = channel.precoding.peak
    rho = precoding.power_scale(p[..., _carriers(channel.grid)], peak=peak)
    if rho == math.inf:
        raise ValueError(
            f"`view` needs a position to send on; threshold = {channel.precoding.least} leaves none in {len(p)} slots "
            f"of {channel.model}. Use a lower threshold."
        )
    return precoding.limited(math.sqrt(rho) * p, peak=peak)


def _qpsk(shape: tuple[int, ...], grid: Grid, generator: torch.Generator) -> Tensor:
    """Symbols of power 1 on the carriers that are used, 0 on the others."""
    turns = torch.randint(4, shape, generator=generator)
    symbols = torch.tensor([1 + 1j, -1 + 1j, -1 - 1j, 1 - 1j]) / math.sqrt(2)
    sent = torch.zeros(shape, dtype=torch.complex64)
    sent[..., _carriers(grid)] = symbols[turns[..., _carriers(grid)]]
    return sent


def _carriers(grid: Grid) -> Tensor:
    """Indices of the carriers that are used."""
    index = torch.arange(grid.num_guard_carriers[0], grid.fft_size - grid.num_guard_carriers[1])
    return index[index != grid.fft_size // 2] if grid.dc_null else index
