"""The readings do what they say: the receiver of eq. (13), the power on the axis, the examples, what is chosen on."""

from dataclasses import fields, replace

import pytest
import torch
from paper_recipes import load
from torch import nn

from analognn import ParameterLayout, models
from analognn.channels import Awgn, Received
from analognn.denoise import MmsePb, Prior

presets, recipes, published = load("presets"), load("recipes"), load("published")
AS_WRITTEN, AS_CODED, AUDITED = presets.PRESETS.values()


@pytest.fixture(scope="module")
def weights() -> torch.Tensor:
    return 0.3 + 0.5 * torch.randn(2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("lambda_prime", "beta"), [(1.0, 0.0), (1.01, -2.2), (0.95, 0.4)])
def test_every_reading_denoises_by_equation_13(lambda_prime: float, beta: float, weights: torch.Tensor) -> None:
    clean, noise_var = Prior.from_weights(weights), 1.7
    received = Received(weights + 1.3 * torch.randn(2000, dtype=torch.float64), noise_var, "exact")
    ours = MmsePb(lambda_prime, presets.beta(beta, clean))(received, clean)
    eta = clean.var / noise_var
    printed = (eta * received.values + clean.var * beta) / (eta + 1 - lambda_prime)
    torch.testing.assert_close(ours, printed)
    if (lambda_prime, beta) == (1.0, 0.0):
        torch.testing.assert_close(ours, received.values)
        assert not torch.allclose(MmsePb(1.0, 0.0)(received, clean), printed)  # with the mean it is not ML


def test_axis_of_the_code_is_the_mean_square(weights: torch.Tensor) -> None:
    clean, stated_db = Prior.from_weights(weights), 3.0
    noise_var = float(weights.square().mean()) / 10 ** (stated_db / 10)  # as the released code has it
    wnr_db = 10 * torch.log10(torch.tensor(clean.var / noise_var)).item()
    assert AS_CODED.axis_db(wnr_db, clean) == pytest.approx(stated_db)
    assert AS_WRITTEN.axis_db(wnr_db, clean) == wnr_db == pytest.approx(stated_db - 1.34, abs=0.2)
    sent = Awgn(wnr_db=wnr_db).transmit(weights, generator=torch.Generator().manual_seed(0))
    assert sent.noise_var == pytest.approx(noise_var)


def test_only_the_code_reports_the_best_on_test() -> None:
    assert AS_CODED.denoisers == ("ml", "mmse", "mmsepb", "oracle-mmsepb")
    assert AS_WRITTEN.denoisers == AUDITED.denoisers == ("ml", "mmse", "mmsepb")


def test_switches_change_one_thing_and_together_everything() -> None:
    changed = {
        field.name
        for preset in presets.switches().values()
        for field in fields(preset)
        if getattr(preset, field.name) != getattr(AUDITED, field.name)
    }
    assert changed == {"name", "prior", "examples", "chosen_on"}
    for name, preset in presets.switches().items():
        back = replace(preset, name="audited", prior="blind", examples=preset.examples, chosen_on=preset.chosen_on)
        assert sum(getattr(back, f.name) != getattr(AUDITED, f.name) for f in fields(back)) <= 1, name


def test_analog_values_of_shufflenet_are_as_many_as_the_code_says() -> None:
    model = models.build("cifar10-shufflenetv2", generator=torch.Generator().manual_seed(0))
    assert ParameterLayout.from_model(model).numel == 1_247_674


def test_shortcut_norms_travel_reliably_in_every_reading() -> None:
    """The training code's slip ('shortcut:1') puts 3,587 more values on air: 11,167,949, its hard-coded length."""
    model = models.build("cifar10-resnet18", generator=torch.Generator().manual_seed(0))
    layout = ParameterLayout.from_model(model)
    norms = [m for name, m in model.named_modules() if "downsample" in name and isinstance(m, nn.BatchNorm2d)]
    theirs = sum(tensor.numel() for norm in norms for tensor in norm.state_dict().values())
    assert (layout.numel, theirs, layout.numel + theirs) == (11_164_362, 3_587, 11_167_949)


@pytest.mark.parametrize("tier", recipes.TIERS)
def test_recipes_name_models_and_published_columns(tier: str) -> None:
    for recipe in recipes.TIERS[tier]:
        assert recipe.model in models.describe()
        assert recipe.target == published.PUBLISHED[recipe.paper].target
        assert list(recipe.wnr_db) == sorted(recipe.wnr_db)


def test_full_tier_has_the_released_grids() -> None:
    sizes = [(len(r.fine.lambda_primes), len(r.fine.betas)) for r in recipes.TIERS["full"]]
    assert sizes[:3] == [(13, 23), (13, 23), (26, 17)]
    assert sizes[3] == (25 + 1, 34)  # and MMSE


def test_grid_without_ml_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold ML"):
        replace(recipes.TIERS["tiny"][0], fine=recipes.Grid((0.9, 1.1), (0.0,)))
