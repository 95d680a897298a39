"""Restricted Boltzmann machines held against sums over all their states."""

import itertools

import pytest
import torch
from torch import nn

from analognn.training.nem import NemNoise
from analognn.training.rbm import Rbm, contrastive_divergence, log_partition, nem_visible, pretrain

KINDS = [(visible, coding) for visible in ("bernoulli", "gaussian") for coding in ("binary", "bipolar")]


def seed(k=0):
    return torch.Generator().manual_seed(k)


def machine(visible="bernoulli", coding="binary", *, shape=(4, 3), scale=1.0):
    """In double precision, weights and biases far from zero."""
    rbm, g = Rbm(*shape, generator=seed(), visible=visible, coding=coding).double(), seed(1)
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=g, dtype=torch.float64))
    return rbm


def states(rbm, units):
    return torch.tensor(list(itertools.product((rbm.low, 1.0), repeat=units)), dtype=torch.float64)


def joint(rbm):
    """All pairs of states [V, H] and ln p(v, h), by (166) and nothing else."""
    v, h = states(rbm, 4), states(rbm, 3)
    energies = -torch.einsum("vi,ij,hj->vh", v, rbm.weight, h) - (v @ rbm.visible_bias)[:, None] - h @ rbm.hidden_bias
    return v, h, -energies - (-energies).flatten().logsumexp(0)


@pytest.mark.parametrize("coding", ["binary", "bipolar"])
def test_probabilities_are_sums_over_states(coding):
    rbm = machine(coding=coding)
    v, h, ln_p = joint(rbm)
    torch.testing.assert_close(-rbm.free_energy(v) - log_partition(rbm), ln_p.logsumexp(1))
    torch.testing.assert_close(rbm(v), ln_p.softmax(1) @ h)
    torch.testing.assert_close(rbm.visible_mean(h), ln_p.softmax(0).T @ v)
    torch.testing.assert_close(rbm.energy(v[:8], h), -(ln_p[:8].diagonal() + log_partition(rbm)))


@pytest.mark.parametrize("coding", ["binary", "bipolar"])
def test_partition_of_gaussian_units_by_integration(coding):
    rbm = machine("gaussian", coding, shape=(1, 3))
    v = torch.linspace(-40, 40, 40_001, dtype=torch.float64)[:, None]
    density = (-rbm.free_energy(v) - log_partition(rbm)).exp()
    torch.testing.assert_close(torch.trapezoid(density, v[:, 0]), torch.ones_like(density[0]))
    mean = rbm.visible_mean(states(rbm, 3)[[5]])
    grid = rbm.energy(v, states(rbm, 3)[5])
    torch.testing.assert_close(((-grid).softmax(0) @ v)[None], mean)


def hebbian(rbm, weights):
    """E[v h'], E[v], E[h] of the visible states under ``weights`` [V]."""
    v = states(rbm, 4)
    return torch.einsum("v,vi,vj->ij", weights, v, rbm(v)), weights @ v, weights @ rbm(v)


@pytest.mark.parametrize("coding", ["binary", "bipolar"])
def test_gradient_of_the_log_likelihood_is_the_hebbian_difference(coding):
    rbm = machine(coding=coding)
    v, _, ln_p = joint(rbm)
    data = torch.zeros(len(v), dtype=torch.float64)
    data[[3, 8, 9]] = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    (data @ (-rbm.free_energy(v)) - log_partition(rbm)).backward()
    wanted = [a - b for a, b in zip(hebbian(rbm, data), hebbian(rbm, ln_p.logsumexp(1).exp()), strict=True)]
    for got, difference in zip(rbm.parameters(), wanted, strict=True):
        torch.testing.assert_close(got.grad, difference)


def check_chain(rbm, steps, wanted, **options):
    """Mean CD-k gradient of W against its expectation, within five standard errors over independent chains."""
    v = torch.tensor([1.0, rbm.low, rbm.low, 1.0], dtype=torch.float64)[None].expand(1000, -1)
    rows = []
    for k in range(40):
        rbm.zero_grad()
        contrastive_divergence(rbm, v, steps=steps, generator=seed(k), **options).backward()
        rows.append(-rbm.weight.grad)
    rows = torch.stack(rows)
    error = rows.std(0) / len(rows) ** 0.5
    assert bool(((rows.mean(0) - wanted).abs() < 5 * error + 1e-12).all())


@pytest.mark.parametrize("coding", ["binary", "bipolar"])
@pytest.mark.parametrize("steps", [1, 2])
def test_contrastive_divergence_against_the_exact_chain(coding, steps):
    """The transition matrix of the chain, k times, says where v_k ends."""
    rbm = machine(coding=coding, scale=1.5)
    v, _, ln_p = joint(rbm)
    transition = ln_p.softmax(1) @ ln_p.softmax(0).T  # [v, v']
    start = (v == torch.tensor([1.0, rbm.low, rbm.low, 1.0])).all(1).double()

    def wanted(k):
        return hebbian(rbm, start)[0] - hebbian(rbm, start @ torch.linalg.matrix_power(transition, k))[0]

    check_chain(rbm, steps, wanted(steps))
    for slip in (-wanted(steps), wanted(3 - steps), hebbian(rbm, start)[0]):  # sign, k off by one, no second term
        with pytest.raises(AssertionError):
            check_chain(rbm, steps, slip)


def test_the_mean_chain_draws_hidden_states_only():
    rbm = machine()
    v = torch.ones(3, 4, dtype=torch.float64)
    with torch.no_grad():
        rbm.hidden_bias.fill_(100.0)  # h = 1 for certain
        wanted = rbm.free_energy(v).mean() - rbm.free_energy(rbm.visible_mean(torch.ones(3, 3).double())).mean()
    got = contrastive_divergence(rbm, v, generator=seed(), mean_visible=True)
    torch.testing.assert_close(got.detach(), wanted)


@pytest.mark.parametrize(("visible", "coding"), KINDS)
def test_draws_have_the_means_they_should(visible, coding):
    """Within five standard errors of 20,000 draws."""
    rbm, g = machine(visible, coding), seed(3)
    h = states(rbm, 3)[[2]].expand(20_000, -1)
    drawn = rbm.sample_visible(h, g)
    assert bool(((drawn.mean(0) - rbm.visible_mean(h[0])).abs() < 5 * drawn.std(0) / 20_000**0.5 + 1e-12).all())
    if visible == "gaussian":
        assert bool(((drawn.var(0) - 1).abs() < 5 * (2 / 20_000) ** 0.5).all())
    else:
        assert set(drawn.unique().tolist()) <= {rbm.low, 1.0}


def test_learning_raises_the_likelihood():
    rbm, g = Rbm(4, 3, generator=seed()), seed(1)
    v = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]).repeat(20, 1)

    def likelihood():
        with torch.no_grad():
            return float((-rbm.free_energy(v) - log_partition(rbm)).mean())

    before, optimiser = likelihood(), torch.optim.SGD(rbm.parameters(), lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        contrastive_divergence(rbm, v, generator=g).backward()
        optimiser.step()
    assert likelihood() > before + 1


def test_a_bipolar_machine_in_binary_units():
    """W01 = 4 W, b01 = 2 (b - W 1), a01 = 2 (a - W' 1): the same distribution, and 16 times the step about 1/2."""
    bipolar, binary = machine(coding="bipolar"), machine()
    with torch.no_grad():
        binary.weight.copy_(4 * bipolar.weight)
        binary.visible_bias.copy_(2 * (bipolar.visible_bias - bipolar.weight.sum(1)))
        binary.hidden_bias.copy_(2 * (bipolar.hidden_bias - bipolar.weight.sum(0)))
    x = states(binary, 4)
    ln_p = [-rbm.free_energy(v) - log_partition(rbm) for rbm, v in ((binary, x), (bipolar, 2 * x - 1))]
    torch.testing.assert_close(*ln_p)
    torch.testing.assert_close(2 * binary(x) - 1, bipolar(2 * x - 1))
    data, model = x[3], x[12]
    (bipolar.free_energy(2 * data - 1) - bipolar.free_energy(2 * model - 1)).backward()
    x_g, x_1, g_1 = (
        f(data) - f(model)
        for f in (
            lambda v: torch.outer(v, binary(v)),
            lambda v: v[:, None].expand(4, 3),
            lambda v: binary(v).expand(4, 3),
        )
    )
    torch.testing.assert_close(-4 * bipolar.weight.grad, (16 * (x_g - (x_1 + g_1) / 2)).detach())


# NEM noise


def test_the_half_space_of_bernoulli_units():
    rbm = machine()
    v, noise = torch.full((500, 4), 0.5, dtype=torch.float64), NemNoise(variance=0.01, support="extended")
    added = nem_visible(rbm, v, noise, step=0, generator=seed()) - v
    normal = rbm.visible_output(rbm(v)).detach()
    kept = added.abs().sum(1) > 0
    assert 0.4 < float(kept.double().mean()) < 0.6  # half of all noise
    assert bool(((added * normal).sum(1)[kept] >= 0).all())


def test_the_sphere_of_gaussian_units():
    rbm = machine("gaussian")
    v = torch.randn(500, 4, generator=seed(2), dtype=torch.float64)
    drawn = nem_visible(rbm, v, NemNoise(variance=1.0, rule="blind"), step=0, generator=seed()) - v
    added = nem_visible(rbm, v, NemNoise(variance=1.0), step=0, generator=seed()) - v
    output = rbm.visible_output(rbm(v)).detach()
    inside = drawn.square().sum(1) / 2 <= (drawn * (output - v)).sum(1)  # (182) with ln Z unchanged
    assert 0 < int(inside.sum()) < 500
    torch.testing.assert_close(added, drawn * inside[:, None])


def test_noise_that_leaves_the_support_is_refused_unless_asked_for():
    rbm, v = machine(), torch.ones(5, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="'project', or 'extended'"):
        nem_visible(rbm, v, NemNoise(variance=1.0), step=0, generator=seed())


# Stacks


def test_a_stack_becomes_a_network_with_the_same_means_and_its_own_weights():
    rbms, seen = [machine(shape=(4, 3)), machine(shape=(3, 2))], []
    v, state = torch.rand(5, 4, generator=seed(), dtype=torch.float64), torch.get_rng_state()
    network = nn.Sequential(*pretrain(rbms, v, lambda rbm, data: seen.append(data)))
    torch.testing.assert_close(network(v), rbms[1](rbms[0](v)))
    torch.testing.assert_close(seen[1], rbms[0](v).detach())
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        network[0].weight.zero_()
    assert rbms[0].weight.abs().min() > 0


# Bad input


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Rbm(0, 3, generator=seed()), r"num_visible=...\)` must be an integer >= 1"),
        (lambda: Rbm(2, 3, generator=seed(), visible="gauss"), "Did you mean 'gaussian'"),
        (lambda: Rbm(2, 3, generator=seed(), coding="ternary"), "one of binary, bipolar"),
        (lambda: contrastive_divergence(machine(), torch.ones(2, 4), steps=0, generator=seed()), "steps=..."),
        (lambda: contrastive_divergence(machine(), torch.ones(2, 5), generator=seed()), r"needs data \[n, 4\]"),
        (lambda: machine(coding="bipolar").likelihood, "coding='binary' for NEM"),
        (lambda: pretrain([machine(coding="bipolar")], torch.ones(2, 4), print), "logistic layers"),
        (lambda: log_partition(Rbm(2, 17, generator=seed())), "at most 16 hidden units; got 17"),
    ],
)
def test_one_clear_error_for_bad_input(call, text):
    with pytest.raises(ValueError, match=text):
        call()
