"""A medium from a table of measurements: conductance -> programming noise, drift, read noise, interpolated linearly.

    G_0  = G + s_prog(G) n1                      as programmed, >= 0                                      [uS]
    nu   = max(nu(G) + s_nu(G) n2, 0)            one drift coefficient per device
    G(t) = G_0 ((t + t_0) / t_0)^-nu             drift
    G_r  = G(t) + s_read(G(t)) n3                one reading, >= 0;   n1, n2, n3 ~ N(0, 1)

The form of the drift law and of the scaling is that of the PCM-like model of aihwkit; outside the table its first and
last rows hold.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from analognn.channels import checks

from .adapters import converter
from .crossbar import NoiseModel
from .media import Scaled

MAX = 1e6
"""Largest number in a table: 1 S, or a drift that nothing is left of."""
COLUMNS = ("conductance", "prog_sigma", "drift_nu", "drift_nu_std", "read_sigma")


class Table(NamedTuple):
    """The columns of a measured table, one entry per row: [uS], [uS], 1, 1, [uS]."""

    conductance: tuple[float, ...]
    prog_sigma: tuple[float, ...]
    drift_nu: tuple[float, ...]
    drift_nu_std: tuple[float, ...]
    read_sigma: tuple[float, ...]

    def at(self, column: str, g: Tensor) -> Tensor:
        """A column interpolated at conductances ``g`` of any shape, in their dtype and on their device."""
        x, y = (torch.tensor(v, dtype=g.dtype, device=g.device) for v in (self.conductance, getattr(self, column)))
        right = torch.searchsorted(x, g.contiguous()).clamp(1, len(x) - 1)
        share = ((g - x[right - 1]) / (x[right] - x[right - 1])).clamp(0, 1)
        return torch.lerp(y[right - 1], y[right], share)


def read_table(path: str) -> Table:
    """Read and check a CSV file with a header line that names the ``COLUMNS``, in any order.

    Raises:
        ValueError: no such file, a wrong header, fewer than two rows, a value that is no finite number >= 0, or
            conductances that do not rise. The message names file and line.
    """
    owner = f"`Measured(table={path!r})`"
    try:
        text = Path(path).read_text(encoding="utf-8")
        reader = csv.DictReader(text.splitlines())
        header, lines = list(reader.fieldnames or ()), [(reader.line_num, row) for row in reader]
    except (OSError, TypeError, ValueError, csv.Error) as error:  # no path at all, no UTF-8, a cell of 100 kB
        raise ValueError(f"{owner} cannot be read: {error}. Give the path of a CSV file.") from None
    if sorted(header) != sorted(COLUMNS):
        raise ValueError(f"{owner} needs the header {','.join(COLUMNS)}; got {','.join(header)[:200]}.")
    rows = [[_number(owner, number, name, row[name]) for name in COLUMNS] for number, row in lines]
    if len(rows) < 2:
        raise ValueError(f"{owner} needs at least 2 rows below the header; got {len(rows)}.")
    table = Table(*zip(*rows, strict=True))
    for i, (low, high) in enumerate(zip(table.conductance, table.conductance[1:], strict=False)):
        if not low < high:
            raise ValueError(f"{owner} needs conductances that rise; row {i + 2} has {high:g} after {low:g}. Sort it.")
    return table


def _number(owner: str, line: int, name: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not 0 <= value <= MAX:
        raise ValueError(f"{owner} needs finite numbers >= 0; line {line} has {name}={text!r:.50}, at most {MAX:g}.")
    return value


@dataclass(frozen=True, kw_only=True)
class Measured(Scaled):
    """Crossbar of devices of your own: a CSV table of conductance, programming noise, drift and read noise.

    Args:
        table: path of a CSV file with the columns conductance [uS], prog_sigma [uS], drift_nu, drift_nu_std and
            read_sigma [uS, standard deviation of one reading]. Read once, when the medium is made.
        g_max: conductance of the largest weight of a tile [uS], > 0 and at most the table's last; its last by default.
        t_0: time of the first reading, from which drift counts [s], > 0.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "device.csv")
    >>> rows = ["conductance,prog_sigma,drift_nu,drift_nu_std,read_sigma", "0,.2,.06,.02,.1", "25,1,.05,.01,.3"]
    >>> with open(path, "w") as file:
    ...     file.writelines(row + os.linesep for row in rows)
    >>> Measured(table=path).noise_model().table.prog_sigma
    (0.2, 1.0)
    """

    table: str
    g_max: float | None = None
    t_0: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        highest = self._table.conductance[-1]
        if self.g_max is not None:
            checks.real("Measured", "g_max", self.g_max, gt=0, le=highest)
        checks.real("Measured", "t_0", self.t_0, gt=0)

    @cached_property
    def _table(self) -> Table:
        return read_table(self.table)

    def noise_model(self) -> NoiseModel:
        """See :meth:`Crossbar.noise_model`."""
        from .table_model import TableNoiseModel

        g_max = self._table.conductance[-1] if self.g_max is None else self.g_max
        model: NoiseModel = TableNoiseModel(
            self._table, g_converter=converter(self.f_lst, g_max), t_0=self.t_0, scales=self._scales()
        )
        return model
