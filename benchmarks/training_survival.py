"""Does noise in training help a network survive analog hardware and radio, and is there work left for the receiver?

    python benchmarks/training_survival.py [--out benchmarks/records/training]

A small convolutional network with batch-norm, trained on mnist5k in four ways with the same first weights and order of
the images: plainly, with noise on the weights, with masks on the inputs, with NEM noise on the targets. Of each way
with a strength, that one is kept which does best on the validation images through ideal noise of 3 dB, which is none
of the media. Then the weights go through the media, as in a scenario of `analognn run`. Intervals
are over training seeds, each with its own draws of noise in the media; gains are paired by seed. One PyTorch thread.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from common import RECORDS, arguments, heading, publish, write
from torch import Tensor, nn
from torch.nn import functional as F

from analognn import data, models
from analognn.backends import ChannelBackend
from analognn.channels import Awgn
from analognn.estimates import estimate
from analognn.evaluate import Evaluator
from analognn.experiments import Denoising, Medium, Scenario
from analognn.experiments.record import Reception
from analognn.experiments.trial import run_trials
from analognn.experiments.workspace import Workspace, prepare
from analognn.packing import ParameterLayout
from analognn.progress import bar, counted
from analognn.receiver import measure
from analognn.seeds import seeded
from analognn.training.likelihoods import Softmax
from analognn.training.masks import masked_inputs
from analognn.training.nem import NemNoise, error_loss
from analognn.training.weight_noise import noisy_weights

SPEC = models.spec("mnist-resnet8")  # for its normalisation of the images
EPOCHS, BATCH, RATE, MOMENTUM = 10, 64, 0.05, 0.9
Method = Literal["plain", "weight noise", "masks", "NEM"]
STRENGTHS: dict[Method, tuple[float, ...]] = {
    "plain": (0.0,),
    "weight noise": (9.0, 6.0, 3.0),  # WNR [dB]
    "masks": (0.25, 0.5, 1.0),  # kappa
    "NEM": (0.01, 0.03, 0.06),  # standard deviation
}
RECEIVERS = ("ml", "mmsepb", "recalibrate", "protect+recalibrate-relative", "recalibrate+mmsepb")
SCENARIO = Scenario(
    name="training-survival",
    model=SPEC.name,
    seeds=3,
    media={
        "awgn": Medium("awgn", {"wnr_db": 0.0}),
        "ofdm": Medium("ofdm", {"esn0_db": 2.0}),
        "pcm": Medium("pcm", {"t_inference": 86400.0, "prog_noise_scale": 8.0}),
        "reram": Medium("reram-wan2022", {"t_inference": 172800.0}),
    },
    denoiser=Denoising(names=RECEIVERS, kappa=100, unlabelled=200),
)


@dataclass(frozen=True)
class Result:
    """Test accuracy of one trained network: clean, and mean over the draws by medium and receiver."""

    method: str
    seed: int
    strength: float
    clean: float
    accuracy: dict[str, dict[str, float]]
    wnr_db: dict[str, float]


def network(seed: int) -> nn.Sequential:
    """Three convolutions of stride 2 with batch-norm, 8 to 32 channels, and one linear layer."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(
            int(torch.randint(2**62, (), generator=seeded("survival", seed, "weights")))
        )
        layers: list[nn.Module] = []
        for inputs, outputs in ((1, 8), (8, 16), (16, 32)):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def train(method: Method, strength: float, seed: int, images: Tensor, labels: Tensor) -> nn.Module:
    """A network trained one way; stochastic gradients with momentum and a cosine fall of the rate."""
    model, order, g = network(seed).train(), seeded("survival", seed, "order"), seeded("survival", seed, "noise")
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for epoch in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(labels), generator=order), BATCH):
            optimiser.zero_grad()
            step(method, strength, model, images[rows], labels[rows], epoch, g)
            optimiser.step()
        schedule.step()
    return model.eval()


def step(
    method: Method, strength: float, model: nn.Module, x: Tensor, labels: Tensor, epoch: int, g: torch.Generator
) -> None:
    """One forward and backward pass."""
    context = {
        "weight noise": lambda: noisy_weights(model, Awgn(wnr_db=strength), generator=g),
        "masks": lambda: masked_inputs(model, strength, generator=g),
    }.get(method, nullcontext)
    with context():
        output = model(x)
        if method == "NEM":
            noise = NemNoise(variance=strength**2, decay=1.0, support="extended")
            loss = error_loss(output, noise.on_target(output, labels, Softmax(), step=epoch, generator=g)).mean()
        else:
            loss = F.cross_entropy(output, labels)
        loss.backward()


def chosen(method: Method, seed: int, train_set: tuple[Tensor, Tensor], score: Evaluator) -> tuple[float, nn.Module]:
    """The strength whose network does best through ideal noise of 3 dB on the validation images, and that network."""
    found = []
    for strength in STRENGTHS[method]:
        model = train(method, strength, seed, *train_set)
        layout = ParameterLayout.from_model(model)
        backend, packed = ChannelBackend(Awgn(wnr_db=3.0)), layout.pack(model)
        draws = (backend.receive(packed, generator=seeded("survival", seed, "choice", k)).values for k in range(3))
        found.append((sum(score(layout.unpack(w, model)).correct for w in draws), strength, model))
    best = max(found, key=lambda each: each[0])
    return best[1], best[2]


def survive(method: Method, seed: int, workspace: Workspace) -> Result:
    """Train, then take the network through every medium to every receiver."""
    splits = data.load(SPEC.dataset)
    train_set, held_out = (SPEC.prepare(part) for part in (splits.train, splits.validation))
    strength, model = chosen(method, seed, train_set, Evaluator(*held_out, device="cpu"))
    layout = ParameterLayout.from_model(model)
    side = measure(model, layout, train_set[0][:300], directions=SCENARIO.denoiser.directions)
    scenario, packed = replace(SCENARIO, seed=seed), layout.pack(model)
    own = replace(workspace, scenario=scenario, model=model, layout=layout, packed=packed, side=side)
    accuracy: dict[str, dict[str, float]] = {}
    wnr_db = {}
    for medium in SCENARIO.media:
        draws = [Reception(medium, "{}", k) for k in range(SCENARIO.seeds)]
        records = [r for each in draws for r in run_trials(own, each, RECEIVERS)]
        accuracy[medium] = {
            name: statistics.fmean(r.correct / r.total for r in records if r.denoiser == name) for name in RECEIVERS
        }
        wnr_db[medium] = statistics.fmean(r.wnr_db for r in records if r.wnr_db is not None)
    return Result(method, seed, strength, own.test(model).accuracy, accuracy, wnr_db)


# What came out


def table(results: Sequence[Result]) -> Iterator[str]:
    """Markdown: a row for each way of training and medium."""
    yield "| medium | trained with | clean % | WNR dB | " + " | ".join(f"{name} %" for name in RECEIVERS) + " |"
    yield "|---|---|---:|---:|" + "---:|" * len(RECEIVERS)
    for medium in SCENARIO.media:
        for method in STRENGTHS:
            own = [each for each in results if each.method == method]
            cells = [estimate([each.accuracy[medium][name] for each in own]).percent() for name in RECEIVERS]
            wnr_db = statistics.fmean(each.wnr_db[medium] for each in own)
            clean = estimate([each.clean for each in own]).percent()
            yield f"| {medium} | {method} | {clean} | {wnr_db:.1f} | " + " | ".join(cells) + " |"


def gains(results: Sequence[Result]) -> Iterator[str]:
    """Markdown: what training brings without a receiver's work, and what the receiver brings on top, paired."""
    yield (
        "| medium | trained with | over plain, both ml | "
        + " | ".join(f"{name} over ml" for name in RECEIVERS[1:])
        + " |"
    )
    yield "|---|---|---:|" + "---:|" * (len(RECEIVERS) - 1)
    plain = {each.seed: each for each in results if each.method == "plain"}
    for medium in SCENARIO.media:
        for method in STRENGTHS:
            own = [each for each in results if each.method == method]
            training = [each.accuracy[medium]["ml"] - plain[each.seed].accuracy[medium]["ml"] for each in own]
            receiver = [
                estimate([each.accuracy[medium][name] - each.accuracy[medium]["ml"] for each in own]).percent("+")
                for name in RECEIVERS[1:]
            ]
            over = estimate(training).percent("+") if method != "plain" else ""
            yield f"| {medium} | {method} | {over} | " + " | ".join(receiver) + " |"


def report(results: Sequence[Result], seconds: float) -> str:
    """The page."""
    seeds = len({each.seed for each in results})
    picked = {
        method: ", ".join(f"{each.strength:g}" for each in results if each.method == method) for method in STRENGTHS
    }
    took = f" {seconds:.0f} CPU-s on one thread of a busy machine."
    lines = [
        *heading("Trained with noise, then sent through a medium", "training_survival.py", end=took),
        f"{seeds} training seeds, {SCENARIO.seeds} draws of every medium each; mnist5k, 1,000 test images.",
        "Media: " + "; ".join(f"{label} {medium.parameters}" for label, medium in SCENARIO.media.items()) + ".",
        "Strengths chosen, by seed: " + "; ".join(f"{k} {v}" for k, v in picked.items() if k != "plain") + ".",
        "",
        "## Accuracy",
        "",
        *table(results),
        "",
        "## Gains in points, paired by training seed",
        "",
        *gains(results),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the pairs of method and seed that are missing, then write the tables."""
    parser = arguments(__doc__, RECORDS / "training", data=False)
    parser.add_argument("--seeds", type=int, default=10, help="training seeds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "survival.json"
    made: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {"seconds": 0.0, "results": []}
    results = [Result(**each) for each in made["results"]]
    done = {(each.method, each.seed) for each in results}
    missing = [(method, seed) for seed in range(options.seeds) for method in STRENGTHS if (method, seed) not in done]
    workspace = prepare(SCENARIO, device="cpu")
    with bar("training-survival", "networks") as reported:
        for index in counted(len(missing), reported):
            began = time.process_time()
            results.append(survive(*missing[index], workspace))
            made = {"seconds": made["seconds"] + time.process_time() - began, "results": [vars(r) for r in results]}
            write(path, json.dumps(made, indent=1) + "\n")
    publish(options.out / "SURVIVAL.md", report(results, made["seconds"]))


if __name__ == "__main__":
    main()
