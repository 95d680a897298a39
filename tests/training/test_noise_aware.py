"""Noise-aware training: a few steps, what they change and what they leave alone; the shipped baseline."""

import hashlib
import json

import pytest
import torch
from torch import nn

from analognn import data, models
from analognn.evaluate import Evaluator
from analognn.hardware import Pcm
from analognn.packing import ParameterLayout
from analognn.training import WeightNoise, train_noise_aware


def seed(k=0):
    return torch.Generator().manual_seed(k)


def network():
    """A small convolutional network with batch-norm, in the order of its seed."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3)
    torch.set_rng_state(state)
    return nn.Sequential(*layers)


def batches(count=3):
    """Images whose brightest third of the rows is their class."""
    g = seed(1)
    for _ in range(count):
        labels = torch.randint(3, (32,), generator=g)
        images = torch.rand(32, 1, 8, 8, generator=g) * 0.5
        for image, label in zip(images, labels, strict=True):
            image[:, 2 * label : 2 * label + 3] += 1
        yield images, labels


def tune(model, noise=None, *, steps=3, k=0, rate=0.01):
    noise = noise or WeightNoise()
    return train_noise_aware(model, batches(steps), noise, rate=lambda _: rate, generator=seed(k))


def weights(model):
    return ParameterLayout.from_model(model).pack(model).vector


def test_the_result_is_digital_with_the_same_architecture_and_the_original_is_untouched():
    model = network()
    before, state = weights(model), torch.get_rng_state()
    tuned = tune(model)
    assert [type(m) for m in tuned.modules()] == [type(m) for m in model.modules()]
    assert list(tuned.state_dict()) == list(model.state_dict())
    assert torch.equal(weights(model), before)
    assert model.training
    assert not tuned.training
    assert (weights(tuned) - before).abs().max() > 1e-4
    assert torch.equal(torch.get_rng_state(), state)


def test_same_seed_same_bits():
    first, same, other = (weights(tune(network(), k=k)) for k in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_no_step_returns_the_same_weights():
    model = network()
    torch.testing.assert_close(weights(tune(model, steps=0)), weights(model))


def test_without_noise_the_seed_does_not_matter():
    quiet = WeightNoise(std_dev=0.0)
    assert torch.equal(*(weights(tune(network(), quiet, k=k)) for k in (0, 1)))


def test_it_learns():
    score = Evaluator(*next(batches()), device="cpu")
    tuned = tune(network(), steps=20)
    assert score(tuned).loss < 0.5 * score(tune(network(), steps=0)).loss


def test_weights_are_clipped_in_standard_deviations_of_their_tile():
    def crest(model):
        return max((m.weight.abs().max() / m.weight.std()).item() for m in (model[0], model[4]))

    assert crest(tune(network(), WeightNoise(clip_sigma=1.0))) < 1.3  # after clipping the deviation is smaller
    assert crest(tune(network(), WeightNoise(clip_sigma=None))) > 1.5


def test_batch_norm_collects_its_statistics_under_noise():
    quiet, noisy = (tune(network(), WeightNoise(std_dev=s), rate=0.0) for s in (0.0, 0.5))
    assert int(noisy[1].num_batches_tracked) == 3
    assert noisy[1].running_var.mean() > quiet[1].running_var.mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"std_dev": -0.1}, r"`WeightNoise\(std_dev=...\)` must be a finite number >= 0"),
        ({"clip_sigma": 0.0}, r"`WeightNoise\(clip_sigma=...\)` must be a finite number > 0"),
        ({"modifier": "PCMNoise"}, r"must be one of AddNormal, MultNormal; got 'PCMNoise'"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        WeightNoise(**settings)


def test_bad_models_are_refused():
    with pytest.raises(ValueError, match=r"tiles cannot hold '0' of Sequential: it has groups=2"):
        tune(nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)))
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    with pytest.raises(ValueError, match=r"it is tied to '0.weight'"):
        tune(tied)


def test_a_loss_that_is_not_finite_is_named():
    batch = torch.full((2, 1, 8, 8), float("nan")), torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match=r"loss nan at step 0; lower the rate or std_dev"):
        train_noise_aware(network(), [batch], WeightNoise(), rate=lambda _: 0.1, generator=seed())


@pytest.mark.parametrize("modifier", ["AddNormal", "MultNormal"])
def test_the_noise_is_aihwkits_modifier(modifier):
    from aihwkit.simulator.parameters.enums import WeightModifierType

    config = WeightNoise(modifier=modifier, std_dev=0.3, clip_sigma=None).rpu_config()
    assert config.modifier.type == WeightModifierType(modifier)
    assert (config.modifier.std_dev, config.modifier.rel_to_actual_wmax) == (0.3, True)
    assert config.forward.is_perfect


def test_the_shipped_baseline_scores_what_its_record_says():
    spec = models.spec("mnist-resnet8-noise-aware")
    path = models.ASSETS / spec.checkpoint
    record = json.loads(path.with_suffix(".json").read_text())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == record["sha256"]
    test = data.load("mnist5k").test
    score = Evaluator(spec.normalise(test.inputs), test.labels, device="cpu")(models.load(spec.name))
    assert {"correct": score.correct, "total": score.total} == record["results"]["test"]
    assert score.correct >= 970


def test_the_shipped_baseline_withstands_the_medium_it_was_chosen_on():
    """Validation images; the gain is near 0.3, its standard error over three draws below 0.06."""
    part, medium = data.load("mnist5k").validation, Pcm(prog_noise_scale=4.0)
    score = Evaluator(models.spec("mnist-resnet8").normalise(part.inputs[:200]), part.labels[:200], device="cpu")

    def accuracy(model):
        layout = ParameterLayout.from_model(model)
        reads = (medium.receive(layout.pack(model), generator=seed(k)).values for k in range(3))
        return sum(score(layout.unpack(values, model)).accuracy for values in reads) / 3

    plain, aware = (accuracy(models.load(name)) for name in ("mnist-resnet8", "mnist-resnet8-noise-aware"))
    assert aware > plain + 0.1
