"""Experiments: a scenario becomes trials, trials become records, records become a summary."""

from analognn.estimates import Estimate
from analognn.experiments.record import Record
from analognn.experiments.runner import RunResult, run
from analognn.experiments.scenario import Denoising, Medium, Scenario
from analognn.experiments.store import Store
from analognn.experiments.summary import Entry, Summary, summarise
from analognn.experiments.tables import records, to_arrow, to_pandas

__all__ = [
    "Denoising",
    "Entry",
    "Estimate",
    "Medium",
    "Record",
    "RunResult",
    "Scenario",
    "Store",
    "Summary",
    "records",
    "run",
    "summarise",
    "to_arrow",
    "to_pandas",
]
