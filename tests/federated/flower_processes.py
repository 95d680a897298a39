"""Flower's processes on this machine, for the time of a block: started on free ports, always stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analognn.experiments.engines import RAY_ENVIRONMENT

APP = Path(__file__).parents[2] / "examples" / "flower"
PATIENCE = 600
"""Seconds for anything here: each of Flower's processes takes seconds of a core to start, and there are many."""
# Flower gives up on a process that takes 30 s to start, and starts another one: no way for a machine under load.
PATIENT = """
import sys
if any("flower-super" in argument for argument in sys.orig_argv):
    from flwr.common import constant
    constant.HEARTBEAT_DEFAULT_INTERVAL = 300
"""


class Processes:
    """What was started in ``folder``; every process is known by the FLWR_HOME that it inherits."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "flwr"
        self.home.mkdir()
        self.started: list[subprocess.Popen[bytes]] = []
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(PATIENT)
        path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.environment = {
            **os.environ,
            **RAY_ENVIRONMENT,
            "FLWR_HOME": str(self.home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            "PYTHONPATH": os.pathsep.join(path),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        }

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("w") as log:
            self.started.append(
                subprocess.Popen(
                    command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
                )
            )
        return self.started[-1]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def left(self) -> list[int]:
        """Every process that runs, their children in sessions of their own included."""
        mark, found = f"FLWR_HOME={self.home}\0".encode(), []
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:  # gone, or not ours
                continue
        return found

    def stop(self) -> None:
        deadline = time.monotonic() + 30
        while (left := self.left()) and time.monotonic() < deadline:
            for number in left:
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.1)
        for process in self.started:
            process.wait(30)


@contextmanager
def superlink(folder: Path, *options: str) -> Iterator[tuple[Processes, int]]:
    """A SuperLink with its port; ``flwr run APP test`` finds it."""
    processes, port = Processes(folder), free_port()
    connection = f'[superlink]\ndefault = "test"\n[superlink.test]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    (processes.home / "config.toml").write_text(connection)
    try:
        server = processes.start("superlink", "flower-superlink", "--insecure", "--port", str(port), *options)
        wait_for(lambda: answers(port), server, lambda: processes.log("superlink"))
        yield processes, port
    finally:
        processes.stop()
        assert processes.left() == []


def run_app(processes: Processes, out: Path, *options: str) -> None:
    """``flwr run`` of the app in the repository, until it has written its last state."""
    app = processes.folder / "app"
    shutil.copytree(APP, app, dirs_exist_ok=True)
    command = ["flwr", "run", str(app), "test", "--stream", "--run-config", f'out="{out}"', *options]
    process = processes.start("run", *command)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"not done in {PATIENCE} s:\n{processes.log('run')}") from None
    wait_for(out.exists, None, lambda: processes.log("run"), patience=1)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(done, process, log, patience=PATIENCE):
    """Until ``done()``; an error with the log if ``process`` ends before, or time runs out."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise AssertionError(f"did not come up:\n{log()}")
        time.sleep(0.2)
