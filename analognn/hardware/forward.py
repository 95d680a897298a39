"""The full analog forward pass: what a crossbar does to every product, besides what its devices do to the weights.

    y = s_y alpha ADC(W(G(t)) DAC(x / s_x) + e),    e ~ N(0, out_noise^2), new in every product

W(G(t)) [out, in] are the programmed and drifted weights of a tile, in units of its largest weight (their scale is part
of s_y), alpha is the drift compensation and s_x the range of the inputs. DAC and ADC round and clip; bound management
halves the inputs until no output clips; IR drop is the voltage lost along the wires. None of this is noise on the
weights: it is what weight noise leaves out. The products are aihwkit's, in its terms (Rasch et al., AICAS 2021).

Two simulators compute them. "torch" draws from torch's generator, so that the same seed gives the same bits, and runs
on any device. "c++" also knows IR drop, read noise per product and Conv1d/3d; it draws what is new in every product
from a generator of its own that cannot be seeded: only its devices repeat. CPU only, as aihwkit's wheel has it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from analognn.channels import checks
from analognn.compat import require_aihwkit

from .crossbar import Crossbar, seeded
from .mappable import MAPPED, check_mappable
from .media import Pcm

Simulator = Literal["torch", "c++"]
InputRange = Literal["abs-max", "calibrated"]


@dataclass(frozen=True, kw_only=True)
class AnalogForward:
    """Converters, noise and wires around the tiles of a medium. :meth:`convert` makes a model of it.

    Defaults are aihwkit's; bounds and noise are in units of (largest input) x (largest weight).

    Args:
        medium: devices, time, tile size, weight scaling and drift compensation; one copy, one read.
        program: False puts the weights on the tiles exactly, for example received ones.
        is_perfect: exact products, all below has no effect: weight noise alone.
        dac_bits: bits of the inputs, sign included, >= 2: 2^b - 2 steps; None: not rounded.
        adc_bits: likewise of the outputs.
        inp_noise: standard deviation of the noise on the inputs, >= 0.
        out_noise: standard deviation of the noise on the outputs, >= 0.
        out_bound: where outputs clip, > 0.
        w_noise: scale of the read noise of the weights, drawn in every product, >= 0; needs simulator "c++".
        ir_drop: scale of the IR drop, 1 as physical, >= 0; needs simulator "c++".
        bound_management: repeat clipped products at half the inputs.
        input_range: s_x is max|x| of each product ("abs-max") or of each layer, from calibration inputs.
        simulator: "torch" or "c++", see the module.
        digital: names of modules or parameters that stay digital.

    >>> forward = AnalogForward(medium=Pcm(t_inference=3600.0))
    >>> model = forward.convert(nn.Linear(8, 4), generator=torch.Generator().manual_seed(0))
    >>> model(torch.ones(2, 8)).shape
    torch.Size([2, 4])
    """

    medium: Crossbar = field(default_factory=Pcm)
    program: bool = True
    is_perfect: bool = False
    dac_bits: int | None = 7
    adc_bits: int | None = 9
    inp_noise: float = 0.0
    out_noise: float = 0.06
    out_bound: float = 12.0
    w_noise: float = 0.0
    ir_drop: float = 0.0
    bound_management: bool = True
    input_range: InputRange = "abs-max"
    simulator: Simulator = "torch"
    digital: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("dac_bits", "adc_bits"):
            if getattr(self, name) is not None:
                checks.integer("AnalogForward", name, getattr(self, name), ge=2)
        for name in ("inp_noise", "out_noise", "w_noise", "ir_drop"):
            checks.real("AnalogForward", name, getattr(self, name), ge=0)
        checks.real("AnalogForward", "out_bound", self.out_bound, gt=0)
        checks.choice("AnalogForward", "input_range", self.input_range, get_args(InputRange))
        checks.choice("AnalogForward", "simulator", self.simulator, get_args(Simulator))
        if isinstance(self.digital, str):
            raise TypeError(f"`AnalogForward(digital=...)` must be a sequence of names; got {self.digital!r}.")
        object.__setattr__(self, "digital", tuple(self.digital))
        self._check_pairs()

    def _check_pairs(self) -> None:
        for name in ("w_noise", "ir_drop"):
            if getattr(self, name) > 0 and self.simulator != "c++":
                raise ValueError(
                    f"`AnalogForward({name}={getattr(self, name)})` needs simulator='c++', whose noise per product "
                    f"cannot be seeded; got {self.simulator!r}."
                )
        medium = self.medium
        if (medium.copies, medium.reads, medium.digital_bias) != (1, 1, True):
            raise ValueError(
                "`AnalogForward(medium=...)` must have copies=1, reads=1 and digital_bias=True: each product is one "
                "reading of one copy, and biases are added after the ADC; got "
                f"copies={medium.copies}, reads={medium.reads}, digital_bias={medium.digital_bias}."
            )

    def convert(
        self, model: nn.Module, *, generator: torch.Generator, calibration: Tensor | None = None
    ) -> AnalogModel:
        """A copy of ``model`` that computes on tiles, programmed and drifted to the time of the medium.

        Args:
            model: float32. Linear and convolution layers go on tiles; normalisation stays digital.
            generator: seeds the devices first, then the noise of the products: the same seed gives the same devices
                whatever the converters.
            calibration: inputs of the model, for ``input_range="calibrated"``.

        Raises:
            ValueError: a layer aihwkit cannot map that is not in ``digital``, or calibration inputs missing or given
                in vain.
        """
        check_mappable(model, simulator=self.simulator, tile_size=self.medium.tile_size, digital=self.digital)
        if (calibration is not None) != (self.input_range == "calibrated"):
            need = "needs" if calibration is None else "takes no"
            raise ValueError(
                f"`AnalogForward(input_range={self.input_range!r}).convert(...)` {need} calibration inputs."
            )
        require_aihwkit()
        from aihwkit.nn.conversion import convert_to_analog

        ranges = {} if calibration is None else _input_ranges(model, calibration)
        with seeded(_device(model), generator):  # aihwkit draws weights before it puts ours in their place
            analog: Any = convert_to_analog(
                model,
                self.rpu_config(),
                specific_rpu_config_fun=lambda name, _, config: _with_input_range(config, ranges.get(name)),
                exclude_modules=list(self.digital),
            )
            self._program(analog)
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        return AnalogModel(analog.eval(), seed)

    def rpu_config(self) -> Any:
        """This as aihwkit has it: an ``InferenceRPUConfig``, without devices and drift compensation."""
        from aihwkit.simulator.configs import InferenceRPUConfig, MappingParameter, TorchInferenceRPUConfig

        kind = TorchInferenceRPUConfig if self.simulator == "torch" else InferenceRPUConfig
        return kind(
            drift_compensation=None,  # alpha becomes part of the scales
            forward=self._io_parameters(),
            mapping=MappingParameter(
                digital_bias=True,
                max_input_size=self.medium.tile_size,
                max_output_size=self.medium.tile_size,
                weight_scaling_omega=1.0,
                weight_scaling_columnwise=self.medium.weight_scaling == "column",
            ),
        )

    def _io_parameters(self) -> Any:
        from aihwkit.simulator.configs import IOParameters
        from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType, WeightNoiseType

        return IOParameters(
            is_perfect=self.is_perfect,
            inp_res=_resolution(self.dac_bits),
            out_res=_resolution(self.adc_bits),
            inp_noise=self.inp_noise,
            out_noise=self.out_noise,
            out_bound=self.out_bound,
            w_noise=self.w_noise,
            w_noise_type=WeightNoiseType.PCM_READ if self.w_noise > 0 else WeightNoiseType.NONE,
            ir_drop=self.ir_drop,
            bound_management=BoundManagementType.ITERATIVE if self.bound_management else BoundManagementType.NONE,
            noise_management=NoiseManagementType.ABS_MAX if self.input_range == "abs-max" else NoiseManagementType.NONE,
        )

    def _program(self, analog: Any) -> None:
        """Program and drift the tiles as the slow route does; alpha goes into the digital scales behind the ADC."""
        if not self.program:
            return
        devices_of, medium = self.medium.noise_model(), self.medium
        for tile in analog.analog_tiles():
            target = tile.tile.get_weights()
            if not bool(target.any()):
                continue  # nothing to program: zeros stay zeros
            target = target.to(tile.device)
            read, devices = devices_of.apply_programming_noise(target)
            if medium.t_inference > 0:
                programmed = read
                read = devices_of.apply_drift_noise(programmed, devices, medium.t_inference)
                alpha = medium.alpha(target, programmed, read).reshape(-1)
                tile.set_mapping_scales(tile.get_mapping_scales() * alpha)
            tile.tile.set_weights(read)


class AnalogModel(nn.Module):
    """A model on tiles. Each call draws new noise from a sequence fixed at conversion; torch's generator stays as is.

    Args:
        model: converted by aihwkit, programmed.
        seed: of the noise of the products.
    """

    def __init__(self, model: nn.Module, seed: int) -> None:
        super().__init__()
        self.model = model
        self._generator = torch.Generator().manual_seed(seed)

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Any:
        """What the model returns for these inputs."""
        with seeded(_device(self.model), self._generator):
            return self.model(*args, **kwargs)

    @property
    def tiles(self) -> int:
        """Number of crossbar tiles."""
        analog: Any = self.model
        return len(list(analog.analog_tiles()))


def _device(model: nn.Module) -> torch.device:
    return next(parameter for parameter in model.parameters() if parameter.numel()).device


def _resolution(bits: int | None) -> float:
    return -1.0 if bits is None else 1 / (2**bits - 2)


def _input_ranges(model: nn.Module, inputs: Tensor) -> dict[str, float]:
    """Layer -> max|x| over ``inputs`` [n, ...] of the model, computed digitally."""
    ranges: dict[str, float] = {}

    def observe(name: str) -> Any:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            ranges[name] = max(ranges.get(name, 0.0), float(args[0].abs().max()))

        return hook

    probe = copy.deepcopy(model).eval()
    for name, layer in probe.named_modules():
        if type(layer) in MAPPED["c++"]:
            layer.register_forward_pre_hook(observe(name))
    with torch.inference_mode():
        probe(inputs)
    return ranges


def _with_input_range(config: Any, limit: float | None) -> Any:
    """``config`` with a fixed input range; a layer that saw only zeros keeps 1."""
    if limit is not None:
        parameters = config.pre_post.input_range
        parameters.enable, parameters.learn_input_range, parameters.init_from_data = True, False, 0
        parameters.init_value = limit or 1.0
    return config
