"""Small federated scenarios for tests."""

import dataclasses
import json

from analognn.experiments.feel import FeelScenario

TINY = """
name = "tiny"
summary = "A few rounds of a few devices."
model = "mnist-resnet8-projection"
seeds = 1
kappa = 20
test_examples = 50

[federation]
num_devices = 20
num_active = 1
num_rounds = 2
local_epochs = 1
batch_size = 200

[uplink]
wnr_db = [-5.0]

[station.ml]
[station.searched]
plan = "mmsepb"
max_evaluations = 4
"""


def tiny(*overrides):
    """The tiny scenario with ``key=value`` overrides."""
    import tomllib

    from analognn.experiments.parsing import set_key

    raw = tomllib.loads(TINY)
    for override in overrides:
        set_key(raw, override)
    return FeelScenario.from_dict(raw)


def without_time(rows):
    """Rows by run and round, without what a clock says."""
    clocks = dict.fromkeys(("seconds_training", "seconds_air", "seconds_station"), 0.0)
    return {(row.run, row.round): dataclasses.replace(row, **clocks) for row in rows}


def point(**values):
    """A point as a run names it."""
    return json.dumps(values, sort_keys=True)
