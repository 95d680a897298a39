"""Media with one departure from AWGN each, and a score that keeps what it was given."""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import nn

from analognn import Backend, ParameterLayout
from analognn.channels import Received
from analognn.evaluate import Score

NOISE_VAR = 1e-3
REPORTED = "squared error / reported variance"
ROWS, COLUMNS = (f"autocorrelation along {way} (standard errors)" for way in ("rows", "columns"))
CURVE, CORR = "variance against |w| (standard errors)", "correlation of |z| with |w|"
ORDER, SUMS = "autocorrelation in packing order (standard errors)", "variance of row sums"
SYMBOL, FADE = "correlation within a symbol", "correlation of |z| within a symbol"
KURTOSIS, KS = "excess kurtosis", "Kolmogorov-Smirnov distance"


@dataclass(frozen=True)
class Synthetic(Backend):
    """r = gain (w + z) + offset with noise made by ``kind`` from w and n ~ N(0, NOISE_VAR); reports NOISE_VAR."""

    kind: str = "gaussian"

    def receive(self, packed, *, generator):
        values = packed.vector.clone()
        for slot, w in packed.tensors():
            n = math.sqrt(NOISE_VAR) * torch.randn(w.shape, generator=generator)
            values[slot.start : slot.stop] = KINDS[self.kind](w, n, generator).reshape(-1)
        return Received(values, NOISE_VAR, "exact")


def laplace(w, n, generator):
    exponential = torch.empty_like(n).exponential_(generator=generator)
    return w + math.sqrt(NOISE_VAR / 2) * exponential * n.sign()


def fades(w, n, generator):
    """A gain of 1 / 2 or sqrt(7 / 4) that two consecutive weights share, and the receiver does not know."""
    kept = (torch.rand(n.numel() // 2, 1, generator=generator) < 0.5).float()
    return w + n * (0.5 * kept + math.sqrt(7 / 4) * (1 - kept)).expand(-1, 2).reshape(n.shape)


KINDS = {
    "gaussian": lambda w, n, g: w + n,
    "silent": lambda w, n, g: w + 1e-3 * n,
    "doubled": lambda w, n, g: w + math.sqrt(2) * n,
    "gain": lambda w, n, g: 0.8 * (w + n),
    "offset": lambda w, n, g: w + n + 0.1 * math.sqrt(NOISE_VAR),
    "laplace": laplace,
    "multiplicative": lambda w, n, g: w + n * w / w.square().mean().sqrt(),
    "rows": lambda w, n, g: w + (n + n.roll(1, 1)) / math.sqrt(2),
    "columns": lambda w, n, g: w + (n + n.roll(3, 0)) / math.sqrt(2),
    "fades": fades,
    "carriers": lambda w, n, g: w + (n + n.roll(2, 1)) / math.sqrt(2),
    "twins": lambda w, n, g: w + n.view(-1, 2)[:, :1].expand(-1, 2).reshape(n.shape),
}


def linear_model(*sizes, bias=False):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(sizes)]
    return nn.Sequential(*layers)


def packed_linear_model():
    model = linear_model(100, 160, 40)
    return ParameterLayout.from_model(model).pack(model)


def failed(certificate):
    return {check.name for check in certificate.checks if not check.ok}


class Recorder:
    """A score that keeps what it was given; accuracy = share of weights that are not negative."""

    def __init__(self):
        self.seen = []

    def __call__(self, values):
        self.seen.append(values.clone())
        return Score(int((values >= 0).sum()), values.numel(), 0.0)
