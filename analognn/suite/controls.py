"""Negative controls: what must change nothing, and what must be alike, in the records of a run.

- Infinite WNR: a medium without noise delivers the clean network, whose answers and loss are equal to the last bit,
  through every receiver that needs nothing or side information.
- A medium without its noise (only rounding is left) changes no answer.
- All receivers of a draw saw the same noise.

Of the run `controls.toml` the label of a medium says which it is held to: "infinite-..." or "noiseless-...".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analognn.experiments.record import Record
from analognn.experiments.scenario import CLEAN

BIT_EXACT, UNCHANGED = "infinite-", "noiseless-"


def violations(records: Iterable[Record]) -> Iterator[str]:
    """One line for every control that fails."""
    rows = list(records)
    yield from _common_draws(rows)
    clean = next((record for record in rows if record.medium == CLEAN), None)
    for record in rows:
        where = f"{record.medium} {record.point} draw {record.seed}, {record.denoiser}"
        if clean is None or not record.medium.startswith((BIT_EXACT, UNCHANGED)):
            continue
        if record.correct != clean.correct:
            yield f"{where}: {record.correct} right answers of {record.total}; without the medium {clean.correct}."
        exact = record.medium.startswith(BIT_EXACT) and record.budget in ("none", "side-information")
        if exact and (record.noise_var, record.loss_sum) != (0.0, clean.loss_sum):
            yield f"{where}: noise_var {record.noise_var}, loss {record.loss_sum}; without the medium {clean.loss_sum}."


def _common_draws(records: list[Record]) -> Iterator[str]:
    noise: dict[tuple[str, str, int], Record] = {}
    for record in records:
        first = noise.setdefault((record.medium, record.point, record.seed), record)
        if (record.noise_var, record.wnr_db) != (first.noise_var, first.wnr_db):
            yield (
                f"{record.medium} {record.point} draw {record.seed}: {first.denoiser} saw noise of variance "
                f"{first.noise_var}, {record.denoiser} {record.noise_var}."
            )
