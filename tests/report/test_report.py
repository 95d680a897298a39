"""Reports: whole, readable by everybody, loading nothing, and refused in one line where that is due."""

import itertools
import json
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_helpers import Page, feel_folder, fingerprint, run_folder, scenario

from analognn import report
from analognn.certificate.by_name import Named
from analognn.cli import main
from analognn.experiments import Medium, Store, run
from analognn.experiments.reading import kind, read
from analognn.experiments.summary import write_summary
from analognn.report.drawing import draw
from analognn.report.folders import shipped_as

RECORDS = Path(__file__).parents[2] / "benchmarks" / "records"
HOSTILE = "<script>alert(1)</script>\"'&"
HOSTILE_NAME = "<script>alert(1)\"'&"  # without what a folder's name cannot hold


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_folder(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    return feel_folder(tmp_path_factory.mktemp("runs") / "trainings")


@pytest.fixture(scope="module")
def pages(folder, trainings, tmp_path_factory):
    """One of each kind, as text."""
    there = tmp_path_factory.mktemp("there")
    asked = scenario(name=HOSTILE_NAME, summary=HOSTILE, media={"air": Medium("awgn", {"wnr_db": [3.0]})})
    hostile = run_folder(there / "hostile", asked)
    committed = there / "committed"
    committed.mkdir()
    for name in ("summary.json", "results.csv"):
        shutil.copy(trainings / name, committed)
    asked = {"one": [folder], "two": [folder, hostile], "feel": [trainings], "both": [trainings, committed]}
    return {name: report.report(folders).html() for name, folders in asked.items()}


@pytest.mark.parametrize("name", ["one", "two", "feel", "both"])
def test_a_page_is_one_file_for_everybody(pages, name):
    text = pages[name]
    page = Page(text)
    loads = [a.get("src", a.get("href", a.get("data"))) for _, a, _ in page.all("img", "a", "link", "script", "iframe")]
    assert all(place.startswith(("data:", "#")) for place in loads)
    assert not re.search(r"url\(|@import|https?://", text)
    assert not page.all("script", "link", "iframe", "object")
    assert all(len(attributes["alt"]) > 20 for _, attributes, _ in page.all("img"))
    ids = [attributes["id"] for _, attributes, _ in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [a["aria-labelledby"] for _, a, _ in page.tags if "aria-labelledby" in a]
    assert {*named, *(place[1:] for place in loads if place.startswith("#"))} <= set(ids)
    levels = [int(tag[1]) for tag, _, _ in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert dict(page.all("html")[0][1]) == {"lang": "en"}
    assert any(a.get("name") == "viewport" for _, a, _ in page.all("meta"))
    assert len(text) < 3_000_000


@pytest.mark.parametrize("name", ["one", "two", "feel"])
def test_tables_scroll_in_their_own_box_and_say_what_they_are(pages, name):
    page = Page(pages[name])
    tables = page.all("table")
    assert len(tables) >= 5
    assert len(page.all("caption")) == len(tables)
    assert all(attributes["scope"] in ("col", "row") for _, attributes, _ in page.all("th"))
    for _, _, around in [*tables, *page.all("pre")]:
        assert ("div", "scroll") in around
    boxes = [attributes for _, attributes, _ in page.all("div") if attributes.get("class") == "scroll"]
    assert all(box["tabindex"] == "0" and box["role"] == "region" for box in boxes)
    assert all("aria-label" in box or "aria-labelledby" in box for box in boxes)


def test_what_comes_from_files_is_text(pages):
    assert "<script" not in pages["two"]
    assert HOSTILE in Page(pages["two"]).text


def test_a_page_says_what_was_run_and_how_to_run_it_again(pages, folder):
    text = Page(pages["one"]).text
    for said in (
        "mnist-resnet8",
        "9 of 9 trials",
        "99.00 %",
        "wnr_db = 0.0, 6.0",
        "31.2",
        "torch",
        Store(folder).scenario.hash,
    ):
        assert said in text
    assert 'names = [\n    "ml",' in text
    assert "analognn run invented.toml --out runs/invented" in text
    assert "analognn feel feel --set" in Page(pages["feel"]).text


def test_a_page_says_what_the_numbers_rest_on(mine):
    asked = scenario()
    assert 'pip install -e . "torch==2.12.1"' in Page(report.report([mine]).html()).text
    store = Store(mine)
    store.keep(fingerprint(asked, torch="2.13.0"))  # a run that went on with another release
    write_summary(store)
    database = report.report([mine]).html()
    digests = [fingerprint(asked, torch).digest for torch in ("2.12.1", "2.13.0")]
    for said in ("da7a", "c4ec4", *digests, '"torch==2.12.1"', '"torch==2.13.0"'):
        assert said in Page(database).text, said
    store.path.unlink()
    assert report.report([mine]).html().partition("Provenance</h3>")[0] == database.partition("Provenance</h3>")[0]


def test_runs_that_rest_on_other_releases_are_told_apart(folder, mine):
    assert "What else differs" not in Page(report.report([folder, mine]).html()).text
    Store(mine).keep(fingerprint(scenario(), torch="2.13.0"))
    compared = report.report([folder, mine]).parts[0].sections[0].blocks
    assert (compared[-1].caption, compared[-1].rows) == ("What else differs", (("torch", "2.12.1", "2.12.1, 2.13.0"),))


def test_the_same_folders_give_the_same_bytes(folder, tmp_path):
    out = tmp_path / "a.html"
    assert call("report", folder, "--out", out).exit_code == 0
    first = out.read_bytes()
    call("report", folder, "--out", out)
    assert out.read_bytes() == first


def test_committed_files_tell_the_same_as_the_database(folder, tmp_path):
    for name in ("summary.json", "results.csv"):
        shutil.copy(folder / name, tmp_path)
    (database, files) = (read(Store, place) for place in (folder, tmp_path))
    assert database.scenario == files.scenario
    assert set(database.rows) == set(files.rows)
    parts = [report.report([place]).parts[0].sections[:-1] for place in (folder, tmp_path)]
    assert parts[0] == parts[1]


def test_what_rows_do_not_hold_is_drawn_once_and_shows_the_choice_of_the_run(tmp_path):
    asked = scenario(media={"air": Medium("awgn", {"wnr_db": [3.0]})}, seeds=1, test_examples=50)
    run(asked, tmp_path, workers=1, device="cpu")
    assert call("report", tmp_path, "--draw").exit_code == 0
    surface = json.loads((tmp_path / "surface-air.json").read_text())
    (chosen,) = (record for record in Store(tmp_path).records() if record.denoiser == "mmsepb")
    assert surface["best"] == [chosen.lambda_prime, chosen.beta]
    row, column = surface["lambda_primes"].index(chosen.lambda_prime), surface["betas"].index(chosen.beta)
    assert surface["accuracy"][row][column] == pytest.approx(chosen.validation_correct / chosen.validation_total)
    page = Page((tmp_path / "report.html").read_text())
    assert sum("Certificate of awgn" in attributes["alt"] for _, attributes, _ in page.all("img")) == 1
    assert sum("draw 0: accuracy on 20" in attributes["alt"] for _, attributes, _ in page.all("img")) == 1
    assert draw(tmp_path) == []


def corrupt(folder, name, content):
    (folder / name).write_text(content)
    return folder


def fingerprinted(folder, table):
    """Committed files alone, with these fingerprints."""
    (folder / "results.sqlite").unlink()
    summary = json.loads((folder / "summary.json").read_text())
    return corrupt(folder, "summary.json", json.dumps({**summary, "fingerprints": table}))


@pytest.fixture
def mine(folder, tmp_path):
    """A copy to spoil."""
    return Path(shutil.copytree(folder, tmp_path / "mine"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (lambda mine, there: [mine.parent], "holds no results"),
        (lambda mine, there: [mine / "nowhere"], "holds no results"),
        (lambda mine, there: [mine, there], "one command at a time"),
        (lambda mine, there: [mine, "--out", mine / "nowhere" / "a.html"], "in a folder that is there"),
        (lambda mine, there: [mine, "--out", mine / "a.pdf"], "must be a .html file"),
        (lambda mine, there: [corrupt(mine, "summary.json", "{")], "summary.json cannot be read"),
        (lambda mine, there: [corrupt(mine, "summary.json", "[]")], "no table 'scenario'"),
        (lambda mine, there: [fingerprinted(mine, {"1234": {"data": 1}})], "cannot be read: fingerprints: "),
        (lambda mine, there: [corrupt(mine, "results.sqlite", "no database")], "results.sqlite is damaged"),
        (lambda mine, there: [corrupt(mine, "certificate-a.json", "{}")], "certificate-a.json is no certificate"),
        (lambda mine, there: [corrupt(mine, "surface-a.json", "{}")], "surface-a.json is no surface"),
        (lambda mine, there: [there, "--draw"], "draws for folders of `analognn run`"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(mine, trainings, arguments, said):
    outcome = call("report", *arguments(mine, trainings))
    assert outcome.exit_code == 2
    assert said in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not (mine / "report.html").exists()


def test_a_spoilt_csv_is_named_with_its_line(mine):
    (mine / "results.sqlite").unlink()
    rows = (mine / "results.csv").read_text().splitlines()
    rows[2] = rows[2].replace(",100,", ",many,", 1)
    corrupt(mine, "results.csv", "\n".join(rows))
    assert "results.csv cannot be read: line 3" in call("report", mine).stderr


def test_files_of_different_scenarios_are_told(mine, tmp_path):
    other = run_folder(tmp_path / "other", scenario(seeds=3))
    shutil.copy(other / "summary.json", mine)
    assert "of different scenarios" in call("report", mine).stderr


def test_every_committed_record_reads():
    for summary in RECORDS.rglob("summary.json"):
        if (summary.parent / "results.csv").is_file() and not (summary.parent / "results.sqlite").is_file():
            assert read(kind(summary.parent), summary.parent).rows, summary


def test_a_medium_without_noise_has_an_infinite_wnr_and_no_shape():
    (part,) = report.report([RECORDS / "suite" / "controls"]).parts
    (section,) = (section for section in part.sections if section.title == "Is the noise Gaussian?")
    row = next(row for row in section.blocks[1].rows if row[0] == "infinite-wnr")
    assert row[3:] == ("inf", "1.000 ± 0.000", "-", "-", "-", "-")


def test_certificates_read_back(tmp_path):
    paths = sorted(RECORDS.rglob("certificate*.json")) + sorted((RECORDS / "certificates").glob("*.json"))
    assert len(paths) > 5
    for path in paths:
        named = Named.read(path)
        named.write(tmp_path / "again.json")
        assert Named.read(tmp_path / "again.json").certificate.whole == named.certificate.whole


def test_a_scenario_is_called_by_its_name_where_that_takes_few_words():
    few = type(scenario()).named("default", ["seeds=2", "media.awgn.wnr_db=[1.0]"])
    assert shipped_as(few) == "default --set 'media.awgn.wnr_db=[1.0]' --set seeds=2"
    assert shipped_as(scenario()) is None


@pytest.mark.parametrize("theme", [0, 1])
def test_colours_have_contrast(theme):
    css = resources.files("analognn.report").joinpath("templates/page.css").read_text()
    sets = re.findall(r":root \{([^}]*--ground[^}]*)\}", css)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", sets[theme]))
    for ink in ("ink", "quiet", "link"):
        for ground in ("ground", "band"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(first, second):
    """WCAG 2.1: (L1 + 0.05) / (L2 + 0.05)."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
