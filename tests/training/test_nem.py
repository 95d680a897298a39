"""Which noise makes a target more probable, what it does to learning, and what is refused."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from analognn.training import nem
from analognn.training.likelihoods import Gaussian, Logistic, Softmax, likelihood_of
from analognn.training.nem import NemNoise, accepts, error_loss, first_order_gain, noisy_target, standard_normal

LIKELIHOODS = {"softmax": Softmax(), "logistic": Logistic(), "gaussian": Gaussian()}


def seed(k=0):
    return torch.Generator().manual_seed(k)


def samples(name, n=4000, classes=3):
    """Outputs, targets in the support and noise, double precision."""
    o, u, m = (torch.randn(n, classes, generator=seed(k), dtype=torch.float64) for k in range(3))
    target = {"softmax": u.softmax(-1), "logistic": u.sigmoid(), "gaussian": u}[name]
    return o, target, m


# The conditions, against probabilities written out a second time


def probability(name, output, target):
    """p(target|output) as a product, straight from the definitions (20), (60), (49)."""
    if name == "softmax":
        return ((output.exp() / output.exp().sum(-1, keepdim=True)) ** target).prod(-1)
    if name == "logistic":
        a = 1 / (1 + (-output).exp())
        return (a**target * (1 - a) ** (1 - target)).prod(-1)
    return (-((target - output) ** 2).sum(-1) / 2).exp()


def check_condition(name, accept):
    o, t, n = samples(name)
    assert torch.equal(accept(o, t, n), probability(name, o, t + n) >= probability(name, o, t))


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_accepted_is_exactly_the_noise_that_makes_the_target_more_probable(name):
    check_condition(name, lambda o, t, n: accepts(LIKELIHOODS[name], o, t, n))


SLIPS = {
    "flipped inequality": ("softmax", lambda o, t, n: Softmax().log_ratio(o, t, n) <= 0),
    "missing log": ("softmax", lambda o, t, n: (n * o.softmax(-1)).sum(-1) >= 0),
    "logits for log-activations": ("softmax", lambda o, t, n: (n * o).sum(-1) >= 0),
    "ln(1 - a) dropped": ("logistic", lambda o, t, n: (n * F.logsigmoid(o)).sum(-1) >= 0),
    "condition of the other layer": ("logistic", lambda o, t, n: Softmax().log_ratio(o, t, n) >= 0),
    "|n|^2 dropped": ("gaussian", lambda o, t, n: (n * (t - o)).sum(-1) <= 0),
    "the printed sphere (122)": ("gaussian", lambda o, t, n: (n + o - t).norm(dim=-1) <= (o - t).norm(dim=-1)),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_each_slip_in_a_condition_fails_that_check(slip):
    with pytest.raises(AssertionError):
        check_condition(*SLIPS[slip])


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_log_ratio_is_the_difference_of_log_likelihoods(name):
    (o, t, n), layer = samples(name), LIKELIHOODS[name]
    torch.testing.assert_close(
        layer.log_ratio(o, t, n), layer.log_likelihood(o, t + n) - layer.log_likelihood(o, t), atol=1e-12, rtol=0
    )


def test_backpropagation_invariance_every_layer_gives_back_target_minus_activation():  # (29), (56), (65)
    for name, activation in (("softmax", torch.softmax), ("logistic", None), ("gaussian", None)):
        o, t, _ = samples(name, n=5)
        a = activation(o, -1) if activation else (o.sigmoid() if name == "logistic" else o)
        torch.testing.assert_close(nem._gradient(LIKELIHOODS[name], o, t), t - a)


# The rules


def test_rules_add_all_noise_the_accepted_or_subtract_the_accepted():
    o, t, n = samples("gaussian", n=200)
    noisy = {
        rule: noisy_target(Gaussian(), o, t, n, rule=rule, support="strict") for rule in ("nem", "blind", "mirrored")
    }
    took = accepts(Gaussian(), o, t, n)
    assert took.any()
    assert not took.all()
    assert torch.equal(noisy["blind"], t + n)
    assert torch.equal(noisy["nem"], torch.where(took[:, None], t + n, t))
    assert torch.equal(noisy["mirrored"], torch.where(took[:, None], t - n, t))


def test_mirrored_gaussian_noise_lies_in_the_sphere_as_printed():  # (122): |n + a - t| <= |a - t|
    o, t, n = samples("gaussian", n=500)
    added = noisy_target(Gaussian(), o, t, n, rule="mirrored", support="strict") - t
    assert ((added + o - t).norm(dim=-1) <= (o - t).norm(dim=-1) + 1e-12).all()


def test_half_of_symmetric_noise_passes_a_hyperplane():
    o, t, n = samples("softmax")
    share = accepts(Softmax(), o, t, n).double().mean()
    assert abs(share - 0.5) < 4 * 0.5 / math.sqrt(len(o))  # 4 standard errors of a share


def test_zero_variance_adds_nothing_and_the_global_generator_is_left_alone():
    o, labels, state = torch.randn(6, 4, generator=seed()), torch.arange(6) % 4, torch.get_rng_state()
    for rule in ("nem", "blind", "mirrored"):
        got = NemNoise(variance=0.0, rule=rule).on_target(o, labels, Softmax(), step=0, generator=seed())
        assert torch.equal(got, F.one_hot(labels, 4).float())
    assert torch.equal(torch.get_rng_state(), state)


def test_annealing_divides_the_variance_not_the_deviation():
    like = torch.empty(200_000)
    drawn = NemNoise(variance=0.5, decay=2).draw(like, step=3, generator=seed())
    standard_error = math.sqrt(2 / len(like))
    assert abs(float(drawn.var()) / (0.5 / 16) - 1) < 4 * standard_error
    assert abs(float(drawn.std()) / (0.5 / 16) - 1) > 4 * standard_error


def test_a_network_of_a_stack_draws_what_it_draws_alone():
    stacked = standard_normal(torch.empty(3, 5, 2), [seed(k) for k in range(3)])
    assert torch.equal(stacked[1], standard_normal(torch.empty(5, 2), seed(1)))


# What noise does to learning


def test_accepted_gaussian_noise_always_shortens_the_step_and_the_printed_sphere_lengthens_it():
    o, t, n = samples("gaussian")
    took = accepts(Gaussian(), o, t, n)
    for rule, sign in (("nem", -1), ("mirrored", 1)):
        gain = first_order_gain(Gaussian(), o, t, noisy_target(Gaussian(), o, t, n, rule=rule, support="strict"))
        assert (sign * gain[took] > 0).all()
        assert (gain[~took] == 0).all()


def test_the_promise_of_the_theorem_holds_and_is_about_the_noisy_likelihood_only():  # (115)
    for name, layer in LIKELIHOODS.items():
        o, t, n = samples(name)
        noisy = noisy_target(layer, o, t, n, rule="nem", support="extended")
        assert (layer.log_likelihood(o, noisy) >= layer.log_likelihood(o, t) - 1e-12).all()


def test_softmax_noise_speeds_what_is_right_already_and_slows_what_is_wrong():
    """E[n] of an accepted half-space is along ln a: towards what the network says, right or wrong."""
    n = torch.randn(20_000, 3, generator=seed(), dtype=torch.float64)
    logits = torch.tensor([2.0, 0.0, -1.0], dtype=torch.float64).expand_as(n)
    mean = {}
    for label in (0, 2):
        t = torch.eye(3, dtype=torch.float64)[label].expand_as(n)
        gain = first_order_gain(
            Softmax(), logits, t, noisy_target(Softmax(), logits, t, n, rule="nem", support="extended")
        )
        mean[label] = (gain.mean() / (gain.std() / math.sqrt(len(n)))).item()  # in standard errors
    assert mean[0] > 5
    assert mean[2] < -5


def test_the_error_law_and_the_likelihood_part_unless_noise_sums_to_zero():
    o, t, n = samples("softmax", n=50)
    for noise, same in ((n, False), (n - n.mean(-1, keepdim=True), True)):
        logits = o.clone().requires_grad_()
        (error,) = torch.autograd.grad(error_loss(logits, t + noise).sum(), logits)
        (cross,) = torch.autograd.grad(F.cross_entropy(logits, t + noise, reduction="sum"), logits)
        torch.testing.assert_close(error, o.softmax(-1) - t - noise)
        assert torch.allclose(error, cross) is same


def test_projected_targets_stay_in_the_support_and_improve():
    for name in ("softmax", "logistic"):
        (o, t, n), layer = samples(name), LIKELIHOODS[name]
        noisy = noisy_target(layer, o, t, n, rule="nem", support="project")
        torch.testing.assert_close(layer.nearest(noisy), noisy)
        assert (layer.log_likelihood(o, noisy) >= layer.log_likelihood(o, t) - 1e-12).all()


def test_projection_on_the_simplex_is_the_nearest_point():
    t = torch.randn(300, 4, generator=seed(), dtype=torch.float64) * 2
    p = Softmax().nearest(t)
    torch.testing.assert_close(p.sum(-1), torch.ones(300, dtype=torch.float64))
    assert (p >= 0).all()
    others = torch.randn(200, 4, generator=seed(1), dtype=torch.float64).mul(2).softmax(-1)
    assert ((t[:, None] - others).norm(dim=-1) >= (t - p).norm(dim=-1, keepdim=True) - 1e-12).all()


def test_two_lines_in_an_ordinary_loop():
    torch_state = torch.get_rng_state()
    model = nn.Linear(3, 2)
    x, labels = torch.randn(8, 3, generator=seed()), torch.arange(8) % 2
    noise = NemNoise(variance=0.1, decay=1, support="extended")
    output = model(x)
    target = noise.on_target(output, labels, Softmax(), step=0, generator=seed())
    F.cross_entropy(output, target).backward()
    assert not target.requires_grad
    assert model.weight.grad.abs().sum() > 0
    torch.set_rng_state(torch_state)


# Refusals


def refused(error, words, likelihood=None, output=None, target=None, **noise):
    output = torch.zeros(2, 3) if output is None else output
    with pytest.raises(error, match=words):
        NemNoise(**({"variance": 0.1} | noise)).on_target(output, target, likelihood, step=0, generator=seed())


def test_bad_input_gets_one_clear_error_each():
    half = torch.full((2, 3), 0.5)
    refused(ValueError, r"NemNoise\(variance=.*>= 0; got -0.1", variance=-0.1)
    refused(ValueError, r"NemNoise\(decay=.*got -1", decay=-1)
    refused(ValueError, "one of nem, blind, mirrored", rule="NEM")
    refused(
        ValueError,
        r"Logistic likelihood must be in the interval \[0, 1\].*1 of 2",
        Logistic(),
        target=half + torch.tensor([[0.0], [0.7]]),
    )
    refused(ValueError, r"Logistic.*2 of 2 are not", Logistic(), target=half * torch.nan)
    refused(ValueError, "Softmax likelihood must be in the probability vectors", Softmax(), target=half)
    refused(ValueError, r"labels of 0 to 2; got 0 to 3", Softmax(), target=torch.tensor([0, 3]))
    refused(ValueError, r"shapes \[2, 3\] and \[2, 4\]", Gaussian(), target=torch.zeros(2, 4))
    refused(ValueError, "Noise took them there: take support='project'", Softmax(), target=torch.tensor([0, 1]))
    refused(ValueError, "Noise took them there", Logistic(), target=half, variance=4.0)
    with pytest.raises(ValueError, match="one for each of 2 networks; got 3"):
        standard_normal(torch.empty(2, 1), [seed()] * 3)
    with pytest.raises(TypeError, match="no likelihood is known for Tanh"):
        likelihood_of(nn.Tanh())
