"""What the documentation shows and its build does not run: scenario files, commands, names, parts of the README."""

import ast
import pydoc
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import analognn
from analognn import backends
from analognn.cli import main
from analognn.experiments import Scenario

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {str(path.relative_to(DOCS)): path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("[!_]*/*.md"))}
PAGES |= {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
LISTED = [
    (module, options)
    for text in PAGES.values()
    for module, options in re.findall(r"automodule:: (\S+)((?:\n   :.*)*)", text)
]


def blocks(language):
    fence = re.compile(rf"^```{language}\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
    return [
        pytest.param(code, id=f"{page}-{i}")
        for page, text in PAGES.items()
        for i, code in enumerate(fence.findall(text))
    ]


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """The packages in tests/plugins as if they were installed."""
    for folder in (ROOT / "tests" / "plugins").iterdir():
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        groups = project["entry-points"].items()
        lines = [f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in names.items()) for group, names in groups]
        info = tmp_path / f"{folder.name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("text", blocks("toml"))
@pytest.mark.usefixtures("plugins")
def test_every_toml_is_a_scenario_or_part_of_one(text, tmp_path, monkeypatch):
    tables = tomllib.loads(text)
    if "media" not in tables:
        tables |= {"name": "part", "model": "mnist-resnet8", "media": {"awgn": {"wnr_db": 3.0}}}
    scenario = Scenario.from_dict(tables)
    monkeypatch.chdir(tmp_path)
    (device,) = re.findall(r'write_text\("""\\\n(.*?)"""', PAGES["howto/devices.md"], flags=re.DOTALL)
    Path("device.csv").write_text(device)
    for medium in scenario.media.values():
        for point in medium.points():
            backends.create(medium.backend, **medium.at(point))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_has_the_options_shown(page):
    """In blocks of commands and in the text."""
    for line in re.findall(r"(?:^|(?<=[^`]`))(analognn [^`#\n]*)", PAGES[page], flags=re.MULTILINE):
        words = line.split()
        command = words[1 : 3 if words[1] == "show" else 2]
        usage = CliRunner().invoke(main, [*command, "--help"]).output
        missing = [word for word in words if word.startswith("--") and word not in usage]
        assert "Usage" in usage, line
        assert not missing, line


@pytest.mark.parametrize("text", blocks("python"))
def test_python_that_is_not_run_imports_what_there_is(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                assert pydoc.locate(f"{node.module}.{alias.name}") is not None, alias.name


def test_every_module_and_member_of_the_api_pages_is_there():
    for module, options in LISTED:
        assert pydoc.locate(module) is not None, module
        members = re.findall(r":members: (.*)", options)
        for name in members[0].split(", ") if members else ():
            assert pydoc.locate(f"{module}.{name}") is not None, (module, name)


def test_every_public_name_has_a_place_on_the_api_pages():
    whole = {module for module, options in LISTED if "members" not in options}
    for name in set(analognn.__all__) - {"__version__", "backends"}:
        assert f"analognn.{analognn._HOME[name]}" in whole, name
    packages = {str(file.parent.relative_to(ROOT)).replace("/", ".") for file in ROOT.glob("analognn/**/__init__.py")}
    private = {"analognn", "analognn.training.studies"}  # the names of the first are in the modules above
    assert packages - private <= whole


def test_the_readme_has_the_parts_that_pages_include():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page, text in PAGES.items():
        for mark in re.findall(r':(?:start-after|end-before): "(## .*)"', text):
            assert f"\n{mark}\n" in readme, (page, mark)
