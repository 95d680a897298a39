"""The reliable path of a scenario: what is evaluated went over it, and its share is told."""

import dataclasses
import re

import pytest
import torch

from analognn import ParameterLayout, models
from analognn.channels import Ideal, Ldpc, Repetition
from analognn.experiments import Medium, Scenario, Store, reliability, run, summarise
from analognn.experiments.reliability import deliver, reliable_path

LINK = {"esn0_db": 10.0, "model": "rayleigh", "fft_size": 64, "num_guard_carriers": [5, 6], "cyclic_prefix_length": 8}

MEDIUM = {**LINK, "num_guard_carriers": [[5, 6]]}  # one value, which is a list


def test_keys_left_out_are_those_of_the_medium():
    assert reliable_path({}, LINK) == Ideal()
    expected = Ldpc(10.0, "rayleigh", fft_size=64, num_guard_carriers=(5, 6), cyclic_prefix_length=8)
    assert reliable_path({"kind": "ldpc"}, {**LINK, "threshold": 0.1, "format": "int4"}) == expected
    own = reliable_path({"kind": "repetition", "esn0_db": 3.0, "times": 7}, LINK)
    assert isinstance(own, Repetition)
    assert (own.esn0_db, own.model, own.times) == (3.0, "rayleigh", 7)
    medium = {"esn0_db": 1.0, "model": "tdl-a", "delay_spread": 1e-7}
    other = reliable_path({"kind": "ldpc", "model": "rayleigh"}, medium)
    assert (other.esn0_db, other.model, other.delay_spread) == (1.0, "rayleigh", None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "ldcp"}, "`Scenario(reliable.kind=...)` must be one of ideal, repetition, ldpc; got 'ldcp'"),
        ({"kind": "ldpc", "codrate": 0.5}, "got 'codrate'. Did you mean 'coderate'"),
        ({"kind": "ldpc"}, "`Scenario(reliable.esn0_db=...)` is needed for kind = 'ldpc' beside a medium"),
        ({"kind": "ldpc", "esn0_db": 1.0, "max_rounds": 0}, "`Ldpc(max_rounds=...)` must be an integer >= 1"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_folder_exists(tiny, tmp_path, table, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        run(dataclasses.replace(tiny, reliable=table), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_table_reads_back_and_only_counts_when_it_is_there(tiny):
    with_path = dataclasses.replace(tiny, reliable={"kind": "ldpc", "esn0_db": 10.0})
    assert Scenario.from_toml(with_path.to_toml()) == with_path
    assert with_path.hash != tiny.hash
    assert "reliable" not in tiny.to_dict()
    assert Scenario.named("cifar10-resnet20").hash == "a11f8edef34cb2ca"  # of records made before there was the table


def test_the_evaluated_model_has_what_was_delivered(monkeypatch):
    model = models.load("mnist-resnet8")
    layout = ParameterLayout.from_model(model)
    path = Ldpc(15.0, "tdl-a")
    received, usage = deliver(model, layout, path, 64, generator=torch.Generator().manual_seed(0))
    state = received.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert usage.side_info_bits == layout.reliable_bits + 64
    assert usage.channel_uses > 0

    def one_bit_wrong(self, tensors, *, generator):
        name = layout.reliable_names[0]
        return {**tensors, name: tensors[name] + 1e-3}, usage

    monkeypatch.setattr(Ldpc, "deliver", one_bit_wrong)
    with pytest.raises(RuntimeError, match="wrong bits under valid checksums"):
        deliver(model, layout, path, 64, generator=torch.Generator())


def test_a_run_tells_the_share_of_the_reliable_path(tiny, tmp_path, monkeypatch):
    delivered = []
    genuine = reliability.deliver

    def seen(model, *arguments, **keywords):
        received, usage = genuine(model, *arguments, **keywords)
        delivered.append(received)
        return received, usage

    monkeypatch.setattr(reliability, "deliver", seen)
    media = {"ofdm": Medium("ofdm", {**MEDIUM, "esn0_db": 15.0})}
    scenario = dataclasses.replace(tiny, media=media, seeds=1, reliable={"kind": "ldpc"})
    assert run(scenario, tmp_path, workers=1).failures == ()
    assert len(delivered) == 1
    records = [record for record in Store(tmp_path).records() if record.medium == "ofdm"]
    layout = ParameterLayout.from_model(models.load("mnist-resnet8"))
    assert {record.reliable_bits for record in records} == {layout.reliable_bits + 64}
    share = summarise(Store(tmp_path)).entries[0].reliable
    assert share.uses_percent == pytest.approx(100 * records[0].reliable_uses / records[0].channel_uses)
    assert share.energy_percent == pytest.approx(100 * records[0].reliable_energy / records[0].energy)
    assert 1 < share.uses_percent < 100


def test_without_a_table_the_bits_are_counted_and_cost_nothing(tiny, tmp_path):
    result = run(dataclasses.replace(tiny, seeds=1), tmp_path, workers=1)
    share = result.summary.entries[0].reliable
    assert (share.bits, share.channel_uses, share.uses_percent) == (31168, 0, 0)


def test_a_transmission_of_which_nothing_arrives_is_a_result_and_no_failure(tiny, tmp_path):
    media = {"digital": Medium("digital", {**MEDIUM, "esn0_db": -20.0, "format": "int2"})}
    result = run(dataclasses.replace(tiny, media=media, seeds=1), tmp_path, workers=1)
    assert result.failures == ()
    entry = result.summary.entries[0]
    assert (entry.wnr_db, entry.outage) == (None, 1.0)
    assert entry.accuracy.mean < 0.3
