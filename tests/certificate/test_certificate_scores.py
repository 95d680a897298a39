"""The certificate's accuracies beside those of matched AWGN, over time, and what it says of media without noise."""

import json
import math

import pytest
import torch
from certificate_helpers import CORR, CURVE, KURTOSIS, Recorder, Synthetic, failed, linear_model, packed_linear_model

from analognn import Backend, ChannelBackend, ParameterLayout, backends
from analognn.certificate import certify
from analognn.channels import Awgn, Received
from analognn.plots_certificate import picture


@pytest.fixture(scope="module")
def packed():
    return packed_linear_model()


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
