"""Fading channels of Sionna in the frequency domain, drawn from the caller's generator.

    h[s, t, f] = sum_m a_m(s, t) exp(-j 2 pi f tau_m)        slot s, OFDM symbol t, subcarrier f;  E|h|^2 = 1

``rayleigh`` is one path with a complex Gaussian gain, constant over a slot. ``tdl-a`` to ``tdl-e`` are the tapped delay
lines of 3GPP TR 38.901, sec. 7.7.2 (d and e with a line of sight), their taps moved by Doppler within a slot. A slot is
a coherence block: the next one has an independent channel.

This module is the one adapter between a generator and Sionna's global random state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import checks
from .grid import Grid

if TYPE_CHECKING:
    from sionna.phy.channel import ChannelModel
    from sionna.phy.config import Config

TDL = ("tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e")
MODELS = ("rayleigh", *TDL)

SLOTS_PER_CHUNK = 32
"""Slots drawn from one seed. Part of the result: another size gives other (equally good) random numbers, so it is no
setting. Larger chunks were slower per slot on a CPU."""

Responses = Callable[[int], Tensor]
"""seed -> h [SLOTS_PER_CHUNK, num_symbols, fft_size], complex; num_symbols is 1 where h stands still within a slot."""


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Within it, Sionna's generator on ``device`` starts from ``seed``; afterwards it is as it was before."""
    rng = _sionna_config().torch_rng(device)
    state = rng.get_state()
    rng.manual_seed(seed)
    try:
        yield
    finally:
        rng.set_state(state)


def next_seed(generator: torch.Generator) -> int:
    """A seed drawn from ``generator``. 32 bits, because that is what a CPU generator makes use of."""
    return int(torch.randint(2**32, (), generator=generator, device=generator.device))


@cache
def _sionna_config() -> Config:
    # Importing Sionna reseeds torch's global generators.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        from sionna.phy import config
    return config


@dataclass(frozen=True)
class Fading:
    """A fading model by name.

    Args:
        model: ``rayleigh`` or ``tdl-a`` to ``tdl-e``.
        delay_spread: RMS delay spread [s], >= 0; TDL only, where None is 100 ns (38.901's "nominal").
        carrier_frequency: [Hz], > 0; TDL only, where None is 3.5 GHz. It matters through Doppler.
        speed: of the receiver [m/s], >= 0; TDL only, where None is 0: h stands still within a slot.

    Raises:
        TypeError, ValueError: an unknown model, a number outside its bounds, or one the model has no use for.

    >>> Fading("rayleigh").mean_power
    1.0
    """

    model: str = "tdl-a"
    delay_spread: float | None = None
    carrier_frequency: float | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        checks.choice("Fading", "model", self.model, MODELS)
        bounds = {"delay_spread": {"ge": 0.0}, "carrier_frequency": {"gt": 0.0}, "speed": {"ge": 0.0}}
        for name, bound in bounds.items():
            value = getattr(self, name)
            if value is None:
                continue
            checks.real("Fading", name, value, **bound)
            if self.model not in TDL:
                raise ValueError(
                    f"`Fading({name}=...)` has no meaning for model={self.model!r}; got {value!r}. "
                    f"Leave it out, or choose one of {', '.join(TDL)}."
                )

    @property
    def mean_power(self) -> float:
        """E|h|^2 of the model, by its normalised power-delay profile (not the mean of a realisation)."""
        return 1.0

    def responses(self, grid: Grid, *, device: str, precision: str) -> Responses:
        """A function that draws SLOTS_PER_CHUNK independent slots of h from a seed.

        Args:
            grid: numbers of a slot.
            device: "cpu" or "cuda:0".
            precision: "single" (complex64) or "double" (complex128).
        """
        with seeded(0, device):
            from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies

            model = self._sionna_model(device=device, precision=precision)
            frequencies = subcarrier_frequencies(
                grid.fft_size, grid.subcarrier_spacing, precision=precision, device=device
            )
        # What stands still within a slot is computed once a slot, and delays that all slots share once for all: the
        # numbers are those of Sionna's GenerateOFDMChannel at a fraction of its cost.
        steps = grid.num_symbols if self.speed else 1

        def draw(seed: int) -> Tensor:
            with seeded(seed, device):
                a, tau = model(SLOTS_PER_CHUNK, steps, 1 / grid.symbol_duration)
            shared = bool((tau == tau[:1]).all())
            h: Tensor = cir_to_ofdm_channel(frequencies, a, tau[:1] if shared else tau)
            return h[:, 0, 0, 0, 0]

        return draw

    def _sionna_model(self, *, device: str, precision: str) -> ChannelModel:
        from sionna.phy.channel import RayleighBlockFading
        from sionna.phy.channel.tr38901 import TDL as Tdl

        if self.model == "rayleigh":
            return RayleighBlockFading(1, 1, 1, 1, precision=precision, device=device)
        return Tdl(
            self.model[-1].upper(),
            delay_spread=100e-9 if self.delay_spread is None else self.delay_spread,
            carrier_frequency=3.5e9 if self.carrier_frequency is None else self.carrier_frequency,
            min_speed=self.speed or 0.0,
            precision=precision,
            device=device,
        )
