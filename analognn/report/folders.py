"""What every report takes from a run folder besides its rows: drawings, scenario, fingerprint, the way to redo it."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analognn import plots_certificate, plots_feel, plots_search
from analognn.certificate.by_name import Named
from analognn.experiments.cells import SUMMARY_FILE
from analognn.experiments.parsing import Recipe
from analognn.experiments.reading import Kept
from analognn.experiments.rows import FILE as DATABASE
from analognn.report.page import Block, Code, Picture, Pictures, Table, figure, png

OVERRIDES = 6
"""More differences from a shipped scenario than these are given as a file."""
MAX_PICTURE = 1_000_000
"""Larger picture files are named, not shown [bytes]."""
_CERTIFICATES, _SURFACES = "certificate*.json", "surface*.json"
_DRAWN_ANEW = ("accuracy_vs_", "certificate", plots_feel.PER_ROUND)
Origin = tuple[str, list[Block]]


def certificates(folder: Path) -> Iterator[Block]:
    """Those that ``analognn show certificate --out FOLDER/certificate-NAME.png`` left."""
    for path in sorted(folder.glob(_CERTIFICATES)):
        named = Named.read(path)
        found = named.certificate
        caption = f"Certificate of {named.title}, {found.draws} draws."
        inside = sum(check.ok for check in found.checks)
        alt = f"{caption} {inside} of {len(found.checks)} properties are within the bounds of AWGN."
        yield Pictures(
            (figure(plots_certificate.picture(found, title=named.title), alt=alt, caption=caption, wide=True),)
        )
        rows = (
            (c.name, f"{c.value:.4g}", f"{c.expected:g}", f"{c.bound:.2g}", "yes" if c.ok else "no")
            for c in found.checks
        )
        yield Table(
            f"{named.title}: held against AWGN; the bound is 5 standard errors of AWGN",
            ("property", "measured", "AWGN", "bound", "within"),
            tuple(rows),
            numbers=4,
            folded=True,
        )


def surfaces(folder: Path) -> Iterator[Block]:
    """Those that a report drew into the folder."""
    drawn = []
    for path in sorted(folder.glob(_SURFACES)):
        found = _json(path)
        try:
            caption = (
                f"{found['medium']} {found['point']}, draw {found['seed']}: accuracy on {found['labelled']} validation "
                "examples; the ring is the pair that was chosen."
            )
            picture = plots_search.surface(*(found[key] for key in ("accuracy", "lambda_primes", "betas", "best")))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no surface: {error!r}. Remove it.") from None
        drawn.append(figure(picture, alt=caption, caption=caption))
    if drawn:
        yield Pictures(tuple(drawn))


def pictures(folder: Path) -> Iterator[Block]:
    """PNG files that are not drawn from the rows anyway."""
    found = [path for path in sorted(folder.glob("*.png")) if not path.name.startswith(_DRAWN_ANEW)]
    shown = [path for path in found if path.stat().st_size <= MAX_PICTURE]
    if shown:
        yield Pictures(tuple(_file(path) for path in shown))
    if left := [path.name for path in found if path not in shown]:
        yield f"Too large to show: {', '.join(left)}."


def _file(path: Path) -> Picture:
    name = path.stem.replace("-", " ").replace("_", " ")
    caption = f"{name} ({path.name})"
    return png(path.read_bytes(), alt=f"Picture file {path.name}: {name}.", caption=caption, wide=True)


def origin(kept: Kept[Any, Any]) -> list[Origin]:
    """Scenario, the commands that run it again, what its numbers rest on, and files."""
    scenario: Recipe = kept.scenario
    name = f"{_file_name(scenario)}.toml"
    return [
        ("Scenario", [Code(f"All of it; its hash is {scenario.hash}.", scenario.to_toml(), name)]),
        ("How to run it again", [*_install(kept), *_again(scenario, name), *_rests_on(kept)]),
        (
            "Provenance",
            [
                f"Read from {kept.folder.name}/: {len(kept.rows):,} rows.",
                Table("Files", ("file", "bytes", "SHA-256"), tuple(_files(kept.folder))),
            ],
        ),
    ]


def rests_on(kept: Kept[Any, Any]) -> dict[str, str]:
    """Data, checkpoint and releases behind the numbers of a folder; all of them, where it went on with others."""
    tables = [fingerprint.comparable for fingerprint in kept.fingerprints.values()] or [kept.versions]
    keys = [key for key in tables[0] if key != "setting"]
    return {key: ", ".join(dict.fromkeys(table.get(key, "-") for table in tables)) for key in keys}


def _install(kept: Kept[Any, Any]) -> Iterator[Block]:
    for versions in [fingerprint.versions for fingerprint in kept.fingerprints.values()] or [kept.versions]:
        if versions:
            ours = ("python", "analognn")
            pins = " ".join(f'"{library}=={v}"' for library, v in versions.items() if v and library not in ours)
            python, analognn = (versions.get(name, "") for name in ours)
            yield Code(f"With Python {python}, in the folder of analognn {analognn}:", f"pip install -e . {pins}")


def _again(scenario: Recipe, name: str) -> Iterator[Block]:
    command, out = scenario.COMMAND, f"--out runs/{_file_name(scenario)}"
    named = shipped_as(scenario)
    if named is None:
        yield Code(f"The scenario above, saved as {name}, is the argument:", f"{command} {shlex.quote(name)} {out}")
    else:
        yield Code("The scenario comes with analognn:", f"{command} {named} {out}")
    yield (
        "Data and weights that do not come with analognn are looked for in the folder that ANALOGNN_DATA or --data "
        "names. The same versions on the same kind of machine give the same numbers, whatever the number of workers; "
        "only the measured times differ. On other hardware the last digits may."
    )


def _rests_on(kept: Kept[Any, Any]) -> Iterator[Block]:
    """The fingerprints, or the releases alone where the rows are older."""
    if not kept.fingerprints:
        if kept.versions:
            yield Table("Versions that wrote the summary", ("library", "version"), tuple(kept.versions.items()))
        return
    yield (
        "A repetition that rests on the same has the same fingerprint, which is the hash of all that stands below it: "
        "hashes of the scenario, of the scenario without the names of its receivers (setting), of the validation and "
        "test examples (data), of the weights as they were loaded (checkpoint), and the releases. The repetition's own "
        f'stand under "fingerprints" in its {SUMMARY_FILE}.'
    )
    found = {digest: {"scenario": f.scenario, **f.comparable} for digest, f in kept.fingerprints.items()}
    keys = dict.fromkeys(key for table in found.values() for key in table)
    rows = ((key, *(table.get(key) or "-" for table in found.values())) for key in keys)
    yield Table("What the numbers rest on", ("fingerprint", *found), tuple(rows))


def shipped_as(scenario: Recipe) -> str | None:
    """NAME and the --set options that make a shipped scenario this one; None if that takes too many.

    >>> from analognn.experiments import Scenario
    >>> shipped_as(Scenario.named("default", ["seeds=2"]))
    'default --set seeds=2'
    """
    asked = flat(scenario.to_dict())
    for name in type(scenario).shipped():
        there = flat(type(scenario).named(name).to_dict())
        changed = [f"{k}={json.dumps(v)}" for k, v in asked.items() if k not in there or there[k] != v]
        changed = [text for text in changed if not text.startswith(("name=", "summary="))]
        if len(changed) <= OVERRIDES and _makes(scenario, name, changed):
            return " ".join([name, *(f"--set {shlex.quote(text)}" for text in changed)])
    return None


def _makes(scenario: Recipe, name: str, overrides: list[str]) -> bool:
    try:
        return type(scenario).named(name, overrides).hash == scenario.hash
    except ValueError:
        return False


def flat(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of nested tables."""
    found: dict[str, Any] = {}
    for key, value in tables.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _files(folder: Path) -> Iterator[tuple[str, ...]]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(f"{DATABASE}-") and path.suffix != ".html":
            content = path.read_bytes()
            yield path.name, f"{len(content):,}", hashlib.sha256(content).hexdigest()


def _file_name(scenario: Any) -> str:
    """The scenario's name without what a file's name cannot hold."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in str(scenario.name)).lstrip(".-") or "scenario"


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}. Restore or remove it.") from None
