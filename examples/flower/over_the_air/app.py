"""Server and client of the scenario beside this file; what it may hold: :mod:`analognn.experiments.feel.scenario`."""

from pathlib import Path

from analognn.experiments.feel.flower_app import client_of, server_of

SCENARIO = Path(__file__).with_name("scenario.toml")
server = server_of(SCENARIO)
client = client_of(SCENARIO)
