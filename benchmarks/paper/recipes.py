"""What each figure is made of, tier by tier: models, sweeps of noise, grids, and how many images.

tiny       the network shipped with the package on real digits; minutes of CPU, no download
standard   data sets and published checkpoints under ANALOGNN_DATA; tens of CPU minutes, or minutes on a GPU
full       the paper's own networks, trained with ``benchmarks/train_cifar10.py``, and its grids; a GPU
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from analognn.channels import checks

Augmentation = Literal["crop and flip", "crop", "none"]
ALL = ("as-written", "as-coded", "audited")


@dataclass(frozen=True)
class Grid:
    """Pairs to try: lambda' = 0 with beta = 0 is MMSE, 1 with 0 ML."""

    lambda_primes: tuple[float, ...]
    betas: tuple[float, ...]


@dataclass(frozen=True)
class Recipe:
    """One network in the paper's experiments of noisy inference.

    Args:
        model: a name that ``analognn list`` prints.
        wnr_db: points of Figure 8 [dB]; they start where ML fails.
        surface_db: the point of Figure 7 [dB].
        coarse: grid of Figure 8.
        fine: grid of Figure 7.
        test_examples: the first so many test examples are reported on.
        paper: the paper's network that it is or stands for.
        held_out: the validation split played no part in the training of the checkpoint.
        choose_from: the split that the text draws its kappa examples from.
        augmentation: what the released code does to them.
        target: accuracy at which the gain is read.
        draws: noise draws at each point of Figure 8.
        surface_draws: noise draws of Figure 7.
        kappa: validation examples of Figure 8.
        readings: presets that are run where none is asked for.
    """

    model: str
    wnr_db: tuple[float, ...]
    surface_db: float
    coarse: Grid
    fine: Grid
    test_examples: int
    paper: str = ""
    held_out: bool = False
    choose_from: Literal["train", "validation"] = "train"
    augmentation: Augmentation = "crop and flip"
    target: float = 0.6
    draws: int = 10
    surface_draws: int = 3
    kappa: int = 100
    readings: tuple[str, ...] = ALL

    def __post_init__(self) -> None:
        for grid in (self.coarse, self.fine):
            if 1.0 not in grid.lambda_primes or 0.0 not in grid.betas:
                raise ValueError(f"`Recipe({self.model!r})`: each grid must hold ML, lambda' = 1 and beta = 0.")
        checks.integer("Recipe", "test_examples", self.test_examples, ge=1)


def steps(first: float, last: float, step: float) -> tuple[float, ...]:
    """First, first + step ... last, rounded so that 0 and 1 are met exactly.

    >>> steps(-0.4, 0.2, 0.2)
    (-0.4, -0.2, 0.0, 0.2)
    """
    return tuple(round(first + i * step, 6) + 0.0 for i in range(round((last - first) / step) + 1))


_RELEASED = Grid(steps(0.95, 1.07, 0.01), steps(-4.0, 0.4, 0.2))  # as the released records hold it
_CIFAR_COARSE = Grid((0.8, 1.0, 1.2, 1.4), (-0.6, -0.3, 0.0))
_CIFAR_FINE = Grid((0.0, *steps(0.4, 1.6, 0.2)), steps(-1.0, 0.4, 0.2))


def _crosssim(depth: int, wnr_db: tuple[float, ...], *, test_examples: int, readings: tuple[str, ...]) -> Recipe:
    return Recipe(
        f"cifar10-crosssim-resnet{depth}", wnr_db, wnr_db[1], _CIFAR_COARSE, _CIFAR_FINE, test_examples, "ResNet34",
        surface_draws=1, readings=readings,
    )  # fmt: skip


def _full(name: str, paper: str, wnr_db: tuple[float, ...], surface_db: float, grid: Grid = _RELEASED) -> Recipe:
    return Recipe(f"cifar10-{name}", wnr_db, surface_db, grid, grid, 10_000, paper, held_out=True)


def _minilm(test_examples: int, coarse: Grid, fine: Grid, **changes: Any) -> Recipe:
    recipe = Recipe(
        "sst2-minilm", (5.0, 7.0, 9.0, 11.0), 9.0, coarse, fine, test_examples, "BERT",
        held_out=True, choose_from="validation", augmentation="none", target=0.75,
    )  # fmt: skip
    return replace(recipe, **changes)


_SHUFFLENET = Grid(steps(0.9, 1.15, 0.01), steps(-4.0, 4.0, 0.5))
_MINILM_COARSE = Grid((0.1, 0.5, 1.0), (0.0, 10.0))
_MINILM_FINE = Grid((0.0, 0.25, 0.5, 0.75, 1.0, 1.1), (-30.0, -10.0, 0.0, 10.0, 30.0))
_BERT = Grid(
    (0.0, 0.02, 0.04, 0.06, 0.08, *steps(0.1, 1.1, 0.05)), (-30.0, -20.0, -15.0, *steps(-10, 50, 2))
)  # the released one, with MMSE

TIERS: dict[str, tuple[Recipe, ...]] = {
    "tiny": (
        Recipe(
            "mnist-resnet8",
            wnr_db=(0.0, 2.0, 4.0, 6.0),
            surface_db=2.0,
            coarse=Grid((0.8, 1.0, 1.1, 1.2), (-4.0, -2.0, -1.0, 0.0, 1.0)),
            fine=Grid((0.0, 0.4, 0.6, *steps(0.8, 1.4, 0.1), 1.6), steps(-5.0, 2.0, 1.0)),
            test_examples=400,
            paper="ResNet34",
            held_out=True,
            augmentation="crop",
        ),
    ),
    "standard": (
        _crosssim(20, (6.0, 8.0, 10.0, 12.0), test_examples=300, readings=ALL),
        _crosssim(32, (5.0, 7.0, 9.0, 11.0), test_examples=300, readings=("audited",)),
        _crosssim(56, (4.0, 6.0, 8.0, 10.0), test_examples=300, readings=("audited",)),
        _minilm(250, _MINILM_COARSE, _MINILM_FINE, surface_draws=1, readings=("audited",)),
    ),
    "full": (
        _full("resnet34", "ResNet34", steps(-10, -5, 1), -7.0),
        _full("resnet18", "ResNet18", steps(-8, -3, 1), -5.0),
        _full("shufflenetv2", "ShuffleNetV2", steps(-4, 2, 1), -1.0, _SHUFFLENET),
        _minilm(1821, _BERT, _BERT, wnr_db=steps(4, 12, 1)),
    ),
}  # fmt: skip
