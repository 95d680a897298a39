"""The table: what may share one, how it sorts, and that it is the same from committed files alone."""

import dataclasses
import html.parser
import json
import shutil

import pytest
from click.testing import CliRunner

from analognn.cli import main
from analognn.experiments import Denoising, Medium, run
from analognn.suite import leaderboard, published
from analognn.suite.board import markdown

MEDIA = {"awgn": Medium("awgn", {"wnr_db": [-6.0, 10.0]}), "a": Medium("awgn", {"wnr_db": [2.0]})}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same setting with other receivers, and another setting."""
    from analognn.experiments import Scenario

    base = Scenario(
        name="small", model="mnist-resnet8", media=MEDIA, seeds=5, test_examples=50,
        denoiser=Denoising(names=("ml", "protect", "mmse"), kappa=20),
    )  # fmt: skip
    more = dataclasses.replace(base, denoiser=dataclasses.replace(base.denoiser, names=("soft", "ml")))
    apart = dataclasses.replace(more, seeds=1, media={"awgn": Medium("awgn", {"wnr_db": 2.0})})
    found = {"base": base, "more": more, "apart": apart}
    root = tmp_path_factory.mktemp("runs")
    for name, scenario in found.items():
        assert run(scenario, root / name, workers=1).failures == ()
    (root / "more" / "results.sqlite").unlink()  # as it is committed
    return {name: root / name for name in found}


def page_of(folders, *names, **options):
    return leaderboard([published(folders[name]) for name in names], **options)


def test_methods_of_one_setting_share_a_table_by_budget(folders):
    (part,) = page_of(folders, "base", "more").parts
    overview, awgn, other, provenance = part.sections
    assert [row[:2] for row in awgn.blocks[0].rows][-1] == ("protect", "side-information")
    assert {row[0] for row in awgn.blocks[0].rows} == {"ml", "mmse", "soft", "protect"}
    assert (awgn.title, other.title) == ("awgn", "a")
    assert [len(row) for row in overview.blocks[-1].rows] == [4, 4, 4]
    assert len(provenance.blocks[1].rows[0][1].split(", ")) == 2
    gain = next(row for row in awgn.blocks[0].rows if row[0] == "protect")[3]
    low, high = (float(end) for end in gain.partition("[")[2].rstrip("]").split(","))
    assert low <= float(gain.removeprefix(">= ").split()[0]) <= high


def test_committed_files_give_the_same_page_as_the_database(folders, tmp_path):
    copy = shutil.copytree(folders["base"], tmp_path / "base")
    (copy / "results.sqlite").unlink()
    pages = [markdown(leaderboard([published(folder)])) for folder in (folders["base"], copy)]
    assert pages[0].replace(str(folders["base"]), "") == pages[1].replace(str(copy), "")


def test_what_cannot_be_compared_is_refused_or_listed_apart(folders):
    with pytest.raises(ValueError, match="cannot be compared; --separate .* differ in setting: "):
        page_of(folders, "base", "apart")
    assert len(page_of(folders, "base", "more", "apart", separate=True).parts) == 2


def test_other_releases_cannot_be_compared(folders):
    (one,), (other,) = (published(folders[name]) for name in ("base", "more"))
    aged = dataclasses.replace(other.fingerprint, versions={**other.fingerprint.versions, "torch": "2.0"})
    with pytest.raises(ValueError, match=r"differ in torch: .* and 2\.0"):
        leaderboard([[one], [dataclasses.replace(other, fingerprint=aged)]])


def test_records_that_rest_on_the_same_and_disagree_are_refused(folders):
    (one,), (other,) = (published(folders[name]) for name in ("base", "more"))
    wrong = [dataclasses.replace(r, correct=r.correct - 1) if r.denoiser == "ml" else r for r in other.records]
    with pytest.raises(ValueError, match="'ml', disagree though they rest on the same"):
        leaderboard([[one], [dataclasses.replace(other, records=tuple(wrong))]])


def test_rows_without_a_fingerprint_are_refused(folders, tmp_path):
    for name in ("summary.json", "results.csv"):
        text = (folders["more"] / name).read_text()
        (tmp_path / name).write_text(text)
    summary = json.loads((tmp_path / "summary.json").read_text())
    del summary["fingerprints"]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(ValueError, match="rows without a fingerprint"):
        published(tmp_path)


def test_the_command_writes_markdown_and_one_page_that_loads_nothing(folders, tmp_path):
    out, page = tmp_path / "board.md", tmp_path / "board.html"
    options = [str(folders["base"]), str(folders["more"]), "--out", str(out), "--html", str(page)]
    done = CliRunner().invoke(main, ["leaderboard", *options])
    assert done.exit_code == 0, done.output
    assert out.read_text() == markdown(page_of(folders, "base", "more"))
    for line in out.read_text().splitlines():
        if line.startswith("| ml |"):
            assert line.count("|") == 11
    links = Links()
    links.feed(page.read_text())
    assert links.found <= {"#"}, "anchors only"


def test_bad_folders_are_refused(tmp_path):
    done = CliRunner().invoke(main, ["leaderboard", str(tmp_path), "--out", str(tmp_path / "x.md")])
    assert done.exit_code == 2
    assert "holds no results" in done.output


class Links(html.parser.HTMLParser):
    """What a page points to: the first character of each link."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attrs):
        self.found |= {value[0] for name, value in attrs if name in ("src", "href") and value}
