"""Points, budgets and times in the words of tables and pictures."""

from __future__ import annotations

from typing import Protocol

from analognn.experiments.scenario import Point
from analognn.experiments.summary import Entry


def point_text(point: Point) -> str:
    """Swept parameters in one line.

    >>> point_text({"esn0_db": 6.0, "model": "tdl-a"})
    'esn0_db=6 model=tdl-a'
    """
    return " ".join(
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in point.items()
    )


_UNITS = ((365 * 86400.0, "year"), (86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def time_text(t: float) -> str:
    """A time [s] in the largest unit that keeps a number of at least 1.

    >>> time_text(0.0), time_text(20.0), time_text(3600.0), time_text(30 * 86400.0)
    ('0 s', '20 s', '1 h', '30 d')
    """
    size, unit = next(((size, unit) for size, unit in _UNITS if t >= size), _UNITS[-1])
    return f"{t / size:.3g} {unit}"


class Informed(Protocol):
    """An entry or a score: what its receiver used."""

    @property
    def budget(self) -> str:
        """The dearest thing it needed."""

    @property
    def unlabelled(self) -> int:
        """Inputs without labels."""

    @property
    def labelled(self) -> int:
        """Examples with labels."""

    @property
    def receiver_bits(self) -> int:
        """Side information it asked for."""


def knows(entry: Informed) -> str:
    """What the receiver knew beyond the values that arrived, as short as can be."""
    parts = [f"{entry.labelled} labelled"] if entry.labelled else []
    parts += [f"{entry.unlabelled} inputs"] if entry.unlabelled else []
    parts += [f"{entry.receiver_bits / 1000:.3g} kbit"] if entry.receiver_bits else []
    return ", ".join(["oracle"] if entry.budget == "oracle" else parts)


def wnr_text(entry: Entry) -> str:
    """The effective WNR [dB]: a number, "inf" without noise, "lost" where nothing ever arrived."""
    if entry.wnr_db is not None:
        return f"{entry.wnr_db:z.1f}"
    return "lost" if entry.outage == 1 else "inf"
