"""What is installed: the wheel's contents, the public names, the plug-in group, the direction of the imports."""

import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import analognn

ROOT = Path(__file__).parent.parent
PLUGIN = Path(__file__).parent / "plugins" / "laplace"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Names of the files in our wheel, built from a copy: what an older build left behind must not count."""
    source = tmp_path_factory.mktemp("source")
    for name in ("analognn", "channels"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(source), str(source)]
    subprocess.run(build, check=True)
    (path,) = source.glob("analognn-*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_channels_install_inside_the_package_and_nowhere_else(wheel):
    top = {name.split("/")[0] for name in wheel}
    assert top == {"analognn", f"analognn-{analognn.__version__}.dist-info"}
    ours = {f"analognn/channels/{path.name}" for path in (ROOT / "channels").glob("*.py")}
    assert ours <= set(wheel)
    assert "analognn/channels/base.py" in ours


def test_the_wheel_holds_what_the_default_run_needs(wheel):
    for wanted in (
        "assets/mnist_resnet8.safetensors",
        "experiments/scenarios/default.toml",
        "suite/controls.toml",
        "suite/tiny/inference.toml",
        "py.typed",
        "channels/py.typed",
    ):
        assert f"analognn/{wanted}" in wheel


def test_every_public_name_is_there():
    for name in analognn.__all__:
        assert getattr(analognn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = analognn.nonsense
    from analognn.channels import Awgn, Channel, MultipleAccess, Received  # noqa: F401


def test_the_type_checker_sees_the_same_names_as_the_interpreter():
    source = (ROOT / "analognn" / "__init__.py").read_text()
    block = source[source.index("if TYPE_CHECKING:") : source.index("__version__ =")]
    for name in set(analognn.__all__) - {"__version__"}:
        assert f" {name}" in block, name


def test_importing_the_package_loads_nothing_heavy():
    code = "import analognn, sys; print({'torch', 'sionna', 'aihwkit'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_third_party_channel_is_listed_runs_and_passes_the_contract(tmp_path):
    site = tmp_path / "site"
    source = tmp_path / "source"
    source.mkdir()
    for file in PLUGIN.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    install = [*PIP, "install", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site), str(source)]
    subprocess.run(install, check=True)
    scenario = tmp_path / "mine.toml"
    scenario.write_text(
        'name = "mine"\nmodel = "mnist-resnet8"\nseeds = 1\ntest_examples = 50\n'
        "[media.laplace]\nnoise_var = [0.0, 0.01]\n[denoiser]\nnames = ['ml', 'mmse']\nkappa = 10\n"
    )
    code = (
        "from analognn import backends\n"
        "from analognn.channels.testing import check_channel\n"
        "from analognn.catalogue import catalogue\n"
        "import analognn_laplace, sys\n"
        "assert backends.create('laplace', noise_var=0.1).channel == analognn_laplace.Laplace(0.1)\n"
        "assert 'third party' in catalogue()['channels']['laplace']['summary']\n"
        "check_channel(analognn_laplace.Laplace(0.1), noiseless=analognn_laplace.Laplace(0.0))\n"
        "from analognn.cli import main\n"
        f"main(['run', {str(scenario)!r}, '--out', {str(tmp_path / 'out')!r}, '--workers', '1'])\n"
    )
    environment = {"PYTHONPATH": str(site), "PATH": "", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "summary.json").exists()


def test_two_packages_with_one_name_are_refused(monkeypatch):
    twice = [metadata.EntryPoint("awgn", value, "analognn.backends") for value in ("a:A", "b:B")]
    monkeypatch.setattr("analognn.plugins.entry_points", lambda group: twice)
    with pytest.raises(ValueError, match="Two installed packages register the backend 'awgn': a:A, b:B"):
        analognn.backends.entries()


def test_imports_point_one_way():
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
