"""The model of any trial of a run, made again from the trial's identity: the same seeds, the same bits.

A run keeps numbers, not models. What a receiver put back together is a plain PyTorch model, its state a plain
safetensors file:

    model = restored(scenario, Reception("awgn", '{"wnr_db": 6.0}', 0), "mmsepb")
    checkpoints.save(model.state_dict(), Path("model.safetensors"))
    other.load_state_dict(safetensors.torch.load_file("model.safetensors"))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from analognn.channels import checks
from analognn.experiments.engines import one_thread
from analognn.experiments.parsing import set_key
from analognn.experiments.record import Reception
from analognn.experiments.scenario import Point, Scenario, canonical
from analognn.experiments.trial import arrive, delivery, results
from analognn.experiments.workspace import prepare


def restored(
    scenario: Scenario, reception: Reception, receiver: str, *, data_dir: Path | None = None, device: str = "auto"
) -> nn.Module:
    """The model that ``receiver`` put back together from one noise draw, in eval mode on the CPU.

    Args:
        scenario: that was run.
        reception: medium, point and number of the draw; make it with :func:`reception_of`.
        receiver: one of the scenario's.
        data_dir: data and checkpoints; by default ANALOGNN_DATA, else the user's cache directory.
        device: "auto", "cpu" or "cuda": the run's own, for the same bits.

    Raises:
        ValueError: no such receiver, no weight arrived, or the scenario does not fit its model or data.
        FileNotFoundError: data set or checkpoint not there.
    """
    checks.choice("restored", "receiver", receiver, scenario.denoiser.names)
    with one_thread():
        workspace = prepare(scenario, data_dir=data_dir, device=device)
        arrival = arrive(workspace, reception)
        if arrival.lost:
            raise ValueError(f"No weight arrived in {reception}: there is no model to restore.")
        delivered = delivery(workspace, reception, arrival)
        ((_, _, result),) = results(workspace, reception, arrival, delivered, (receiver,))
    return result.copied_model().cpu()


def reception_of(scenario: Scenario, medium: str = "", settings: Sequence[str] = (), seed: int = 0) -> Reception:
    """A noise draw of a scenario by name.

    Args:
        scenario: whose draw it is.
        medium: label; the only one by default.
        settings: ``key=value`` of the swept parameters that tell the point from the others.
        seed: number of the draw, >= 0; one that the run did not make is as good.

    Raises:
        ValueError: no such medium, or not exactly one point.

    >>> reception_of(Scenario.named("default"), "awgn", ["wnr_db=6.0"])
    Reception(medium='awgn', point='{"wnr_db": 6.0}', seed=0)
    """
    labels = list(scenario.media)
    label = medium or (labels[0] if len(labels) == 1 else "")
    checks.choice("reception", "medium", label, labels)
    asked: Point = {}
    for setting in settings:
        set_key(asked, setting)
    points = [point for point in scenario.media[label].points() if asked.items() <= point.items()]
    if len(points) != 1:
        there = "; ".join(map(str, points or scenario.media[label].points()))
        raise ValueError(
            f"Name one point of {label!r} by KEY=VALUE; {asked or 'nothing'} fits {len(points)} of {there}."
        )
    checks.integer("reception", "seed", seed, ge=0)
    return Reception(label, canonical(points[0]), seed)
