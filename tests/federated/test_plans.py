"""What each plan makes of a sum, against the formulas it states."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from federated_helpers import examples, net

from analognn.channels import Received
from analognn.denoise import Ml, Mmse, MmsePb, Prior
from analognn.federated import AirLayout, Fixed, FollowPower, Lmmse, Search
from analognn.federated.layout import Summed
from analognn.federated.planning import agreement
from analognn.federated.plans import Heard
from analognn.federated.station import BaseStation

POWER, NOISE_VAR, RATE = 4e-4, 4e-3, 0.5


def seed(k=0):
    return torch.Generator().manual_seed(k)


def heard(power=POWER, noise_var=NOISE_VAR, k=0, n=None, **given):
    """A Gaussian sum under noise, in a network that it fits unless ``n`` says otherwise."""
    model = net().eval()
    air = AirLayout.from_model(model)
    layout = Summed.of(air, air.vector(model.state_dict()), 2)
    g, n = seed(k), n or air.numel
    clean = power**0.5 * torch.randn(n, generator=g)
    received = Received(clean + noise_var**0.5 * torch.randn(n, generator=g), noise_var, "exact")
    given.setdefault("rate", RATE)
    return Heard(received, Prior(0.0, power), layout=layout, model=model, **given)


def gain(decision, situation):
    r, w = situation.received.values.double(), decision.estimate.double()
    return float((r * w).sum() / r.square().sum())


@pytest.mark.parametrize("denoiser", [Ml(), Mmse(), MmsePb(0.9, 3.0)])
def test_fixed_is_the_denoiser(denoiser):
    situation = heard()
    decision = Fixed(denoiser)(situation)
    assert torch.equal(decision.estimate, denoiser(situation.received, situation.prior))


@pytest.mark.parametrize("power", [POWER, 0.0])
def test_a_fixed_pair_outside_its_domain_becomes_the_received_sum(power):
    situation = heard(power)
    bound = 1 + power / NOISE_VAR
    decision = Fixed(MmsePb(bound + 0.01, 5.0))(situation)
    assert torch.equal(decision.estimate, situation.received.values)
    assert (decision.lambda_prime, decision.beta) == (1.0, 0.0)


def test_lmmse_is_mmse_tensor_by_tensor():
    situation = heard()
    moments = tuple((0.01 * i, 1e-4 * i) for i in range(len(situation.layout.slots)))
    estimate = Lmmse()(replace(situation, moments=moments)).estimate
    r = situation.received.values
    for slot, (mean, var) in zip(situation.layout.slots, moments, strict=True):
        part = slice(slot.start, slot.stop)
        wanted = (var * r[part] + NOISE_VAR * mean) / (var + NOISE_VAR)
        torch.testing.assert_close(estimate[part], wanted)


def test_a_candidate_of_the_search_is_the_model_it_would_become():
    situation = heard()
    layout, model = situation.layout, situation.model
    estimate = Mmse()(situation.received, situation.prior)
    wanted = layout.base + estimate / layout.num_active
    layout.write(estimate, model)
    torch.testing.assert_close(layout.air.vector(model.state_dict()), wanted, rtol=0, atol=0)


def test_the_adapted_grid_spans_mmse_to_ml_in_equal_ratios():
    situation = heard()
    lambda_primes, betas = Search(num_gains=4).grid(situation)
    wnr = POWER / NOISE_VAR
    gains = [wnr / (wnr + 1 - value) for value in lambda_primes]
    ratios = [b / a for a, b in itertools.pairwise(gains)]
    assert (lambda_primes[0], lambda_primes[-1]) == (pytest.approx(0.0, abs=1e-9), 1.0)
    assert ratios == pytest.approx([ratios[0]] * 3)
    deviation = math.sqrt(POWER + NOISE_VAR)
    assert [beta * NOISE_VAR / deviation for beta in betas] == pytest.approx([-0.02, 0.0, 0.02])


@pytest.mark.parametrize(("power", "noise_var"), [(0.0, NOISE_VAR), (POWER, 0.0)])
def test_the_adapted_grid_without_power_or_without_noise(power, noise_var):
    lambda_primes, betas = Search().grid(heard(power, noise_var))
    assert lambda_primes == (0.0,)
    assert 0.0 in betas


def test_search_takes_what_the_examples_ask_for():
    """On a trained head, noise alone is best answered by a small gain, and the true update by a large one."""
    labelled = examples(60, 2)
    situation = replace(heard(0.01, 0.5), evaluator=labelled.evaluator)
    plan = Search(offsets=(0.0,), max_evaluations=6)
    decision = plan(situation)
    scores = []
    for lambda_prime in plan.grid(situation)[0]:
        situation.layout.write(MmsePb(lambda_prime, 0.0)(situation.received, situation.prior), situation.model)
        scores.append(labelled.evaluator(situation.model).correct)
    assert decision.score.correct == max(scores)
    assert decision.score.total == 60
    assert Search(lambda_primes=(0.5,), betas=(1.0,))(situation).lambda_prime == 0.5


@pytest.mark.parametrize(("plan", "message"), [
    (lambda: Search(max_evaluations=0), r"`Search\(max_evaluations=...\)` must be an integer >= 1; got 0"),
    (lambda: FollowPower(lambda_prime=1.1), r"`FollowPower\(lambda_prime=...\)` must be a finite number >= 0 and <= 1"),
])  # fmt: skip
def test_numbers_outside_their_bounds(plan, message):
    with pytest.raises(ValueError, match=message):
        plan()


def remembered(decision):
    return {name: tensor.item() for name, tensor in decision.memory.items() if tensor.ndim == 0}


def follow(plan, powers, rates, n=20_000, noise_var=NOISE_VAR):
    """The tracked power of each round."""
    memory, tracked = {}, []
    for t, (power, rate) in enumerate(zip(powers, rates, strict=True)):
        memory = plan(heard(power, noise_var, k=t, n=n, memory=memory, rate=rate)).memory
        tracked.append(float(memory["power"]))
    return tracked


def test_the_first_round_is_the_blind_estimate():
    situation = heard(n=20_000)
    memory = remembered(FollowPower()(situation))
    blind = float(situation.received.values.double().var(correction=0)) - NOISE_VAR
    assert memory["c"] * RATE**2 == pytest.approx(blind)
    assert math.sqrt(memory["c_var"]) * RATE**2 == pytest.approx((2 / 20_000) ** 0.5 * (blind + NOISE_VAR), rel=1e-3)


def test_where_noise_buries_the_update_the_filter_averages():
    """c is constant: after 100 rounds the error is a tenth of that of one round."""
    plan, power = FollowPower(drift=0.0), 0.01 * NOISE_VAR
    one = (2 / 2_000) ** 0.5 * NOISE_VAR
    assert one > 3 * power
    tracked = follow(plan, [power] * 100, [RATE] * 100, n=2_000)
    assert abs(tracked[-1] - power) < 4 * one / 10
    assert abs(tracked[-1] - 10 * power) > 4 * one / 10


def test_where_the_power_is_well_known_the_filter_follows_it():
    rates = [0.1 + 0.9 * (1 + math.cos(math.pi * t / 20)) / 2 for t in range(20)]
    powers = [POWER * rate**2 * (1.5 if t >= 10 else 1.0) for t, rate in enumerate(rates)]
    tracked = follow(FollowPower(), powers, rates, n=200_000, noise_var=POWER)
    assert tracked[-1] == pytest.approx(powers[-1], rel=0.25)
    assert tracked[9] == pytest.approx(powers[9], rel=0.1)


def test_the_schedule_is_mmsepb_at_the_tracked_power():
    for lambda_prime in (0.0, 0.9, 0.99):
        situation = heard(n=50_000)
        decision = FollowPower(lambda_prime=lambda_prime)(situation)
        var = float(decision.memory["power"])
        assert decision.lambda_prime == pytest.approx(lambda_prime)
        wanted = var / (var + (1 - lambda_prime) * NOISE_VAR)
        assert gain(decision, situation) == pytest.approx(wanted, rel=1e-4)


def adapted(cosine, noise_var, step=0.5, n=50_000, k=0):
    """Lambda' after a second update whose cosine with the first is ``cosine``, both under noise."""
    g = seed(k)
    first, other = torch.randn(2, n, generator=g)
    second = cosine * first + math.sqrt(1 - cosine**2) * other
    plan, memory = FollowPower(lambda_prime=0.9, step=step), {}
    for update in (first, second):
        received = Received(update + noise_var**0.5 * torch.randn(n, generator=g), noise_var, "exact")
        decision = plan(replace(heard(n=n), received=received, memory=memory))
        memory = decision.memory
    return decision.lambda_prime


@pytest.mark.parametrize("cosine", [-0.7, 0.0, 0.7])
@pytest.mark.parametrize("noise_var", [0.0, 10.0])
def test_successive_updates_that_agree_lengthen_the_step(cosine, noise_var):
    """The cosine is read through noise that is 10 dB above the updates: its standard error is 11 / sqrt(n) = .05."""
    wanted = 1 - 0.1 * math.exp(-0.5 * cosine)
    error = 5 * 0.1 * 0.5 * math.exp(0.35) * (1 + noise_var) / 50_000**0.5
    assert adapted(cosine, noise_var) == pytest.approx(wanted, abs=error)
    assert adapted(cosine, noise_var, step=0.0) == pytest.approx(0.9)


def test_where_nothing_can_be_told_the_temperature_stays():
    """Noise 40 dB above the updates: the blind power has 60 times its own value as standard error."""
    assert [adapted(0.7, 1e4, k=k) for k in range(5)] == pytest.approx([0.9] * 5)


def test_the_agreement_is_unbiased_for_what_a_quadratic_loss_wants():
    """The sign of the cosine says on which side of the best gain the last step was."""
    g, n, steep, noise_var = seed(), 20_000, 400, 1.0
    curvature = torch.full((n,), 1e-3)
    curvature[:steep] = 1.0
    error = torch.zeros(n)
    error[:steep] = 3.0
    update = -curvature * error
    power = float(update.square().mean())
    best = float((update**2).sum() / ((update**2 * curvature).sum() + noise_var * curvature.sum()))
    for factor, sign in ((0.3, 1), (3.0, -1)):
        r = update + noise_var**0.5 * torch.randn(n, generator=g)
        after = -curvature * (error + factor * best * r)
        heard_next = after + noise_var**0.5 * torch.randn(n, generator=g)
        p = math.sqrt(power * float(after.square().mean()))
        assert sign * agreement(heard_next, r, power=p) > 0


def test_the_schedule_without_noise_is_the_sum_and_without_power_is_nothing():
    clean = heard(noise_var=0.0)
    assert torch.equal(FollowPower(lambda_prime=1.0)(clean).estimate, clean.received.values)
    for lambda_prime in (0.9, 1.0):
        situation = heard(power=0.0, noise_var=1.0)
        situation = replace(situation, received=replace(situation.received, values=0.5 * situation.received.values))
        assert not FollowPower(lambda_prime)(situation).estimate.any()


def test_erased_values_take_the_prior():
    situation = heard()
    noise_var = torch.full_like(situation.received.values, NOISE_VAR)
    noise_var[::3] = torch.inf
    erased = replace(situation, received=replace(situation.received, noise_var=noise_var))
    moments = tuple((0.5, 1e-4) for _ in situation.layout.slots)
    assert (Lmmse()(replace(erased, moments=moments)).estimate[::3] == 0.5).all()
    assert not FollowPower(lambda_prime=0.5)(erased).estimate[::3].any()
    assert not FollowPower()(erased).memory["r"][::3].any()
    assert erased.noise_var == pytest.approx(NOISE_VAR)


def test_recalibration_scores_what_will_be_used():
    labelled, model = examples(60, 2), net()
    model.train()(labelled.inputs + 3)
    model.eval()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    plain, recalibrated = (
        BaseStation(Fixed(Ml()), recalibrate).evaluator(labelled)(model) for recalibrate in (False, True)
    )
    assert plain != recalibrated
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
