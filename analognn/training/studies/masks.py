"""Masks in training: the paper's two-layer network and full-batch gradient descent, for several kappa.

n = 500 inputs on the unit sphere of d = 20, m = 100 neurons, fixed outputs +-1/sqrt(m), W ~ N(0, I), targets from
another such network, rate .005 on the sum of half the squared errors: the text names n, d, m and the rate, the rest is
our reading. All kappa of a seed share data, start and the normal draws behind their masks, one an example and step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from analognn.estimates import Estimate, estimate
from analognn.progress import Report, counted
from analognn.seeds import seeded
from analognn.training.masks import TwoLayer, expected_loss, masked, smoothed_relu, smoothed_relu_proxy
from analognn.training.study import Claim, Curve, Findings, Panel, Study, judged

EXAMPLES, DIM, HIDDEN, RATE, STEPS = 500, 20, 100, 0.005, 2000
KAPPAS = (0.0, 0.05, 0.1, 0.2, 0.4)
SMALL, DRAWS, SIGMAS = 0.05, 500, 4.5
AT = tuple(sorted({0, *(round(10 ** (k / 12)) for k in range(42)), STEPS - 1} & set(range(STEPS))))
"""The steps whose loss is kept."""
EARLY = AT.index(10)


@dataclass(frozen=True)
class Trained:
    """One seed; lists over `KAPPAS`.

    Args:
        losses: under the masks of the steps `AT`.
        smoothed: part of the expected loss at the end.
        penalty: the other part.
        clean: loss without masks at the end.
        distance: ||W - W(kappa = 0)|| / ||W(kappa = 0) - W at the start||.
        sampled: at the start, (Monte Carlo - exact loss) in standard errors.
        exponent: at the start, of the penalty in kappa, from .05 to .1.
        proxy_off: at the end, what the proxy changes in the mean output, relative to the spread of the targets.
    """

    losses: list[list[float]]
    smoothed: list[float]
    penalty: list[float]
    clean: list[float]
    distance: list[float]
    sampled: float
    exponent: float
    proxy_off: list[float]

    @property
    def expected(self) -> list[float]:
        """Both parts together."""
        return [a + b for a, b in zip(self.smoothed, self.penalty, strict=True)]


def run(*, seeds: int, data_dir: Path | None, progress: Report) -> Findings:  # noqa: ARG001 - needs no data
    """See the module."""
    found = [_train(seed) for seed in counted(seeds, progress)]
    panels = (_activation_panel(), _losses_panel(found), _plateaus_panel(found), _distance_panel(found))
    settings: dict[str, float | int | str] = {
        "seeds": seeds, "examples": EXAMPLES, "dim": DIM, "hidden": HIDDEN, "rate": RATE, "steps": STEPS,
        "loss": "half the squared error: sum in training, mean in the picture", "labels": "teacher",
    }  # fmt: skip
    return Findings(panels, (*_formulas(found), *_dynamics(found)), settings)


def _train(seed: int) -> Trained:
    g = seeded("masks", seed)
    x = torch.nn.functional.normalize(torch.randn(EXAMPLES, DIM, generator=g), dim=1)
    teacher, start = _network(g), _network(g)
    y = teacher(x)
    losses, hidden = _descend(x, y, start, g)
    ends = [_double(TwoLayer(each, start.output)) for each in hidden]
    x, y, start = x.double(), y.double(), _double(start)
    parts = [_parts(network, x, y, kappa) for network, kappa in zip(ends, KAPPAS, strict=True)]
    small, twice = (_parts(start, x, y, kappa) for kappa in (SMALL, 2 * SMALL))
    moved = (ends[0].hidden - start.hidden).norm()
    return Trained(
        losses=losses,
        smoothed=[part[0] for part in parts],
        penalty=[part[1] for part in parts],
        clean=[float((network(x) - y).square().mean()) / 2 for network in ends],
        distance=[float((network.hidden - ends[0].hidden).norm() / moved) for network in ends],
        sampled=_sampled(start, x, y, sum(twice), g),
        exponent=math.log2(twice[1] / small[1]),
        proxy_off=[_proxy_off(network, x, y, kappa) for network, kappa in zip(ends, KAPPAS, strict=True)],
    )


def _network(g: torch.Generator) -> TwoLayer:
    signs = torch.randint(2, (HIDDEN,), generator=g) * 2.0 - 1
    return TwoLayer(torch.randn(HIDDEN, DIM, generator=g), signs / math.sqrt(HIDDEN))


def _double(network: TwoLayer) -> TwoLayer:
    return TwoLayer(network.hidden.double(), network.output.double())


def _descend(x: Tensor, y: Tensor, start: TwoLayer, g: torch.Generator) -> tuple[list[list[float]], Tensor]:
    """Losses [kappas][AT] and the hidden weights [kappas, m, d] after `STEPS`; all kappa at once, gradients by hand."""
    kappas = torch.tensor(KAPPAS)[:, None, None]
    hidden = start.hidden.repeat(len(KAPPAS), 1, 1)
    losses = []
    for step in range(STEPS):
        inputs = x * (1 + kappas * torch.randn(x.shape, generator=g))
        z = inputs @ hidden.mT
        residual = torch.relu(z) @ start.output - y
        if step in AT:
            losses.append(residual.square().mean(1) / 2)
        hidden -= RATE * (residual[..., None] * (z > 0) * start.output).mT @ inputs
    return torch.stack(losses, 1).tolist(), hidden


def _parts(network: TwoLayer, x: Tensor, y: Tensor, kappa: float) -> tuple[float, float]:
    """Smoothed loss and penalty, over batches that fit the cache."""
    if kappa == 0:
        return float((network(x) - y).square().mean()) / 2, 0.0
    batches = (slice(i, i + 50) for i in range(0, len(x), 50))
    found = [expected_loss(network, x[batch], y[batch], kappa) for batch in batches]
    smoothed, penalty = (
        float(sum(part)) / len(found) for part in zip(*((e.smoothed, e.penalty) for e in found), strict=True)
    )
    return smoothed, penalty


def _sampled(network: TwoLayer, x: Tensor, y: Tensor, exact: float, g: torch.Generator) -> float:
    """How far the loss under random masks, 2 SMALL wide, is from the expected loss, in standard errors."""
    draws = torch.stack([(network(masked(x, 2 * SMALL, generator=g)) - y).square().mean() / 2 for _ in range(DRAWS)])
    return float((draws.mean() - exact) / (draws.std() / math.sqrt(DRAWS)))


def _proxy_off(network: TwoLayer, x: Tensor, y: Tensor, kappa: float) -> float:
    proxy = smoothed_relu_proxy(*network.under_mask(x, kappa)) @ network.output
    return float((proxy - network.mean(x, kappa)).square().mean().sqrt() / y.std())


def _sampled_relu() -> tuple[Tensor, Tensor, Tensor]:
    """z, the mean of relu(z + u) over standard normal u, and its standard error."""
    at = torch.linspace(-3, 3, 11, dtype=torch.float64)
    draws = torch.randn(20000, len(at), generator=seeded("masks", "relu"), dtype=torch.float64)
    sampled = torch.relu(at + draws)
    return at, sampled.mean(0), sampled.std(0) / math.sqrt(len(draws))


def _activation_panel() -> Panel:
    """The paper's Figure 2 for s = 1; any other s scales both axes."""
    z = torch.linspace(-3, 3, 121, dtype=torch.float64)
    at, mean, error = (tuple(each.tolist()) for each in _sampled_relu())
    xs = tuple(z.tolist())
    curves = (
        Curve("E relu, sampled", at, mean, tuple(1.96 * each for each in error), "points"),
        Curve("E relu, sampled", xs, tuple(smoothed_relu(z, 1.0).tolist()), None, "theory"),
        Curve("proxy z Phi(z/s)", xs, tuple(smoothed_relu_proxy(z, 1.0).tolist())),
        Curve("relu", xs, tuple(torch.relu(z).tolist())),
    )
    return Panel("The smoothed ReLU, and the proxy that drops s phi(z/s)", "z / s", "activation / s", curves)


def _losses_panel(found: list[Trained]) -> Panel:
    curves = tuple(
        Curve.over_seeds(f"kappa = {kappa:g}", [step + 1 for step in AT], [one.losses[i] for one in found])
        for i, kappa in enumerate(KAPPAS)
    )
    return Panel("Training under fresh masks", "step + 1", "masked loss", curves, log_x=True, log_y=True)


def _plateaus_panel(found: list[Trained]) -> Panel:
    """At the end, kappa > 0."""
    parts = {
        "expected loss": [one.expected for one in found],
        "of it, penalty": [one.penalty for one in found],
        "of it, smoothed loss": [one.smoothed for one in found],
        "loss without masks": [one.clean for one in found],
    }
    curves = tuple(
        Curve.over_seeds(label, KAPPAS[1:], [run[1:] for run in runs], kind="points") for label, runs in parts.items()
    )
    unit = estimate([one.penalty[1] for one in found]).mean / KAPPAS[1] ** 2
    guide = Curve("kappa^2", KAPPAS[1:], tuple(unit * kappa**2 for kappa in KAPPAS[1:]), None, "theory")
    return Panel(f"After {STEPS} steps", "kappa", "mean loss", (*curves, guide), log_x=True, log_y=True)


def _distance_panel(found: list[Trained]) -> Panel:
    curves = (
        Curve.over_seeds("||W - W_0|| / ||W_0 - W_start||", KAPPAS, [one.distance for one in found]),
        Curve.over_seeds("mean output moved by the proxy / std y", KAPPAS, [one.proxy_off for one in found]),
    )
    return Panel("Distance to the solution W_0 of kappa = 0", "kappa", "relative distance", curves)


def _formulas(found: list[Trained]) -> tuple[Claim, ...]:
    worst = max(abs(one.sampled) for one in found)
    at, mean, error = _sampled_relu()
    off = ((mean - smoothed_relu(at, 1.0)) / error).abs().tolist()
    exponent = estimate([one.exponent for one in found])
    ends = ", ".join(
        f"{_short(estimate([one.proxy_off[i] for one in found]), 100)} % at {KAPPAS[i]:g}" for i in (1, len(KAPPAS) - 1)
    )
    return (
        Claim(
            "section 2, E relu", "z Phi(z/s) + s phi(z/s); relu at kappa = 0",
            f"{len(off)} sampled means are within {max(off):.1f} standard errors", judged(max(off) < SIGMAS),
        ),
        Claim(
            "section 2, proxy", "agrees but near z = 0; the gap does not matter downstream",
            f"gap is s phi(z/s), .4 s at 0; moves the mean output by {ends} of the targets' spread", "partly",
            "of first order in kappa at the kink, but only some kappa of the neurons are there; negative for z < 0",
        ),
        Claim(
            "Theorem 4.1, as told", "expected loss = smoothed loss + penalty, exactly",
            f"with all covariances; {DRAWS} masks a seed are within {worst:.1f} standard errors",
            judged(worst < SIGMAS),
            "exact with the mean of the ReLU, not with its proxy",
        ),
        Claim(
            "section 3, penalty", "scales as kappa^2",
            f"kappa^{_short(exponent)} between {SMALL:g} and {2 * SMALL:g} at the start",
            judged(abs(exponent.mean - 2) < 0.1),
        ),
    )  # fmt: skip


def _dynamics(found: list[Trained]) -> tuple[Claim, ...]:
    last = len(KAPPAS) - 1
    excess = [[one.expected[i] - one.expected[0] for one in found] for i in range(1, last + 1)]
    rates = [estimate([_rate(one.losses[i]) / _rate(one.losses[0]) for one in found]) for i in (1, last)]
    power = estimate([math.log2(one.penalty[3] / one.penalty[2]) for one in found])  # kappa .2 over .1
    heights = [estimate(each).mean for each in excess]
    plateaus = ", ".join(f"{height:.4f}" for height in heights)
    distances = [estimate([one.distance[i] for one in found]) for i in range(1, last + 1)]
    radii = ", ".join(map(_short, distances))
    clean = estimate([one.clean[1] / one.clean[0] - 1 for one in found])
    falling = estimate([one.losses[0][-1] / one.losses[0][AT.index(1000)] for one in found])
    return (
        Claim(
            "Figure 3, descent", "the same initial rate for all kappa",
            f"over 10 steps, relative to kappa = 0: {_short(rates[0])} at {KAPPAS[1]:g}, {_short(rates[1])} at "
            f"{KAPPAS[last]:g}", judged(all(abs(rate.mean - 1) < 0.1 for rate in rates)),
        ),
        Claim(
            "Figure 3, plateaus", "each plateaus at a height that grows with kappa",
            f"expected loss above that of kappa = 0: {plateaus}; of it the penalty as kappa^{_short(power)} (.1 to .2)",
            judged(_rising(heights)),
        ),
        Claim(
            "Figure 3, kappa = 0", "keeps going down", f"loss at step {STEPS}: {_short(falling)} of that at 1000",
            judged(falling.mean < 0.9),
        ),
        Claim(
            "Theorem 5.5, as told", "converges to a ball whose radius shrinks with kappa",
            f"||W - W_0|| / ||W_0 - W_start||: {radii} at {', '.join(f'{k:g}' for k in KAPPAS[1:])}",
            judged(_rising([distance.mean for distance in distances])),
            f"the plateau is the penalty, not a bad network: without masks the loss at {KAPPAS[1]:g} is "
            f"{clean.percent('+')} % that of kappa = 0",
        ),
    )  # fmt: skip


def _rising(values: list[float]) -> bool:
    return values[0] > 0 and all(a < b for a, b in pairwise(values))


def _rate(losses: list[float]) -> float:
    return math.log(losses[0] / losses[EARLY]) / AT[EARLY]


def _short(found: Estimate, scale: float = 1.0) -> str:
    """Three digits that count, since these quantities are of all sizes; `Estimate.text` counts decimals."""
    half = f" ± {scale * (found.high - found.mean):.2g}" if found.high is not None else ""
    return f"{scale * found.mean:.3g}{half}"


STUDY = Study(
    name="masks",
    summary="Multiplicative Gaussian input masks on a two-layer ReLU network: exact expected loss, plateaus, distance.",
    source="Kolomvaki et al., arXiv 2602.17423 (as told in its summary, sections 1 to 3)",
    run=run,
)
