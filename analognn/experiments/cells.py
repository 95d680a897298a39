"""Rows of results from what files hold, each cell of its type or refused: SQLite checks no types, and CSV has none."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

CSV_FILE = "results.csv"
SUMMARY_FILE = "summary.json"


def typed(row: type[Any], hints: Mapping[str, Any], cells: Iterable[tuple[str, Any]]) -> Any:
    """A row of the dataclass ``row``; columns younger than the file have defaults.

    Args:
        row: with fields of type int, float or str, or one of these and None.
        hints: the types of its fields.
        cells: name and value of each column.

    Raises:
        TypeError: a cell of another type, or a column that is missing.
        KeyError: a column that the row does not have.
        ValueError: what the row refuses itself.
    """
    found = {}
    for name, value in cells:
        types = getattr(hints[name], "__args__", (hints[name],))
        fits = type(value) in types or (type(value) is int and float in types)
        if not fits or (type(value) is int and value.bit_length() > 63):
            raise TypeError(f"{name} is {value!r}"[:200])
        found[name] = value
    return row(**found)


def from_csv(path: Path, row: type[Any]) -> tuple[Any, ...]:
    """The rows of a CSV file that ends in its last line.

    Raises:
        OSError: it cannot be opened.
        ValueError: it cannot be read; the message names file and line.
    """
    hints, found = get_type_hints(row), []
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.DictReader(file)
        try:
            for line in lines:
                cells = ((name, _parsed(hints[name], text)) for name, text in line.items())
                found.append(typed(row, hints, cells))
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise unreadable(path, f"line {lines.line_num}: {error}") from None
    return tuple(found)


def unreadable(path: Path, why: object) -> ValueError:
    """What to say of a file of a run folder that cannot be read."""
    return ValueError(f"{path} cannot be read: {why}. Restore it, or move it away and run the scenario again.")


def _parsed(hint: Any, text: str) -> int | float | str | None:
    """One cell; the empty one is None where that may be."""
    optional = getattr(hint, "__args__", ())
    if optional and text == "":
        return None
    value: int | float | str = (optional[0] if optional else hint)(text)
    return value
