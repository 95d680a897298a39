"""Noise-boosted backpropagation in regression: a 1-10-1 network of logistic units learns sin x on [0, 2 pi].

Every seed has its own 18,000 samples, weights, order and noise. Figure of merit: mean squared error of the first 10
iterations (passes over the samples), their mean relative to the same seed's without noise. Four kinds of noise on the
target, with e = t - a:

    derived    n + e in the sphere |n + e| <= |e|: the target gets more probable, the error smaller
    printed    n - e in it, (122): the target gets less probable, the error larger
    its mean   e + sqrt(v / 2 pi) (1 - exp(-2 e^2 / v)) sign(e): what "printed" adds on average, and nothing drawn
    blind      all
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from analognn.estimates import estimate
from analognn.progress import Report, counted
from analognn.seeds import seeded
from analognn.training.likelihoods import Gaussian
from analognn.training.nem import NemNoise, Rule, accepts
from analognn.training.nem_hidden import hidden_noise
from analognn.training.stacked import batches, stacked_mlp
from analognn.training.study import Claim, Curve, Findings, Panel, Study, Verdict

SAMPLES, ITERATIONS, BATCH, RATE = 18_000, 10, 200, 0.1
LEVELS, HIDDEN_LEVELS, RATES = (1e-3, 1e-2, 0.1, 1.0), (1e-5, 1e-4, 1e-3), (0.05, 0.1, 0.2, 0.4)
SHOWN, SHOWN_HIDDEN = 0.1, 1e-4
KINDS: dict[str, Rule] = {"derived": "nem", "printed": "mirrored", "blind": "blind"}


@dataclass(frozen=True)
class Setting:
    """One way to train: noise on the target (or only the mean of it), noise in the hidden layer's error, step size."""

    output: NemNoise | None = None
    mean: bool = False
    hidden: NemNoise | None = None
    rate: float = RATE


def run(*, seeds: int, data_dir: Path | None, progress: Report) -> Findings:  # noqa: ARG001 - needs no data
    """See the module."""
    order = sorted({each for scan in _scans().values() for curve in scan.values() for each in curve.values()}, key=repr)
    found = {order[k]: train(order[k], range(seeds)) for k in counted(len(order), progress)}
    panels = (*(_panel(title, scan, found) for title, scan in _scans().items()), _training(found))
    settings: dict[str, float | int | str] = {
        "seeds": seeds, "samples": SAMPLES, "iterations": ITERATIONS, "batch": BATCH, "rate": RATE,
        "init": "N(0, 1/inputs)",
    }  # fmt: skip
    return Findings(panels, (*_theory(), *_figures(found)), settings)


def train(setting: Setting, seeds: range) -> Tensor:
    """Mean squared error after each iteration of each network, [iterations, s]."""
    model = stacked_mlp((1, 10, 1), [seeded("nem-regression", seed, "weights") for seed in seeds])
    x = torch.stack([torch.rand(SAMPLES, 1, generator=seeded("nem-regression", seed, "x")) for seed in seeds])
    x = 2 * math.pi * x
    orders, outer, inner = (
        [seeded("nem-regression", seed, part) for seed in seeds] for part in ("order", "output", "hidden")
    )
    optimiser, errors = torch.optim.SGD(model.parameters(), lr=setting.rate), []
    for iteration in range(ITERATIONS):
        for inputs, target in batches(x, x.sin(), orders, size=BATCH):
            optimiser.zero_grad()
            output = _forward(setting, model, inputs, iteration, inner)
            noisy = _noisy(setting, output.detach(), target, iteration, outer)
            loss = -Gaussian().log_likelihood(output, noisy).mean(-1).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            errors.append((model(x) - x.sin()).square().mean((-2, -1)))
    return torch.stack(errors)


def _forward(
    setting: Setting, model: nn.Sequential, x: Tensor, iteration: int, generators: list[torch.Generator]
) -> Tensor:
    output: Tensor
    if setting.hidden is None:
        output = model(x)
        return output
    with hidden_noise(model, ["1"], noise=setting.hidden, step=iteration, generator=generators, reading="error"):
        output = model(x)
    return output


def _noisy(
    setting: Setting, output: Tensor, target: Tensor, iteration: int, generators: list[torch.Generator]
) -> Tensor:
    given = setting.output
    if given is None:
        return target
    if setting.mean:
        return target + mean_of_printed(target - output, given.variance_at(iteration))
    return given.on_target(output, target, Gaussian(), step=iteration, generator=generators)


def mean_of_printed(error: Tensor, variance: float) -> Tensor:
    """E[n; 0 <= n e <= 2 e^2] of n ~ N(0, v), one component: what noise in the sphere of (122) adds on average.

    >>> mean_of_printed(torch.tensor([-100.0]), 2 * math.pi)
    tensor([-1.])
    """
    return math.sqrt(variance / (2 * math.pi)) * (1 - (-2 * error.square() / variance).exp()) * error.sign()


Scan = dict[str, dict[float, Setting]]


def _noise(variance: float, kind: str) -> NemNoise:
    return NemNoise(variance=variance, rule=KINDS[kind])


def _scans() -> dict[str, Scan]:
    """All settings: panel -> label -> abscissa."""
    output = {kind: {v: Setting(_noise(v, kind)) for v in LEVELS} for kind in KINDS}
    hidden = {kind: {v: Setting(hidden=_noise(v, kind)) for v in HIDDEN_LEVELS} for kind in KINDS}
    both = {kind: {v: Setting(_noise(SHOWN, kind), hidden=_noise(v, kind)) for v in HIDDEN_LEVELS} for kind in KINDS}
    mean = {v: Setting(_noise(v, "printed"), mean=True) for v in LEVELS}
    return {
        "Noise on the target": output | {"its mean, no noise": mean},
        "Noise in the error of the hidden layer": hidden,
        f"Both, target variance {SHOWN:g}": both,
        "No noise, other learning rates": {"other rates": {rate: Setting(rate=rate) for rate in RATES}},
        f"Learning rates, target variance {SHOWN:g}": {
            kind: {rate: Setting(_noise(SHOWN, kind), rate=rate) for rate in RATES} for kind in ("derived", "printed")
        },
    }


def _ratio(found: dict[Setting, Tensor], setting: Setting, base: Setting) -> list[float]:
    ratios: list[float] = (found[setting].mean(0) / found[base].mean(0)).tolist()
    return ratios


def _panel(title: str, scan: Scan, found: dict[Setting, Tensor]) -> Panel:
    """Error relative to no noise; in the panel of noise at several rates, to no noise at the same rate."""
    curves = []
    for label, settings in scan.items():
        same = title.startswith("Learning")
        runs = [_ratio(found, each, Setting(rate=each.rate) if same else Setting()) for each in settings.values()]
        curves.append(Curve.over_seeds(label, list(settings), list(zip(*runs, strict=True))))
    ends = (min(curves[0].x), max(curves[0].x))
    curves.append(Curve("no noise", ends, (1.0, 1.0)))
    what = "learning rate" if "rates" in title else "noise variance"
    return Panel(title, what, "squared error, relative", tuple(curves), True, True)


def _training(found: dict[Setting, Tensor]) -> Panel:
    shown = {"no noise": Setting()} | {kind: Setting(_noise(SHOWN, kind)) for kind in KINDS}
    x = range(1, ITERATIONS + 1)
    curves = [Curve.over_seeds(label, x, found[each].T.tolist()) for label, each in shown.items()]
    title = f"Noise on the target, variance {SHOWN:g}"
    return Panel(title, "iteration", "mean squared error", tuple(curves), log_y=True)


def _theory() -> tuple[Claim, ...]:
    g = torch.Generator().manual_seed(0)
    a, t, n = (torch.randn(20_000, 3, generator=g, dtype=torch.float64) for _ in range(3))
    printed = (n + a - t).norm(dim=-1) <= (a - t).norm(dim=-1)
    probable = accepts(Gaussian(), a, t, n)
    wider = (1 - 1 / 2) / 2 - math.log(2) / 2  # ln N(t|a, 2) - ln N(t|a, 1) at |t - a| = 1
    return (
        Claim(
            "Theorem 4, (122), Figure 9",
            "noise in the sphere around t - a makes the target more probable",
            f"of noise added to the target inside that sphere, {100 * float(probable[printed].double().mean()):.0f} % "
            "does; the sphere around a - t holds all that does",
            "not reproduced",
            "(A.21) gives |n + t - a| <= |t - a|; (122) is the condition for noise taken from the target",
        ),
        Claim(
            "(123)-(125)",
            "a variance s^2 >= 1 in place of 1 makes the target more probable",
            f"at |t - a| = 1 and s^2 = 2, ln of the ratio is {wider:+.3f}",
            "not reproduced",
            "(123) drops the normaliser s^-K: s^2 >= 1 helps only where (1 - 1/s^2) |t - a|^2 >= 2 K ln s",
        ),
    )


def _figures(found: dict[Setting, Tensor]) -> tuple[Claim, ...]:
    def change(setting: Setting) -> list[float]:
        return [value - 1 for value in _ratio(found, setting, Setting())]

    printed = Setting(_noise(SHOWN, "printed"))
    mean, rate = (
        estimate(change(s)).percent("+") for s in (Setting(printed.output, mean=True), Setting(rate=2 * RATE))
    )
    why = f"its mean with nothing drawn: {mean} %; no noise at twice the learning rate: {rate} %"
    return (
        _claim("output noise, sphere as derived", -1, change(Setting(_noise(SHOWN, "derived"))), _SHORTER),
        _claim("output noise, sphere as printed", -1, change(printed), f"a longer step: {why}"),
        _claim("output and hidden noise, as derived", -1, change(_both("derived")), _SHORTER),
        _claim("output and hidden noise, as printed", -1, change(_both("printed")), "a longer step"),
        _claim("blind noise", 1, change(Setting(_noise(SHOWN, "blind")))),
    )


_SHORTER = "accepted noise always points against the error, so the step is shorter"


def _both(kind: str) -> Setting:
    return Setting(_noise(SHOWN, kind), hidden=_noise(SHOWN_HIDDEN, kind))


def _claim(what: str, sign: int, changes: list[float], why: str = "") -> Claim:
    """Whether the squared error changes in the direction the source draws."""
    found = estimate(changes)
    bounds = [sign * each for each in (found.low, found.high) if each is not None] or [sign * found.mean]
    verdict: Verdict = "reproduced" if min(bounds) > 0 else "not reproduced"
    says = "lowers" if sign < 0 else "raises"
    return Claim(f"Figure 10, {what}", f"{says} the squared error", f"{found.percent('+')} %", verdict, why)


STUDY = Study(
    name="nem-regression",
    summary="Noise on targets and hidden layers in regression: 1-10-1 learns sin x.",
    source="Adigun, Kosko, Noise-boosted backpropagation: Theorem 4, (123)-(125), Figure 10",
    run=run,
)
