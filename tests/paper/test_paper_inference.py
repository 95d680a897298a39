"""Where the validation examples come from, and trials that resume."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from paper_recipes import load

from analognn import data
from analognn.data import Examples, Splits
from analognn.experiments import Store

inference, presets, recipes = load("inference"), load("presets"), load("recipes")
AS_WRITTEN, AS_CODED, AUDITED = presets.PRESETS.values()
TINY = replace(
    recipes.TIERS["tiny"][0], wnr_db=(4.0,), draws=1, test_examples=30, kappa=10, coarse=recipes.Grid((1.0,), (0.0,))
)
KEPT = data.load("mnist5k")


def examples(preset, recipe=TINY):
    return inference.validation(recipe, preset, None, device="cpu")


def test_text_draws_from_the_training_set() -> None:
    found = examples(AS_WRITTEN)
    assert len(found) == inference.POOL
    training = {bytes(image) for image in KEPT.train.inputs.numpy().reshape(len(KEPT.train), -1)}
    raw = (found.inputs * 0.3081 + 0.1307).mul(255).round().to(torch.uint8)
    assert all(bytes(image) in training for image in raw[:50].numpy().reshape(50, -1))


def test_code_takes_the_first_and_crops_them_anew_for_every_candidate() -> None:
    found = examples(AS_CODED)
    assert torch.equal(found.inputs, KEPT.train.inputs[:10])
    order = torch.arange(10).flip(0)
    first, second = (found.take(order).evaluator for _ in range(2))
    looks = [first.batch(slice(0, 10)) for _ in range(2)]
    assert not torch.equal(*looks)
    assert torch.equal(looks[0], second.batch(slice(0, 10)))  # the same draw repeats
    assert not torch.equal(looks[0], found.take(order.roll(1)).evaluator.batch(slice(0, 10)).roll(-1, 0))


def test_code_does_not_mirror_digits_but_photographs() -> None:
    assert not examples(AS_CODED).flip
    assert examples(AS_CODED, replace(TINY, augmentation="crop and flip")).flip


def test_audit_takes_what_the_network_never_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.equal(examples(AUDITED).labels, KEPT.validation.labels)
    many = Examples(torch.zeros(5100, 1, 28, 28, dtype=torch.uint8), torch.arange(5100) % 10)
    monkeypatch.setattr(data, "load", lambda *_, **__: Splits(lambda part: many))
    published = replace(TINY, held_out=False)
    assert torch.equal(examples(AUDITED, published).labels, many.labels[5000:])
    with pytest.raises(ValueError, match="must be <= 5000"):
        examples(AUDITED, replace(published, test_examples=5001))


def test_trials_resume_and_presets_do_not_mix(tmp_path: Path) -> None:
    def fill(preset) -> Store:
        return inference.fill(tmp_path, TINY, preset, data_dir=None, device="cpu", report=lambda *_: None)

    first = fill(AS_CODED).records()
    assert [record.denoiser for record in first] == ["none", "ml", "mmse", "mmsepb", "oracle-mmsepb"]
    assert fill(AS_CODED).records() == first
    with pytest.raises(ValueError, match="another scenario|another preset"):
        fill(AUDITED)
    with pytest.raises(ValueError, match="another preset"):
        fill(replace(AS_CODED, name="renamed"))


def test_all_presets_see_the_same_noise() -> None:
    """One scenario's points are all that seeds its noise."""
    weights = inference.clean_weights(TINY, None)
    planned = [inference.scenario(TINY, preset, weights) for preset in (AS_WRITTEN, AS_CODED, AUDITED)]
    assert planned[0].media == planned[1].media == planned[2].media
    assert planned[0].seed == planned[1].seed == planned[2].seed
