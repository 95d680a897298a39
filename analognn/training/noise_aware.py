"""Noise-aware training: every step computes with weights that carry new noise, and updates the clean ones.

    W <- W - rate grad L(W + z),    z ~ N(0, (std_dev max|W|)^2) ("AddNormal"),  N(0, (std_dev W)^2) ("MultNormal")

Optionally |W| <= clip_sigma std(W) after each step: the noise of a crossbar grows with the largest weight of a tile.
The noise is aihwkit's (its weight modifiers, on tiles with exact products; Rasch et al., "Hardware-aware training for
large-scale and diverse deep learning inference workloads using in-memory computing-based accelerators", 2023).
For absolute noise of any medium in a loop of your own see :mod:`.weight_noise`.

Batch-norm trains as always: it normalises by the statistics of each noisy batch, and the running statistics that it
leaves behind were collected under noise, not re-estimated without.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from analognn.channels import checks
from analognn.compat import require_aihwkit
from analognn.hardware.crossbar import seeded
from analognn.hardware.forward import AnalogForward
from analognn.hardware.mappable import check_mappable

Modifier = Literal["AddNormal", "MultNormal"]
TILES = AnalogForward(is_perfect=True)
"""Where the weights lie while training: tiles of 512 with exact products."""


@dataclass(frozen=True, kw_only=True)
class WeightNoise:
    """The noise of each training step. aihwkit's further modifiers (PCMNoise, ...) cannot be seeded: none is here.

    Args:
        modifier: by aihwkit's name; "AddNormal" relative to the largest weight of a tile, "MultNormal" to each weight.
        std_dev: relative standard deviation, >= 0.
        clip_sigma: largest weight kept, in standard deviations of its tile, > 0; None clips nothing.
    """

    modifier: Modifier = "AddNormal"
    std_dev: float = 0.1
    clip_sigma: float | None = 2.5

    def __post_init__(self) -> None:
        checks.choice("WeightNoise", "modifier", self.modifier, get_args(Modifier))
        checks.real("WeightNoise", "std_dev", self.std_dev, ge=0)
        if self.clip_sigma is not None:
            checks.real("WeightNoise", "clip_sigma", self.clip_sigma, gt=0)

    def rpu_config(self) -> Any:
        """This as aihwkit has it: a ``TorchInferenceRPUConfig`` with exact products."""
        from aihwkit.simulator.configs import WeightClipParameter, WeightModifierParameter
        from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType

        config = TILES.rpu_config()
        config.modifier = WeightModifierParameter(type=WeightModifierType(self.modifier), std_dev=self.std_dev)
        if self.clip_sigma is not None:
            config.clip = WeightClipParameter(type=WeightClipType.LAYER_GAUSSIAN, sigma=self.clip_sigma)
        return config


def train_noise_aware(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    noise: WeightNoise,
    *,
    rate: Callable[[int], float],
    generator: torch.Generator,
) -> nn.Module:
    """A copy of ``model``, digital and in eval mode, after one Adam step on each of ``batches``.

    Args:
        model: of Linear and ungrouped Conv2d layers, float32; any other layer that holds weights but normalisation is
            refused.
        batches: inputs and labels [n] of each step.
        noise: what the weights carry in a step.
        rate: learning rate of a step, from its index; weights are in units of the largest of their tile.
        generator: seeds the noise; PyTorch's global one is left as it was.

    Raises:
        ValueError: a layer aihwkit cannot map, or a loss that is not finite.
    """
    tuned, optimiser = _prepare(model, noise, rate(0), generator)
    with seeded(next(model.parameters()).device, generator):
        for step, (inputs, labels) in enumerate(batches):
            for group in optimiser.param_groups:
                group["lr"] = rate(step)
            loss = F.cross_entropy(tuned(inputs), labels)
            if not math.isfinite(loss.item()):
                raise ValueError(f"`train_noise_aware`: loss {loss.item()} at step {step}; lower the rate or std_dev.")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return _to_digital(tuned, model)


def _prepare(model: nn.Module, noise: WeightNoise, rate: float, generator: torch.Generator) -> tuple[Any, Any]:
    """``model`` on aihwkit's tiles in training mode, and the optimiser that also clips their weights."""
    check_mappable(model, simulator=TILES.simulator, tile_size=TILES.medium.tile_size, digital=())
    require_aihwkit()
    from aihwkit.nn.conversion import convert_to_analog
    from aihwkit.optim import AnalogAdam

    with seeded(next(model.parameters()).device, generator):  # aihwkit draws weights before it puts ours there
        analog: Any = convert_to_analog(model, noise.rpu_config()).train()
    return analog, AnalogAdam(analog.parameters(), lr=rate)


def _to_digital(analog: Any, model: nn.Module) -> nn.Module:
    """A copy of ``model`` with the weights and statistics of its analog twin."""
    from aihwkit.nn.conversion import convert_to_digital

    result = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):  # as above
        result.load_state_dict(convert_to_digital(analog).state_dict())
    return result.eval()
