"""Scenarios of federated trainings: read, overridden, hashed, refused."""

import pytest
from feel_helpers import TINY, tiny

from analognn.channels import AwgnMultipleAccess
from analognn.experiments.feel import FeelScenario, Station
from analognn.federated import PRESETS, Fixed, Search


def test_every_shipped_scenario_reads_back_from_its_own_toml():
    assert {"feel", "feel-cifar10-shufflenetv2", "feel-cifar10-resnet18"} <= set(FeelScenario.shipped())
    for name, summary in FeelScenario.shipped().items():
        scenario = FeelScenario.named(name)
        assert scenario.name == name
        assert summary
        assert FeelScenario.from_toml(scenario.to_toml()) == scenario


def test_the_recipes_of_the_paper_are_the_papers():
    for name in ("feel-cifar10-shufflenetv2", "feel-cifar10-resnet18"):
        scenario = FeelScenario.named(name)
        served = scenario.served(next(iter(scenario.station)))
        assert (served.num_devices, served.num_active, served.local_epochs, served.momentum) == (20, 4, 5, 0.9)
        rules = {scenario.served(label).rules for label in scenario.station}
        assert {PRESETS["as-written"], PRESETS["audited"]} < rules
        assert {rule.searched_on for rule in rules} == {"held-out", "training-sample", "training-set"}


def test_a_station_is_its_plan_and_may_serve_other_devices():
    scenario = tiny(
        "station.ml.federation.clip_norm=0.5",
        "station.ml.federation.rules=as-coded",
        "station.coded.federation.rules.preset=as-coded",
        "station.coded.federation.rules.contaminated=false",
        "station.coded.plan=fixed",
        "station.coded.lambda_prime=0.5",
    )
    assert scenario.served("ml").clip_norm == 0.5
    assert scenario.served("ml").rules == PRESETS["as-coded"]
    assert scenario.served("searched").clip_norm is None
    assert not scenario.served("coded").rules.contaminated
    assert scenario.served("coded").rules.power == "mean-square"
    assert scenario.station["searched"].made().plan == Search(max_evaluations=4)
    assert isinstance(scenario.station["coded"].made().plan, Fixed)
    assert scenario.station["ml"] == Station("ml", federation={"clip_norm": 0.5, "rules": "as-coded"})
    assert scenario.medium({"wnr_db": -5.0}) == AwgnMultipleAccess(wnr_db=-5.0)


def test_the_hash_is_of_what_decides_the_numbers():
    scenario = FeelScenario.from_toml(TINY)
    assert tiny("name=other", "summary=text").hash == scenario.hash
    changed = ["seeds=2", "kappa=21", "federation.num_rounds=3", "uplink.wnr_db=[-6.0]", "station.ml.recalibrate=true"]
    assert len({scenario.hash, *(tiny(change).hash for change in changed)}) == len(changed) + 1
    assert "+seeds = 2" in scenario.diff(tiny("seeds=2"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sedes=1", "Unknown key 'sedes' in the scenario; .*Did you mean 'seeds'"),
        ("seeds=0", r"`FeelScenario\(seeds=...\)` must be an integer >= 1; got 0"),
        ("kappa=0", r"`FeelScenario\(kappa=...\)` must be an integer >= 1; got 0"),
        ("federation.num_actve=2", "Did you mean 'num_active'"),
        ("federation.num_active=30", r"`Federation\(num_active=...\)` must be <= num_devices = 20; got 30"),
        ("federation.rules=as-codded", "Did you mean 'as-coded'"),
        ("federation.rules.contaminatd=true", "Did you mean 'contaminated'"),
        ("station.ml.plan=nmse", "must be one of ml, mmse"),
        ("station.searched.max_evals=3", "Plan 'mmsepb' has no parameter 'max_evals'"),
        ("station.ml.federation.clip=3", "got 'clip'. Did you mean 'clip_norm'"),
        ("station.noiseless.plan=ml", "not 'noiseless'; got 'noiseless'"),
        ("station.ml=3", "must be a table with a plan; got 3"),
        ("uplink.wnr=3", "Multiple access 'awgn' has no parameter 'wnr'"),
        ("uplink.wnr_db=[]", r"uplink.wnr_db=...\)` must hold at least one value"),
        ("uplink.wnr_db=nan", "must be finite; got nan"),
        ("uplink.backend=awgm", "Did you mean 'awgn'"),
        ("uplink=3", "must be a table of parameters; got 3"),
        ("station=3", r"`Scenario\(station=...\)`: input should be an object"),
    ],
)
def test_what_does_not_fit_is_refused(override, message):
    with pytest.raises(ValueError, match=message):
        tiny(override)


def test_what_lacks_is_named():
    with pytest.raises(ValueError, match="lacks the key 'model'"):
        FeelScenario.from_toml('name = "x"\n[uplink]\nwnr_db = 1.0\n[station.ml]')
    with pytest.raises(ValueError, match="at least one .station.LABEL. table"):
        FeelScenario.from_toml('name = "x"\nmodel = "m"\n[uplink]\nwnr_db = 1.0\n[station]')
    with pytest.raises(ValueError, match="got 'fel'. Did you mean 'feel'"):
        FeelScenario.named("fel")
