"""A :class:`Scenario` says everything that decides the numbers of an experiment, and nothing else.

It reads from TOML, is checked as a whole, and hashes to the identity of the experiment. In a ``[media.LABEL]`` table
every key but ``backend`` is a parameter of that backend, and a list is an axis that is swept:

    [media.awgn]
    wnr_db = [0.0, 3.0]        # two points
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import tomli_w
from pydantic import ConfigDict, TypeAdapter, ValidationError

from analognn.channels import checks

if TYPE_CHECKING:
    from analognn.receiver import Receiver

Point = dict[str, Any]
"""The swept parameters of a medium at one point: parameter name -> value."""

_YOUNGER: dict[str, dict[str, Any]] = {"denoiser": {"unlabelled": 0, "directions": 4}}
"""Table -> key -> default of the keys that came later: at their default they do not count towards the identity, so
that records made before them keep theirs."""

_STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class Medium:
    """One medium of a scenario.

    Args:
        backend: a name that ``analognn list`` prints.
        parameters: of that backend; a list is swept, and several lists give every combination.
    """

    backend: str
    parameters: dict[str, Any]

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    def points(self) -> Iterator[Point]:
        """The swept parameters, point by point; one empty point where nothing is swept."""
        axes = {key: value for key, value in self.parameters.items() if isinstance(value, list)}
        for values in itertools.product(*axes.values()):
            yield dict(zip(axes, values, strict=True))

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

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

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
class Scenario:
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

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    def __post_init__(self) -> None:
        if not self.media:
            raise ValueError("`Scenario(media=...)` must hold at least one [media.LABEL] table; got none.")
        for label, medium in self.media.items():
            for key, value in medium.parameters.items():
                if value == []:
                    raise ValueError(f"`Scenario(media.{label}.{key}=...)` must hold at least one value; got none.")
        checks.integer("Scenario", "seeds", self.seeds, ge=1)
        checks.integer("Scenario", "seed", self.seed, ge=0)
        checks.integer("Scenario", "test_examples", self.test_examples, ge=0)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Scenario:
        """Build and check a scenario from nested tables as TOML has them.

        Raises:
            ValueError: an unknown key (with the nearest valid one), a missing key, a wrong type or value.
        """
        tables = dict(raw)
        if isinstance(tables.get("media"), Mapping):
            tables["media"] = {label: _medium_table(label, table) for label, table in tables["media"].items()}
        try:
            return _adapter().validate_json(json.dumps(tables, default=str))
        except ValidationError as error:
            raise ValueError(_explain(error)) from None

    @classmethod
    def from_toml(cls, text: str) -> Scenario:
        """Read a scenario; see :meth:`from_dict`.

        Raises:
            ValueError: not TOML, or not a scenario.
        """
        return cls.from_dict(_parse_toml(text))

    @classmethod
    def named(cls, name: str, overrides: Iterable[str] = ()) -> Scenario:
        """A shipped scenario by name or one from a TOML file by path, with ``key=value`` overrides.

        Raises:
            ValueError: no such scenario or file, or an override that does not fit.
        """
        raw = _parse_toml(_source(name).read_text(encoding="utf-8"))
        for override in overrides:
            set_key(raw, override)
        return cls.from_dict(raw)

    def to_dict(self) -> dict[str, Any]:
        """Nested tables that :meth:`from_dict` reads back."""
        tables = dataclasses.asdict(self)
        tables["media"] = {label: {"backend": m.backend, **m.parameters} for label, m in self.media.items()}
        if not self.reliable:  # younger than many records, whose identity it must not change
            del tables["reliable"]
        return tables

    def to_toml(self) -> str:
        """TOML that :meth:`from_toml` reads back."""
        return tomli_w.dumps(self.to_dict())

    @property
    def hash(self) -> str:
        """Identity of the experiment: SHA-256 over everything that decides its numbers, 16 hex digits."""
        identity = {key: value for key, value in self.to_dict().items() if key not in ("name", "summary")}
        _leave_out_younger(identity)
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    def diff(self, other: Scenario) -> str:
        """Unified diff of the two as TOML, from this one to ``other``; empty where they agree."""
        lines = difflib.unified_diff(
            self.to_toml().splitlines(), other.to_toml().splitlines(), "in the folder", "asked for", lineterm="", n=0
        )
        return "\n".join(lines)


def shipped() -> dict[str, str]:
    """Name -> summary of the scenarios that come with the package."""
    folder = resources.files("analognn.experiments") / "scenarios"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {file.name.removesuffix(".toml"): str(tomllib.loads(file.read_text())["summary"]) for file in files}


def _source(name: str) -> Any:
    if name in shipped():
        return resources.files("analognn.experiments") / "scenarios" / f"{name}.toml"
    path = Path(name)
    if path.suffix != ".toml":
        checks.choice("analognn run", "SCENARIO", name, [*shipped(), "a path to a .toml file"])
    if not path.is_file():
        raise ValueError(f"No scenario file at {name!r}; `analognn list` prints the shipped scenarios.")
    return path


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"The scenario is not valid TOML: {error}.") from None


def set_key(raw: dict[str, Any], override: str) -> None:
    """Apply one ``dotted.key=value`` to nested tables; the value is TOML, or text where it is not.

    Raises:
        ValueError: no ``key=``, or a table where there is a value.
    """
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"`--set` needs KEY=VALUE, for example --set denoiser.kappa=40; got {override!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = key.strip().split(".")
    target: Any = raw
    for table in tables:
        target = target.setdefault(table, {})
        if not isinstance(target, dict):
            raise ValueError(f"`--set {override}`: {table!r} is a value, not a table.")
    target[last] = value


def _leave_out_younger(identity: dict[str, Any]) -> None:
    for table, defaults in _YOUNGER.items():
        for key, default in defaults.items():
            if identity[table][key] == default:
                del identity[table][key]


def _medium_table(label: str, table: Any) -> Any:
    """``{backend?, parameter: value ...}`` -> the fields of :class:`Medium`; the label is the default backend."""
    if not isinstance(table, Mapping):
        raise ValueError(f"`Scenario(media.{label})` must be a table of parameters; got {table!r}.")
    parameters = {key: value for key, value in table.items() if key != "backend"}
    for key, value in parameters.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"`Scenario(media.{label}.{key}=...)` must be finite; got {number!r}.")
    return {"backend": table.get("backend", label), "parameters": parameters}


def _adapter() -> TypeAdapter[Scenario]:
    return TypeAdapter(Scenario)


def _explain(error: ValidationError) -> str:
    """The first finding as one sentence, in the words of the scenario."""
    first = error.errors(include_url=False)[0]
    keys = [str(part) for part in first["loc"] if part != "parameters"]
    where = ".".join(keys)
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        denoising = {f.name: f"denoiser.{f.name}" for f in dataclasses.fields(Denoising)}
        valid = denoising | {f.name: f.name for f in dataclasses.fields(Scenario)}
        close = difflib.get_close_matches(keys[-1], valid, n=1)
        hint = f" Did you mean {valid[close[0]]!r}?" if close else ""
        return f"Unknown key {where!r} in the scenario; valid are {', '.join(sorted(valid.values()))}.{hint}"
    if first["type"] in ("missing", "missing_argument"):
        return f"The scenario lacks the key {where!r}."
    return f"`Scenario({where}=...)`: {first['msg'].lower()}; got {first['input']!r}."
