"""What scenarios of every kind share: tables of TOML in and out, ``key=value`` overrides, refusals, identity."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import tomli_w
from pydantic import ConfigDict, TypeAdapter, ValidationError

from analognn.channels import checks

Asked = TypeVar("Asked")
STRICT = ConfigDict(extra="forbid", strict=True)
"""How pydantic reads a scenario: no unknown key, no number for a text."""
MAX_ROWS = 1_000_000
"""Rows of results that one run folder is for."""
MAX_DEPTH = 16
"""Tables and lists within each other."""


class Recipe(ABC):
    """An experiment as nested tables. Subclass as a frozen dataclass whose fields are the keys."""

    name: str
    """For people and for the run folder."""

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

    def identity(self) -> dict[str, Any]:
        """The part of :meth:`to_dict` that decides the numbers."""
        return {key: value for key, value in self.to_dict().items() if key not in ("name", "summary")}

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
        try:
            raw = _parse_toml(cls._source(name).read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} is no text in UTF-8: {error}.") from None
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
    *tables, last = key.strip().split(".")
    target: Any = raw
    for table in tables:
        target = target.setdefault(table, {})
        if not isinstance(target, dict):
            raise ValueError(f"`--set {override}`: {table!r} is a value, not a table.")
    target[last] = toml_value(text, otherwise=text)


def toml_value(text: str, *, otherwise: Any) -> Any:
    """What ``text`` is as a value of TOML, or ``otherwise`` where it is none.

    >>> toml_value("[1, 2]", otherwise=None), toml_value("ten", otherwise="ten")
    ([1, 2], 'ten')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # not TOML, a number of thousands of digits; hundreds of brackets
        return otherwise


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


def validated(kind: type[Asked], tables: Mapping[str, Any], valid: Mapping[str, str]) -> Asked:
    """The scenario that ``tables`` describe.

    Args:
        kind: its class.
        tables: as TOML or JSON has them, its own part put into the form of the class.
        valid: last part of a key -> the whole of it, for the nearest to an unknown one.

    Raises:
        ValueError: the first finding as one sentence, in the words of the scenario.
    """
    _check_plain(tables, "")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(tables, default=str))
    except ValidationError as error:
        raise ValueError(_explained(error, valid)) from None


def check_rows(owner: str, rows: int, what: str) -> None:
    """Raise ``ValueError`` if a scenario asks for more rows than a run folder is for."""
    if rows > MAX_ROWS:
        raise ValueError(
            f"`{owner}` asks for more rows of results ({what}) than the {MAX_ROWS:,} that one run folder is for. Ask "
            "for fewer, or split it."
        )


def check_size(owner: str, name: str, value: int, available: int, what: str) -> None:
    """Raise ``ValueError`` if a scenario asks for more examples than there are."""
    if value > available:
        raise ValueError(f"`{owner}({name}=...)` must be <= {available}, the size of the {what}; got {value}.")


def check_name(owner: str, name: str) -> None:
    """Raise ``ValueError`` if no folder can be called so."""
    if not 0 < len(name.encode(errors="replace")) <= 200 or name.startswith(".") or re.search(r"[/\\\x00-\x1f]", name):
        raise ValueError(
            f"`{owner}(name=...)` must be 1 to 200 bytes without '/', '\\' and control characters that do not begin "
            f"with '.', because it names the run folder; got {_short(name)}."
        )


def check_label(owner: str, table: str, label: str, *, reserved: str) -> None:
    """Raise ``ValueError`` if a label cannot stand in names of files and in pictures, or means something else."""
    if label == reserved or not re.fullmatch(r"[\w.+-]{1,50}", label):
        raise ValueError(
            f"`{owner}({table}.LABEL)` must be up to 50 letters, digits, '_', '.', '+' or '-', and not {reserved!r}; "
            f"got {_short(label)}."
        )


def _check_plain(value: Any, where: str, depth: int = 0) -> None:
    """Raise ``ValueError`` for what TOML may hold and no scenario needs: endless nesting, integers beyond 64 bits."""
    if depth > MAX_DEPTH:
        raise ValueError(f"The scenario nests tables and lists more than {MAX_DEPTH} deep at {where[:50]!r}.")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"`Scenario({where}=...)` must fit into 64 bits; got an integer of {value.bit_length()} bits.")
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        _check_plain(inner, f"{where}.{key}".lstrip("."), depth + 1)
    for inner in value if isinstance(value, (list, tuple)) else ():
        _check_plain(inner, where, depth + 1)


def _explained(error: ValidationError, valid: Mapping[str, str]) -> str:
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
    if first["type"] == "json_invalid":
        return f"The scenario cannot be read: {first['msg']}."
    return f"`Scenario({where}=...)`: {first['msg'].lower()}; got {_short(first['input'])}."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: a number may have thousands of digits
        raise ValueError(f"The scenario is not valid TOML: {error}.") from None
