"""Which tensors are analog, and the bitwise round trip through one vector."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models import resnet18, shufflenet_v2_x1_0, vit_b_16

from analognn import ParameterLayout


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 5)
        self.norm = nn.LayerNorm(5)
        self.head = nn.Linear(5, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.norm(self.embedding(x)))


def everything():
    """One module of every analog and every reliable kind."""
    analog = [
        nn.Linear(3, 2), nn.Bilinear(2, 3, 2), nn.Conv1d(1, 2, 3), nn.Conv2d(2, 2, 3, groups=2), nn.Conv3d(1, 1, 2),
        nn.ConvTranspose2d(1, 2, 3), nn.Embedding(4, 3), nn.EmbeddingBag(4, 3), nn.MultiheadAttention(4, 2),
        nn.LSTM(2, 3), nn.GRUCell(2, 3),
    ]  # fmt: skip
    reliable = [
        nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.BatchNorm3d(3), nn.SyncBatchNorm(3), nn.InstanceNorm2d(3, affine=True),
        nn.LayerNorm(3), nn.GroupNorm(1, 3), nn.RMSNorm(3),
    ]  # fmt: skip
    return nn.ModuleDict({"analog": nn.ModuleList(analog), "reliable": nn.ModuleList(reliable)})


def same_bits(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_the_owning_module_type_decides():
    layout = ParameterLayout.from_model(everything())
    assert all(name.startswith("analog.") for name in layout.analog_names)
    assert all(name.startswith("reliable.") for name in layout.reliable_names)
    assert {*layout.analog_names, *layout.reliable_names} == set(everything().state_dict())


def test_shortcut_batch_norms_of_a_resnet_are_reliable():
    model = resnet18(num_classes=10)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    layout = ParameterLayout.from_model(model)
    assert layout.numel == 11_164_362  # convolutions and the head, no batch-norm entry among them
    assert "layer2.0.downsample.1.running_var" in layout.reliable_names
    assert "layer2.0.downsample.1.num_batches_tracked" in layout.reliable_names


@pytest.mark.parametrize("make", [everything, Tied, lambda: shufflenet_v2_x1_0(weights=None)])
def test_pack_and_unpack_keep_every_bit(make):
    model = make()
    layout = ParameterLayout.from_model(model)
    packed = layout.pack(model)
    assert packed.vector.shape == (layout.numel,)
    copy = layout.unpack(packed, model)
    assert same_bits(copy, model)
    assert copy is not model
    assert not {p.data_ptr() for p in copy.parameters()} & {p.data_ptr() for p in model.parameters()}


def test_unpack_changes_the_analog_tensors_only():
    model = everything()
    layout = ParameterLayout.from_model(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed = layout.unpack(torch.zeros(layout.numel), model).state_dict()
    assert all(not changed[name].any() for name in layout.analog_names)
    assert all(torch.equal(changed[name], before[name]) for name in layout.reliable_names)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_tied_weights_travel_once_and_stay_tied():
    model = Tied()
    layout = ParameterLayout.from_model(model)
    assert layout.numel == 35
    assert layout.analog_names == ("embedding.weight", "head.weight")
    received = layout.unpack(torch.arange(35.0), model)
    assert received.head.weight is received.embedding.weight
    assert received.head.weight[0, 1] == 1.0


def test_a_vit_goes_through_once_its_own_parameters_have_a_rule():
    with torch.device("meta"):
        model = vit_b_16(weights=None)
    with pytest.raises(
        ValueError, match="no rule for parameter 'class_token' of module type VisionTransformer"
    ) as error:
        ParameterLayout.from_model(model)
    assert "policy={VisionTransformer: 'analog'}" in str(error.value)
    layout = ParameterLayout.from_model(model, policy={type(model): "analog", type(model.encoder): "reliable"})
    assert "class_token" in layout.analog_names
    assert "encoder.pos_embedding" in layout.reliable_names
    assert "encoder.layers.encoder_layer_0.self_attention.in_proj_weight" in layout.analog_names
    assert "encoder.layers.encoder_layer_0.ln_1.weight" in layout.reliable_names


def test_the_more_exact_rule_wins():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    layout = ParameterLayout.from_model(model, policy={nn.Linear: "reliable", "1": "analog", "1.bias": "reliable"})
    assert layout.analog_names == ("1.weight",)
    assert layout.reliable_names == ("0.weight", "0.bias", "1.bias")


def test_reliable_bits_count_parameters_and_persistent_buffers():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[0].register_buffer("scratch", torch.zeros(100), persistent=False)
    assert ParameterLayout.from_model(model).reliable_bits == 4 * 2 * 32 + 64  # scale, shift, mean, var; counter


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=5),
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_any_stack_of_layers_round_trips_bitwise(widths, dtype, mixed, seed):
    pairs = itertools.pairwise(widths)
    model = nn.Sequential(*(layer for i, o in pairs for layer in (nn.Linear(i, o), nn.BatchNorm1d(o))))
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=10.0, generator=generator)
    model = model.to(dtype)
    if mixed:
        model[0] = model[0].to(torch.float32)
    layout = ParameterLayout.from_model(model)
    assert same_bits(layout.unpack(layout.pack(model), model), model)


def test_packing_needs_one_vector_and_no_more():
    model = nn.Linear(1000, 1000)
    layout = ParameterLayout.from_model(model)
    with torch.profiler.profile(
        profile_memory=True, acc_events=True, activities=[torch.profiler.ProfilerActivity.CPU]
    ) as profile:
        layout.pack(model)
    allocated = sum(max(event.self_cpu_memory_usage, 0) for event in profile.key_averages())
    assert 4 * layout.numel <= allocated < 1.01 * 4 * layout.numel


@pytest.mark.parametrize(
    ("make", "policy", "message"),
    [
        (lambda: nn.Sequential(nn.BatchNorm1d(2)), None, "Sequential has no analog parameter"),
        (lambda: nn.Identity(), None, "Identity has no analog parameter"),
        (lambda: nn.PReLU(), None, r"no rule for parameter 'weight' of module type PReLU.*policy=\{PReLU: 'analog'\}"),
        (lambda: nn.Linear(2, 2), {"wieght": "analog"}, "'wieght' is no parameter, module or module type.*'weight'"),
        (lambda: nn.Linear(2, 2), {nn.Conv2d: "analog"}, "is no parameter, module or module type of Linear"),
        (lambda: nn.Linear(2, 2), {"weight": "analogue"}, "must be one of analog, reliable; got 'analogue'"),
        (lambda: nn.LazyLinear(2), None, "'weight' is not initialised"),
        (
            lambda: nn.Linear(2, 2, dtype=torch.complex64),
            None,
            "'weight' must be real and floating; got torch.complex64",
        ),
        (Tied, {"head": "reliable"}, "tied parameter is analog as 'embedding.weight' but reliable as 'head.weight'"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_what_cannot_be_sorted_is_refused(make, policy, message):
    with pytest.raises(ValueError, match=message):
        ParameterLayout.from_model(make(), policy=policy)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    model = nn.Linear(2, 2)
    layout = ParameterLayout.from_model(model)
    nn.init.constant_(model.bias, bad)
    with pytest.raises(ValueError, match="'bias' has 2 NaN or infinite of 2 values"):
        layout.pack(model)


def test_another_model_or_a_vector_of_another_length_is_refused():
    layout = ParameterLayout.from_model(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"'weight' must have shape \[2, 2\]; got shape \[2, 3\]"):
        layout.pack(nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"holds 6 analog weights; got shape \[5\]"):
        layout.unpack(torch.zeros(5), nn.Linear(2, 2))
