"""Weight decay on a quadratic, and Gaussian input noise that does the same to a linear network, in training.

Data: 200 examples of 8 inputs whose variances fall from 1 to .01, so the directions differ in what they matter; targets
w^T x + .1 noise, w ~ N(0, I). Training: gradient descent on half the mean squared error with fresh input noise.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from analognn.estimates import estimate
from analognn.progress import Report, counted
from analognn.seeds import seeded
from analognn.training.study import Claim, Curve, Findings, Panel, Study, judged
from analognn.training.weight_decay import decayed_minimiser, noisy_inputs, ridge, shrinkage

DIM, EXAMPLES, NOISE_VAR = 8, 200, 0.1
RATE, STEPS, EVERY, SETTLED = 0.3, 1200, 15, 300
DRAWS = 20000
TAUS = tuple(10.0 ** (k / 4) for k in range(-8, 9))


def run(*, seeds: int, data_dir: Path | None, progress: Report) -> Findings:  # noqa: ARG001 - needs no data
    """See the module."""
    found = [_Run(seed) for seed in counted(seeds, progress)]
    panels = (_shrinkage_panel(), _path_panel(), _training_panel(found), _directions_panel(found))
    settings: dict[str, float | int | str] = {
        "seeds": seeds, "dim": DIM, "examples": EXAMPLES, "noise_var": NOISE_VAR, "rate": RATE, "steps": STEPS,
    }  # fmt: skip
    return Findings(panels, _claims(found), settings)


class _Run:
    """One data set: the minimiser, the decayed ones, and what noisy training found."""

    def __init__(self, seed: int) -> None:
        g = seeded("weight-decay", seed)
        scales = torch.logspace(0, -1, DIM, dtype=torch.float64)
        self.x = torch.randn(EXAMPLES, DIM, generator=g, dtype=torch.float64) * scales
        truth = torch.randn(DIM, generator=g, dtype=torch.float64)
        self.y = self.x @ truth + 0.1 * torch.randn(EXAMPLES, generator=g, dtype=torch.float64)
        self.hessian = self.x.mT @ self.x / EXAMPLES
        self.clean, self.decayed = ridge(self.x, self.y, 0.0), ridge(self.x, self.y, NOISE_VAR)
        self.path, self.trained = self._train(g)
        self.expectation = self._expectation(g)

    def _train(self, g: torch.Generator) -> tuple[list[float], Tensor]:
        """Distance from w~ relative to ||w* - w~|| every so many steps; the mean of the settled iterates."""
        layer = nn.Linear(DIM, 1, bias=False, dtype=torch.float64)
        nn.init.zeros_(layer.weight)
        optimiser = torch.optim.SGD(layer.parameters(), lr=RATE)
        path, mean = [], torch.zeros(DIM, dtype=torch.float64)
        with noisy_inputs(layer, NOISE_VAR, generator=g):
            for step in range(STEPS):
                if step % EVERY == 0:
                    path.append(self.distance(layer.weight.detach()[0]))
                optimiser.zero_grad()
                (layer(self.x)[:, 0] - self.y).square().mean().div(2).backward()
                optimiser.step()
                if step >= SETTLED:
                    mean += layer.weight.detach()[0] / (STEPS - SETTLED)
        return path, mean

    def distance(self, weights: Tensor, tau: float = NOISE_VAR) -> float:
        """Of ``weights`` from the minimiser with decay tau, relative to ||w* - w~||."""
        return float((weights - ridge(self.x, self.y, tau)).norm() / (self.clean - self.decayed).norm())

    def shrunk(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues l_i, and what the trained weights keep of w* in each direction."""
        eigenvalues, directions = torch.linalg.eigh(self.hessian)
        return eigenvalues, (directions.mT @ self.trained) / (directions.mT @ self.clean)

    def _expectation(self, g: torch.Generator) -> float:
        """The s^2 that the mean gradient under noise shows beyond the clean one, along w*, over s^2."""
        e = math.sqrt(NOISE_VAR) * torch.randn(DRAWS, DIM, generator=g, dtype=torch.float64)
        which = torch.randint(EXAMPLES, (DRAWS,), generator=g)
        noisy, w = self.x[which] + e, self.clean
        residual, clean_residual = noisy @ w - self.y[which], self.x[which] @ w - self.y[which]
        beyond = (residual[:, None] * noisy - clean_residual[:, None] * self.x[which]).mean(0)
        return float(beyond @ w / (w @ w) / NOISE_VAR)


def _shrinkage_panel() -> Panel:
    """Gradient descent on E' against the closed form, for three curvatures."""
    curves: list[Curve] = []
    for eigenvalue in (0.1, 1.0, 10.0):
        kept = [float(shrinkage(torch.tensor([eigenvalue]), tau)[0]) for tau in TAUS]
        curves += [
            Curve(
                f"l = {eigenvalue:g}", TAUS[::2], tuple(_descend(eigenvalue, tau) for tau in TAUS[::2]), None, "points"
            ),
            Curve(f"l = {eigenvalue:g}", TAUS, tuple(kept), None, "theory"),
        ]
    return Panel(
        "Gradient descent with decay keeps l / (l + tau)",
        "weight decay tau",
        "w~ / w*, by direction",
        tuple(curves),
        True,
    )


def _descend(eigenvalue: float, tau: float) -> float:
    """Where gradient descent ends on l/2 (w - 1)^2 + tau/2 w^2."""
    w = 0.0
    for _ in range(100):
        w -= 0.9 / (eigenvalue + tau) * (eigenvalue * (w - 1) + tau * w)
    return w


def _path_panel() -> Panel:
    """Two weights: the level set of E through the origin's side, and the way of w~ from w* to 0 as tau grows."""
    turn = torch.tensor([[math.cos(0.5), -math.sin(0.5)], [math.sin(0.5), math.cos(0.5)]])
    eigenvalues, best = torch.tensor([1.0, 0.08]), torch.tensor([1.0, 1.2])
    hessian = turn @ torch.diag(eigenvalues) @ turn.mT
    hessian = (hessian + hessian.mT) / 2
    angle = torch.linspace(0, 2 * math.pi, 121)
    circle = torch.stack([angle.cos(), angle.sin()])
    rings = {level: best[:, None] + turn @ (circle * (level / eigenvalues).sqrt()[:, None]) for level in (0.02, 0.08)}
    path = torch.stack([decayed_minimiser(hessian, best, tau) for tau in (0.0, *torch.logspace(-3, 3, 61).tolist())], 1)
    curves = [Curve("w~ as tau grows", *_xy(path)), Curve("w*", (float(best[0]),), (float(best[1]),), None, "points")]
    curves += [Curve(f"E = E* + {level / 2:g}", *_xy(ring), None, "theory") for level, ring in rings.items()]
    return Panel("The flat direction goes first", "w_1", "w_2", tuple(curves))


def _xy(points: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(points[0].tolist()), tuple(points[1].tolist())


def _training_panel(found: list[_Run]) -> Panel:
    steps = range(0, STEPS, EVERY)
    curves = (
        Curve.over_seeds("trained with input noise", steps, [run.path for run in found]),
        Curve("w*, no decay", (0.0, float(STEPS)), (1.0, 1.0), None, "theory"),
    )
    return Panel(
        f"Input noise of variance {NOISE_VAR:g} leads to the minimiser with tau = {NOISE_VAR:g}", "step",
        "||w - w~|| / ||w* - w~||", curves, log_y=True,
    )  # fmt: skip


def _directions_panel(found: list[_Run]) -> Panel:
    """Eigenvalues differ a little between data sets: the abscissa is their mean."""
    eigenvalues = torch.stack([run.shrunk()[0] for run in found]).mean(0)
    grid = torch.logspace(math.log10(float(eigenvalues[0])), math.log10(float(eigenvalues[-1])), 50)
    label = "mean of the settled weights"
    curves = (
        Curve.over_seeds(label, eigenvalues.tolist(), [run.shrunk()[1].tolist() for run in found], kind="points"),
        Curve("l / (l + s^2)", tuple(grid.tolist()), tuple(shrinkage(grid, NOISE_VAR).tolist()), None, "theory"),
    )
    return Panel("What noisy training keeps of w*", "eigenvalue l", "kept in that direction", curves, log_x=True)


def _claims(found: list[_Run]) -> tuple[Claim, ...]:
    direct = max(float((decayed_minimiser(r.hessian, r.clean, NOISE_VAR) - r.decayed).abs().max()) for r in found)
    eigenvalues = torch.linalg.eigvalsh(found[0].hessian)
    elementwise = estimate(
        [r.distance(r.clean * shrinkage(torch.linalg.eigvalsh(r.hessian).flip(0), NOISE_VAR)) for r in found]
    )
    expectation = estimate([r.expectation for r in found])
    trained = estimate([r.distance(r.trained) for r in found])
    control = estimate([r.distance(r.trained, 2 * NOISE_VAR) for r in found])
    kept = shrinkage(eigenvalues, NOISE_VAR)
    half = expectation.half_width or math.nan
    return (
        Claim(
            "exercise 3.1", "components shrink to l / (l + tau)", f"within {direct:.0e} of solving E'",
            judged(direct < 1e-9),
        ),
        Claim(
            "exercise 3.1, last line", "w~ = d * w*, element by element",
            f"in the eigenbasis; on the weights themselves off by {elementwise.percent()} % of ||w* - w~||", "partly",
            "true where H is diagonal",
        ),
        Claim(
            "exercise 3.1, meaning", "most change where the weight matters least",
            f"kept: {float(kept[0]):.2f} at l = {float(eigenvalues[0]):.3f}, {float(kept[-1]):.2f} at "
            f"{float(eigenvalues[-1]):.2f}", "reproduced",
            "its sentence on eigenvalues says the reverse: a larger change of E goes with a larger eigenvalue",
        ),
        Claim(
            "exercise 3.2, expectation", "grad + s^2 w", f"grad + ({expectation.text(digits=3)}) s^2 w",
            judged(abs(expectation.mean - 1) < 2 * half),
            "for half the squared error; the mean squared error it names has grad + 2 s^2 w",
        ),
        Claim(
            "exercise 3.2, training", "input noise has the effect of weight decay",
            f"mean of the settled weights {trained.percent()} % of ||w* - w~|| away from tau = s^2, "
            f"{control.percent()} % from 2 s^2", judged(trained.mean < 0.02 < control.mean),
            "on average: single steps scatter, as the gradient agrees in expectation only",
        ),
    )  # fmt: skip


STUDY = Study(
    name="weight-decay",
    summary="Weight decay on a quadratic in closed form, and Gaussian input noise as weight decay.",
    source="Lab 4: backpropagation and weight decay, exercise 3",
    run=run,
)
