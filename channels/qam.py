"""Equal-power symbols over the fading OFDM link, equalised by a receiver that knows the channel.

    y_i = h_i s_i + n_i,   n_i ~ CN(0, no)        s_hat_i = conj(h_i) y_i / |h_i|^2 = s_i + CN(0, no / |h_i|^2)

The air of digital transmissions: same grid, pilots, fading and Es/N0 as :class:`analognn.channels.Ofdm`, where the
weights are precoded instead. The sender needs no channel knowledge: a code spreads its symbols over the fades. With
several receive antennas (maximum-ratio combining) or transmit antennas (the same at the sender), |h|^2 is their sum.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import torch
from torch import Tensor

from . import checks, units
from .air import FrequencyAir
from .base import Usage
from .cir import SLOTS_PER_CHUNK
from .fading import Fading
from .grid import Grid
from .seeding import next_seed, seeded


@dataclass(frozen=True)
class EqualisedLink:
    """The keys of a digital link, with the names, meanings and defaults they have in :class:`Ofdm`.

    Args:
        esn0_db: transmitted energy per symbol over the noise per complex symbol [dB], at E|h|^2 = 1.
        model: fading model; see :class:`Fading`, also for the parameters down to ``trace``.
        num_symbols: OFDM symbols a slot; see :class:`Grid`, also for the rest. Pilots have energy 1.
    """

    esn0_db: float
    model: str = "tdl-a"
    delay_spread: float | None = None
    carrier_frequency: float | None = None
    speed: float | None = None
    k_factor_db: float | None = None
    num_rx: int = 1
    num_tx: int = 1
    path_loss: bool = False
    reference_loss_db: float | None = None
    indoor_probability: float | None = None
    distance: float | None = None
    trace: str | None = None
    num_symbols: int = Grid.num_symbols
    fft_size: int = Grid.fft_size
    subcarrier_spacing: float = Grid.subcarrier_spacing
    cyclic_prefix_length: int = Grid.cyclic_prefix_length
    num_guard_carriers: tuple[int, int] = Grid.num_guard_carriers
    dc_null: bool = Grid.dc_null
    pilot_symbols: tuple[int, ...] = Grid.pilot_symbols

    def __post_init__(self) -> None:
        for name in ("num_guard_carriers", "pilot_symbols"):  # TOML and JSON have lists only
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        checks.real(type(self).__name__, "esn0_db", self.esn0_db)
        _ = self.fading, self.grid

    @property
    def fading(self) -> Fading:
        """The fading model."""
        return Fading(**{item.name: getattr(self, item.name) for item in fields(Fading)})

    @property
    def grid(self) -> Grid:
        """The numbers of a slot."""
        return Grid(**{item.name: getattr(self, item.name) for item in fields(Grid)})

    @property
    def no(self) -> float:
        """Variance of the noise per complex symbol, for symbols of average energy 1."""
        return units.esn0_db_to_no(self.esn0_db)

    def gains(self, num: int, *, device: str, generator: torch.Generator) -> Tensor:
        """|h|^2 [num], float32, summed over antennas, at the data positions of fresh slots, as time runs."""
        air = FrequencyAir(self.fading, self.grid, device=device, precision="single")
        data = _data_positions(self.grid, device)
        found: list[Tensor] = []
        for _ in range(-(-num // (SLOTS_PER_CHUNK * self.grid.num_data))):
            h = air.draw(next_seed(generator)).h
            power = (h.real.square() + h.imag.square()).sum(1).expand(-1, self.num_symbols, -1)
            found.append(power.flatten(1)[:, data].flatten())
        return torch.cat(found)[:num]

    def send(self, s: Tensor, gains: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Send symbols over positions of known gains.

        Args:
            s: [n], complex64.
            gains: [n], |h|^2 as :meth:`gains` drew them.
            generator: source of the noise and of nothing else.

        Returns:
            s_hat: [n], complex64, at unit gain.
            no: [n], float32, the variance of the complex noise on each.
        """
        order = _interleaver(len(s), str(s.device))
        no = self.no / gains[order].clamp(min=torch.finfo(gains.dtype).tiny)
        parts = torch.randn(len(s), 2, generator=generator, device=generator.device).to(s.device)
        return s + torch.view_as_complex(parts) * (no / 2).sqrt(), no

    def usage(self, s: Tensor) -> Usage:
        """What sending ``s`` [n] costs: whole slots of data and pilot positions, as ``Ofdm`` counts them."""
        slots = -(-len(s) // self.grid.num_data)
        energy = float(torch.view_as_real(s).square().sum(dtype=torch.float64)) + slots * self.grid.num_pilots
        return Usage(channel_uses=slots * (self.grid.num_data + self.grid.num_pilots), energy=energy)


@lru_cache(maxsize=4)
def _interleaver(num: int, device: str) -> Tensor:
    """A fixed order of ``num`` positions that both ends know: the neighbours of a codeword meet different fades."""
    return torch.randperm(num, generator=torch.Generator().manual_seed(num)).to(device)


@lru_cache(maxsize=4)
def _data_positions(grid: Grid, device: str) -> Tensor:
    """Indices into the flat slot [num_symbols x fft_size]."""
    with seeded(0, device):
        kinds = grid.resource_grid(device=device, precision="single").build_type_grid()
    data: Tensor = (kinds.flatten() == 0).nonzero().squeeze(-1)
    return data
