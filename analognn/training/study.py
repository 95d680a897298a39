"""A study: one training method of the source papers, run over seeds, as curves to draw and claims with a verdict.

    y(x) = mean over seeds,   y +- t_{0.975, n-1} s / sqrt(n)                   every point of a curve

The methods are in `analognn.training`; a study runs one in its paper's experiment. The table `STUDIES` names them all
and loads none: importing this module brings no torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from analognn.files import replacing
from analognn.progress import Report

Verdict = Literal["reproduced", "partly", "not reproduced"]
Kind = Literal["line", "points", "theory"]

_HOME = "analognn.training.studies"
STUDIES: dict[str, str] = {
    name: f"{_HOME}.{name.replace('-', '_')}:STUDY"
    for name in ("weight-noise", "masks", "backprop", "weight-decay", "nem", "nem-regression", "rbm", "bam")
}
"""Name -> where the `Study` is; `load` imports it."""


@dataclass(frozen=True)
class Claim:
    """What a source says beside what we find.

    Args:
        where: place in the source.
        source: what it says.
        ours: what we find, with its interval where it was sampled.
        verdict: of the two.
        why: the reason, where they differ.
    """

    where: str
    source: str
    ours: str
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True)
class Curve:
    """One line of a panel. Curves of one panel with the same label share a colour.

    Args:
        label: in the legend.
        x: abscissae.
        y: ordinates, as many.
        half_width: of the 95 % interval over seeds, as many; None where nothing was sampled.
        kind: "line" with a band, "points" with bars, or "theory": dashed, no band.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    half_width: tuple[float, ...] | None = None
    kind: Kind = "line"

    def __post_init__(self) -> None:
        sizes = {len(values) for values in (self.x, self.y, self.half_width) if values is not None}
        if len(sizes) != 1:
            raise ValueError(f"`Curve({self.label!r})` needs x, y and half_width of one length; got {sorted(sizes)}.")

    @classmethod
    def over_seeds(
        cls, label: str, x: Sequence[float], runs: Sequence[Sequence[float]], *, kind: Kind = "line"
    ) -> Curve:
        """Mean and 95 % interval of independent runs, each with one value for every ``x``; one run has no interval.

        >>> Curve.over_seeds("loss", [0, 1], [[1.0, 0.5], [1.0, 0.7]]).y
        (1.0, 0.6)
        """
        from analognn.estimates import estimate  # brings scipy

        found = [estimate([float(run[i]) for run in runs]) for i in range(len(x))]
        half = tuple(each.high - each.mean for each in found if each.high is not None)
        return cls(label, tuple(map(float, x)), tuple(each.mean for each in found), half or None, kind)


@dataclass(frozen=True)
class Panel:
    """Curves on one pair of axes."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Findings:
    """What a study found: every number of its picture is in the curves."""

    panels: tuple[Panel, ...]
    claims: tuple[Claim, ...]
    settings: dict[str, float | int | str]

    def write(self, study: Study, path: Path) -> None:
        """All numbers as JSON, with what ``study`` is called and where it comes from."""
        named = {"method": study.name, "summary": study.summary, "source": study.source}
        with replacing(path) as part:
            part.write_text(json.dumps(named | dataclasses.asdict(self), indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Study:
    """A method and the experiment that shows it.

    Args:
        name: its key in `STUDIES`.
        summary: one line.
        source: paper and place.
        run: ``run(*, seeds: int, data_dir: Path | None, progress: Report) -> Findings``; the same seeds, the same bits.
    """

    name: str
    summary: str
    source: str
    run: Callable[..., Findings]

    def find(
        self, *, seeds: int, data_dir: Path | None = None, progress: Report = lambda _done, _total: None
    ) -> Findings:
        """Run it.

        Args:
            seeds: independent runs, >= 1.
            data_dir: data folder; None for the usual places.
            progress: told what is done.
        """
        from analognn.channels import checks  # brings torch

        checks.integer(f"Study {self.name}", "seeds", seeds, ge=1)
        return self.run(seeds=seeds, data_dir=data_dir, progress=progress)


def judged(holds: bool) -> Verdict:
    """The verdict of a claim that either holds or does not.

    >>> judged(2 > 1)
    'reproduced'
    """
    return "reproduced" if holds else "not reproduced"


def load(name: str) -> Study:
    """The study ``name``.

    Raises:
        ValueError: no such study; the message gives the nearest.
    """
    from analognn.channels import checks  # brings torch

    checks.choice("train", "method", name, STUDIES)
    module, _, attribute = STUDIES[name].partition(":")
    study: Study = getattr(import_module(module), attribute)
    return study
