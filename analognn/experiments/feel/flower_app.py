"""A training of a scenario as a Flower app: what ``analognn feel`` plays in one process, on Flower's engines.

The scenario file travels with the app, and every node deals the examples by it: device m trains on m's part.
Run configuration (``[tool.flwr.app.config]``, or ``flwr run --run-config``):

    station   label of a base station; the first of the scenario by default
    point     number of the point of the uplink, from 0 in the order of the scenario
    seed      number of the training
    data      data folder; by default $ANALOGNN_DATA, else the cache
    device    "auto", "cpu" or "cuda"
    out       safetensors file for the last state, where the SuperLink runs; none by default
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

from flwr.app import ArrayRecord, Context, Message, MetricRecord
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import ClientAppCallable
from flwr.serverapp import Grid, ServerApp

from analognn.channels import checks
from analognn.experiments.engines import one_thread
from analognn.experiments.feel.rounds import Run
from analognn.experiments.feel.scenario import FeelScenario
from analognn.experiments.feel.training import Training, begin, prepare
from analognn.experiments.scenario import canonical
from analognn.federated.flower import Local, OverTheAir, client_app


def server_of(scenario: Path) -> ServerApp:
    """The server of the scenario in this TOML file. On one PyTorch thread, as ``analognn feel``, so with its bits."""
    server = ServerApp()
    server.main()(partial(_serve, scenario))
    return server


def client_of(scenario: Path) -> ClientApp:
    """The client of the scenario in this TOML file, on one PyTorch thread as well."""
    return client_app(partial(_local, scenario), mods=[_on_one_thread])


def _serve(scenario: Path, grid: Grid, context: Context) -> None:
    with one_thread():
        training = _training(scenario, context)
        strategy = OverTheAir(training.cell, training.setup)
        strategy.start(
            grid,
            ArrayRecord(dict(training.start.model)),
            num_rounds=training.setup.federation.num_rounds,
            evaluate_fn=lambda _round, _arrays: _validated(training, strategy),
        )
    if out := str(context.run_config.get("out", "")):
        strategy.state.save(Path(out))


def _validated(training: Training, strategy: OverTheAir) -> MetricRecord | None:
    if not strategy.records:
        return None
    return MetricRecord({"validation": training.validation(training.cell.at(strategy.state)).accuracy})


def _local(scenario: Path, context: Context, device: int) -> Local:
    training = _training(scenario, context)
    return Local(training.cell.model, training.devices[device], training.setup.federation)


def _on_one_thread(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    with one_thread():
        return call_next(message, context)


def _training(scenario: Path, context: Context) -> Training:
    config = context.run_config
    read = FeelScenario.from_toml(scenario.read_text())
    station = str(config.get("station", "")) or next(iter(read.station))
    checks.choice("run configuration", "station", station, read.station)
    points = list(read.uplink.points())
    point = int(config.get("point", 0))
    if not 0 <= point < len(points):
        raise ValueError(f"`run configuration(point=...)` must be >= 0 and < {len(points)}; got {point}.")
    run = Run(station, canonical(points[point]), int(config.get("seed", 0)))
    return _begun(read.to_toml(), run, str(config.get("data", "")), str(config.get("device", "auto")))


@lru_cache(maxsize=1)
def _begun(scenario_toml: str, run: Run, data: str, device: str) -> Training:
    workspace = prepare(FeelScenario.from_toml(scenario_toml), data_dir=Path(data) if data else None, device=device)
    return begin(workspace, run)
