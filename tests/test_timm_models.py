"""timm's networks: packed by type, and taken through the whole way."""

import pytest
import torch

from analognn import ChannelBackend, Evaluator, MmsePb, ParameterLayout, Prior, checkpoints, models
from analognn.channels import Awgn
from analognn.experiments import Denoising, Medium, Scenario, Store, run

pytest.importorskip("timm")

BATCH_NORM, LAYER_NORM, GRN = "timm:test_resnet@mnist5k", "timm:test_convnext3", "timm:convnextv2_atto"


def build(name):
    return models.build(name, generator=torch.Generator().manual_seed(0))


def owners(model, names):
    """Types of the modules that own these parameters."""
    modules = dict(model.named_modules())
    return {type(modules[name.rpartition(".")[0]]).__name__ for name in names}


@pytest.mark.parametrize(
    ("name", "analog", "reliable"),
    [
        (BATCH_NORM, {"Conv2d", "Linear"}, {"BatchNorm2d"}),
        (LAYER_NORM, {"Conv2d", "Linear"}, {"LayerNorm", "LayerNorm2d", "ConvNeXtBlock"}),
        (GRN, {"Conv2d", "Linear"}, {"LayerNorm2d", "GlobalResponseNorm"}),
        ("timm:test_vit", {"Conv2d", "Linear", "VisionTransformer"}, {"LayerNorm"}),
    ],
)
def test_types_decide_what_is_analog(name, analog, reliable):
    model = build(name)
    layout = ParameterLayout.from_model(model)
    assert owners(model, layout.analog_names) == analog
    assert owners(model, layout.reliable_names) == reliable
    assert set(model.state_dict()) == {*layout.analog_names, *layout.reliable_names}


def test_batch_norms_through_a_run(tmp_path):
    model = build(BATCH_NORM)
    checkpoints.save(model.state_dict(), tmp_path / "models" / models.spec(BATCH_NORM).checkpoint)
    scenario = Scenario(
        name="timm",
        model=BATCH_NORM,
        media={"awgn": Medium("awgn", {"wnr_db": 10.0}), "none": Medium("awgn", {"noise_var": 0.0})},
        denoiser=Denoising(names=("ml", "mmsepb"), kappa=20, lambda_primes=(1.0,), betas=(0.0, 1.0)),
        seeds=1,
        test_examples=60,
    )
    result = run(scenario, tmp_path / "out", data_dir=tmp_path, workers=1, device="cpu")
    assert not result.failures
    records = {(r.medium, r.denoiser): r for r in Store(tmp_path / "out").records()}
    assert records["awgn", "ml"].wnr_db == pytest.approx(10.0, abs=0.5)
    assert records["none", "ml"].loss_sum == records["clean", "none"].loss_sum
    assert records["awgn", "mmsepb"].lambda_prime == 1.0


@pytest.mark.parametrize("name", [LAYER_NORM, GRN])
def test_layer_norms_through_every_step(name):
    model, generator = build(name).eval(), torch.Generator().manual_seed(1)
    inputs = torch.randn(8, 3, 32, 32, generator=generator)
    with torch.no_grad():
        evaluator = Evaluator(inputs, model(inputs).argmax(1), device="cpu")
    layout = ParameterLayout.from_model(model)
    received = ChannelBackend(Awgn(wnr_db=40.0)).receive(layout.pack(model), generator=generator)
    restored = layout.unpack(MmsePb(1.0, 0.0)(received, Prior.from_received(received)), model)
    assert evaluator(model).accuracy == 1.0
    assert evaluator(restored).accuracy >= 0.75
    reliable = restored.state_dict()
    assert all(torch.equal(reliable[name], model.state_dict()[name]) for name in layout.reliable_names)
    assert not torch.equal(layout.pack(restored).vector, layout.pack(model).vector)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="test_resnet"):
        build("timm:test_resnett")
    with pytest.raises(ValueError, match="mnist5k"):
        models.spec("timm:test_resnet@mnist6k")
    with pytest.raises(FileNotFoundError, match="test_resnet_cifar10"):
        models.load("timm:test_resnet", data_dir="/nowhere")
