"""A :class:`FeelScenario` says everything that decides the numbers of federated trainings over the air.

[federation]                       # devices, rounds, local training; see analognn.federated.Federation
num_rounds = 12
rules = "audited"                  # a preset, or a table: {preset = "audited", contaminated = true}

[uplink]                           # the medium that all devices share; a list is an axis that is swept
backend = "awgn"
wnr_db = [-20.0, -10.0]            # two points

[station.searched]                 # one table a base station: its plan and the plan's parameters
plan = "mmsepb"
recalibrate = false                # batch-norm statistics re-estimated at the base station
federation = {clip_norm = 1.0}     # what is different for the devices that it serves
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict

from analognn import multiple_access
from analognn.channels import MultipleAccess, checks
from analognn.experiments.parsing import STRICT, Recipe, check_label, check_name, check_rows, medium_table, validated
from analognn.experiments.scenario import Medium, Point
from analognn.federated import PRESETS, BaseStation, Federation, Rules, make_plan

Table = dict[str, Any]
NOISELESS = "noiseless"
"""Label of the reference: federated averaging over a perfect uplink."""


@dataclass(frozen=True)
class Station:
    """One base station of a scenario.

    Args:
        plan: how it denoises, a name of :data:`analognn.federated.PLANS`.
        parameters: of that plan; lists are values here, not axes.
        recalibrate: batch-norm statistics re-estimated at the base station after each round.
        federation: keys in which the devices it serves differ from those of the scenario.
    """

    plan: str
    parameters: Table = field(default_factory=dict)
    recalibrate: bool = False
    federation: Table = field(default_factory=dict)

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    @classmethod
    def of(cls, label: str, table: Any) -> Table:
        """``{plan?, recalibrate?, federation?, parameter: value ...}`` -> the fields of this class."""
        if not isinstance(table, Mapping):
            raise ValueError(f"`FeelScenario(station.{label})` must be a table with a plan; got {table!r}.")
        own = {key: table[key] for key in ("recalibrate", "federation") if key in table}
        parameters = {key: value for key, value in table.items() if key not in ("plan", *own)}
        return {"plan": table.get("plan", label), "parameters": parameters, **own}

    def made(self) -> BaseStation:
        """What it stands for.

        Raises:
            TypeError, ValueError: an unknown plan or parameter, or a value outside its bounds.
        """
        parameters = {key: tuple(v) if isinstance(v, list) else v for key, v in self.parameters.items()}
        return BaseStation(plan=make_plan(self.plan, **parameters), recalibrate=self.recalibrate)


@dataclass(frozen=True)
class FeelScenario(Recipe):
    """Federated trainings: one for every base station, point of the uplink and seed, and a noiseless one a seed.

    Args:
        name: for people and for the run folder; not part of the identity.
        model: a name that ``analognn list`` prints; its weights start fresh.
        uplink: the medium that the devices share.
        station: label -> base station.
        summary: one line for people; not part of the identity.
        federation: keys of :class:`analognn.federated.Federation`; the others are at their defaults.
        kappa: labelled examples that the base station holds.
        seeds: independent trainings at every point: another deal of the examples, other first weights, other noise.
        seed: base of all seeds.
        test_examples: the first so many test examples; 0 for all of them.

    >>> scenario = FeelScenario.named("feel")
    >>> scenario == FeelScenario.from_toml(scenario.to_toml())
    True
    """

    name: str
    model: str
    uplink: Medium
    station: dict[str, Station]
    summary: str = ""
    federation: Table = field(default_factory=dict)
    kappa: int = 100
    seeds: int = 5
    seed: int = 0
    test_examples: int = 0

    FOLDER: ClassVar[str] = "feel/scenarios"
    COMMAND: ClassVar[str] = "analognn feel"
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    def __post_init__(self) -> None:
        checks.integer("FeelScenario", "kappa", self.kappa, ge=1)
        checks.integer("FeelScenario", "seeds", self.seeds, ge=1)
        checks.integer("FeelScenario", "seed", self.seed, ge=0)
        checks.integer("FeelScenario", "test_examples", self.test_examples, ge=0)
        check_name("FeelScenario", self.name)
        if not self.station:
            raise ValueError("`FeelScenario(station=...)` must hold at least one [station.LABEL] table; got none.")
        self.uplink.check_axes("FeelScenario", "uplink")
        rounds = sum(self.served(label).num_rounds for label in self.station)
        check_rows(
            "FeelScenario", self.seeds * rounds * self.uplink.num_points, "seeds x points x rounds of each station"
        )
        for point in self.uplink.points():
            self.medium(point)
        for label, station in self.station.items():
            check_label("FeelScenario", "station", label, reserved=NOISELESS)
            station.made()
            self.served(label)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FeelScenario:
        """See :meth:`Recipe.from_dict`."""
        tables = dict(raw)
        if "uplink" in tables:
            tables["uplink"] = medium_table("uplink", tables["uplink"], default="awgn")
        if isinstance(tables.get("station"), Mapping):
            tables["station"] = {label: Station.of(label, table) for label, table in tables["station"].items()}
        return validated(cls, tables, {f.name: f.name for f in dataclasses.fields(cls)})

    def to_dict(self) -> Table:
        """See :meth:`Recipe.to_dict`."""
        tables = dataclasses.asdict(self)
        tables["uplink"] = {"backend": self.uplink.backend, **self.uplink.parameters}
        tables["station"] = {label: _table(station) for label, station in self.station.items()}
        return tables

    def identity(self) -> Table:
        """See :meth:`Recipe.identity`. Defaults of the federation count, so that none changes unseen."""
        served = {label: dataclasses.asdict(self.served(label)) for label in self.station}
        return {**super().identity(), "federation": served}

    def served(self, label: str) -> Federation:
        """The federation that the base station ``label`` serves, or NOISELESS.

        Raises:
            TypeError, ValueError: an unknown key or preset, or a value outside its bounds.
        """
        own = self.station[label].federation if label != NOISELESS else {}
        keys = {**self.federation, **own}
        for key in keys:
            where = f"station.{label}.federation, key" if key in own else "federation, key"
            checks.choice("FeelScenario", where, key, [f.name for f in dataclasses.fields(Federation)])
        return Federation(**{**keys, "rules": _rules(keys.get("rules", "audited"))})

    def medium(self, point: Point) -> MultipleAccess:
        """The uplink at a point.

        Raises:
            TypeError, ValueError: an unknown medium or parameter, or a value outside its bounds.
        """
        return multiple_access.create(self.uplink.backend, **self.uplink.at(point))


def _rules(asked: Any) -> Rules:
    """A preset by name, or a table of keys that differ from it."""
    table = dict(asked) if isinstance(asked, Mapping) else {"preset": asked}
    preset = table.pop("preset", "audited")
    checks.choice("FeelScenario", "federation.rules", preset, PRESETS)
    for key in table:
        checks.choice("FeelScenario", "federation.rules, key", key, [f.name for f in dataclasses.fields(Rules)])
    return dataclasses.replace(PRESETS[preset], **table)


def _table(station: Station) -> Table:
    """As TOML has it; defaults are left out."""
    options = {"recalibrate": station.recalibrate, "federation": station.federation}
    return {"plan": station.plan, **station.parameters, **{key: value for key, value in options.items() if value}}
