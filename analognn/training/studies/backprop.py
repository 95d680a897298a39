"""Backpropagation: the recursion against finite differences, XOR learned, and what the lab's misprints cost.

The lab's code hands phi' the output y instead of the input z. Here that is an `Activation` with another slope.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from analognn.estimates import estimate
from analognn.progress import Report, counted
from analognn.seeds import seeded
from analognn.training.backprop import (
    BINARY_CROSS_ENTROPY,
    RELU,
    SIGMOID,
    TANH,
    Activation,
    DenseNetwork,
    Gradients,
    backpropagate,
    central_differences,
    train,
)
from analognn.training.study import Claim, Curve, Findings, Panel, Study

X = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
XOR = torch.tensor([[0.0], [1.0], [1.0], [0.0]], dtype=torch.float64)
RATE, STEPS, EVERY = 1.0, 1000, 10
"""The lab's rate .25 acts on the sum over the four examples: 1 on their mean."""
LAB_STEPS = 250
DIFFERENCES = tuple(10.0**-k for k in range(1, 10))


def _of_output(right: Activation) -> Activation:
    """phi'(y) where phi'(z) belongs."""
    return Activation(f"{right.name}, slope at y", right.value, lambda z: right.slope(right.value(z)))


NETWORKS = {
    "2 tanh": (2, TANH, SIGMOID),
    "4 tanh": (4, TANH, SIGMOID),
    "8 ReLU": (8, RELU, SIGMOID),
    "2 tanh, lab's slopes": (2, _of_output(TANH), _of_output(SIGMOID)),
}


def run(*, seeds: int, data_dir: Path | None, progress: Report) -> Findings:  # noqa: ARG001 - needs no data
    """See the module."""
    errors: dict[str, list[list[float]]] = {"right": [], "lab": []}
    trained: dict[str, list[list[DenseNetwork]]] = {name: [] for name in NETWORKS}
    losses: dict[str, list[list[float]]] = {name: [] for name in NETWORKS}
    for seed in counted(seeds, progress):
        for name, slips in (("right", False), ("lab", True)):
            errors[name].append(_gradient_errors(seed, slips))
        for name in NETWORKS:
            networks, loss = _learn(name, seed)
            trained[name].append(networks)
            losses[name].append(loss)
    panels = (_gradients(errors), _losses(losses), _diagonals(trained["4 tanh"]))
    settings: dict[str, float | int | str] = {
        "seeds": seeds,
        "rate": RATE,
        "steps": STEPS,
        "loss": "mean over examples",
    }
    return Findings(panels, (*_formulas(errors), *_xor(trained)), settings)


def _random_problem(seed: int, slips: bool = False) -> tuple[DenseNetwork, Tensor, Tensor]:
    """A 3-5-4-2 network, and ten examples."""
    g = seeded("backprop", seed, "gradients")
    tanh, sigmoid = (_of_output(TANH), _of_output(SIGMOID)) if slips else (TANH, SIGMOID)
    network = DenseNetwork.random((3, 5, 4, 2), (tanh, tanh, sigmoid), generator=g)
    x = torch.randn(10, 3, generator=g, dtype=torch.float64)
    return network, x, torch.rand(10, 2, generator=g, dtype=torch.float64).round()


def _gradient_errors(seed: int, slips: bool) -> list[float]:
    """||recursion - central differences|| / ||central differences|| for each step h."""
    network, x, targets = _random_problem(seed, slips)
    ours = _flat(backpropagate(network, x, targets, BINARY_CROSS_ENTROPY, weight_decay=0.1))
    found = []
    for step in DIFFERENCES:
        theirs = _flat(central_differences(network, x, targets, BINARY_CROSS_ENTROPY, weight_decay=0.1, step=step))
        found.append(float((ours - theirs).norm() / theirs.norm()))
    return found


def _flat(gradients: Gradients) -> Tensor:
    return torch.cat([g.flatten() for g in (*gradients.weights, *gradients.biases)])


def _learn(name: str, seed: int) -> tuple[list[DenseNetwork], list[float]]:
    """The network after every ``EVERY`` steps, and the loss before each of them."""
    hidden, activation, output = NETWORKS[name]
    network = DenseNetwork.random((2, hidden, 1), (activation, output), generator=seeded("backprop", seed, name))
    networks, losses = [network], []
    for _ in range(STEPS // EVERY):
        network, some = train(network, X, XOR, BINARY_CROSS_ENTROPY, rate=RATE, steps=EVERY)
        networks.append(network)
        losses.append(some[0])
    return networks, losses


def _solved(network: DenseNetwork) -> float:
    return float(((network(X) > 0.5) == (XOR > 0.5)).all())


def _gradients(errors: dict[str, list[list[float]]]) -> Panel:
    curves = (
        Curve.over_seeds("slopes at z", DIFFERENCES, errors["right"]),
        Curve.over_seeds("lab's slopes, at y", DIFFERENCES, errors["lab"]),
    )
    return Panel(
        "The recursion against central differences",
        "step h",
        "relative difference of the gradients",
        curves,
        True,
        True,
    )


def _losses(losses: dict[str, list[list[float]]]) -> Panel:
    steps = range(0, STEPS, EVERY)
    curves = tuple(Curve.over_seeds(name, steps, runs) for name, runs in losses.items())
    return Panel("Learning XOR", "step", "cross-entropy, mean over runs", curves, log_y=True)


def _diagonals(runs: list[list[DenseNetwork]]) -> Panel:
    """What the first run that solved XOR computes along both diagonals of the square."""
    network = next(networks[-1] for networks in runs if _solved(networks[-1]))
    at = torch.linspace(-2, 2, 81, dtype=torch.float64)
    curves = tuple(
        Curve(label, tuple(at.tolist()), tuple(network(torch.stack([at, sign * at], 1)).flatten().tolist()))
        for label, sign in (("along x2 = x1, where XOR is 0", 1), ("along x2 = -x1, where XOR is 1", -1))
    )
    return Panel("What 4 tanh neurons learned, one run", "x1", "output", curves)


def _formulas(errors: dict[str, list[list[float]]]) -> tuple[Claim, ...]:
    least = estimate([min(run) for run in errors["right"]]).mean
    wrong = estimate([run[4] for run in errors["lab"]])
    y, t = torch.tensor([[0.2, 0.3, 0.1], [0.5, 0.8, 0.1]]), torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    return (
        Claim("(1) to (8)", "recursion of the deltas", f"to {least:.0e} of central differences, with phi'(z)", "partly",
              "written phi'(y), and the code does so; phi' belongs to the input z of a layer"),
        Claim("code, phi'(y)", "the gradient", f"off by {wrong.percent()} % of its norm", "not reproduced",
              "slope taken at the output"),
        Claim("(3), (7)", "y (x) delta + lambda/2 W", "delta (x) y + tau W", "partly",
              "for z = W y the printed product is the transpose; tau/2 ||W||^2 of exercise 3 has the slope tau W"),
        Claim("batches", "Delta_{l-1} = (W^T Delta_l) * phi'", "(Delta_l W) * phi'", "partly",
              "with one example a row, as the lab has it, only the second has fitting shapes"),
        Claim("batches", "sum over the examples for the average", "the average where the loss holds 1/n", "partly",
              "the code's loss of one row holds 1/1: its rate .25 is 1 for the mean over four"),
        Claim("exercise 2, loss", "1.952027; slopes .625 ... .5555556",
              f"{float(BINARY_CROSS_ENTROPY.value(y, t)):.6f}; "
              f"{float(BINARY_CROSS_ENTROPY.slope(y, t)[0, 0]):.3f} ... "
              f"{float(BINARY_CROSS_ENTROPY.slope(y, t)[1, 2]):.7f}", "reproduced"),
    )  # fmt: skip


def _xor(trained: dict[str, list[list[DenseNetwork]]]) -> tuple[Claim, ...]:
    def share(name: str, step: int) -> str:
        solved = [_solved(networks[step // EVERY]) for networks in trained[name]]
        return f"{sum(solved):.0f} of {len(solved)}"

    right, lab = "2 tanh", "2 tanh, lab's slopes"
    return (
        Claim(
            "exercise 2, XOR",
            "2 tanh neurons learn it in 250 steps (one run)",
            f"{share(right, LAB_STEPS)} runs; 4 tanh: {share('4 tanh', LAB_STEPS)}; 8 ReLU: "
            f"{share('8 ReLU', LAB_STEPS)}",
            "partly",
            "two neurons leave some starts in a saddle where two examples share the output 1/2",
        ),
        Claim(
            "exercise 2, outputs",
            "7e-24, .845, .845, 7e-24",
            f"with the lab's slopes {share(lab, LAB_STEPS)} runs at 250 steps, {share(lab, STEPS)} at {STEPS}",
            "partly",
            "sigmoid'(y) never falls below .19, so saturated outputs are pushed on until they break; right slopes stay",
        ),
    )


STUDY = Study(
    name="backprop",
    summary="Backpropagation from first principles: gradients checked, XOR learned, misprints weighed.",
    source="Lab 4: backpropagation and weight decay, exercises 1 and 2",
    run=run,
)
