"""What scenarios of every kind share: tables of TOML in and out, ``key=value`` overrides, refusals, identity."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Self

import tomli_w
from pydantic import ConfigDict, ValidationError

from analognn.channels import checks

STRICT = ConfigDict(extra="forbid", strict=True)
"""How pydantic reads a scenario: no unknown key, no number for a text."""


class Recipe(ABC):
    """An experiment as nested tables. Subclass as a frozen dataclass whose fields are the keys."""

    FOLDER: ClassVar[str]
    """Where the shipped ones lie, below this package."""
    COMMAND: ClassVar[str]
    """What runs it."""

    @classmethod
    @abstractmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Build and check a scenario from nested tables as TOML has them.

        Raises:
            ValueError: an unknown key (with the nearest valid one), a missing key, a wrong type or value.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Nested tables that :meth:`from_dict` reads back."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """The part of :meth:`to_dict` that decides the numbers."""

    @classmethod
    def shipped(cls) -> dict[str, str]:
        """Name -> summary of the scenarios that come with the package."""
        folder = resources.files("analognn.experiments") / cls.FOLDER
        files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
        return {file.name.removesuffix(".toml"): str(tomllib.loads(file.read_text())["summary"]) for file in files}

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read a scenario; see :meth:`from_dict`.

        Raises:
            ValueError: not TOML, or not a scenario.
        """
        return cls.from_dict(_parse_toml(text))

    @classmethod
    def named(cls, name: str, overrides: Iterable[str] = ()) -> Self:
        """A shipped scenario by name or one from a TOML file by path, with ``key=value`` overrides.

        Raises:
            ValueError: no such scenario or file, or an override that does not fit.
        """
        raw = _parse_toml(cls._source(name).read_text(encoding="utf-8"))
        for override in overrides:
            set_key(raw, override)
        return cls.from_dict(raw)

    @classmethod
    def _source(cls, name: str) -> Any:
        shipped = cls.shipped()
        if name in shipped:
            return resources.files("analognn.experiments") / cls.FOLDER / f"{name}.toml"
        path = Path(name)
        if path.suffix != ".toml":
            checks.choice(cls.COMMAND, "SCENARIO", name, [*shipped, "a path to a .toml file"])
        if not path.is_file():
            raise ValueError(f"No scenario file at {name!r}; `analognn list` prints the shipped scenarios.")
        return path

    def to_toml(self) -> str:
        """TOML that :meth:`from_toml` reads back."""
        return tomli_w.dumps(self.to_dict())

    @property
    def hash(self) -> str:
        """Identity of the experiment: SHA-256 over everything that decides its numbers, 16 hex digits."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:16]

    def diff(self, other: Self) -> str:
        """Unified diff of the two as TOML, from this one to ``other``; empty where they agree."""
        lines = difflib.unified_diff(
            self.to_toml().splitlines(), other.to_toml().splitlines(), "in the folder", "asked for", lineterm="", n=0
        )
        return "\n".join(lines)


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


def medium_table(where: str, table: Any, *, default: str) -> Any:
    """``{backend?, parameter: value ...}`` -> the fields of a medium.

    Args:
        where: of the table in the scenario.
        table: as TOML has it.
        default: backend where the table names none.

    Raises:
        ValueError: not a table, or a number that is not finite.
    """
    if not isinstance(table, Mapping):
        raise ValueError(f"`Scenario({where})` must be a table of parameters; got {table!r}.")
    parameters = {key: value for key, value in table.items() if key != "backend"}
    for key, value in parameters.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"`Scenario({where}.{key}=...)` must be finite; got {number!r}.")
    return {"backend": table.get("backend", default), "parameters": parameters}


def explain(error: ValidationError, valid: Mapping[str, str]) -> str:
    """The first finding as one sentence, in the words of the scenario.

    Args:
        error: what pydantic found.
        valid: last part of a key -> the whole of it, for the nearest to an unknown one.
    """
    first = error.errors(include_url=False)[0]
    keys = [str(part) for part in first["loc"] if part != "parameters"]
    where = ".".join(keys)
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        close = difflib.get_close_matches(keys[-1], valid, n=1)
        hint = f" Did you mean {valid[close[0]]!r}?" if close else ""
        return f"Unknown key {where!r} in the scenario; valid are {', '.join(sorted(valid.values()))}.{hint}"
    if first["type"] in ("missing", "missing_argument"):
        return f"The scenario lacks the key {where!r}."
    return f"`Scenario({where}=...)`: {first['msg'].lower()}; got {first['input']!r}."


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"The scenario is not valid TOML: {error}.") from None
