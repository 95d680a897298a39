"""Who computes a run makes no difference: the same records, also after a process died."""

import dataclasses
import gc
import importlib.util
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from run_helpers import rows

from analognn.cli import main
from analognn.experiments import Denoising, Medium, engines, run, runner

pytestmark = [
    pytest.mark.timeout(1800),
    # Ray leaves the handles of its processes and files to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install 'analognn[ray]'")

KILLER = '''
import os, signal
from dataclasses import dataclass
from pathlib import Path
from analognn.channels import Awgn

@dataclass(frozen=True)
class Killer(Awgn):
    """AWGN that kills the first process to use it."""
    marker: str = ""

    def transmit(self, x, *, generator):
        try:
            Path(self.marker).touch(exist_ok=False)
        except FileExistsError:
            return super().transmit(x, generator=generator)
        os.kill(os.getpid(), signal.SIGKILL)

def dies(shared, job):
    """Yields its job twice; job 1 kills its process in between."""
    yield job
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    yield -job

def dies_here(job):
    return list(dies(None, job))
'''


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    """An installed package with a medium that kills its process once, where every worker finds it."""
    site = tmp_path_factory.mktemp("site")
    (site / "analognn_killer.py").write_text(KILLER)
    info = site / "analognn_killer-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: analognn-killer\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[analognn.backends]\nkiller = analognn_killer:Killer\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def cluster(killer):
    """A Ray cluster of two CPUs on this machine."""
    import ray

    with engines.ray_cluster(workers=2) as started:
        yield started
    assert not ray.is_initialized()
    gc.collect()


@pytest.fixture(scope="module")
def deadly(killer, tmp_path_factory):
    """A scenario whose second medium kills the first process that uses it, and its records computed in this process."""
    from analognn.experiments import Scenario

    marker = tmp_path_factory.mktemp("marker") / "used"
    scenario = Scenario(
        name="deadly",
        model="mnist-resnet8",
        media={
            "awgn": Medium("awgn", {"wnr_db": [0.0, 6.0]}),
            "killer": Medium("killer", {"wnr_db": 3.0, "marker": str(marker)}),
        },
        denoiser=Denoising(kappa=20, lambda_primes=(0.9, 1.0), betas=(-1.0, 0.0)),
        seeds=2,
        test_examples=100,
    )
    marker.touch()
    folder = tmp_path_factory.mktemp("serial")
    assert run(scenario, folder, workers=1).failures == ()
    return scenario, marker, rows(folder)


@pytest.mark.parametrize("engine", ["processes", pytest.param("ray", marks=needs_ray)])
def test_a_worker_that_dies_is_replaced_and_the_records_are_those_of_one_process(engine, deadly, tmp_path, request):
    scenario, marker, serial = deadly
    marker.unlink()
    ticks = []
    workers = request.getfixturevalue("cluster") if engine == "ray" else 2
    result = run(scenario, tmp_path, workers=workers, progress=lambda done, total: ticks.append((done, total)))
    assert marker.exists()
    assert result.failures == ()
    assert rows(tmp_path) == serial
    assert ticks[0] == (0, 19)
    assert ticks[-1] == (19, 19)
    assert [done for done, _ in ticks] == sorted(done for done, _ in ticks)


def test_a_job_that_always_kills_its_process_is_told_and_the_others_are_done(killer, monkeypatch):
    from analognn_killer import dies_here

    monkeypatch.setattr(engines, "RETRIES", 1)
    got = []
    with pytest.raises(engines.WorkersDied, match=r"died 2 times; [1-4] jobs are not done"):
        got.extend(engines.on_processes(dies_here, range(12), 2))
    assert len(got) >= 8
    assert [1, -1] not in got


@needs_ray
def test_a_job_that_always_kills_its_ray_worker_is_told_and_the_others_are_done(cluster, monkeypatch):
    import ray
    from analognn_killer import dies

    monkeypatch.setattr(engines, "RETRIES", 0)
    got = list(cluster.stream(dies, None, range(6)))
    failed = [(job, result) for job, result in got if isinstance(result, Exception)]
    assert [job for job, _ in failed] == [1]
    assert isinstance(failed[0][1], ray.exceptions.WorkerCrashedError)
    assert sorted(item for item in got if item[0] != 1) == sorted(
        (job, result) for job in range(6) if job != 1 for result in (job, -job)
    )


@needs_ray
def test_a_trial_that_raises_on_the_cluster_is_told_with_its_traceback(cluster, tiny, tmp_path, monkeypatch):
    def breaks(_workspace, job, _state):
        yield from ()
        raise ArithmeticError(f"broke at {job.reception.seed}")

    monkeypatch.setattr(runner.Trials, "compute", staticmethod(breaks))
    result = run(dataclasses.replace(tiny, seeds=1), tmp_path, workers=cluster)
    assert len(result.failures) == 3
    assert any('awgn {"wnr_db": 6.0} seed 0:' in failure for failure in result.failures)
    assert all("ArithmeticError: broke at 0" in failure for failure in result.failures)
    assert rows(tmp_path) == {}


@needs_ray
def test_a_cluster_that_was_there_goes_on(cluster, deadly, tmp_path):
    import ray

    scenario, _, serial = deadly
    (tmp_path / "deadly.toml").write_text(scenario.to_toml())
    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-m", "analognn", "run", tmp_path / "deadly.toml", "--out", tmp_path / "out"]
    done = subprocess.run([*command, "--engine", "ray", "--address", address], capture_output=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "out") == serial
    assert ray.get(ray.remote(lambda: 1).remote()) == 1
    with engines.ray_cluster():  # the one of this process
        pass
    assert ray.is_initialized()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--address", "10.0.0.1:6379"), "`--address 10.0.0.1:6379` is of a Ray cluster: add --engine ray"),
        pytest.param(("--engine", "ray", "--address", "127.0.0.1:1"), "No Ray cluster answers at", marks=needs_ray),
        pytest.param(
            ("--engine", "ray", "--address", "ray://host:10001"), "must be HOST:PORT of the cluster's", marks=needs_ray
        ),
        pytest.param(("--engine", "ray", "--address", "6379"), "must be HOST:PORT of the cluster's", marks=needs_ray),
    ],
)
def test_options_that_cannot_work_are_one_line(options, message, tmp_path):
    outcome = CliRunner().invoke(main, ["run", "--out", str(tmp_path / "out"), *options])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("Error: ")
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_ray_the_way_out_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    outcome = CliRunner().invoke(main, ["run", "--out", str(tmp_path / "out"), "--engine", "ray"])
    assert outcome.exit_code == 2
    assert outcome.stderr == "Error: `--engine ray` needs Ray: pip install 'analognn[ray]'.\n"
