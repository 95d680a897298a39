"""How many noise draws each medium of a scenario gets: a fixed number, or as many as its interval needs.

    n_1 = seeds,   n_{k+1} = min(n_k + seeds, max_seeds)   until   half-width of the score over draws 0 ... n_k - 1 <= b

All points of a medium get the same number, so that its curves are whole. What is decided depends on the records alone,
and only on whole rounds of them: a run that was killed goes on to the same number. See :class:`Stop` for the scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analognn.estimates import Estimate, bootstrap, estimate
from analognn.experiments.gains import BASELINE, area, curves
from analognn.experiments.record import Record
from analognn.experiments.scenario import Scenario, Stop


def draws(scenario: Scenario, records: Iterable[Record]) -> dict[str, int]:
    """Medium -> draws that each of its points should have, as far as the records tell.

    >>> draws(Scenario.named("default"), [])
    {'awgn': 5, 'pcm': 5, 'ofdm': 5}
    """
    if scenario.stop is None:
        return dict.fromkeys(scenario.media, scenario.seeds)
    found: dict[str, list[Record]] = {label: [] for label in scenario.media}
    for record in records:
        found.get(record.medium, []).append(record)
    return {label: _enough(scenario, scenario.stop, label, own) for label, own in found.items()}


def _enough(scenario: Scenario, stop: Stop, label: str, records: list[Record]) -> int:
    trials = scenario.media[label].num_points * len(scenario.denoiser.names)
    count = scenario.seeds
    while count < stop.max_seeds:
        whole = [record for record in records if record.seed < count]
        if len(whole) < count * trials or _precise(stop, whole):
            break
        count = min(count + scenario.seeds, stop.max_seeds)
    return count


def _precise(stop: Stop, records: list[Record]) -> bool:
    widths = (found.half_width for found in _scores(stop, records))
    return all(width is not None and width <= stop.half_width for width in widths)


def _scores(stop: Stop, records: list[Record]) -> Iterator[Estimate]:
    """The score of each receiver, at each point where it has one there."""
    if stop.score == "area":
        yield from (bootstrap([area(curve) for curve in own.values()]) for own in curves(records).values())
        return
    accuracies: dict[tuple[str, str], dict[int, float]] = {}
    for record in records:
        accuracies.setdefault((record.point, record.denoiser), {})[record.seed] = record.accuracy
    for (point, _), own in accuracies.items():
        ml = accuracies[point, BASELINE] if stop.score == "gain_over_ml" else dict.fromkeys(own, 0.0)
        yield estimate([own[seed] - ml[seed] for seed in own])
