"""The example app on Flower's own engines, in processes of their own: the model of the plain loop, bit for bit."""

import importlib.util
import json
from pathlib import Path

import pytest

if importlib.util.find_spec("flwr") is None or importlib.util.find_spec("ray") is None:
    pytest.skip("needs pip install 'analognn[federated]'", allow_module_level=True)

if not Path("/proc").is_dir():
    pytest.skip("finds Flower's processes in /proc", allow_module_level=True)

from federated_helpers import same
from flower_processes import APP, free_port, run_app, superlink

from analognn.experiments.engines import one_thread
from analognn.experiments.feel.rounds import Run
from analognn.experiments.feel.scenario import FeelScenario
from analognn.experiments.feel.training import begin, prepare
from analognn.federated import State, play

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def loop():
    """The state after the rounds of the example's scenario, played in this process."""
    scenario = FeelScenario.from_toml((APP / "over_the_air" / "scenario.toml").read_text())
    run = Run(next(iter(scenario.station)), json.dumps(next(scenario.uplink.points()), sort_keys=True), 0)
    with one_thread():
        training = begin(prepare(scenario), run)
        return list(play(training.start, training.devices, training.cell, training.setup))[-1][0]


def test_the_simulation_engine_gives_the_model_of_the_loop(loop, tmp_path):
    out = tmp_path / "state.safetensors"
    small = "num-supernodes=4 client-resources-num-cpus=1 init-args-num-cpus=2"
    with superlink(tmp_path, "--simulation") as (processes, _):
        for attempt in range(3):  # Ray gives itself 30 s to start
            try:
                run_app(processes, out, "--federation-config", small)
                break
            except AssertionError as error:
                if attempt == 2 or "timed out during startup" not in str(error):
                    raise
    assert same(State.load(out), loop)


def test_superlink_and_supernodes_give_the_model_of_the_loop(loop, tmp_path):
    out = tmp_path / "state.safetensors"
    with superlink(tmp_path) as (processes, port):
        for device in range(4):
            there = ["--insecure", "--superlink", f"127.0.0.1:{port}", "--port", str(free_port())]
            number = f"partition-id={device} num-partitions=4"
            processes.start(f"node{device}", "flower-supernode", *there, "--node-config", number)
        run_app(processes, out)
    assert same(State.load(out), loop)
