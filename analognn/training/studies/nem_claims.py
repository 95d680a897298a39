"""What the source says of noise-boosted backpropagation for classifiers, beside what the NEM study and theory give."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from analognn.estimates import Estimate, estimate
from analognn.training.em import BeliefNetwork, log_likelihood, surrogate
from analognn.training.likelihoods import Softmax
from analognn.training.nem import accepts, first_order_gain, noisy_target
from analognn.training.studies.boosted import Course, Setting, noise, quiet, relative
from analognn.training.study import Claim, Verdict

BLIND = -0.017  # what the source found at most


@dataclass(frozen=True)
class Evidence:
    """What the study trained.

    Args:
        courses: by setting.
        fresh: the best setting and its controls, by name, on seeds that chose nothing.
        best: setting of the least training cross-entropy with noise on the targets.
        scanned: settings tried.
    """

    courses: dict[Setting, Course]
    fresh: dict[str, Course]
    best: Setting
    scanned: int

    def change(self, setting: Setting, field: str = "train_loss") -> list[float]:
        """Relative change of each seed; -0.18 for 18 % less."""
        return [value - 1 for value in relative(self.courses[setting], self.courses[quiet(setting)], field)]

    def again(self, label: str, field: str = "train_loss") -> list[float]:
        """The same on fresh seeds, for the best setting or one of its controls."""
        return [value - 1 for value in relative(self.fresh[label], self.fresh["no noise"], field)]


def claims(evidence: Evidence) -> tuple[Claim, ...]:
    """All of them, in the source's order."""
    return (*_theory(), *_figures(evidence), _accuracy_bound(evidence))


def _theory() -> tuple[Claim, ...]:
    identity, mean_field = _gradient_identity()
    right, wrong = (_gain_at(label) for label in (0, 2))
    taken, mistaken = _taken_on_the_simplex()
    return (
        Claim(
            "Theorem 1, (1), (94)",
            "backpropagation's gradient of ln p(y|x) is the gradient of EM's Q",
            f"for binary random hidden units, by enumeration: to {identity:.0e} relative; the gradient of the usual "
            f"network, which passes means on, is {100 * mean_field:.0f} % off",
            "partly",
            "Fisher's identity holds for the latent-variable network; backpropagation as run climbs ln p(y|h = mean)",
        ),
        Claim(
            "Theorem 2, (115)-(116)",
            "chosen noise gives larger average steps up the likelihood",
            "the noisy surrogate is larger at the same parameters, always; the clean likelihood of a sample (a = .84, "
            f".11, .04; variance .01) climbs {right.percent('+')} % faster where the network is right, "
            f"{wrong.percent('+')} % where wrong",
            "partly",
            "(116) restates its hypothesis and compares no two steps; accepted noise points to what the network says",
        ),
        Claim(
            "Theorem 2, support",
            "the noise keeps the data in the likelihood's support",
            f"never with Gaussian noise on 1-in-K targets; kept on the simplex, {100 * taken:.0f} % of right samples "
            f"and {100 * mistaken:.0f} % of wrong ones take noise",
            "not reproduced",
            "off the simplex (t + n) . ln a has no maximum; on it, accepted noise can only weaken labels that the "
            "network gets wrong",
        ),
        Claim(
            "(37), Algorithm 1",
            "the output error is t + n - a",
            "the gradient of the likelihood (119) is taken from is t + n - a (1 + sum n)",
            "partly",
            "the same only for noise that sums to zero; (36) needs targets that sum to one",
        ),
    )


def _figures(evidence: Evidence) -> tuple[Claim, ...]:
    as_variance, as_deviation = Setting(output=noise(0.42)), Setting(output=noise(0.176))
    quoted = min(as_variance, as_deviation, key=lambda setting: estimate(evidence.change(setting)).mean)
    best = f"best of {evidence.scanned} settings ({describe(evidence.best)}), fresh seeds"
    why = "the size; for the cause see the controls"
    return (
        _found("Figure 2 at .42, variance or deviation", -0.18, "cross-entropy", evidence.change(quoted)),
        _found(f"Figure 2, {best}", -0.18, "cross-entropy", evidence.again("NEM"), why),
        _controls(evidence),
        _blind(evidence),
        _found("Figure 4: training error, the same", -0.15, "error", evidence.again("NEM", "train_error"), why),
        _found("Figure 4: test error, the same", -0.10, "error", evidence.again("NEM", "test_error"), why),
        _found("Figure 10: hidden noise too", -0.6044, "cross-entropy", evidence.again("NEM, hidden too")),
        _found("Figure 10: the same, test", -0.5439, "cross-entropy", evidence.again("NEM, hidden too", "test_loss")),
        _surrogate(evidence),
    )


def _found(where: str, wanted: float, what: str, changes: list[float], why: str = "") -> Claim:
    """A relative change against the source's: reproduced if its interval reaches it, partly if it excludes 0."""
    found = estimate(changes)
    high, low = (found.mean, found.mean) if found.high is None or found.low is None else (found.high, found.low)
    verdict: Verdict = "not reproduced" if high >= 0 else "reproduced" if low <= wanted else "partly"
    return Claim(where, f"{100 * wanted:+.3g} % {what}", f"{found.percent('+')} %", verdict, why)


def _controls(evidence: Evidence) -> Claim:
    """What should not help, where NEM does."""
    names = ("NEM", "inequality reversed", "a constant, no noise", "NEM, zero-sum", "blind")
    found = {name: estimate(evidence.again(name)) for name in names}
    harm = found["inequality reversed"].low
    return Claim(
        "Section 5, end; Figure 8",
        "noise below the hyperplane harms, noise above it helps",
        "; ".join(f"{name} {each.percent('+')} %" for name, each in found.items()),
        "partly" if harm is not None and harm > 0 else "not reproduced",
        "what helps is an error common to all outputs, of either sign, while the network answers alike for all inputs: "
        "Algorithm 1 lets it through, the likelihood's gradient and noise that sums to zero do not",
    )


def _surrogate(evidence: Evidence) -> Claim:
    """Training by the sampled surrogate alone."""
    last = estimate(evidence.fresh["EM surrogate, 10 states"].train_loss[-1].tolist())
    return Claim(
        "Section 10",
        "10 Monte-Carlo samples approximate Q in training",
        f"cross-entropy after 10 iterations {last.mean:.2f} nat, ln 10 = 2.30: nothing is learned yet",
        "not reproduced",
        "ten states of 120 binary units say little about the posterior",
    )


def _blind(evidence: Evidence) -> Claim:
    """The most that blind noise does at any level under Algorithm 1."""
    tried = [s for s in evidence.courses if s == Setting(output=s.output) and s.output and s.output.rule == "blind"]
    found = min((estimate(evidence.change(setting)) for setting in tried), key=lambda each: each.mean)
    verdict: Verdict = "not reproduced" if found.high is not None and found.high < BLIND else "reproduced"
    ours = f"{found.percent('+')} % at its best level"
    return Claim("Figure 3: blind noise", f"no more than {100 * BLIND:+.1f} % cross-entropy", ours, verdict)


def _accuracy_bound(evidence: Evidence) -> Claim:
    """Error rate against cross-entropy of every course, iteration and seed; see `training.accuracy_bound`."""
    pairs = [(course.train_error, course.train_loss / math.log(2)) for course in evidence.courses.values()]
    held = all(bool((error <= bound).all()) for error, bound in pairs)
    slack = min(float((bound - error).min()) for error, bound in pairs)
    return Claim(
        "Theorem 6, (153), (154)",
        "accuracy >= L (softmax), >= L + K ln 2 (logistic)",
        f"true, but L <= 0 bounds nothing for softmax; error <= cross-entropy / ln 2 holds and is tight, here "
        f"{'always' if held else 'not always'} (least slack {slack:.2f})",
        "reproduced",
    )


def describe(setting: Setting) -> str:
    """A setting in words."""
    given = setting.output or setting.hidden
    if given is None:
        return "no noise"
    place = "targets" if setting.output else f"hidden {setting.reading}"
    law = "" if setting.hidden else f", {'zero-sum ' * setting.zero_sum}{setting.law} law"
    anneal = f", decay {given.decay:g}" * bool(given.decay)
    return f"{given.rule} on {place}{law}, {setting.optimiser} {setting.rate:g}, variance {given.variance:g}{anneal}"


def _gradient_identity() -> tuple[float, float]:
    """Relative distance of grad Q, and of the mean-activation gradient, from grad ln p(y|x): 3-4-3-2 network."""
    g = torch.Generator().manual_seed(0)
    layers = [_linear(i, o) for i, o in itertools.pairwise((3, 4, 3, 2))]
    parameters = [p for layer in layers for p in layer.parameters()]
    for parameter in parameters:
        nn.init.normal_(parameter, generator=g)
    net = BeliefNetwork(tuple(layers), Softmax())
    x = torch.randn(20, 3, generator=g, dtype=torch.float64)
    t = torch.eye(2, dtype=torch.float64)[torch.arange(20) % 2]

    def gradient(value: Tensor) -> Tensor:
        return torch.cat([part.flatten() for part in torch.autograd.grad(value.sum(), parameters)])

    exact = gradient(log_likelihood(net, x, t))
    means = layers[2](layers[1](layers[0](x).sigmoid()).sigmoid())
    others = (gradient(surrogate(net, x, t)), gradient(Softmax().log_likelihood(means, t)))
    return tuple(float((other - exact).norm() / exact.norm()) for other in others)  # type: ignore[return-value]


def _linear(inputs: int, outputs: int) -> nn.Module:
    """Not initialised: nn.Linear draws from PyTorch's global generator."""
    layer: nn.Module = nn.utils.skip_init(nn.Linear, inputs, outputs, dtype=torch.float64)  # type: ignore[no-untyped-call]
    return layer


def _gain_at(label: int) -> Estimate:
    """First-order gain in the clean likelihood of a sample with logits (2, 0, -1) and this label, variance .01."""
    g = torch.Generator().manual_seed(0)
    n = 0.1 * torch.randn(20_000, 3, generator=g, dtype=torch.float64)
    output = torch.tensor([2.0, 0.0, -1.0], dtype=torch.float64).expand_as(n)
    target = torch.eye(3, dtype=torch.float64)[label].expand_as(n)
    noisy = noisy_target(Softmax(), output, target, n, rule="nem", support="extended")
    return estimate(first_order_gain(Softmax(), output, target, noisy).tolist())


def _taken_on_the_simplex() -> tuple[float, float]:
    """Share of samples, classified right and wrong, whose target takes noise that keeps it on the simplex."""
    g = torch.Generator().manual_seed(1)
    output, n = (torch.randn(20_000, 10, generator=g) for _ in range(2))
    target = nn.functional.one_hot(torch.randint(10, (20_000,), generator=g), 10).float()
    n = Softmax().nearest(target + 0.5 * n) - target
    takes = accepts(Softmax(), output, target, n) & (n.abs().amax(-1) > 0)
    right = (output * target).sum(-1) == output.amax(-1)
    return float(takes[right].float().mean()), float(takes[~right].float().mean())
