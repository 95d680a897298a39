"""Scenario files: whatever they hold, a scenario that reads back from its own TOML, or a refusal in words."""

import copy
import tomllib
from importlib import resources

import pytest
import tomli_w
from click.testing import CliRunner
from fuzzing import NUMBERS, QUICK, TEXTS, answered, damaged
from hypothesis import given, settings
from hypothesis import strategies as st

from analognn import backends
from analognn.cli import main
from analognn.experiments import Scenario
from analognn.experiments.feel import FeelScenario

KINDS = (Scenario, FeelScenario)
NAMING = ("`", "cenario", "parameter")
VALUES = st.recursive(
    st.one_of(NUMBERS, TEXTS, st.booleans(), st.dates(), st.times(), st.datetimes()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def shipped(kind):
    folder = resources.files("analognn.experiments") / kind.FOLDER
    return [(folder / f"{name}.toml").read_bytes() for name in kind.shipped()]


SHIPPED = [(kind, content) for kind in KINDS for content in shipped(kind)]


def read(kind, text):
    scenario = kind.from_toml(text)
    assert kind.from_toml(scenario.to_toml()).hash == scenario.hash
    if kind is Scenario:
        for medium in scenario.media.values():
            answered(lambda medium=medium: backends.create(medium.backend, **medium.at(next(medium.points()))))
    return scenario


def keys(tables, above=()):
    for key, value in tables.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys(value, (*above, key))


@st.composite
def changed(draw):
    """A shipped scenario with some values replaced, dropped or added at any depth."""
    kind, content = draw(st.sampled_from(SHIPPED))
    tables = copy.deepcopy(tomllib.loads(content.decode()))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(list(keys(tables))))
        table = tables
        for key in above:
            table = table[key]
        action = draw(st.sampled_from(["replace", "replace", "drop", "add"]))
        if action == "drop":
            del table[last]
        else:
            table[last if action == "replace" else draw(TEXTS)] = draw(VALUES)
    return kind, tables


@settings(QUICK, max_examples=150)
@given(changed())
def test_values_of_any_kind(case):
    kind, tables = case
    answered(lambda: kind.from_dict(tables), naming=NAMING)


@settings(QUICK, max_examples=60)
@given(st.sampled_from(SHIPPED), st.data())
def test_damaged_files(tmp_path_factory, shipped, data):
    kind, content = shipped
    file = tmp_path_factory.getbasetemp() / "scenario.toml"
    file.write_bytes(data.draw(damaged(content)))
    scenario = answered(lambda: kind.named(str(file)), naming=NAMING)
    if scenario is not None:
        read(kind, tomli_w.dumps(scenario.to_dict()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = " + "[" * 5000, "not valid TOML"),
        ("x = " + "{a=" * 5000, "not valid TOML"),
        ("seeds = " + "9" * 5000, "not valid TOML"),
        ("seeds = 0x" + "f" * 5000, r"`Scenario\(seeds=...\)` must fit into 64 bits; got an integer of 20000 bits"),
        (f"x = {'[' * 30}{']' * 30}", "nests tables and lists more than 16 deep at 'x'"),
        ("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r = 1", "more than 16 deep"),
        ("seeds = 1\nseeds = 2", "not valid TOML: Cannot overwrite a value"),
        ("seeds = 1000000000000", r"asks for more rows of results \(draws x points x receivers\) than the 1,000,000"),
        ('name = "../../x"', r"`Scenario\(name=...\)` must be 1 to 200 bytes without '/'"),
        ('[media.clean]\nbackend = "awgn"\nwnr_db = 0.0', r"up to 50 letters, .* and not 'clean'; got 'clean'"),
        ('[media."$x^$"]\nbackend = "awgn"\nwnr_db = 0.0', r"`Scenario\(media.LABEL\)` must be up to 50 letters"),
        ("[media.awgn]\nwnr_db = 1e9", None),
    ],
)
def test_what_was_found(text, message):
    base = 'name = "x"\nmodel = "mnist-resnet8"\n[media.awgn]\nwnr_db = 1.0\n'
    kept = [line for line in base.splitlines() if line.split(" ")[0] not in text]
    whole = text + "\n" + "\n".join(kept) if "[media" not in text else "\n".join(kept[:2]) + "\n" + text
    if message is None:
        medium = Scenario.from_toml(whole).media["awgn"]
        with pytest.raises(ValueError, match=r"`Awgn\(wnr_db=...\)` must be between -300 and 300 dB; got 1000000000.0"):
            backends.create("awgn", **medium.parameters)
        return
    with pytest.raises(ValueError, match=message):
        Scenario.from_toml(whole)


@pytest.mark.parametrize("command", ["run", "feel"])
@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "no text in UTF-8"), (b"x = " + b"[" * 5000, "not valid TOML"), (b"", "lacks the key")],
)
def test_a_command_refuses_in_one_line(command, content, message, tmp_path):
    (tmp_path / "bad.toml").write_bytes(content)
    outcome = CliRunner().invoke(main, [command, str(tmp_path / "bad.toml"), "--out", str(tmp_path / "out")])
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert message in outcome.stderr
    assert not (tmp_path / "out").exists()


@settings(QUICK, max_examples=40)
@given(
    st.sampled_from(["seeds", "media.awgn.wnr_db", "denoiser.names", "x"]), st.text(max_size=8) | st.just("[" * 5000)
)
def test_overrides_of_any_kind(key, text):
    answered(lambda: Scenario.named("default", [f"{key}={text}"]), naming=NAMING)
