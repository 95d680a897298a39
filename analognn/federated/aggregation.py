"""What the base station does with the updates of a round: they superpose, it denoises the sum and moves the model.

    w(t+1) = w(t) + w_hat / M,    w_hat from r = sum over the M updates that arrived + z        [1], eq. (3)
    normalisation parameters and buffers: w(t+1) = w(t) + mean of the updates, without noise

[1] Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", sec. II-B. State, updates and setup determine every bit that
follows, whoever computed the updates and in whatever order they come in.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from analognn.channels import Received, checks, units
from analognn.evaluate import eval_mode
from analognn.federated import uplink as air
from analognn.federated.config import Federation
from analognn.federated.layout import AirLayout, Summed
from analognn.federated.local import Update
from analognn.federated.plans import Decision, Heard, TensorMoments, mean_noise_var
from analognn.federated.record import RoundRecord
from analognn.federated.setup import Cell, Setup
from analognn.federated.state import State
from analognn.federated.station import prior_of
from analognn.receiver.side import BITS_PER_VALUE
from analognn.receiver.statistics import recalibrate
from analognn.seeds import seeded


def aggregate(
    state: State, updates: Mapping[int, Update | None], cell: Cell, setup: Setup
) -> tuple[State, RoundRecord]:
    """Take the updates of one round over the air and move the global model.

    Args:
        state: before the round.
        updates: by device, in any order; None for one that dropped out.
        cell: the base station.
        setup: the rest.

    Raises:
        RefusedUpdate: see :func:`analognn.federated.uplink.admit`.
        ValueError: a training that has diverged or is over; no examples where the station needs them.
    """
    check_open(state, setup.federation)
    _check_examples(cell, setup)
    arrivals = air.admit(updates, cell.layout, setup.federation)
    record = RoundRecord(state.round, tuple(arrivals.accepted), arrivals.refused, arrivals.dropped)
    if arrivals.accepted:
        return _moved(state, arrivals.accepted, cell, setup, record)
    diverged = bool(arrivals.refused) and not arrivals.dropped  # nobody has finite weights any more
    record = replace(record, diverged=diverged, note="No update arrived: the global model stays as it was.")
    return replace(state, round=state.round + 1, diverged=diverged), record


def check_open(state: State, federation: Federation) -> None:
    """Raise unless another round may follow ``state``.

    Raises:
        ValueError: the training has diverged or is over.
    """
    if state.diverged:
        raise ValueError(f"This training diverged in round {state.round - 1}; start anew with a lower learning_rate.")
    if state.round >= federation.num_rounds:
        raise ValueError(f"This training is over: it has played all its num_rounds = {federation.num_rounds} rounds.")


def _moved(
    state: State, updates: dict[int, Update], cell: Cell, setup: Setup, record: RoundRecord
) -> tuple[State, RoundRecord]:
    """The round of the updates that were accepted."""
    started = time.perf_counter()
    sent = air.stacked(updates, normalise=setup.federation.normalise)
    medium = air.medium_of(setup.uplink, sent, list(updates), setup.federation.rules.power)
    received = air.superposed(medium, sent, generator=seeded(setup.seed, "uplink", state.round))
    reliable = {name: state.model[name] + change for name, change in air.averaged(updates).items()}
    state = replace(state, model={**state.model, **reliable})
    aired = time.perf_counter()
    result, decision = _estimated(state, received, sent, cell, setup)
    ended = time.perf_counter()
    record = replace(
        _described(record, updates, sent, received, decision),
        side_info_bits=_side_info_bits(received, len(sent), cell.layout, setup),
        seconds_training=sum(update.seconds for update in updates.values()),
        seconds_air=aired - started,
        seconds_station=ended - aired,
    )
    return _judged(result, record, setup.federation)


def _estimated(
    state: State, received: Received | None, sent: Tensor, cell: Cell, setup: Setup
) -> tuple[State, Decision | None]:
    """The global model after the round, from one that already has its reliable part."""
    model, decision = cell.at(state), None
    if received is not None:
        layout = Summed.of(cell.layout, cell.layout.vector(state.model), len(sent))
        heard = Heard(
            received,
            prior_of(received, sent.sum(0), setup.federation.rules.prior),
            setup.federation.rate(state.round) / setup.federation.learning_rate,
            layout,
            model,
            setup.station.evaluator(cell.examples),
            _moments(sent, cell.layout) if setup.station.plan.wants_moments else (),
            state.memory,
        )
        decision = setup.station.plan(heard)
        layout.write(decision.estimate, model)
    if setup.station.recalibrate and cell.examples is not None:
        with eval_mode(model):
            recalibrate(model, cell.examples.inputs)
    after = replace(State.start(model), round=state.round + 1)
    return replace(after, memory=decision.memory if decision else state.memory), decision


def _moments(sent: Tensor, layout: AirLayout) -> TensorMoments:
    """Mean and variance of each tensor of the sum, the devices taken as uncorrelated."""
    parts = (sent[:, slot.start : slot.stop].double() for slot in layout.slots)
    return tuple((float(part.mean(1).sum()), float(part.var(1, correction=0).sum())) for part in parts)


def _described(
    record: RoundRecord,
    updates: dict[int, Update],
    sent: Tensor,
    received: Received | None,
    decision: Decision | None,
) -> RoundRecord:
    record = replace(record, loss=statistics.fmean(update.loss for update in updates.values()))
    power = float(sent.sum(0).double().var(correction=0))
    if received is None or decision is None:
        return replace(record, update_power=power, note="Every update is zero: nothing was sent.")
    noise_var = mean_noise_var(received)
    score = decision.score
    return replace(
        record,
        update_power=power,
        noise_var=noise_var,
        effective_wnr_db=units.noise_var_to_wnr_db(noise_var, power),
        gain=_gain(received.values, decision.estimate),
        lambda_prime=decision.lambda_prime,
        beta=decision.beta,
        validation_correct=score.correct if score else None,
        validation_total=score.total if score else None,
        channel_uses=received.usage.channel_uses,
        outage=received.usage.outage,
    )


def _side_info_bits(received: Received | None, count: int, layout: AirLayout, setup: Setup) -> int:
    """Beside what the medium needs: the norm of each update, and two moments of each of its tensors."""
    if received is None:
        return 0
    moments = 2 * len(layout.slots) if setup.station.plan.wants_moments else 0
    values = count * (moments + setup.federation.normalise)
    return received.usage.side_info_bits + BITS_PER_VALUE * values


def _gain(received: Tensor, estimate: Tensor) -> float:
    """Least squares of the estimate on what was received."""
    r, w = received.double(), estimate.double()
    power = float(r.square().sum())
    return float((r * w).sum()) / power if power > 0 else 1.0


def _judged(state: State, record: RoundRecord, federation: Federation) -> tuple[State, RoundRecord]:
    """Whether the training goes on: as in the released code, by its loss; and every weight must be finite."""
    assert record.loss is not None
    broken = [name for name, t in state.model.items() if t.is_floating_point() and not checks.all_finite(t)]
    if broken:
        note = f"Diverged: {broken[0]!r} of the global model is not finite."
    elif not record.loss <= federation.max_loss:
        note = f"Diverged: the mean training loss is {record.loss:.4g}, above max_loss = {federation.max_loss:g}."
    else:
        return state, record
    return replace(state, diverged=True), replace(record, diverged=True, note=note)


def _check_examples(cell: Cell, setup: Setup) -> None:
    if setup.station.needs_examples and cell.examples is None:
        raise ValueError(
            f"`Cell(examples=...)` is None, but {type(setup.station.plan).__name__} or recalibrate=True needs examples "
            "at the base station; give it some (server_examples)."
        )
