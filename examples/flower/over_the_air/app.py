"""Server and client of the scenario beside this file; what it may hold: :mod:`analognn.experiments.feel.scenario`."""

from pathlib import Path

from analognn.experiments.feel.flower_app import apps

server, client = apps(Path(__file__).with_name("scenario.toml"))
