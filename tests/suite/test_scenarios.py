"""The files of the suite: every tier has every part, and every file stands for something that runs."""

import pytest

from analognn import backends, models
from analognn.experiments.feel import FeelScenario
from analognn.suite import PARTS, TIERS, Part, parts

FILES = [(tier, name) for tier in TIERS for name in PARTS if name != "theory"]


@pytest.mark.parametrize(("tier", "name"), FILES)
def test_every_part_has_a_scenario_in_every_tier(tier, name):
    scenario = Part(name, tier).scenario
    assert scenario.name == name
    assert scenario.summary.endswith(".")
    assert models.spec(scenario.model)
    if isinstance(scenario, FeelScenario):
        return
    assert "ml" in scenario.denoiser.names
    assert scenario.denoiser.receivers()
    for medium in scenario.media.values():
        for point in medium.points():
            backends.create(medium.backend, **medium.at(point))


def test_the_leaderboard_has_twelve_receivers_on_six_media():
    scenario = Part("inference", "standard").scenario
    assert len(scenario.denoiser.names) >= 12
    assert len(scenario.media) >= 6
    assert scenario.seeds >= 5, "a bootstrap needs them"


def test_one_part_comes_with_the_controls():
    assert [part.name for part in parts("tiny", "feel")] == ["controls", "feel"]
    assert [part.name for part in parts("full")] == list(PARTS)
    for wrong in ({"tier": "tinny"}, {"tier": "tiny", "only": "fell"}):
        with pytest.raises(ValueError, match="Did you mean"):
            parts(**wrong)
