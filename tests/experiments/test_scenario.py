"""Reading, overriding, hashing and refusing scenarios."""

import dataclasses

import pytest

from analognn.experiments import Denoising, Medium, Scenario


def test_every_shipped_scenario_reads_back_from_its_own_toml():
    assert {"default", "cifar10-resnet20", "cifar10-resnet18"} <= set(Scenario.shipped())
    for name, summary in Scenario.shipped().items():
        scenario = Scenario.named(name)
        assert scenario.name == name
        assert summary
        assert Scenario.from_toml(scenario.to_toml()) == scenario


def test_a_list_is_swept_and_lists_combine():
    medium = Medium("pcm", {"t_inference": [0.0, 60.0], "g_max": [10.0, 25.0], "tile_size": 64})
    points = list(medium.points())
    assert points == [{"t_inference": t, "g_max": g} for t in (0.0, 60.0) for g in (10.0, 25.0)]
    assert medium.at(points[1]) == {"t_inference": 0.0, "g_max": 25.0, "tile_size": 64}
    assert list(Medium("awgn", {"wnr_db": 3.0}).points()) == [{}]


def test_a_list_within_a_list_is_one_value():
    medium = Medium("ofdm", {"pilots": [[2, 11], [3]]})
    assert [medium.at(point) for point in medium.points()] == [{"pilots": (2, 11)}, {"pilots": (3,)}]


def test_the_label_is_the_default_backend():
    scenario = Scenario.from_toml('name="x"\nmodel="m"\n[media.awgn]\nwnr_db=1\n[media.b]\nbackend="awgn"\nwnr_db=2')
    assert [medium.backend for medium in scenario.media.values()] == ["awgn", "awgn"]


def test_the_hash_is_of_what_decides_the_numbers(tiny):
    assert dataclasses.replace(tiny, name="other", summary="text").hash == tiny.hash
    others = [
        dataclasses.replace(tiny, seeds=3),
        dataclasses.replace(tiny, seed=1),
        dataclasses.replace(tiny, model="cifar10-resnet20"),
        dataclasses.replace(tiny, test_examples=0),
        dataclasses.replace(tiny, denoiser=Denoising(kappa=21)),
        dataclasses.replace(tiny, media={"awgn": Medium("awgn", {"wnr_db": [0.0]})}),
    ]
    assert len({tiny.hash, *(other.hash for other in others)}) == 7
    assert tiny.diff(tiny) == ""
    assert "+seeds = 3" in tiny.diff(others[0])


def test_overrides_reach_every_level(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nmodel = "mnist-resnet8"\n[media.awgn]\nwnr_db = [0.0]\n')
    overrides = [
        "denoiser.kappa=40",
        "media.awgn.wnr_db=[3.0, 6.0]",
        "seeds = 7",
        "summary=two words",
        "media.b.backend=awgn",
    ]
    scenario = Scenario.named(str(file), overrides)
    assert scenario.denoiser.kappa == 40
    assert scenario.media["awgn"].parameters == {"wnr_db": [3.0, 6.0]}
    assert (scenario.seeds, scenario.summary, scenario.media["b"].backend) == (7, "two words", "awgn")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("denoiser.kapa=4", "Unknown key 'denoiser.kapa'.*Did you mean 'denoiser.kappa'"),
        ("kappa=4", "Unknown key 'kappa'.*Did you mean 'denoiser.kappa'"),
        ("sedes=4", "Did you mean 'seeds'"),
        ("seeds=ten", r"`Scenario\(seeds=...\)`: input should be a valid integer; got 'ten'"),
        ("seeds=0", r"`Scenario\(seeds=...\)` must be an integer >= 1; got 0"),
        ("denoiser.kappa=4.5", r"`Scenario\(denoiser.kappa=...\)`: input should be a valid integer; got 4.5"),
        ("denoiser.prior=oracle", "'blind' or 'side-information'; got 'oracle'"),
        ("denoiser.names=['mmsepc']", "must be one of ml, mmse, .*; got 'mmsepc'. Did you mean 'mmsep'"),
        ("denoiser.names=['ml', 'ml']", "must be different names"),
        ("denoiser.betas=[]", r"`Scenario\(denoiser.betas=...\)` must hold at least one value"),
        ("denoiser.lambda_primes=[-1.0]", r"denoiser.lambda_primes=...\)` must be a finite number >= 0; got -1.0"),
        ("media.awgn.wnr_db=[]", r"`Scenario\(media.awgn.wnr_db=...\)` must hold at least one value"),
        ("media.awgn.wnr_db=nan", r"`Scenario\(media.awgn.wnr_db=...\)` must be finite; got nan"),
        ("media.awgn.wnr_db=[inf]", "must be finite; got inf"),
        ("media.awgn=3", r"`Scenario\(media.awgn\)` must be a table of parameters; got 3"),
        ("media=3", r"`Scenario\(media=...\)`: input should be an object"),
        ("seeds.x=3", "'seeds' is a value, not a table"),
        ("seeds", "needs KEY=VALUE.*got 'seeds'"),
        ("=3", "needs KEY=VALUE"),
    ],
)
def test_what_does_not_fit_is_refused(override, message):
    with pytest.raises(ValueError, match=message):
        Scenario.named("default", [override])


def test_a_scenario_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ValueError, match="got 'defalt'. Did you mean 'default'"):
        Scenario.named("defalt")
    with pytest.raises(ValueError, match="No scenario file at 'none.toml'"):
        Scenario.named("none.toml")
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(ValueError, match="not valid TOML"):
        Scenario.named(str(tmp_path / "bad.toml"))
    with pytest.raises(ValueError, match="lacks the key 'model'"):
        Scenario.from_toml("name = 'x'\n[media.awgn]\nwnr_db = 1.0")
    with pytest.raises(ValueError, match="at least one .media.LABEL. table"):
        Scenario.from_toml("name = 'x'\nmodel = 'm'\n[media]")
