"""Stages that use examples: closed forms, what they cost, what they refuse; and that none changes what it is given."""

import copy
import itertools
from dataclasses import replace

import pytest
import torch
from receiver_helpers import smooth_images
from torch import nn

from analognn import Mmse, MmsePb, Prior
from analognn.receiver import (
    Denoise,
    MatchMoments,
    OracleLayers,
    Recalibrate,
    Search,
    SearchUnlabelled,
    Settings,
    TuneAffine,
    receiver,
    stages,
)
from analognn.receiver.pieces import pieces
from analognn.receiver.statistics import recalibrate

FREE_OF_NORMS = {"ml", "mmse", "mmsep", "mmsepb", "protect", "project", "moments", "affine", "mmsepb-entropy"}


def bits_of(delivery) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in (*delivery.model.state_dict().values(), delivery.received.values)]


@pytest.mark.parametrize("word", sorted(set(stages()) - {"state-dependent"}))
def test_every_stage_leaves_what_it_is_given_and_repeats_bit_for_bit(of_residual, word):
    name = f"{word}@tensor" if word.startswith(("svd", "kernel")) else word
    before, random = bits_of(of_residual), torch.get_rng_state()
    once, twice = (receiver(name)(of_residual) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(before, bits_of(of_residual), strict=True))
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(bits_of(once), bits_of(twice), strict=True))
    assert not once.model.training
    assert all(p.requires_grad and p.grad is None for p in once.model.parameters())
    assert all(bool(torch.isfinite(tensor).all()) for tensor in bits_of(once))


@pytest.mark.parametrize("word", sorted(FREE_OF_NORMS))
def test_a_layernorm_network_can_be_received_too(of_plain, word):
    result = receiver(word)(of_plain)
    assert all(bool(torch.isfinite(p).all()) for p in result.model.parameters())


def test_recalibration_of_the_clean_model_on_all_its_data_reproduces_its_statistics(residual, of_residual):
    clean = replace(of_residual, model=residual, unlabelled=smooth_images(400))
    found = Recalibrate()(clean).model
    for name in ("norm1", "norm2"):
        for statistic in ("running_mean", "running_var"):
            torch.testing.assert_close(
                getattr(found.get_submodule(name), statistic), getattr(residual.get_submodule(name), statistic)
            )


def test_recalibration_in_runs_is_the_mean_over_examples(residual, monkeypatch):
    monkeypatch.setattr("analognn.receiver.inputs.MAX_BATCH", 3)
    inputs, model = smooth_images(7), copy.deepcopy(residual)
    recalibrate(model, inputs)
    with torch.no_grad():
        y = residual.conv1(inputs)
    torch.testing.assert_close(model.norm1.running_mean, y.mean((0, 2, 3)))
    parts = [y[:2], y[2:4], y[4:]]
    wanted = sum(len(part) * part.movedim(1, 0).flatten(1).var(1) for part in parts) / 7
    torch.testing.assert_close(model.norm1.running_var, wanted)
    assert model.norm1.momentum == 0.1
    assert not model.training


def test_the_relative_form_changes_nothing_where_there_is_no_noise(residual, of_residual):
    biased = copy.deepcopy(residual)  # statistics that are not those of its inputs, as augmentation leaves them
    biased.norm1.running_mean += 0.3
    biased.norm1.running_var *= 1.4
    found = Recalibrate(relative=True)(replace(of_residual, model=biased, unlabelled=smooth_images(400))).model
    torch.testing.assert_close(found.norm1.running_mean, biased.norm1.running_mean)
    torch.testing.assert_close(found.norm1.running_var, biased.norm1.running_var)


def test_moments_match_those_of_the_clean_outputs(of_plain):
    inputs = of_plain.unlabelled
    result = MatchMoments()(of_plain)
    with torch.no_grad():
        outputs = {"first": result.model.first(inputs), "second": result.model(inputs)}
    for name, y in outputs.items():
        clean = of_plain.side.layers[name]
        torch.testing.assert_close(y.mean(0), clean.output_mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(y.var(0, correction=0), clean.output_var, rtol=1e-3, atol=1e-4)


def test_tuning_lowers_the_loss_and_moves_the_affine_part_alone(of_residual):
    result = TuneAffine(steps=10, lr=1e-2)(of_residual)
    evaluator = of_residual.labelled.evaluator
    assert evaluator(result.model).loss < evaluator(of_residual.model).loss
    changed = {
        name
        for name, tensor in result.model.state_dict().items()
        if not torch.equal(tensor, of_residual.model.state_dict()[name])
    }
    assert changed == {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"}


def test_a_search_scores_its_candidates_through_the_stages_that_follow(of_residual):
    grid = Search((0.5, 1.0), (-1.0, 0.0, 1.0), then=(Recalibrate(),))
    chosen = grid(of_residual)
    counts = {}
    for lambda_prime in grid.lambda_primes:
        for beta in grid.betas:
            candidate = Recalibrate()(Denoise(MmsePb(lambda_prime, beta))(of_residual))
            score = of_residual.labelled.evaluator(candidate.model)
            counts[lambda_prime, beta] = (score.correct, -score.loss_sum)
    assert counts[chosen.chosen["lambda_prime"], chosen.chosen["beta"]] == max(counts.values())
    assert chosen.chosen["validation_correct"] == max(counts.values())[0]


def test_label_free_search_finds_lambda_prime_one_without_noise(residual, of_residual):
    barely = replace(
        of_residual, model=residual, received=replace(of_residual.received, values=of_residual.oracle.weights)
    )
    found = SearchUnlabelled("moments", (0.0, 0.5, 1.0, 1.2), (-3.0, 0.0, 3.0))(barely)
    assert (found.chosen["lambda_prime"], found.chosen["beta"]) == (1.0, 0.0)  # nearest to r, which is clean here


def test_pieces_cover_the_vector_once(of_residual):
    for per, number in (("model", 1), ("tensor", 5), ("channel", 6 + 1 + 6 + 3 + 1)):
        cut = list(pieces(of_residual.layout, per))
        assert len(cut) == number
        assert cut[0].part.start == 0
        assert cut[-1].part.stop == of_residual.layout.numel
        assert all(a.part.stop == b.part.start for a, b in itertools.pairwise(cut))
        assert all(piece.shape.numel() == piece.part.stop - piece.part.start for piece in cut)


def test_each_piece_is_denoised_with_its_own_prior_and_its_own_noise(of_residual):
    noise_var = torch.linspace(0.001, 0.002, of_residual.layout.numel)
    received = replace(of_residual.received, noise_var=noise_var)
    for source, bits in (("blind", 0), ("side-information", 64 * 5)):
        prior = replace(of_residual.prior, source=source)
        result = Denoise(Mmse(), per="tensor")(replace(of_residual, received=received, prior=prior))
        for piece in pieces(of_residual.layout, "tensor"):
            part = replace(received, values=received.values[piece.part], noise_var=noise_var[piece.part])
            own = (
                Prior.from_received(part)
                if source == "blind"
                else Prior.from_weights(of_residual.oracle.weights[piece.part])
            )
            torch.testing.assert_close(result.estimate.values[piece.part], Mmse()(part, own))
        assert result.spent.side_info_bits == bits


def test_the_layerwise_oracle_has_the_least_squared_error_of_all_affine_estimates(of_residual):
    bound = OracleLayers()(of_residual).estimate.values
    clean = of_residual.oracle.weights
    for piece in pieces(of_residual.layout, "tensor"):
        r, w, best = (values[piece.part] for values in (of_residual.received.values, clean, bound))
        design = torch.stack([r, torch.ones_like(r)], 1)
        fitted = design @ torch.linalg.lstsq(design, w[:, None]).solution[:, 0]
        torch.testing.assert_close(best, fitted, rtol=1e-3, atol=1e-4)


def test_what_is_spent_is_counted_once(of_residual):
    values = sum(
        moments.basis[:, :2].numel() + moments.sent_coordinates[..., :2].numel()
        for moments in of_residual.side.layers.values()
    )
    assert of_residual.side.layers["conv1"].basis[:, :2].numel() == 2 * 2
    assert of_residual.side.layers["conv2"].basis[:, :2].numel() == 2 * 2 * 3
    chain = receiver("protect+protect+recalibrate+affine", Settings(directions=2))
    spent = chain(of_residual).spent
    assert spent.side_info_bits == 8 * values + 3 * 64
    assert (spent.unlabelled, spent.labelled) == (100, 100)
    assert chain.budget == "labelled"
    assert receiver("ml")(of_residual).spent.side_info_bits == 0


def test_names_become_chains_that_know_their_neighbours():
    first, second, third = receiver("mmsepb+recalibrate+affine").stages
    assert first.then == (second,)
    assert third == TuneAffine()
    assert receiver("project+variance").stages[1].after == "project"
    assert receiver("protect+variance").stages[1].after == "protect"
    assert receiver("variance").stages[0].after == "all"
    assert receiver("mmse@channel").stages == (Denoise(Mmse(), "channel"),)
    assert receiver("oracle-layers+recalibrate").budget == "oracle"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("recalibrat", "got 'recalibrat'. Did you mean 'recalibrate'"),
        ("ml+", "got ''"),
        ("mmse@layer", r"must be one of model, tensor, channel; got 'layer'"),
        ("recalibrate@tensor", "'recalibrate' is no denoiser of single pieces; leave out '@tensor'"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        receiver(name)


@pytest.mark.parametrize("word", ["recalibrate", "mmsepb-moments", "variance", "project-running-mean"])
def test_networks_without_batch_norm_are_refused_with_the_way_out(of_plain, word):
    with pytest.raises(ValueError, match=r"Plain has no batch norm with running statistics.*use "):
        receiver(word).check(of_plain.model)
    with pytest.raises(ValueError, match="has no batch norm"):
        receiver(word)(of_plain)


def test_a_network_without_normalisation_has_nothing_to_tune():
    with pytest.raises(ValueError, match=r"`TuneAffine`: Linear has no normalisation layer .*'mmsepb'"):
        receiver("affine").check(nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("word", "field"),
    [("recalibrate", "unlabelled"), ("affine", "labelled"), ("protect", "side"), ("oracle-mmsepb", "oracle")],
)
def test_what_the_receiver_does_not_hold_is_named(of_residual, word, field):
    with pytest.raises(ValueError, match=rf"needs `Delivery.{field}`, which this receiver does not hold"):
        receiver(word)(replace(of_residual, **{field: None}))


def test_third_parties_add_words(monkeypatch):
    from importlib.metadata import EntryPoint

    ours = [EntryPoint("theirs", "analognn.receiver:TuneAffine", "analognn.receivers")]
    monkeypatch.setattr("analognn.receiver.names.entry_points", lambda group: ours)
    assert receiver("ml+theirs").stages[1] == TuneAffine()
    twice = [EntryPoint("affine", "analognn.receiver:TuneAffine", "analognn.receivers")]
    monkeypatch.setattr("analognn.receiver.names.entry_points", lambda group: twice)
    with pytest.raises(ValueError, match="'affine' of analognn.receiver:TuneAffine is there already"):
        receiver("ml")
