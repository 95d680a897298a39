"""What the runs of Boltzmann machines on digits show, beside what their source says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analognn.estimates import Estimate, estimate
from analognn.progress import Report, counted
from analognn.training.nem import Rule
from analognn.training.rbm import Visible
from analognn.training.studies import digits
from analognn.training.studies.rbm_exact import exact
from analognn.training.studies.rbm_runs import (
    BATCH,
    DIGITS,
    GAUSSIAN_STDS,
    HIDDEN,
    ITERATIONS,
    LITERAL,
    MOMENTUM,
    PRETRAINING,
    REVERSED,
    STARTS,
    STDS,
    TEST,
    TUNING_EPOCHS,
    TUNING_RATE,
    Run,
    Setting,
    learn,
    noisy,
    scans,
    tuned,
)
from analognn.training.study import Claim, Curve, Findings, Panel, Study, Verdict


def run(*, seeds: int, data_dir: Path | None, progress: Report) -> Findings:
    """See the module."""
    name, splits = digits.source(data_dir)
    scanned = [setting for scan in scans().values() for curve in scan.values() for setting in curve.values()]
    scanned.append(noisy(Setting(), "nem", LITERAL))
    settings = dict.fromkeys([*(replace(each, noise=None, faster=1.0) for each in scanned), *scanned])
    test = digits.sample(splits.test, min(TEST, len(splits.test)), "rbm", "test")
    found = []
    for seed in counted(seeds, progress):
        train = digits.sample(splits.train, DIGITS, "rbm", seed)
        errors = {setting: learn(setting, seed, train[0]) for setting in settings}
        courses = {label: tuned(seed, train, test, pretrained) for label, pretrained in STARTS.items()}
        found.append(Run(errors, exact(seed), courses))
    chosen: dict[str, float | int | str] = {
        "seeds": seeds, "data": name, "digits": DIGITS, "hidden": HIDDEN, "iterations": ITERATIONS, "batch": BATCH,
        "momentum": MOMENTUM, "tuning_epochs": TUNING_EPOCHS, "tuning_rate": TUNING_RATE, "pretraining": PRETRAINING,
    }  # fmt: skip
    panels = (*(_panel(title, scan, found) for title, scan in scans().items()), _course(found), _tuning_panel(found))
    return Findings(panels, _claims(found), chosen)


# What came out


def _panel(title: str, scan: dict[str, dict[float, Setting]], found: Sequence[Run]) -> Panel:
    curves = [
        Curve.over_seeds(label, list(settings), [[100 * one.gain(each) for each in settings.values()] for one in found])
        for label, settings in scan.items()
    ]
    x = [value for settings in scan.values() for value in settings]
    curves.append(Curve("source: 16 %", (min(x), max(x)), (16.0, 16.0), None, "theory"))
    label = "times the rate" if "rate" in title else "noise standard deviation"
    return Panel(title, label, "reduction of the reconstruction error [%]", tuple(curves), log_x=True)


def _best(found: Sequence[Run], rule: Rule, stds: Sequence[float] = STDS, visible: Visible = "bernoulli") -> Setting:
    """With mini-batches, the level at which this rule does best."""
    levels = (noisy(Setting(visible=visible), rule, std) for std in stds)
    return max(levels, key=lambda each: _gain(found, each).mean)


def _gain(found: Sequence[Run], setting: Setting) -> Estimate:
    return estimate([one.gain(setting) for one in found])


def _course(found: Sequence[Run]) -> Panel:
    shown = {"no noise": Setting(), "NEM": _best(found, "nem"), "blind": _best(found, "blind")}
    shown["no noise, rate x 1.25"] = replace(Setting(), faster=1.25)
    curves = tuple(
        Curve.over_seeds(label, range(1, ITERATIONS + 1), [one.errors[each] for one in found])
        for label, each in shown.items()
    )
    return Panel(
        "Mini-batches, noise at its best level", "iteration", "squared reconstruction error / image", curves, log_y=True
    )


def _tuning_panel(found: Sequence[Run]) -> Panel:
    curves = tuple(
        Curve.over_seeds(label, range(1, TUNING_EPOCHS + 1), [[100 * e for e in one.tuned[label]] for one in found])
        for label in STARTS
    )
    return Panel("Tuning a stack as a classifier", "epoch", "test error [%]", curves)


def _claims(found: Sequence[Run]) -> tuple[Claim, ...]:
    checked = [one.exact for one in found]
    cosine, accepted, holds, learned = (
        estimate([getattr(each, name) for each in checked]) for name in ("cosine", "accepted", "holds", "learned")
    )
    nem, blind = _best(found, "nem"), _best(found, "blind")
    control = _gain(found, replace(Setting(), faster=1.25))
    reverse = _gain(found, noisy(Setting(), "mirrored", REVERSED))
    gaussian = _best(found, "nem", GAUSSIAN_STDS, "gaussian")
    literal = _gain(found, noisy(Setting(), "nem", LITERAL))
    first = {label: estimate([one.tuned[label][4] for one in found]) for label in STARTS}
    last = {label: estimate([one.tuned[label][-1] for one in found]) for label in STARTS}
    return (
        Claim(
            "(171)", "gradient of ln p(v, h) is a Hebbian difference",
            f"that of ln p(v), to {max(each.hebbian for each in checked):.0e} by enumeration", "partly",
            "ln p(v, h) itself has v h', not its mean over h given v, as first term",
        ),
        Claim(
            "Theorem 8", "contrastive divergence is generalised EM",
            f"grad ln p(v) = grad Q to {max(each.surrogate for each in checked):.0e}; the expected step of CD-1 has a "
            f"cosine of {cosine.text(digits=2)} with it", "partly",
            "true of the exact difference (172); CD-k with finite k follows another vector",
        ),
        Claim(
            "(180)", "a practical heuristic: the lower bound of the condition is zero",
            f"{accepted.percent()} % of the noise passes; of that, (181) with ln Z holds for {holds.percent()} % at "
            f"random weights, {learned.percent()} % at maximum likelihood", "not reproduced",
            "ln Z_n / Z is positive on average (Jensen); at the optimum it rules out all noise",
        ),
        Claim(
            "Figure 6", "16 % median reduction of the squared reconstruction error at noise variance 1024",
            f"{_gain(found, nem).percent('+')} % at standard deviation {_std(nem):g}, the best of {len(STDS)}; "
            f"at {LITERAL:g} {literal.percent('+')} %; no noise, rate x 1.25: {control.percent('+')} %",
            _verdict(_gain(found, nem)),
            "no level lowers it: accepted noise pushes units the way they go, right or wrong; a larger rate does",
        ),
        Claim(
            "Figure 7", "blind noise brings nothing", f"{_gain(found, blind).percent('+')} % at its best level, "
            f"{_std(blind):g}; the reversed inequality at {REVERSED:g} {reverse.percent('+')} %",
            "reproduced" if _gain(found, blind).mean < 0.02 else "partly",
        ),
        Claim(
            "Theorem 10", "a sphere of noise helps Gaussian-Bernoulli machines",
            f"{_gain(found, gaussian).percent('+')} % at the best of {len(GAUSSIAN_STDS)} levels",
            _verdict(_gain(found, gaussian)), "accepted noise points from the data to their reconstruction",
        ),
        Claim(
            "section 8", "stacked machines pre-train a deep network",
            "test error after 5 epochs: " + ", ".join(f"{label} {value.percent()} %" for label, value in first.items())
            + f"; after {TUNING_EPOCHS}: " + ", ".join(f"{label} {v.percent()} %" for label, v in last.items()),
            "reproduced" if first["pretrained"].mean < first["random weights"].mean else "not reproduced",
        ),
    )  # fmt: skip


def _verdict(gain: Estimate) -> Verdict:
    """Of a claimed gain: there as claimed, there but smaller, or not there."""
    if gain.low is None or gain.low <= 0:
        return "not reproduced"
    return "reproduced" if gain.mean >= 0.12 else "partly"


def _std(setting: Setting) -> float:
    return math.sqrt(setting.noise.variance) if setting.noise else 0.0


STUDY = Study(
    name="rbm",
    summary="Restricted Boltzmann machines: contrastive divergence with and without NEM noise, and stacks of them.",
    source="Adigun, Kosko, Noise-boosted backpropagation, sections 8 and 9",
    run=run,
)
