"""The media by name: each is a crossbar whose devices follow one of aihwkit's inference noise models.

Conductances are in uS. Each model was fitted to measurements at its default ``g_max``. Where aihwkit's own defaults or
call order would give other noise than the measured one, the class says what is done instead, and why.
"""

from __future__ import annotations

from dataclasses import dataclass

from analognn.channels import checks

from .adapters import Quiet, Redrawn, SingleDevice, converter
from .crossbar import Crossbar, DriftCompensation, NoiseModel

HERMES_G_MAX = {1: 10.35, 2: 20.7}
HERMES_T_0 = {1: 200.0, 2: 300.0}
WAN_TIMES = (0.0, 1.0, 86400.0, 172800.0)
WAN_G_MAX = 40.0
CMO_ACCEPTANCE_RANGES = (0.2, 2.0)


@dataclass(frozen=True, kw_only=True)
class Scaled(Crossbar):
    """A crossbar whose noise can be scaled. Subclass as a frozen dataclass.

    Args:
        prog_noise_scale: factor on the programming noise, >= 0.
        read_noise_scale: factor on the read noise, >= 0.
        drift_scale: factor on the drift, >= 0.
    """

    prog_noise_scale: float = 1.0
    read_noise_scale: float = 1.0
    drift_scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("prog_noise_scale", "read_noise_scale", "drift_scale"):
            checks.real(type(self).__name__, name, getattr(self, name), ge=0)

    def _scales(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("prog_noise_scale", "read_noise_scale", "drift_scale")}


@dataclass(frozen=True, kw_only=True)
class Pcm(Scaled):
    """Phase-change memory crossbar (aihwkit PCM-like): programming noise, drift, 1/f read noise.

    Nandakumar et al., "Phase-change memory models for deep learning training and inference", ICECS 2019.

    Args:
        g_max: conductance of the largest weight of a tile [uS], > 0.
        t_0: time of the first reading of the drift fit [s], > 0; drift counts from it.
        t_read: duration of a reading, for 1/f noise [s], > 0.

    >>> import torch
    >>> from analognn.packing import ParameterLayout
    >>> model = torch.nn.Linear(64, 64)
    >>> packed = ParameterLayout.from_model(model).pack(model)
    >>> received = Pcm(t_inference=3600.0).receive(packed, generator=torch.Generator().manual_seed(0))
    >>> received.source, received.usage.tiles, received.noise_var[-1].item()
    ('estimated', 1, 0.0)
    """

    g_max: float = 25.0
    t_0: float = 20.0
    t_read: float = 250e-9

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("g_max", "t_0", "t_read"):
            checks.real("Pcm", name, getattr(self, name), gt=0)

    def noise_model(self) -> NoiseModel:
        """See :meth:`Crossbar.noise_model`."""
        from aihwkit.inference.noise.pcm import PCMLikeNoiseModel

        model: NoiseModel = PCMLikeNoiseModel(
            g_converter=converter(self.f_lst, self.g_max), t_0=self.t_0, t_read=self.t_read, **self._scales()
        )
        return model


@dataclass(frozen=True, kw_only=True)
class Hermes(Scaled):
    """IBM HERMES chip: phase-change memory with one or two devices side by side per conductance.

    Le Gallo et al., "A 64-core mixed-signal in-memory compute chip", Nature Electronics 2023.

    Args:
        num_devices: 1 or 2; two are programmed more exactly and drift less apart.
        g_max: conductance of the largest weight of a tile [uS], > 0, at most what was measured and by default just
            that: 10.35 for one device, 20.7 for two.
        t_0: first reading of the drift fit [s], > 0; 200 for one device and 300 for two unless given.
        t_read: duration of a reading, for 1/f noise [s], > 0.
    """

    num_devices: int = 2
    g_max: float | None = None
    t_0: float | None = None
    t_read: float = 512e-9

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer("Hermes", "num_devices", self.num_devices, ge=1)
        if self.num_devices not in HERMES_G_MAX:
            raise ValueError(f"`Hermes(num_devices=...)` must be 1 or 2; got {self.num_devices}.")
        if self.g_max is not None:
            checks.real("Hermes", "g_max", self.g_max, gt=0, le=HERMES_G_MAX[self.num_devices])
        if self.t_0 is not None:
            checks.real("Hermes", "t_0", self.t_0, gt=0)
        checks.real("Hermes", "t_read", self.t_read, gt=0)

    def noise_model(self) -> NoiseModel:
        """See :meth:`Crossbar.noise_model`."""
        from aihwkit.inference.noise.hermes import HermesNoiseModel

        g_max = HERMES_G_MAX[self.num_devices] if self.g_max is None else self.g_max
        model = HermesNoiseModel(
            num_devices=self.num_devices,
            g_converter=converter(self.f_lst, g_max),
            g_max=g_max,
            t_0=HERMES_T_0[self.num_devices] if self.t_0 is None else self.t_0,
            t_read=self.t_read,
            **self._scales(),
        )
        return Quiet(model)


@dataclass(frozen=True, kw_only=True)
class StateIndependent(Scaled):
    """Generic drifting devices whose programming noise and drift do not depend on the conductance.

    Args:
        g_max: conductance of the largest weight of a tile [uS], > 0.
        prog_sigma: standard deviation of the programming noise [uS], >= 0.
        drift_nu_mean: mean drift coefficient, >= 0.
        drift_nu_std: its standard deviation from device to device, >= 0.
        t_0: first reading of the drift fit [s], > 0.
        t_read: duration of a reading, for 1/f noise [s], > 0.
    """

    g_max: float = 25.0
    prog_sigma: float = 0.2
    drift_nu_mean: float = 0.1
    drift_nu_std: float = 0.05
    t_0: float = 20.0
    t_read: float = 250e-9

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("g_max", "t_0", "t_read"):
            checks.real("StateIndependent", name, getattr(self, name), gt=0)
        for name in ("prog_sigma", "drift_nu_mean", "drift_nu_std"):
            checks.real("StateIndependent", name, getattr(self, name), ge=0)

    def noise_model(self) -> NoiseModel:
        """See :meth:`Crossbar.noise_model`."""
        from aihwkit.inference.noise.custom import StateIndependentNoiseModel

        model: NoiseModel = StateIndependentNoiseModel(
            g_converter=converter(self.f_lst, self.g_max),
            prog_coeff=[self.prog_sigma, 0.0, 0.0],
            drift_nu_mean=self.drift_nu_mean,
            drift_nu_std=self.drift_nu_std,
            t_0=self.t_0,
            t_read=self.t_read,
            **self._scales(),
        )
        return model


@dataclass(frozen=True, kw_only=True)
class ReRamWan2022(Crossbar):
    """ReRAM crossbar of Wan et al.: relaxation, measured 1 s, 1 day and 2 days after programming.

    Wan et al., "A compute-in-memory chip based on resistive random-access memory", Nature 2022. Devices relax but do
    not drift, so nothing is compensated by default. aihwkit scales the fit by the wrong reference conductance (4 dB too
    noisy at its default g_max); here it is the 40 uS of the fit.

    Args:
        t_inference: one of 0, 1, 86400, 172800 [s]; 0 is as 1. Each time is drawn anew: the data say nothing about how
            one device moves between them.
        g_max: conductance of the largest weight of a tile [uS], > 0.
        noise_scale: factor on the noise, >= 0.
    """

    drift_compensation: DriftCompensation = "none"
    g_max: float = WAN_G_MAX
    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.real("ReRamWan2022", "g_max", self.g_max, gt=0)
        checks.real("ReRamWan2022", "noise_scale", self.noise_scale, ge=0)
        _check_one_reading(self)

    def check_time(self, t_inference: float) -> None:
        """See :meth:`Crossbar.check_time`."""
        checks.real("ReRamWan2022", "t_inference", t_inference, ge=0)
        if t_inference not in WAN_TIMES:
            known = ", ".join(f"{t:g}" for t in WAN_TIMES)
            raise ValueError(f"`ReRamWan2022(t_inference=...)` must be one of {known} s; got {t_inference!r}.")

    def noise_model(self) -> NoiseModel:
        """See :meth:`Crossbar.noise_model`."""
        from aihwkit.inference.noise.reram import ReRamWan2022NoiseModel

        model = ReRamWan2022NoiseModel(g_converter=converter(self.f_lst, self.g_max), noise_scale=self.noise_scale)
        model.coeff_g_max_reference = WAN_G_MAX
        return Redrawn(model)


@dataclass(frozen=True, kw_only=True)
class ReRamCmo(Scaled):
    """CMO/HfOx ReRAM crossbar: one device per weight, near Gaussian noise, a common shift instead of a gain.

    Falcone et al., "All-in-one analog AI hardware: on-chip training and inference with conductive-metal-oxide/HfOx
    ReRAM devices", 2025. The shift grows with log t; it is an offset of the values, not of their gain, so drift
    compensation is off by default.

    Args:
        t_inference: 0, or from 1 s on: the fit is in log t.
        g_max: conductance of the largest weight of a tile [uS], > g_min.
        g_min: conductance of its smallest weight [uS], > 0.
        acceptance_range: of the program-and-verify loop, 0.2 or 2.0 [% of the target].
    """

    drift_compensation: DriftCompensation = "none"
    g_max: float = 88.199997
    g_min: float = 9.0
    acceptance_range: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.real("ReRamCmo", "g_min", self.g_min, gt=0)
        checks.real("ReRamCmo", "g_max", self.g_max, gt=self.g_min)
        if self.acceptance_range not in CMO_ACCEPTANCE_RANGES:
            raise ValueError(f"`ReRamCmo(acceptance_range=...)` must be 0.2 or 2.0; got {self.acceptance_range!r}.")
        if self.f_lst != (1.0,):
            raise ValueError(f"`ReRamCmo(f_lst=...)` must be (1.0,), it has one device per weight; got {self.f_lst}.")
        _check_one_reading(self)

    def check_time(self, t_inference: float) -> None:
        """See :meth:`Crossbar.check_time`."""
        checks.real("ReRamCmo", "t_inference", t_inference, ge=0)
        if 0 < t_inference < 1:
            raise ValueError(f"`ReRamCmo(t_inference=...)` must be 0 or >= 1 s; got {t_inference!r}.")

    def noise_model(self) -> NoiseModel:
        """See :meth:`Crossbar.noise_model`."""
        from aihwkit.inference.noise.reram import ReRamCMONoiseModel

        # aihwkit's default acceptance_range is no key of its own table, so it is always given.
        model = ReRamCMONoiseModel(
            g_max=self.g_max, g_min=self.g_min, acceptance_range=float(self.acceptance_range), **self._scales()
        )
        return SingleDevice(Quiet(model))


def _check_one_reading(medium: Crossbar) -> None:
    """Refuse to average what the model draws anew at each reading although the devices would keep it."""
    if medium.reads != 1:
        name = type(medium).__name__
        raise ValueError(
            f"`{name}(reads=...)` must be 1, its data do not tell read noise from relaxation; got {medium.reads}. Use "
            "copies=... to average."
        )
