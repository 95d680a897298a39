"""A :class:`Scenario` says everything that decides the numbers of an experiment, and nothing else.

It reads from TOML, is checked as a whole, and hashes to the identity of the experiment. In a ``[media.LABEL]`` table
every key but ``backend`` is a parameter of that backend, and a list is an axis that is swept:

    [media.awgn]
    wnr_db = [0.0, 3.0]        # two points
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict

from analognn.channels import checks
from analognn.experiments.parsing import STRICT, Recipe, check_label, check_name, check_rows, medium_table, validated

if TYPE_CHECKING:
    from analognn.receiver import Receiver

Point = dict[str, Any]
"""The swept parameters of a medium at one point: parameter name -> value."""

CLEAN = "clean"
"""Label of the medium that changes nothing: the reference row of every run."""

_YOUNGER: dict[str, dict[str, Any]] = {"denoiser": {"unlabelled": 0, "directions": 4}}
"""Table -> key -> default of the keys that came later: at their default they do not count towards the identity, so
that records made before them keep theirs."""


def canonical(point: Point) -> str:
    """A point as rows name it.

    >>> canonical({"wnr_db": 6.0, "delay": 1})
    '{"delay": 1, "wnr_db": 6.0}'
    """
    return json.dumps(point, sort_keys=True)


@dataclass(frozen=True)
class Medium:
    """One medium of a scenario.

    Args:
        backend: a name that ``analognn list`` prints.
        parameters: of that backend; a list is swept, and several lists give every combination.
    """

    backend: str
    parameters: dict[str, Any]

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    @property
    def num_points(self) -> int:
        """How many points there are."""
        return math.prod(len(value) for value in self.parameters.values() if isinstance(value, list))

    def points(self) -> Iterator[Point]:
        """The swept parameters, point by point; one empty point where nothing is swept."""
        axes = {key: value for key, value in self.parameters.items() if isinstance(value, list)}
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True))

    def check_axes(self, owner: str, where: str) -> None:
        """Raise ``ValueError`` if a list is empty."""
        for key, value in self.parameters.items():
            if value == []:
                raise ValueError(f"`{owner}({where}.{key}=...)` must hold at least one value; got none.")

    def at(self, point: Point) -> dict[str, Any]:
        """All parameters of the backend at ``point``; inner lists become tuples."""
        merged = {**self.parameters, **point}
        return {key: tuple(value) if isinstance(value, list) else value for key, value in merged.items()}


@dataclass(frozen=True)
class Denoising:
    """What the receiver does.

    Args:
        names: receivers: words that ``analognn list`` prints, joined with "+" in the order in which they are applied.
        prior: "blind" from the received weights, or "side-information": clean mean and variance, 64 bits.
        kappa: labelled validation examples, for those that need labels.
        lambda_primes: grid of lambda'.
        betas: grid of beta [1 / weight].
        unlabelled: further validation inputs without labels, for those that re-estimate statistics.
        directions: of each layer's input that "protect" sends weights along.
    """

    names: tuple[str, ...] = ("ml", "mmse", "mmsepb")
    prior: Literal["blind", "side-information"] = "blind"
    kappa: int = 100
    lambda_primes: tuple[float, ...] = (0.8, 0.9, 0.95, 1.0, 1.05, 1.1)
    betas: tuple[float, ...] = (-2.0, -1.0, 0.0, 1.0, 2.0)
    unlabelled: int = 0
    directions: int = 4

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    def __post_init__(self) -> None:
        checks.integer("Scenario", "denoiser.unlabelled", self.unlabelled, ge=0)
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError(f"`Scenario(denoiser.names=...)` must be different names, at least one; got {self.names}.")
        checks.integer("Scenario", "denoiser.kappa", self.kappa, ge=1)
        for value in self.lambda_primes:
            checks.real("Scenario", "denoiser.lambda_primes", value, ge=0)
        for value in self.betas:
            checks.real("Scenario", "denoiser.betas", value)
        for name in ("lambda_primes", "betas"):
            if not getattr(self, name):
                raise ValueError(f"`Scenario(denoiser.{name}=...)` must hold at least one value; got none.")
        for name, receiver in self.receivers().items():
            if self.unlabelled == 0 and receiver.needs("unlabelled"):
                raise ValueError(
                    f"`Scenario(denoiser.unlabelled=...)` must be >= 1 for {name!r}, which needs inputs; got 0."
                )

    def receivers(self) -> dict[str, Receiver]:
        """Name -> what it stands for with these settings.

        Raises:
            ValueError: an unknown word in a name.
        """
        from analognn.receiver import Settings, receiver

        settings = Settings(self.lambda_primes, self.betas, self.directions)
        return {name: receiver(name, settings) for name in self.names}


@dataclass(frozen=True)
class Stop:
    """When a medium has draws enough: `seeds` more are drawn at its points until all half-widths are small, or the cap.

        [stop]
        half_width = 0.02       # of the 95 % interval
        max_seeds = 40

    The draws are the first of a run with more seeds, bit for bit. Looking at the interval repeatedly makes it cover a
    little less than 95 %, the less the more draws come first.

    Args:
        half_width: of the score's 95 % interval, in shares of 1.
        max_seeds: draws at most.
        score: "accuracy" at each point, "gain_over_ml" at each point, or "area" under the accuracy over the WNR; each
            receiver's counts.
    """

    half_width: float
    max_seeds: int
    score: Literal["accuracy", "gain_over_ml", "area"] = "accuracy"

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    def __post_init__(self) -> None:
        checks.real("Scenario", "stop.half_width", self.half_width, gt=0)
        checks.integer("Scenario", "stop.max_seeds", self.max_seeds, ge=2)


@dataclass(frozen=True)
class Scenario(Recipe):
    """One experiment: a model through media, denoised and scored on test data.

    Args:
        name: for people and for the run folder; not part of the identity.
        model: a name that ``analognn list`` prints.
        media: label -> medium.
        summary: one line for people; not part of the identity.
        denoiser: what the receiver does.
        seeds: independent noise draws at every point.
        seed: base of all seeds.
        test_examples: the first so many test examples; 0 for all of them.
        reliable: how the tensors that must arrive exactly travel: see :mod:`analognn.experiments.reliability`.
        stop: when there are draws enough; without it there are ``seeds``.

    >>> scenario = Scenario.named("default")
    >>> scenario.model, scenario == Scenario.from_toml(scenario.to_toml())
    ('mnist-resnet8', True)
    """

    name: str
    model: str
    media: dict[str, Medium]
    summary: str = ""
    denoiser: Denoising = field(default_factory=Denoising)
    seeds: int = 5
    seed: int = 0
    test_examples: int = 0
    reliable: dict[str, Any] = field(default_factory=dict)
    stop: Stop | None = None

    FOLDER: ClassVar[str] = "scenarios"
    COMMAND: ClassVar[str] = "analognn run"
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    def __post_init__(self) -> None:
        if not self.media:
            raise ValueError("`Scenario(media=...)` must hold at least one [media.LABEL] table; got none.")
        check_name("Scenario", self.name)
        for label, medium in self.media.items():
            check_label("Scenario", "media", label, reserved=CLEAN)
            medium.check_axes("Scenario", f"media.{label}")
        checks.integer("Scenario", "seeds", self.seeds, ge=1)
        checks.integer("Scenario", "seed", self.seed, ge=0)
        checks.integer("Scenario", "test_examples", self.test_examples, ge=0)
        if self.stop is not None:
            checks.integer("Scenario", "stop.max_seeds", self.stop.max_seeds, ge=self.seeds)
            if self.stop.score == "gain_over_ml" and "ml" not in self.denoiser.names:
                raise ValueError("`Scenario(stop.score='gain_over_ml')` needs 'ml' among denoiser.names.")
        draws = self.stop.max_seeds if self.stop else self.seeds
        trials = draws * len(self.denoiser.names) * sum(medium.num_points for medium in self.media.values())
        check_rows("Scenario", trials, "draws x points x receivers")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Scenario:
        """See :meth:`Recipe.from_dict`."""
        tables = dict(raw)
        if isinstance(tables.get("media"), Mapping):
            media = tables["media"].items()
            tables["media"] = {label: medium_table(f"media.{label}", table, default=label) for label, table in media}
        return validated(cls, tables, _keys())

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Recipe.to_dict`."""
        tables = dataclasses.asdict(self)
        tables["media"] = {label: {"backend": m.backend, **m.parameters} for label, m in self.media.items()}
        for younger in ("reliable", "stop"):  # than many records, whose identity they must not change
            if not tables[younger]:
                del tables[younger]
        return tables

    def identity(self) -> dict[str, Any]:
        """See :meth:`Recipe.identity`."""
        identity = super().identity()
        for table, defaults in _YOUNGER.items():
            for key, default in defaults.items():
                if identity[table][key] == default:
                    del identity[table][key]
        return identity


def _keys() -> dict[str, str]:
    """Last part of a key -> the whole of it."""
    inner = {"denoiser": Denoising, "stop": Stop}
    nested = {f.name: f"{table}.{f.name}" for table, cls in inner.items() for f in dataclasses.fields(cls)}
    return nested | {f.name: f.name for f in dataclasses.fields(Scenario)}
