"""aihwkit's inference presets by name, as :class:`AnalogForward`.

Of the preset classes of ``aihwkit.simulator.presets`` most describe devices that are trained by pulses on the chip
(``PCMPreset``, ``ReRamESPreset``, ...): they have no programming noise and no drift, so there is nothing to evaluate.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

from analognn.channels import checks
from analognn.compat import require_aihwkit

from .forward import AnalogForward
from .media import Pcm


def names() -> tuple[str, ...]:
    """The presets of the installed aihwkit that describe inference.

    >>> names()
    ('FloatingPointPreset', 'StandardHWATrainingPreset')
    """
    return tuple(sorted(name for name, inference in _presets().items() if inference))


def preset(name: str) -> AnalogForward:
    """The inference preset called ``name``, with its PCM at one day; ``dataclasses.replace`` changes the medium.

    What only matters while training (clipping, remapping, learned input ranges) is left out: input ranges come from
    calibration inputs. Its tiles have as many outputs as inputs at most, those of aihwkit any number.

    Args:
        name: one of :func:`names`.

    Raises:
        ValueError: no preset of that name, or one that is no inference preset; the message lists those that are.

    >>> forward = preset("StandardHWATrainingPreset")
    >>> forward.dac_bits, forward.adc_bits, forward.ir_drop, forward.medium.weight_scaling
    (8, 8, 1.0, 'column')
    """
    known = _presets()
    if name in known and not known[name]:
        raise ValueError(
            f"`preset(name=...)` must be one of {', '.join(names())}; {name!r} describes training by pulses on the "
            "chip, not inference."
        )
    checks.choice("preset", "name", name, names())
    from aihwkit.simulator import presets

    return _from_rpu_config(getattr(presets, name)())


def _presets() -> dict[str, bool]:
    """Name of each preset -> whether it is one for inference."""
    require_aihwkit()
    from aihwkit.simulator import presets
    from aihwkit.simulator.configs import InferenceRPUConfig

    classes = inspect.getmembers(presets, inspect.isclass)
    return {name: issubclass(cls, InferenceRPUConfig) for name, cls in classes if name.endswith("Preset")}


def _from_rpu_config(config: Any) -> AnalogForward:
    io, mapping = config.forward, config.mapping
    if io.is_perfect:
        return AnalogForward(is_perfect=True, program=False)
    return AnalogForward(
        medium=Pcm(
            tile_size=mapping.max_input_size,
            weight_scaling="column" if mapping.weight_scaling_columnwise else "tile",
        ),
        dac_bits=_bits(io.inp_res),
        adc_bits=_bits(io.out_res),
        inp_noise=io.inp_noise,
        out_noise=io.out_noise,
        out_bound=io.out_bound,
        w_noise=io.w_noise,
        ir_drop=io.ir_drop,
        bound_management=io.bound_management.name != "NONE",
        input_range="calibrated" if config.pre_post.input_range.enable else "abs-max",
        simulator="c++" if io.w_noise > 0 or io.ir_drop > 0 else "torch",
    )


def _bits(resolution: float) -> int | None:
    """Steps (or 1 / steps) as bits, sign included; None where it does not round."""
    if resolution <= 0:
        return None
    return round(math.log2((resolution if resolution > 1 else 1 / resolution) + 2))
