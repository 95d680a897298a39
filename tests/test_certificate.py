"""The certificate passes AWGN, and says of every other medium what it is that is not AWGN."""

import itertools
import json
import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from analognn import Backend, ChannelBackend, ParameterLayout, backends, effective_noise
from analognn.certificate import certify
from analognn.channels import Awgn, Received
from analognn.effective import pooled
from analognn.evaluate import Score
from analognn.plots_certificate import picture

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


@pytest.fixture(scope="module")
def packed():
    model = linear_model(100, 160, 40)
    return ParameterLayout.from_model(model).pack(model)


def failed(certificate):
    return {check.name for check in certificate.checks if not check.ok}


@pytest.mark.parametrize(
    "backend", [Synthetic(), ChannelBackend(Awgn(noise_var=NOISE_VAR)), ChannelBackend(Awgn(wnr_db=3.0))]
)
def test_awgn_passes_every_check(packed, backend):
    certificate = certify(packed, backend, seeds=range(5))
    assert len(certificate.checks) == 13
    assert failed(certificate) == set()
    assert certificate.draws == 5
    assert certificate.shape.count == certificate.whole.count == 5 * packed.vector.numel()


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("silent", {REPORTED}),
        ("doubled", {REPORTED}),
        ("gain", {"gain", REPORTED}),
        ("offset", {"offset"}),
        ("laplace", {KURTOSIS, KS}),
        ("multiplicative", {KURTOSIS, KS, CORR, CURVE}),
        ("rows", {ROWS, ORDER, SYMBOL, FADE, SUMS}),
        ("columns", {COLUMNS}),
        ("fades", {KURTOSIS, KS, FADE}),
        ("carriers", {ROWS, ORDER, SUMS}),
        ("twins", {ROWS, ORDER, SYMBOL, FADE, SUMS}),
    ],
)
def test_every_departure_from_awgn_is_named_and_no_other(packed, kind, what):
    """The bounds are five standard errors of Gaussian noise: the right ones break, and only those."""
    found = failed(certify(packed, Synthetic(kind), seeds=range(5)))
    assert found == what


def test_layers_of_different_noise_are_not_taken_for_heavy_tails():
    """Each tensor's noise is Gaussian: together they are not, in units of their own they are."""
    model = linear_model(100, 100, 100)
    packed = ParameterLayout.from_model(model).pack(model)
    sigma = torch.cat([torch.full((10_000,), 0.01), torch.full((10_000,), 0.05)])

    class TwoLevels(Backend):
        def receive(self, packed, *, generator):
            noise = sigma * torch.randn(20_000, generator=generator)
            return Received(packed.vector + noise, sigma.square(), "exact")

    certificate = certify(packed, TwoLevels(), seeds=range(5))
    assert certificate.whole.excess_kurtosis > 1
    assert failed(certificate) == set()


def check_curve(curve, slope, intercept):
    """Var[z] / s^2 = intercept + slope (abs(w) / sigma)^2 within five standard errors and the width of a bin."""
    for m, variance, error in zip(curve.magnitude, curve.variance, curve.standard_error, strict=True):
        assert abs(variance - intercept - slope * m * m) < 5 * error + 0.01


def test_the_variance_curve_is_that_of_the_medium(packed):
    curve = certify(packed, Synthetic("multiplicative"), seeds=range(5)).shape.curve
    assert len(curve.variance) == 20
    check_curve(curve, 1.0, 0.0)
    for slope, intercept in ((2.0, 0.0), (0.0, 0.0), (0.0, 1.0)):  # doubled, none, AWGN
        with pytest.raises(AssertionError):
            check_curve(curve, slope, intercept)


def test_autocorrelation_is_that_of_the_matrices(packed):
    shape = certify(packed, Synthetic("columns"), seeds=range(3)).shape
    assert [len(shape.along_rows.rho), len(shape.along_columns.rho)] == [8, 8]
    errors = shape.along_columns.standard_error
    assert errors[0] == pytest.approx((3 * (100 * 159 + 160 * 39)) ** -0.5)
    for lag, (rho, error) in enumerate(zip(shape.along_columns.rho, errors, strict=True), start=1):
        assert abs(rho - (0.5 if lag == 3 else 0.0)) < 5 * error


@pytest.mark.parametrize(("kind", "symbol", "row_sums"), [("gaussian", 0, 1), ("rows", 0.5, 2), ("twins", 1, 2)])
def test_correlation_of_neighbours_is_that_of_the_medium(packed, kind, symbol, row_sums):
    """Half the noise shared with the next value, round the edge, doubles the variance of sums; so do twins."""
    shape = certify(packed, Synthetic(kind), seeds=range(5)).shape
    error = math.sqrt(2 / shape.count)
    assert abs(shape.symbol_corr - symbol) < 5 * error
    assert abs(shape.row_sum_var / row_sums - 1) < 5 * shape.row_sum_var_se
    assert shape.row_sum_var_se == pytest.approx(math.sqrt(2 / (5 * (159 + 39))))
    for wrong in (0.0, 2 * row_sums):  # no noise, or twice as much
        assert abs(shape.row_sum_var - wrong) > 5 * shape.row_sum_var_se


def test_pooled_draws_are_one_sample(packed):
    """Moments add exactly: the pool of two halves is the whole where gain and offset agree."""
    g = torch.Generator().manual_seed(7)
    w = torch.randn(20_000, generator=g, dtype=torch.float64)
    draws = [effective_noise(w, Awgn(noise_var=v).transmit(w, generator=g)) for v in (0.01, 0.03)]
    both = pooled(draws)
    assert both.noise_var == pytest.approx(sum(d.noise_var for d in draws) / 2)
    assert both.wnr_db == pytest.approx(10 * math.log10(float(w.var(correction=0)) / both.noise_var))
    assert both.count == 40_000
    mixture = 3 * (0.01**2 + 0.03**2) / 2 / 0.02**2 - 3  # kurtosis of two Gaussians mixed
    assert abs(both.excess_kurtosis - mixture) < 5 * math.sqrt(96 / 40_000)
    assert both.noise_var_se == pytest.approx(0.02 * math.sqrt((mixture + 2) / 40_000), rel=0.1)
    assert pooled(draws[:1]) == draws[0]
    with pytest.raises(ValueError, match="at least one transmission"):
        pooled([])


class Recorder:
    """A score that keeps what it was given; accuracy = share of weights that are not negative."""

    def __init__(self):
        self.seen = []

    def __call__(self, values):
        self.seen.append(values.clone())
        return Score(int((values >= 0).sum()), values.numel(), 0.0)


def test_the_stand_ins_have_the_variance_of_the_medium(packed):
    score = Recorder()
    certificate = certify(packed, Synthetic("gain"), score=score, seeds=[0])
    medium, aligned, per_layer, one_variance, clean = score.seen
    assert torch.equal(clean, packed.vector)
    (accuracy,) = certificate.accuracy
    assert accuracy.t is None
    assert accuracy.medium.mean == float((medium >= 0).double().mean())
    assert accuracy.gap_per_layer.mean == pytest.approx(accuracy.per_layer.mean - accuracy.medium.mean)
    assert accuracy.gap_shape.mean == pytest.approx(accuracy.per_layer.mean - accuracy.aligned.mean)
    assert accuracy.gap_global.low is None
    for slot, w in packed.tensors():
        noise = certificate.tensors[slot.name]
        part = slice(slot.start, slot.stop)
        assert torch.allclose(aligned[part], (medium[part] - noise.offset) / noise.gain)
        check_variance(per_layer[part] - w.reshape(-1), noise.noise_var)
        with pytest.raises(AssertionError):
            check_variance(per_layer[part] - w.reshape(-1), 2 * noise.noise_var)
    check_variance(one_variance - clean, certificate.whole.noise_var)


def check_variance(z, noise_var):
    """Within five standard errors of Gaussian noise."""
    assert abs(float(z.double().square().mean()) / noise_var - 1) < 5 * math.sqrt(2 / z.numel())


def test_what_was_erased_or_came_without_noise_is_the_same_for_all():
    model = linear_model(100, 100, bias=True)
    packed = ParameterLayout.from_model(model).pack(model)

    class Lossy(Backend):
        def receive(self, packed, *, generator):
            values = packed.vector + 0.01 * torch.randn(packed.vector.shape, generator=generator)
            noise_var = torch.full_like(values, 1e-4)
            values[:500], noise_var[:500] = 0.0, math.inf
            values[10_000:], noise_var[10_000:] = packed.vector[10_000:], 0.0
            return Received(values, noise_var, "exact")

    score = Recorder()
    certificate = certify(packed, Lossy(), score=score, seeds=[0])
    assert failed(certificate) == set()
    assert certificate.shape.count == 9_500
    assert certificate.tensors["0.bias"].wnr_db == math.inf
    for values in score.seen[:4]:
        assert not values[:500].any()
        assert torch.equal(values[10_000:], packed.vector[10_000:])


def test_a_medium_without_noise_has_nothing_to_check(packed):
    certificate = certify(packed, ChannelBackend(Awgn(noise_var=0.0)), score=Recorder(), seeds=range(2))
    assert certificate.shape is None
    assert certificate.checks == ()
    assert certificate.whole.wnr_db == math.inf
    assert certificate.accuracy[0].gap_per_layer.mean == 0
    assert json.loads(json.dumps(certificate.to_dict(), allow_nan=False))["whole"]["wnr_db"] is None


def test_same_seeds_same_certificate_and_no_global_randomness(packed):
    state = torch.get_rng_state()
    first, again, other = (certify(packed, Synthetic(), score=Recorder(), seeds=s) for s in ([3, 4], [3, 4], [4, 5]))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)
    tables = json.loads(json.dumps(first.to_dict(), allow_nan=False))
    assert tables["checks"][0]["ok"] is True
    assert sum(tables["shape"]["histogram"]) == tables["shape"]["count"]


def test_crossbars_are_scored_from_programming_to_a_year():
    model = linear_model(128, 128)
    packed = ParameterLayout.from_model(model).pack(model)
    pcm = certify(packed, backends.create("pcm", t_inference=100.0), score=Recorder(), seeds=[0])
    assert [point.t for point in pcm.accuracy] == [0.0, 20.0, 100.0, 3600.0, 86400.0, 2592000.0, 31536000.0]
    wnr = [point.wnr_db for point in pcm.accuracy]
    assert wnr[0] > wnr[-1] + 3
    assert pcm.t == 100.0
    assert wnr[2] == pcm.whole.wnr_db
    assert {KURTOSIS, CORR, CURVE} <= failed(pcm)
    wan = certify(packed, backends.create("reram-wan2022"), score=Recorder(), seeds=[0])
    assert [point.t for point in wan.accuracy] == [0.0, 86400.0]
    few = certify(packed, backends.create("pcm"), score=Recorder(), seeds=[0], times=[0.0])
    assert [point.t for point in few.accuracy] == [0.0]


@pytest.mark.parametrize(
    ("backend", "arguments", "message"),
    [
        (Synthetic(), {"seeds": []}, "at least one seed"),
        (Synthetic(), {"times": [1.0]}, "Synthetic does not"),
        (backends.create("pcm"), {"times": [-1.0]}, r"`Pcm\(t_inference=...\)` must be a finite number >= 0"),
    ],
)
def test_bad_input(packed, backend, arguments, message):
    with pytest.raises(ValueError, match=message):
        certify(packed, backend, score=Recorder(), **{"seeds": [0], **arguments})


def test_the_picture_has_four_panels_and_says_what_there_is_to_see(packed):
    """Media that age have a line over time, others a point, and a medium without noise or scores says so."""
    cases = [
        (backends.create("pcm"), {"times": [0.0, 20.0], "score": Recorder()}, ["0 s", "20 s"]),
        (Synthetic(), {"score": Recorder()}, ["medium", "medium,\naligned", "AWGN\nper layer", "AWGN\nglobal"]),
    ]
    for backend, arguments, labels in cases:
        figure = picture(certify(packed, backend, seeds=range(2), **arguments), title="it")
        figure.canvas.draw()
        assert len(figure.axes) == 4
        assert [label.get_text() for label in figure.axes[3].get_xticklabels()] == labels
        assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "1"]
        assert all(panel.get_title() and panel.get_ylabel() for panel in figure.axes)
    silent = picture(certify(packed, ChannelBackend(Awgn(noise_var=0.0)), seeds=[0]), title="it")
    texts = [text.get_text() for panel in silent.axes for text in panel.texts]
    assert texts == ["no noise", "no noise", "no noise", "not scored"]
