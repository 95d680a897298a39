"""Who holds what, and what the configuration refuses."""

import re
from dataclasses import replace

import pytest
import torch
from federated_helpers import examples

from analognn.federated import PRESETS, Federation, Rules, partition, server_examples


def deal(labels, federation, seed=0):
    return partition(labels, federation, generator=torch.Generator().manual_seed(seed))


def test_the_papers_partition_of_50_000_examples():
    labels = torch.arange(50_000) % 10
    parts = deal(labels, Federation())
    assert [len(part) for part in parts] == [2_500] * 20
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(50_000))
    for part in parts:
        random, shard = labels[part[:2_000]], labels[part[2_000:]]
        assert len(random.unique()) == 10
        assert len(shard.unique()) <= 2


@pytest.mark.parametrize(("n", "devices"), [(3_500, 20), (7, 7), (23, 4), (101, 20)])
def test_every_example_goes_to_one_device_and_none_is_empty(n, devices):
    parts = deal(torch.arange(n) % 3, Federation(num_devices=devices, num_active=1))
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(n))
    sizes = [len(part) for part in parts]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 2


def test_labels_with_gaps_and_shards_that_lack_classes_are_fine():
    labels = torch.tensor([7] * 10 + [2] * 10)
    parts = deal(labels, Federation(num_devices=4, num_active=1, random_share=0.0))
    assert [labels[part].unique().tolist() for part in parts] == [[7], [7], [2], [2]]


def test_shards_as_coded_are_not_sorted_and_leave_examples_out():
    labels = torch.randint(10, (5_000,), generator=torch.Generator().manual_seed(0))
    coded = deal(labels, Federation(rules=PRESETS["as-coded"]))
    written = deal(labels, Federation(rules=PRESETS["as-written"]))
    for a, b in zip(coded, written, strict=True):
        assert torch.equal(a[:200], b[:200])
        assert len(labels[b[200:]].unique()) <= 2
        assert len(labels[a[200:]].unique()) >= 7
    assert len(torch.cat(coded).unique()) / 5_000 == pytest.approx(0.84, abs=0.02)  # 80 % + a fifth of the rest


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(3), r"`partition` needs labels [n] of integers; got torch.float32 [3]."),
        (
            torch.arange(3),
            "`partition` needs an example for each of the 20 devices; got 3. Use fewer devices (num_devices).",
        ),
    ],
)
def test_labels_that_cannot_be_dealt(labels, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        deal(labels, Federation())


def test_what_the_base_station_searches_on():
    train, held_out = examples(50, 0), examples(40, 1)

    def drawn(searched_on, kappa=10):
        rules = Rules(searched_on=searched_on)
        return server_examples(train, held_out, rules, kappa=kappa, generator=torch.Generator().manual_seed(0))

    def inside(part, whole):
        return all(any(torch.equal(x, y) for y in whole.inputs) for x in part.inputs)

    assert drawn("training-set") is train
    assert inside(drawn("training-sample"), train)
    assert inside(drawn("held-out"), held_out)
    assert len(drawn("held-out")) == 10
    with pytest.raises(
        ValueError, match=r"`server_examples\(kappa=...\)` must be <= 40, the examples there are; got 41"
    ):
        drawn("held-out", 41)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_active": 21}, "`Federation(num_active=...)` must be <= num_devices = 20; got 21."),
        ({"learning_rate": 0.0}, "`Federation(learning_rate=...)` must be a finite number > 0; got 0.0."),
        ({"local_epochs": 0}, "`Federation(local_epochs=...)` must be an integer >= 1; got 0."),
        ({"on_refusal": "go"}, "`Federation(on_refusal=...)` must be one of skip, stop; got 'go'."),
        ({"random_share": 1.5}, "`Federation(random_share=...)` must be a finite number >= 0 and <= 1; got 1.5."),
    ],
)
def test_numbers_outside_their_bounds(given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Federation(**given)


def test_who_is_active_depends_on_seed_and_round_alone():
    federation = Federation()
    drawn = [federation.active(t, seed=0) for t in range(50)]
    assert drawn == [federation.active(t, seed=0) for t in range(50)]
    assert drawn != [federation.active(t, seed=1) for t in range(50)]
    assert all(len(set(devices)) == 4 and list(devices) == sorted(devices) for devices in drawn)
    assert {m for devices in drawn for m in devices} == set(range(20))


def test_cosine_rate_over_the_rounds():
    federation = Federation(num_rounds=4, learning_rate=0.2)
    assert [federation.rate(t) for t in range(4)] == pytest.approx([0.2, 0.170711, 0.1, 0.029289], abs=1e-6)


def test_the_presets_differ_where_the_list_says():
    audited = PRESETS["audited"]
    assert audited == Rules()
    assert PRESETS["as-written"] == replace(audited, prior="side-information", searched_on="training-sample")
    differing = {
        name for name in Rules.__dataclass_fields__ if getattr(PRESETS["as-coded"], name) != getattr(audited, name)
    }
    assert differing == set(Rules.__dataclass_fields__)
