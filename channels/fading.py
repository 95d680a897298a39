"""Fading channels by name, drawn from the caller's generator.

    h[s, t, f] = sum_m a_m(s, t) exp(-j 2 pi f tau_m)        slot s, OFDM symbol t, subcarrier f;  E|h|^2 = 1

``awgn`` is h = 1. ``rayleigh`` is one path with a complex Gaussian gain, constant over a slot; ``rician`` adds a line
of sight. ``tdl-a`` to ``tdl-e`` and ``cdl-a`` to ``cdl-e`` are the profiles of 3GPP TR 38.901, sec. 7.7 (d and e with
a line of sight), ``umi``, ``uma`` and ``rma`` its scenarios (:mod:`analognn.channels.tr38901`); Doppler moves their
paths within a slot. ``trace`` replays a recording (:mod:`analognn.channels.trace`). A slot is a coherence block: the
next one has an independent channel, except where a recording goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import checks, units
from .cir import SPEED_OF_LIGHT, BlockFading, Cirs, SionnaCirs
from .grid import Grid
from .seeding import seeded
from .tr38901 import Drops, Profile, Site
from .trace import TraceCirs, load_trace

TDL = ("tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e")
CDL = ("cdl-a", "cdl-b", "cdl-c", "cdl-d", "cdl-e")
DROPS = ("umi", "uma", "rma")
BLOCK = ("awgn", "rayleigh", "rician")
MODELS = (*BLOCK, *TDL, *CDL, *DROPS, "trace")

MOVING = (*BLOCK[1:], *TDL, *CDL, *DROPS)
NEEDED_BY = {
    "delay_spread": (*TDL, *CDL),
    "carrier_frequency": MOVING,
    "speed": MOVING,
    "k_factor_db": ("rician",),
    "path_loss": (*DROPS, "trace"),
    "reference_loss_db": (*DROPS, "trace"),
    "indoor_probability": DROPS,
    "distance": DROPS,
    "trace": ("trace",),
}
"""Which models make use of a parameter."""

MEDIAN_LOSS_DB = {"umi": 113.0, "uma": 132.0, "rma": 148.0}
"""Median over 8000 drops at 3.5 GHz [dB], walls, cars and shadowing included; standard error 0.25."""


@dataclass(frozen=True)
class Fading:
    """A fading model by name. Parameters a model has no use for must be left out.

    Args:
        model: one of MODELS.
        delay_spread: RMS delay spread [s], >= 0; None is 100 ns (38.901's "nominal").
        carrier_frequency: [Hz], > 0; None is 3.5 GHz.
        speed: of the user [m/s], >= 0; None is 0: h stands still. With rayleigh and rician it does so within a slot at
            any speed, and ages from slot to slot.
        k_factor_db: power of the line of sight over that of the scattered paths [dB]; None is 10.
        num_rx: antennas of the receiver, >= 1.
        num_tx: antennas of the transmitter, >= 1; one of the two is 1.
        path_loss: whether h contains path loss, indoor loss and shadowing (of a recording: the mean power it has).
        reference_loss_db: the loss at which |h|^2 is 1 and Es/N0 is received; None is that of the median drop.
        indoor_probability: of a drop, 0 to 1; None is 38.901's.
        distance: of the drops from the base station, along the ground [m], >= 10; None is all over the sector.
        trace: path of the recording.

    Raises:
        TypeError, ValueError: an unknown model, a number outside its bounds, or one the model has no use for.

    >>> Fading("rayleigh", num_rx=4).num_antennas
    4
    """

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

    def __post_init__(self) -> None:
        checks.choice("Fading", "model", self.model, MODELS)
        for name, models in NEEDED_BY.items():
            value = getattr(self, name)
            if value is not None and value is not False and self.model not in models:
                raise ValueError(
                    f"`Fading({name}=...)` has no meaning for model={self.model!r}; got {value!r}. "
                    f"Leave it out, or choose one of {', '.join(models)}."
                )
        self._check_numbers()
        self._check_antennas()
        self._check_loss()
        if self.model == "trace":
            self._check_trace()

    @property
    def mean_power(self) -> float:
        """E|h|^2 per antenna: 1 in every model. With path loss, |h|^2 is 1 at ``reference_loss_db``."""
        return 1.0

    @property
    def num_antennas(self) -> int:
        """Channels between the transmitter and the receiver."""
        return self.num_rx * self.num_tx

    @property
    def doppler(self) -> float:
        """Largest Doppler shift [Hz]."""
        return (self.speed or 0.0) * self._carrier_frequency / SPEED_OF_LIGHT

    def cirs(self, grid: Grid, *, device: str, precision: str) -> Cirs:
        """What draws this channel's impulse responses.

        Args:
            grid: numbers of a slot.
            device: "cpu" or "cuda:0".
            precision: "single" (complex64) or "double" (complex128).

        Raises:
            ValueError: a recording that cannot be read, or does not fit.
        """
        if self.model in BLOCK:
            k = units.db_to_linear(10.0 if self.k_factor_db is None else self.k_factor_db)
            los = {"awgn": 1.0, "rayleigh": 0.0, "rician": k / (k + 1)}[self.model]
            return BlockFading(los, self.num_rx, self.num_tx, self.doppler, device, precision)
        if self.model == "trace":
            return self._recording(grid, device, precision)
        site = Site(self._carrier_frequency, self.speed or 0.0, self.num_rx, self.num_tx, device, precision)
        with seeded(0, device):
            sample = self._drops(site) if self.model in DROPS else self._profile(site)
        gain = units.db_to_linear(self._reference_loss_db) ** 0.5 if self.path_loss else 1.0
        return SionnaCirs(sample, moves=bool(self.speed), device=device, precision=precision, gain=gain)

    @property
    def _carrier_frequency(self) -> float:
        return 3.5e9 if self.carrier_frequency is None else self.carrier_frequency

    @property
    def _reference_loss_db(self) -> float:
        if self.reference_loss_db is not None:
            return self.reference_loss_db
        return MEDIAN_LOSS_DB[self.model] + 2 * units.linear_to_db(self._carrier_frequency / 3.5e9)

    def _profile(self, site: Site) -> Profile:
        return Profile(self.model, 100e-9 if self.delay_spread is None else self.delay_spread, site)

    def _drops(self, site: Site) -> Drops:
        return Drops(
            self.model,
            site,
            path_loss=self.path_loss,
            indoor_probability=self.indoor_probability,
            distance=self.distance,
        )

    def _recording(self, grid: Grid, device: str, precision: str) -> TraceCirs:
        trace = load_trace(str(self.trace))
        power = trace.mean_power if self.reference_loss_db is None else units.db_to_linear(-self.reference_loss_db)
        return TraceCirs(
            trace,
            slot_duration=grid.num_symbols * grid.symbol_duration,
            device=device,
            precision=precision,
            gain=power**-0.5,
        )

    def _check_trace(self) -> None:
        if not isinstance(self.trace, str):
            raise TypeError(f"`Fading(trace=...)` must be the path of a recording; got {self.trace!r}.")
        recorded = load_trace(self.trace).a.shape[1:3]
        if recorded != (self.num_rx, self.num_tx):
            raise ValueError(
                f"`Fading(trace={self.trace!r})` was recorded with num_rx={recorded[0]}, num_tx={recorded[1]}; got "
                f"num_rx={self.num_rx}, num_tx={self.num_tx}. Give the antennas of the recording."
            )

    def _check_numbers(self) -> None:
        bounds: dict[str, dict[str, float]] = {
            "delay_spread": {"ge": 0.0},
            "carrier_frequency": {"gt": 0.0},
            "speed": {"ge": 0.0},
            "k_factor_db": {},
            "reference_loss_db": {},
            "indoor_probability": {"ge": 0.0, "le": 1.0},
            "distance": {"ge": 10.0},
        }
        for name, bound in bounds.items():
            if getattr(self, name) is not None:
                checks.real("Fading", name, getattr(self, name), **bound)

    def _check_antennas(self) -> None:
        checks.integer("Fading", "num_rx", self.num_rx, ge=1)
        checks.integer("Fading", "num_tx", self.num_tx, ge=1)
        if self.num_rx > 1 and self.num_tx > 1:
            raise ValueError(
                f"`Fading` needs one antenna at one end; got num_rx={self.num_rx}, num_tx={self.num_tx}. "
                "Set num_rx or num_tx to 1."
            )

    def _check_loss(self) -> None:
        if not isinstance(self.path_loss, bool):
            raise TypeError(f"`Fading(path_loss=...)` must be true or false; got {self.path_loss!r}.")
        if self.path_loss and self.model == "trace" and self.reference_loss_db is None:
            raise ValueError("`Fading(path_loss=True)` of a recording needs reference_loss_db; got None.")
        if self.reference_loss_db is not None and not self.path_loss:
            raise ValueError(
                f"`Fading(reference_loss_db=...)` needs path_loss=True; got {self.reference_loss_db!r} without."
            )
