"""Weight noise against the penalty of the textbook: at fixed weights, while training, and at the end of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analognn.estimates import Estimate, estimate
from analognn.progress import Report, counted
from analognn.training.studies.weight_noise_runs import (
    CHECKPOINTS,
    DRAWS,
    ETAS,
    EXAMPLES,
    HIDDEN,
    INPUTS,
    NETWORKS,
    PAIRS,
    POINTS,
    RATE,
    STEPS,
    TRAINED_ETAS,
    Run,
    one_run,
)
from analognn.training.study import Claim, Curve, Findings, Panel, Study


def run(*, seeds: int, data_dir: Path | None, progress: Report) -> Findings:  # noqa: ARG001 - needs no data
    """See the module."""
    found = [one_run(seed) for seed in counted(seeds, progress)]
    settings: dict[str, float | int | str] = {
        "seeds": seeds, "pairs": PAIRS, "examples": EXAMPLES, "inputs": INPUTS, "hidden": HIDDEN,
        "steps": STEPS, "rate": RATE, "draws": DRAWS, "points": POINTS,
    }  # fmt: skip
    return Findings(
        (_fixed_panel(found), _share_panel(found), _loss_panel(found), _distance_panel(found)),
        _claims(found),
        settings,
    )


# What came out


def _fixed_panel(found: Sequence[Run]) -> Panel:
    curves: list[Curve] = []
    for name in NETWORKS:
        runs = [one.fixed[name] for one in found]
        predicted = Curve.over_seeds(name, ETAS, [each.predicted() for each in runs])
        curves.append(Curve.over_seeds(name, ETAS, [each.ratios() for each in runs], kind="points"))
        curves.append(Curve(name, ETAS, predicted.y, kind="theory"))
    return Panel(
        "Fixed weights: what noise adds to the loss, and the terms of first order with the kinks of ReLU",
        "noise variance eta", "rise of the loss / penalty", tuple(curves), log_x=True,
    )  # fmt: skip


def _share_panel(found: Sequence[Run]) -> Panel:
    curve = Curve.over_seeds("tanh 1-10-1, plain training", CHECKPOINTS, [one.shares for one in found])
    return Panel(
        "Training makes the dropped term small", "step", "|residual times curvature| / penalty", (curve,), log_y=True
    )


def _loss_panel(found: Sequence[Run]) -> Panel:
    curves = tuple(
        Curve.over_seeds(
            label,
            TRAINED_ETAS,
            [[one.noisy_loss[kind, eta] / one.noisy_loss["plain", eta] for eta in TRAINED_ETAS] for one in found],
        )
        for kind, label in (("noise", "trained with noise"), ("penalty", "trained with the penalty"))
    )
    return Panel(
        "Loss under noise at the end of training", "noise variance eta", "E J(w + z) / that of plain training",
        curves, log_x=True,
    )  # fmt: skip


def _distance_panel(found: Sequence[Run]) -> Panel:
    curve = Curve.over_seeds(
        "penalty from noise", TRAINED_ETAS, [[one.distance(eta) for eta in TRAINED_ETAS] for one in found]
    )
    return Panel(
        "The functions found", "noise variance eta", "|f_penalty - f_noise| / |f_plain - f_noise|", (curve,), log_x=True
    )


def _claims(found: Sequence[Run]) -> tuple[Claim, ...]:
    def ratio(name: str, eta: float) -> Estimate:
        return estimate([one.fixed[name].ratios()[ETAS.index(eta)] for one in found])

    def predicted(name: str) -> str:
        at = ETAS.index(small)
        runs = [one.fixed[name] for one in found]
        off = estimate([each.ratios()[at] - each.predicted()[at] for each in runs])
        return f"{estimate([each.predicted()[at] for each in runs]).mean:.2f} (apart by {off.text(digits=2)})"

    small, large = ETAS[1], ETAS[-1]
    shares = [estimate([one.shares[k] for one in found]) for k in (0, -1)]
    losses = {
        eta: estimate([one.noisy_loss["penalty", eta] / one.noisy_loss["noise", eta] for one in found])
        for eta in TRAINED_ETAS
    }
    distances = [estimate([one.distance(eta) for one in found]) for eta in TRAINED_ETAS]
    return (
        Claim(
            "question, last expression", "E[f - 2 y f + y^2] is the squared error", "only with f^2 for the first f",
            "not reproduced", "a misprint, as the answer says",
        ),
        Claim(
            "answer, second term", "E|grad f . z|^2 = eta E|grad f|^2, the first-order Taylor series being good",
            f"one linear layer: rise / penalty {ratio('one linear layer', small).text(digits=2)} at eta = {small:g}, "
            f"{ratio('one linear layer', large).text(digits=2)} at {large:g}; two: "
            f"{ratio('two linear layers', small).text(digits=2)}, "
            f"{ratio('two linear layers', large).text(digits=2)}", "reproduced",
            "exact for one layer at any eta, where the penalty eta E|x|^2 depends on no weight and regularises nothing",
        ),
        Claim(
            "quoted text", "for small eta noise on the weights is the penalty",
            f"tanh: rise / penalty {ratio('tanh', small).text(digits=2)} at eta = {small:g}; with eta E[(f - y) tr H] "
            f"predicted {predicted('tanh')}", "partly",
            "the dropped term is of the same order in eta: small where the residual or the curvature is",
        ),
        Claim(
            "the same, ReLU", "likewise", f"rise / penalty {ratio('ReLU', small).text(digits=2)}, though "
            f"H = 0 almost everywhere; by the smoothed ReLU {predicted('ReLU')}",
            "partly", "the kinks are the curvature: with data around them they act at order eta, unseen by autograd",
        ),
        Claim(
            "the same, while training", "no condition on the weights",
            f"dropped term / penalty {shares[0].text(digits=2)} at the start, {shares[1].text(digits=4)} at the end",
            "partly",
            "holds where the network fits: the residual is then noise, independent of the curvature",
        ),
        Claim(
            "the same, minimisers", "minimising one is minimising the other",
            "E J(w + z), penalty over noise: "
            + ", ".join(f"{value.text(digits=2)} at eta = {eta:g}" for eta, value in losses.items())
            + f"; functions apart by {distances[0].text(digits=2)} to {distances[-1].text(digits=2)} of the way "
            "from plain training",
            "partly",
            "the penalty needs no draws, so the same steps get it further down; what is left is of order eta^2",
        ),
    )  # fmt: skip


STUDY = Study(
    name="weight-noise",
    summary="Gaussian noise on the weights in every step, the gradient penalty it amounts to, and the term left out.",
    source="Goodfellow, Bengio, Courville, Deep Learning, section 7.5, as asked and answered on a forum",
    run=run,
)
