"""What a calibration pattern is worth: offsets removed, noise by weight weighed, no harm without either, its price."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from receiver_helpers import delivery, smooth_images

from analognn import Backend, ChannelBackend, Mmse, ParameterLayout, Prior, backends, models
from analognn.channels import Awgn, Received, Usage
from analognn.denoise import NoiseTable, Npmle
from analognn.estimates import estimate
from analognn.experiments import Denoising, Medium, Scenario, Store, run
from analognn.experiments.record import receptions
from analognn.experiments.trial import run_trials
from analognn.experiments.workspace import prepare
from analognn.receiver import BUDGETS, Delivery, NoiseTables, Receiver, noise_tables, receiver
from analognn.receiver.pattern import KNOT_BITS, KNOTS

SEEDS = 3


@pytest.fixture(scope="module")
def mnist():
    model = models.load("mnist-resnet8")
    return model, ParameterLayout.from_model(model).pack(model)


def arrived(mnist, backend, seed) -> Delivery:
    """One draw of the medium and the pattern after it."""
    model, packed = mnist
    generator = torch.Generator().manual_seed(seed)
    received = backend.receive(packed, generator=generator)
    found = noise_tables(backend, received, packed.layout, generator=generator)
    start = Delivery.arrived(model, packed.layout, received, Prior.from_received(received))
    return replace(start, calibration=found)


def error_db(delivery, weights) -> float:
    return 10 * math.log10(float((delivery.estimate.values - weights).square().mean()))


def gains(mnist, backend, better, than, *, change=lambda found: found):
    """By how much the squared error of the weights falls from the one receiver to the other, seed by seed [dB]."""
    found = [change(arrived(mnist, backend, seed)) for seed in range(SEEDS)]
    return [
        error_db(receiver(than)(d), mnist[1].vector) - error_db(receiver(better)(d), mnist[1].vector) for d in found
    ]


def offset_in_sigma(weights, received, part) -> float:
    """Root mean square of E[r - w | w] in standard deviations of the noise, from the clean weights."""
    noise_var = torch.as_tensor(received.noise_var).expand(weights.shape)[part]
    table = NoiseTable.from_pairs(weights[part], replace(received, values=received.values[part], noise_var=noise_var))
    offset, var = table.at(weights[part])
    return float((offset.square().mean() / var.mean()).sqrt())


def test_the_offset_of_cmo_reram_is_gone(mnist):
    _, packed = mnist
    before = arrived(mnist, backends.create("reram-cmo"), 0)
    after = receiver("offset")(before)
    for slot in packed.layout.slots:
        if slot.shape.numel() > 2000:  # enough to see a tenth of a standard deviation
            part = slice(slot.start, slot.stop)
            assert offset_in_sigma(packed.vector, before.received, part) > 0.7
            assert offset_in_sigma(packed.vector, after.received, part) < 0.2
    assert error_db(before, packed.vector) - error_db(after, packed.vector) > 2


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    names = ("ml", "mmse@tensor", "offset", "offset+mmse@tensor", "offset+recalibrate")
    media = {"reram-cmo": Medium("reram-cmo", {})}
    scenario = Scenario(
        "offset", "mnist-resnet8", media, denoiser=Denoising(names=names, unlabelled=30), seeds=SEEDS, test_examples=300
    )
    return run(scenario, tmp_path_factory.mktemp("offset"), workers=1)


def test_the_accuracy_that_cmo_reram_cost_comes_back(finished):
    assert finished.failures == ()
    entries = {entry.denoiser: entry for entry in finished.summary.entries}
    assert entries["ml"].accuracy.mean < finished.summary.clean - 0.05
    for name in ("offset", "offset+mmse@tensor", "offset+recalibrate"):
        assert entries[name].gain_over_ml.low > 0
        assert entries[name].accuracy.mean > finished.summary.clean - 0.02
    assert entries["offset"].budget == "side-information"
    assert entries["offset+recalibrate"].budget == "unlabelled"


def test_every_row_names_the_price_of_its_pattern(finished):
    found = {r.denoiser: r for r in Store(finished.folder).records() if r.seed == 0}
    assert (found["ml"].pattern, found["ml"].receiver_bits, found["ml"].budget) == (0, 0, "none")
    tensors = 8  # the bias is delivered digitally and needs no pattern
    scales = 32 * tensors  # of the pattern's tiles
    for name in ("offset", "offset+mmse@tensor", "offset+recalibrate"):
        assert found[name].receiver_bits == KNOT_BITS * KNOTS * tensors + scales
        assert 0.25 * 74512 <= found[name].pattern < 0.26 * 74512


def test_a_posterior_mean_that_knows_the_noise_by_weight_beats_one_that_does_not(mnist):
    pcm = backends.create("pcm")
    over_ml, over_mmse = (estimate(gains(mnist, pcm, "state", than)) for than in ("ml", "mmse@tensor"))
    assert over_ml.low > 0.3
    assert over_mmse.low > 0.2
    assert estimate(gains(mnist, pcm, "offset+mmse@tensor", "mmse@tensor")).low > 0


@pytest.mark.parametrize(
    ("better", "than", "wnr_db"),
    [("offset", "ml", 0.0), ("offset+mmse", "mmse", 0.0), ("state", "mmse@tensor", 3.0)],
)
def test_on_awgn_it_does_no_harm(mnist, better, than, wnr_db):
    awgn = ChannelBackend(Awgn(wnr_db=wnr_db))
    se = 10 / math.log(10) * math.sqrt(2 / (SEEDS * mnist[1].vector.numel()))  # of a mean square of Gaussians [dB]

    def check(values):
        assert sum(values) / SEEDS > -4 * se

    check(gains(mnist, awgn, better, than))
    with pytest.raises(AssertionError):
        check(gains(mnist, awgn, better, than, change=misled))


def misled(found: Delivery) -> Delivery:
    """The same with tables of a medium that has an offset of half the noise's standard deviation."""

    def wrong(table):
        return NoiseTable((-1.0, 1.0), (0.5 * table.var[0] ** 0.5,) * 2, (table.var[0],) * 2)

    tables = {name: wrong(table) for name, table in found.calibration.tables.items()}
    return replace(found, calibration=replace(found.calibration, tables=tables))


def test_what_chance_explains_is_not_in_the_table(mnist):
    found = arrived(mnist, ChannelBackend(Awgn(noise_var=0.01)), 0).calibration
    assert set(found.tables) == set(mnist[1].layout.analog_names)
    for table in found.tables.values():
        assert (table.offset, len(table.var)) == ((0.0,), 1)
        assert table.var[0] == pytest.approx(0.01, rel=5 * math.sqrt(2 / 64))


@dataclass(frozen=True)
class ByValue(Backend):
    """A medium that states the noise variance of each value, like fading; it does not take a second transmission."""

    def receive(self, packed, *, generator):
        noise_var = 0.01 * (1 + torch.arange(packed.vector.numel()) % 3)
        z = noise_var.sqrt() * torch.randn(packed.vector.shape, generator=generator)
        return Received(packed.vector + z, noise_var, "exact")


def test_noise_that_is_known_value_by_value_needs_no_pattern(residual):
    packed = ParameterLayout.from_model(residual).pack(residual)
    found = arrived((residual, packed), ByValue(), 0)
    assert found.calibration == NoiseTables({}, 0, Usage())
    offset, state = (receiver(name)(found) for name in ("offset", "state"))
    assert torch.equal(offset.estimate.values, found.received.values)
    slot = packed.layout.slots[1]
    part = slice(slot.start, slot.stop)
    piece = Received(
        found.received.values[part].view(slot.shape), found.received.noise_var[part].view(slot.shape), "exact"
    )
    assert torch.equal(state.estimate.values[part], Npmle()(piece, Prior.from_received(piece)).reshape(-1))
    assert (state.spent.pattern, state.spent.side_info_bits) == (0, 0)


def test_what_comes_after_works_on_corrected_values_and_their_variances(residual):
    found = delivery(residual, smooth_images(40))
    table = NoiseTable((-1.0, 1.0), (0.2, 0.2), (0.01, 0.03))
    tables = NoiseTables({"conv2.weight": table}, 100, Usage(side_info_bits=7))
    after = receiver("offset")(replace(found, calibration=tables))
    slot = next(slot for slot in found.layout.slots if slot.name == "conv2.weight")
    part = slice(slot.start, slot.stop)
    torch.testing.assert_close(after.received.values[part], found.received.values[part] - 0.2)
    assert torch.equal(after.received.values[: part.start], found.received.values[: part.start])
    assert torch.equal(after.estimate.values, after.received.values)
    assert float(after.received.noise_var[part].min()) < 0.02 < float(after.received.noise_var[part].max())
    assert after.prior == Prior.from_received(after.received)
    assert (after.spent.pattern, after.spent.side_info_bits) == (100, 7)
    both = receiver("offset+mmse")(replace(found, calibration=tables))
    torch.testing.assert_close(both.estimate.values, Mmse()(after.received, after.prior))
    given = Prior(mean=0.0, var=0.2)
    assert receiver("offset")(replace(found, calibration=tables, prior=given)).prior == given


def test_the_draw_is_the_same_whoever_asks_for_a_pattern():
    names = ("ml", "offset", "state")
    media = {"awgn": Medium("awgn", {"wnr_db": 3.0})}
    scenario = Scenario("s", "mnist-resnet8", media, denoiser=Denoising(names=names), seeds=1, test_examples=100)
    workspace, reception = prepare(scenario), receptions(scenario)[1]

    def rows(wanted):
        return [replace(record, wall_s=None) for record in run_trials(workspace, reception, wanted)]

    together = rows(names)
    assert [*rows(["ml"]), *rows(["offset"]), *rows(["state"])] == together
    assert [record.pattern > 0 for record in together] == [False, True, True]


@pytest.mark.parametrize("name", ["offset", "state"])
def test_without_a_calibration_it_says_what_is_missing(of_residual, name):
    with pytest.raises(ValueError, match=r"needs `Delivery.calibration`, which this receiver does not hold"):
        receiver(name)(replace(of_residual, calibration=None))


@pytest.mark.parametrize("name", ["mmse+offset", "offset+state", "recalibrate+state"])
def test_it_takes_the_values_as_they_came_out_of_the_medium(name):
    with pytest.raises(ValueError, match=r"as they came out of the medium; put it first, and only one"):
        receiver(name)


def test_the_budget_is_that_of_bits_over_the_reliable_path():
    for name in ("offset", "state", "offset+mmse@tensor"):
        assert receiver(name).budget == BUDGETS[1]
        assert receiver(name).calibrated
    assert not receiver("mmse+recalibrate").calibrated
    assert Receiver(()).budget == "none"


def test_a_pattern_of_no_size_is_refused(mnist):
    found = arrived(mnist, ByValue(), 0)
    with pytest.raises(ValueError, match=r"`noise_tables\(fraction=...\)` must be a finite number > 0; got 0"):
        noise_tables(ByValue(), found.received, found.layout, fraction=0, generator=torch.Generator())
