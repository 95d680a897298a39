"""The OFDM resource grid of one slot: which resource elements carry data, pilots or nothing.

    [num_symbols, fft_size] = guard | data or pilot | DC | data or pilot | guard

Pilot symbols fill every carrier of their OFDM symbol (Sionna's Kronecker pattern with one transmitter).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import checks

if TYPE_CHECKING:
    from sionna.phy.ofdm import ResourceGrid


@dataclass(frozen=True)
class Grid:
    """Numbers of one slot.

    Args:
        num_symbols: OFDM symbols a slot, >= 1.
        fft_size: subcarriers, >= 1.
        subcarrier_spacing: [Hz], > 0.
        cyclic_prefix_length: [samples], 0 to ``fft_size``. It sets how long a symbol lasts, hence how far the channel
            moves between symbols.
        num_guard_carriers: silent carriers at the lower and the upper edge, >= 0.
        dc_null: whether the carrier at DC is silent.
        pilot_symbols: indices of the OFDM symbols that carry pilots; () for none.

    Raises:
        TypeError, ValueError: a number outside its bounds, or a grid that has no room for data.

    >>> Grid().num_data, Grid().num_pilots
    (9840, 1640)
    """

    num_symbols: int = 14
    fft_size: int = 1024
    subcarrier_spacing: float = 30e3
    cyclic_prefix_length: int = 72
    num_guard_carriers: tuple[int, int] = (102, 101)
    dc_null: bool = True
    pilot_symbols: tuple[int, ...] = (2, 11)

    def __post_init__(self) -> None:
        checks.integer("Grid", "num_symbols", self.num_symbols, ge=1)
        checks.integer("Grid", "fft_size", self.fft_size, ge=1)
        checks.real("Grid", "subcarrier_spacing", self.subcarrier_spacing, gt=0)
        checks.integer("Grid", "cyclic_prefix_length", self.cyclic_prefix_length, ge=0)
        if self.cyclic_prefix_length > self.fft_size:
            raise ValueError(
                f"`Grid(cyclic_prefix_length=...)` must be <= fft_size = {self.fft_size}; "
                f"got {self.cyclic_prefix_length}."
            )
        self._check_guards()
        self._check_pilots()

    @property
    def num_carriers(self) -> int:
        """Carriers that carry data or pilots."""
        return self.fft_size - sum(self.num_guard_carriers) - self.dc_null

    @property
    def num_data(self) -> int:
        """Data positions a slot."""
        return self.num_carriers * (self.num_symbols - len(self.pilot_symbols))

    @property
    def num_pilots(self) -> int:
        """Pilot positions a slot."""
        return self.num_carriers * len(self.pilot_symbols)

    @property
    def symbol_duration(self) -> float:
        """Duration of one OFDM symbol with its cyclic prefix [s]."""
        return (1 + self.cyclic_prefix_length / self.fft_size) / self.subcarrier_spacing

    def resource_grid(self, *, device: str, precision: str) -> ResourceGrid:
        """This grid as Sionna's object. Draws the pilots (random QPSK) from Sionna's generator."""
        from sionna.phy.ofdm import ResourceGrid

        return ResourceGrid(
            self.num_symbols,
            self.fft_size,
            self.subcarrier_spacing,
            cyclic_prefix_length=self.cyclic_prefix_length,
            num_guard_carriers=self.num_guard_carriers,
            dc_null=self.dc_null,
            pilot_pattern="kronecker" if self.pilot_symbols else "empty",
            pilot_ofdm_symbol_indices=list(self.pilot_symbols),
            precision=precision,
            device=device,
        )

    def _check_guards(self) -> None:
        if not isinstance(self.num_guard_carriers, tuple) or len(self.num_guard_carriers) != 2:
            raise TypeError(f"`Grid(num_guard_carriers=...)` must be two integers; got {self.num_guard_carriers!r}.")
        for side, guards in enumerate(self.num_guard_carriers):
            checks.integer("Grid", f"num_guard_carriers[{side}]", guards, ge=0)
        if not isinstance(self.dc_null, bool):
            raise TypeError(f"`Grid(dc_null=...)` must be true or false; got {self.dc_null!r}.")
        # A guard band that reaches over DC is a mistake in the numbers, and Sionna refuses it.
        below, above = self.fft_size // 2, (self.fft_size - 1) // 2
        if self.dc_null and (self.num_guard_carriers[0] > below or self.num_guard_carriers[1] > above):
            raise ValueError(
                f"`Grid(num_guard_carriers=...)` must be <= {below}, {above} for fft_size = {self.fft_size} with a "
                f"silent DC carrier; got {self.num_guard_carriers}. Give num_guard_carriers that fit this fft_size."
            )
        if self.num_carriers < 1:
            raise ValueError(
                f"`Grid` leaves no carrier for data: fft_size = {self.fft_size}, num_guard_carriers = "
                f"{self.num_guard_carriers}, dc_null = {self.dc_null}. Use fewer guard carriers or a larger fft_size."
            )

    def _check_pilots(self) -> None:
        if not isinstance(self.pilot_symbols, tuple):
            raise TypeError(f"`Grid(pilot_symbols=...)` must be a list of integers; got {self.pilot_symbols!r}.")
        for index in self.pilot_symbols:
            checks.integer("Grid", "pilot_symbols", index, ge=0)
            if index >= self.num_symbols:
                raise ValueError(
                    f"`Grid(pilot_symbols=...)` must be symbols of a slot, 0 to {self.num_symbols - 1}; got {index}."
                )
        if len(set(self.pilot_symbols)) != len(self.pilot_symbols):
            raise ValueError(f"`Grid(pilot_symbols=...)` must not repeat a symbol; got {self.pilot_symbols}.")
        if len(self.pilot_symbols) >= self.num_symbols:
            raise ValueError(
                f"`Grid(pilot_symbols=...)` must leave a symbol for data: {len(self.pilot_symbols)} pilot symbols of "
                f"num_symbols = {self.num_symbols}. Use fewer pilots."
            )
