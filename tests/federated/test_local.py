"""Local training: against PyTorch's SGD, pure, and what it refuses; and the split into analog and reliable part."""

import copy
import re
from dataclasses import replace

import pytest
import torch
from federated_helpers import examples, net
from torch import nn
from torch.nn import functional as F

from analognn import models
from analognn.federated import AirLayout, Federation, Turn, train_locally
from analognn.receiver import Labelled

TURN = Turn(seed=0, round=1, device=2)
FEDERATION = Federation(num_rounds=4, local_epochs=2, batch_size=16)


def train(model=None, data=None, federation=FEDERATION, turn=TURN):
    model = net() if model is None else model
    layout = AirLayout.from_model(model)
    data = examples(40, 0) if data is None else data
    return train_locally(model, data, layout=layout, federation=federation, turn=turn)


def test_it_is_pytorchs_sgd():
    inputs = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    model, data = nn.Linear(4, 3), Labelled(inputs, torch.arange(30) % 3)
    nn.init.orthogonal_(model.weight, generator=torch.Generator().manual_seed(1))
    nn.init.zeros_(model.bias)
    update = train(model, data)
    trained = copy.deepcopy(model)
    sgd = torch.optim.SGD(trained.parameters(), FEDERATION.rate(1), momentum=0.9, weight_decay=5e-4)
    generator = TURN.generator("batches")
    for _ in range(2):
        for part in torch.randperm(30, generator=generator).tensor_split(2):
            sgd.zero_grad()
            F.cross_entropy(trained(data.inputs[part]), data.labels[part]).backward()
            sgd.step()
    layout = AirLayout.from_model(model)
    wanted = layout.vector(trained.state_dict()) - layout.vector(model.state_dict())
    assert wanted.abs().max() > 0.01
    torch.testing.assert_close(update.vector, wanted, rtol=1e-5, atol=1e-6)


def test_the_bits_depend_on_model_data_and_turn_alone():
    model, data = net(), examples(40, 0)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    first = train(model, data)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    torch.rand(7)  # a dropout layer draws from the global generator
    again = train(model, data)
    assert torch.equal(first.vector, again.vector)
    assert all(torch.equal(first.reliable[name], again.reliable[name]) for name in first.reliable)
    assert first.loss == again.loss
    for other in (replace(TURN, seed=1), replace(TURN, round=2), replace(TURN, device=1)):
        assert not torch.equal(train(model, data, turn=other).vector, first.vector)


def test_normalisation_is_reliable_and_counters_stay_integers():
    update = train()
    assert {name.rpartition(".")[2] for name in update.reliable} == {
        "weight", "bias", "running_mean", "running_var", "num_batches_tracked",
    }  # fmt: skip
    assert update.reliable["bn.num_batches_tracked"].dtype == torch.int64
    assert update.reliable["bn.num_batches_tracked"] == 6  # 2 epochs of 3 batches
    assert update.vector.numel() == 6 * 9 * 2 + 54 * 3 + 3


def test_batches_are_of_nearly_equal_size():
    """17 examples in batches of 16 are 9 + 8: a batch of 1 would have no variance to normalise by."""
    assert torch.isfinite(train(data=examples(17, 0)).vector).all()


def test_clipping_keeps_the_direction():
    free, bound = train(), 0.1
    clipped = train(federation=replace(FEDERATION, clip_norm=bound))
    assert free.vector.norm() > bound
    assert clipped.vector.norm() == pytest.approx(bound, rel=1e-5)
    assert F.cosine_similarity(clipped.vector, free.vector, 0) == pytest.approx(1.0, abs=1e-6)
    assert torch.equal(train(federation=replace(FEDERATION, clip_norm=1e6)).vector, free.vector)


def test_augmentation_shifts_and_mirrors():
    from analognn.federated.local import SHIFT, _augmented

    image = torch.zeros(200, 1, 12, 12)
    image[:, 0, 5, 4] = 1
    moved = _augmented(image, torch.Generator().manual_seed(0))
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(200))
    rows, columns = moved[:, 0].nonzero()[:, 1], moved[:, 0].nonzero()[:, 2]
    assert set((rows - 5).tolist()) == set(range(-SHIFT, SHIFT + 1))
    assert set(columns.tolist()) == {*range(0, 9), *range(11 - 8, 12)}
    assert not torch.equal(train().vector, train(federation=replace(FEDERATION, augment=True)).vector)
    with pytest.raises(ValueError, match=r"`Federation\(augment=True\)` needs images"):
        _augmented(torch.zeros(3, 4), torch.Generator())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.empty(0, dtype=torch.int64), "`train_locally`: device 2 has no examples; give it some"),
        (torch.tensor([0, 5]), "`train_locally`: device 2 has a label 5, but the model answers 3 classes from 0."),
        (torch.tensor([0, -1]), "`train_locally`: device 2 has a label -1, but the model answers 3 classes from 0."),
    ],
)
def test_examples_that_cannot_be_trained_on(labels, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        train(data=Labelled(torch.zeros(len(labels), 1, 8, 8), labels))


def test_vector_and_tensors_are_inverse():
    model = net()
    layout, state = AirLayout.from_model(model, contaminated=True), model.state_dict()
    tensors = layout.tensors(layout.vector(state))
    assert set(tensors) | set(layout.reliable_names) == set(state)
    assert all(
        torch.equal(tensor, state[name]) and tensor.dtype == state[name].dtype for name, tensor in tensors.items()
    )


def test_a_policy_moves_a_tensor_to_the_reliable_path():
    model = net()
    layout = AirLayout.from_model(model, policy={"head": "reliable"})
    assert layout.numel == AirLayout.from_model(model).numel - (54 * 3 + 3)
    assert {"head.weight", "head.bias"} <= set(layout.reliable_names)


def test_tied_weights_travel_once():
    model = nn.ModuleDict({"embedding": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
    model["head"].weight = model["embedding"].weight
    layout = AirLayout.from_model(model)
    assert layout.numel == 20
    assert set(layout.tensors(torch.arange(20.0))) == {"embedding.weight", "head.weight"}


def test_contamination_is_that_of_the_released_code():
    """Fed.py and Main.py: 11,167,949 values of ResNet18 went through the noise, 1,247,674 of ShuffleNetV2."""
    resnet, shufflenet = (
        models.build(f"cifar10-{name}", generator=torch.Generator().manual_seed(0))
        for name in ("resnet18", "shufflenetv2")
    )
    assert AirLayout.from_model(resnet).numel == 11_164_362
    assert AirLayout.from_model(resnet, contaminated=True).numel == 11_167_949
    assert AirLayout.from_model(shufflenet).numel == 1_247_674
    with pytest.raises(ValueError, match="ShuffleNetV2 has no batch norm in a module called downsample or shortcut"):
        AirLayout.from_model(shufflenet, contaminated=True)


def test_layouts_differ_in_their_digest():
    model = net()
    clean, dirty = AirLayout.from_model(model), AirLayout.from_model(model, contaminated=True)
    assert clean.digest == AirLayout.from_model(net(1)).digest
    assert clean.digest != dirty.digest
