"""Noise-boosted backpropagation on 1,000 digits: does it speed training, and is it the noise that does?

Network 784-40-40-40-10 of logistic units and a softmax output; every seed has digits, weights, order and noise of its
own, and all settings of a seed share them. Figure of merit: training cross-entropy (error) of the first 10 iterations,
the mean over them, relative to the same seed's without noise. The source leaves the reading of "noise" open, so the
readings are scanned:

    Algorithm 1      error t + n - a with n . ln a >= 0                    likelihood   gradient of (t + n) . ln a
    zero-sum         n less its mean, where the two agree                  simplex      t + n kept where p(t|x) is one
    hidden layers    noise in the error or in the activation               optimiser    mini-batches, or Hinton's CG

Controls: blind noise; the reversed inequality; and no noise at all but the constant s / sqrt(2 pi K) on every target,
the size of the mean of accepted noise while the network still answers 1/K. The best setting found and its controls run
again on fresh seeds, since the best of many looks better than it is. A ratio above 3 (divergence) counts as 3.
"""

from __future__ import annotations

from pathlib import Path

import torch

from analognn.estimates import Estimate, estimate
from analognn.progress import Report, counted
from analognn.training.studies.boosted import (
    CAP,
    NUM_CONTROLS,
    WIDTHS,
    Course,
    Digits,
    Setting,
    controls,
    noise,
    quiet,
    relative,
    train,
)
from analognn.training.studies.digits import sample, source
from analognn.training.studies.nem_claims import Evidence, claims, describe
from analognn.training.study import Curve, Findings, Panel, Study

ITERATIONS, DIGITS = 10, 1000
LEVELS = (1e-4, 5e-4, 1e-3, 3e-3, 1e-2, 0.176, 0.42)  # .42 is called a variance and a standard deviation: .42^2 = .176
BOOSTING = 1e-3  # the level that helps most under Algorithm 1
RATES, DECAYS = (0.03, 0.1, 0.3, 1.0), (0.0, 1.0, 2.0, 4.0)

Scan = dict[str, dict[float, Setting]]
"""Curves of a panel: label -> abscissa -> setting."""


def scans() -> dict[str, Scan]:
    """All settings, by panel title."""
    coarse, searched, hidden = (1e-3, 1e-2, 0.176, 0.42), (1e-4, 1e-3, 1e-2), (1e-3, 1e-2, 0.1)
    return {
        "Algorithm 1: error t + n - a": {
            "NEM": {v: Setting(output=noise(v)) for v in LEVELS},
            "inequality reversed": {v: Setting(output=noise(v, "mirrored")) for v in LEVELS},
            "blind": {v: Setting(output=noise(v, "blind")) for v in LEVELS},
            "a constant, no noise": {v: Setting(output=noise(v), constant=True) for v in LEVELS},
        },
        "Readings that keep to the likelihood, and conjugate gradients": {
            "NEM, gradient of (t + n) ln a": {v: Setting(output=noise(v), law="likelihood") for v in coarse},
            "NEM, zero-sum": {v: Setting(output=noise(v), zero_sum=True) for v in coarse},
            "NEM, kept on the simplex": {v: Setting(output=noise(v, support="project")) for v in coarse},
            "NEM, CG": {v: Setting(output=noise(v), law="likelihood", optimiser="cg") for v in searched},
            "blind, CG": {v: Setting(output=noise(v, "blind"), law="likelihood", optimiser="cg") for v in searched},
        },
        "Hidden layers": {
            "NEM, activation": {v: Setting(hidden=noise(v), reading="activation") for v in hidden},
            "blind, activation": {v: Setting(hidden=noise(v, "blind"), reading="activation") for v in hidden},
            "reversed, activation": {v: Setting(hidden=noise(v, "mirrored"), reading="activation") for v in hidden},
            "NEM, error": {v: Setting(hidden=noise(v)) for v in (1e-6, 1e-4, 1e-2)},
            "blind, error": {v: Setting(hidden=noise(v, "blind")) for v in (1e-6, 1e-4, 1e-2)},
        },
        f"Learning rate, Algorithm 1, variance {BOOSTING:g}": {
            "NEM": {rate: Setting(output=noise(BOOSTING), rate=rate) for rate in RATES},
            "a constant, no noise": {rate: Setting(output=noise(BOOSTING), constant=True, rate=rate) for rate in RATES},
        },
        "Annealed variance v / iteration^decay, Algorithm 1": {
            f"NEM, v = {v:g}": {decay: Setting(output=noise(v, decay=decay)) for decay in DECAYS}
            for v in (BOOSTING, 1e-2, 3e-2, 0.42)
        },
    }


def run(*, seeds: int, data_dir: Path | None, progress: Report) -> Findings:
    """See the module."""
    scanned = {setting for scan in scans().values() for curve in scan.values() for setting in curve.values()}
    order = sorted(scanned | {quiet(setting) for setting in scanned}, key=repr)
    name, digits, fresh_digits = _read(seeds, data_dir)
    steps = counted(len(order) + NUM_CONTROLS, progress)
    courses, fresh = {}, {}
    for each in order:
        next(steps)
        courses[each] = train(each, digits, range(seeds), iterations=ITERATIONS)
    best = min(filter(_is_output_noise, scanned), key=lambda each: _ratio(each, courses).mean)
    for label, each in controls(best).items():
        next(steps)
        fresh[label] = train(each, fresh_digits, range(seeds, 2 * seeds), iterations=ITERATIONS)
    next(steps, None)
    panels = (*(_panel(title, scan, courses) for title, scan in scans().items()), _training(best, fresh))
    return Findings(panels, claims(Evidence(courses, fresh, best, len(scanned))), _settings(seeds, name))


def _is_output_noise(setting: Setting) -> bool:
    given = setting.output
    return given is not None and given.rule == "nem" and not setting.constant and setting.optimiser == "sgd"


def _read(seeds: int, data_dir: Path | None) -> tuple[str, Digits, Digits]:
    """Digits of each seed, those of as many fresh ones, and the test digits of all."""
    name, splits = source(data_dir)
    drawn = [sample(splits.train, DIGITS, "nem", seed) for seed in range(2 * seeds)]
    inputs, labels = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    test = sample(splits.test, DIGITS, "nem", "test")
    ours, fresh = (Digits(inputs[part], labels[part], *test) for part in (slice(seeds), slice(seeds, None)))
    return name, ours, fresh


def _ratio(setting: Setting, courses: dict[Setting, Course]) -> Estimate:
    return estimate(relative(courses[setting], courses[quiet(setting)], "train_loss"))


def _panel(title: str, scan: Scan, courses: dict[Setting, Course]) -> Panel:
    """Relative cross-entropy against the abscissa of a scan, with what the source reports."""
    curves = []
    for label, settings in scan.items():
        runs = [relative(courses[each], courses[quiet(each)], "train_loss") for each in settings.values()]
        curves.append(Curve.over_seeds(label, list(settings), list(zip(*runs, strict=True))))
    x = [x for settings in scan.values() for x in settings]
    ends = (min(x), max(x))
    curves.append(Curve("no noise", ends, (1.0, 1.0)))
    curves.append(Curve("source: 18 % less", ends, (0.82, 0.82), None, "theory"))
    what = "learning rate" if "rate" in title else "decay" if "decay" in title else "noise variance"
    return Panel(
        title, what, f"training cross-entropy, relative, at most {CAP:g}", tuple(curves), what != "decay", True
    )


def _training(best: Setting, fresh: dict[str, Course]) -> Panel:
    """Cross-entropy over the iterations, on fresh seeds."""
    x = range(1, ITERATIONS + 1)
    curves = [Curve.over_seeds(label, x, course.train_loss.T.tolist()) for label, course in fresh.items()]
    return Panel(f"The best, fresh seeds: {describe(best)}", "iteration", "training cross-entropy [nat]", tuple(curves))


def _settings(seeds: int, name: str) -> dict[str, float | int | str]:
    return {
        "seeds": seeds, "data": name, "digits": DIGITS, "iterations": ITERATIONS,
        "widths": "-".join(map(str, WIDTHS)), "init": "N(0, 1/inputs)",
        "batch": Setting().batch, "rate": Setting().rate, "momentum": Setting().momentum,
    }  # fmt: skip


STUDY = Study(
    name="nem",
    summary="Noise on targets and hidden layers that makes the signal more probable: 784-40-40-40-10 on 1,000 digits.",
    source="Adigun, Kosko, Noise-boosted backpropagation: Theorems 1-3, 5, 6, Figures 2-5, 10",
    run=run,
)
