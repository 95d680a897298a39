"""From records to one entry a point: mean accuracy over the noise draws, with intervals.

accuracy        a = mean(a_i),   a +- t_{0.975, n-1} s / sqrt(n)          Student's t over n independent draws
gain over ML    the same on the differences a_i - a_i(ML), which share draw and data
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from analognn import compat
from analognn.estimates import Estimate, estimate
from analognn.experiments.record import Record
from analognn.experiments.rows import Results
from analognn.experiments.scenario import CLEAN, Point, Scenario, canonical
from analognn.experiments.store import Store
from analognn.receiver import receiver


@dataclass(frozen=True)
class Reliable:
    """Cost of the reliable path, as means over the draws.

    Args:
        bits: delivered, the medium's side information included.
        channel_uses: complex channel uses.
        energy: in units of the average energy of one data symbol.
        retransmissions: blocks sent again.
        uses_percent: channel uses, of those of the payload; None where the payload takes none.
        energy_percent: likewise.
    """

    bits: float
    channel_uses: float
    energy: float
    retransmissions: float
    uses_percent: float | None
    energy_percent: float | None


@dataclass(frozen=True)
class Entry:
    """One medium, point and denoiser over all its draws.

    Args:
        medium: label in the scenario.
        backend: name of the medium.
        point: swept parameters.
        denoiser: name of the receiver.
        budget: what it may know, the dearest of "none", "side-information", "unlabelled", "labelled" and "oracle".
        unlabelled: examples without labels it used.
        labelled: examples with labels it used.
        receiver_bits: side information it asked for.
        seeds: noise draws.
        accuracy: on the test data.
        gain_over_ml: paired difference of accuracies; None where ML is not among the denoisers.
        wnr_db: mean effective WNR over the draws in which a weight arrived [dB]; None where it is infinite, or no
            weight ever arrived.
        outage: mean fraction of the positions left unused or of the weights erased; None for media without.
        reliable: what the reliable path cost; None in records that did not count it.
        pattern: values of a calibration pattern it had sent through the medium.
    """

    medium: str
    backend: str
    point: Point
    denoiser: str
    budget: str
    unlabelled: int
    labelled: int
    receiver_bits: int
    seeds: int
    accuracy: Estimate
    gain_over_ml: Estimate | None
    wnr_db: float | None
    outage: float | None = None
    reliable: Reliable | None = None
    pattern: int = 0


@dataclass(frozen=True)
class Summary:
    """What a run found.

    Args:
        scenario: that was run.
        clean: accuracy of the model before any medium; None until that trial is done.
        entries: in the order of the scenario.
        fingerprints: digest -> what the rows that go by it rest on; see :mod:`analognn.experiments.fingerprint`.
    """

    scenario: Scenario
    clean: float | None
    entries: tuple[Entry, ...]
    fingerprints: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``summary.json``."""
        return {
            "scenario": self.scenario.to_dict(),
            "scenario_hash": self.scenario.hash,
            "clean_accuracy": self.clean,
            "entries": [dataclasses.asdict(entry) for entry in self.entries],
            "versions": compat.versions(),
            "fingerprints": self.fingerprints,
        }


def summarise(results: Results[Scenario, Record]) -> Summary:
    """Group the records of a run; points still unfinished count with the draws there are."""
    scenario = results.scenario
    groups: defaultdict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in results.records():
        groups[record.medium, record.point, record.denoiser].append(record)
    clean = groups.get((CLEAN, "{}", "none"))
    entries = []
    for label, medium in scenario.media.items():
        for point in medium.points():
            for denoiser in scenario.denoiser.names:
                key = label, canonical(point)
                if records := groups.get((*key, denoiser)):
                    entries.append(_entry(point, records, groups.get((*key, "ml"), [])))
    return Summary(scenario, clean[0].accuracy if clean else None, tuple(entries))


def write_summary(store: Store) -> Summary:
    """Summarise into ``summary.json`` of the folder."""
    summary = dataclasses.replace(summarise(store), fingerprints=store.fingerprints())
    store.write_summary(summary.to_dict())
    return summary


def _entry(point: Point, records: list[Record], baseline: list[Record]) -> Entry:
    ml = {record.seed: record.accuracy for record in baseline}
    accuracy = {record.seed: record.accuracy for record in records}
    paired = [accuracy[seed] - ml[seed] for seed in accuracy if seed in ml]
    wnr_db = _mean(record.wnr_db for record in records if record.wnr_db != -math.inf)
    first = records[0]
    return Entry(
        medium=first.medium,
        backend=first.backend,
        point=point,
        denoiser=first.denoiser,
        budget=first.budget or receiver(first.denoiser).budget,
        unlabelled=first.unlabelled or 0,
        labelled=first.labelled or first.validation_total or 0,
        receiver_bits=first.receiver_bits or 0,
        seeds=len(records),
        accuracy=estimate(list(accuracy.values())),
        gain_over_ml=estimate(paired) if paired else None,
        wnr_db=wnr_db if wnr_db is not None and math.isfinite(wnr_db) else None,
        outage=_mean(record.outage for record in records),
        reliable=_reliable(records),
        pattern=first.pattern or 0,
    )


def _reliable(records: list[Record]) -> Reliable | None:
    bits = _mean(record.reliable_bits for record in records)
    if bits is None:
        return None
    uses, energy = (_mean(getattr(r, f"reliable_{name}") for r in records) or 0.0 for name in ("uses", "energy"))
    payload_uses, payload_energy = (_mean(getattr(r, name) for r in records) for name in ("channel_uses", "energy"))
    return Reliable(
        bits=bits,
        channel_uses=uses,
        energy=energy,
        retransmissions=_mean(record.reliable_retransmissions for record in records) or 0.0,
        uses_percent=100 * uses / payload_uses if payload_uses else None,
        energy_percent=100 * energy / payload_energy if payload_energy else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """Of those that are there; None where none is."""
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None
