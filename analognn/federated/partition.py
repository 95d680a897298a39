"""Who holds which examples: a part dealt at random, the rest in one shard a device, cut from the examples by label.

    50,000 examples, 20 devices, random_share .8: 2,000 at random + 1 label-sorted shard of 500 each

Shao, Liew, Gunduz, "Denoising Noisy Neural Networks", sec. V-C.1; shards as in McMahan et al. Any data set is cut in
the same proportions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analognn.channels import checks
from analognn.federated.config import Federation
from analognn.federated.rules import Rules
from analognn.receiver import Labelled


def partition(labels: Tensor, federation: Federation, *, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The examples of each device, as indices into ``labels``.

    Every example goes to exactly one device, and their counts differ by two at most. A shard holds few classes, often
    one; a class that a device lacks, or that no example has, needs no care. With ``rules.shards`` "positions" the
    random part is the same, but the shards are those of the released code.

    Args:
        labels: [n], integer classes; need not be all of 0, 1, ....
        federation: how many devices, and how much is dealt at random.
        generator: source of the deal.

    Raises:
        ValueError: labels that are not [n] integers, or fewer examples than devices.

    >>> parts = partition(torch.arange(10) % 2, Federation(num_devices=2, num_active=1), generator=torch.Generator())
    >>> sorted(torch.cat(parts).tolist()) == list(range(10))
    True
    """
    _check(labels, federation)
    labels = labels.cpu()
    order = torch.randperm(len(labels), generator=generator)
    dealt, rest = order[: (cut := round(federation.random_share * len(labels)))], order[cut:].sort().values
    by_label = labels[rest].argsort(stable=True)  # positions in `rest`
    shards = rest[by_label] if federation.rules.shards == "labels" else by_label
    count = federation.num_devices
    # Longer parts come first in one cut and last in the other, so that no device lacks in both.
    parts = zip(dealt.tensor_split(count), reversed(shards.tensor_split(count)), strict=True)
    return tuple(torch.cat(part) for part in parts)


def server_examples(
    train: Labelled, held_out: Labelled, rules: Rules, *, kappa: int, generator: torch.Generator
) -> Labelled:
    """What the base station searches on under ``rules``.

    Args:
        train: all that the devices train on.
        held_out: examples that no device holds.
        rules: whose ``searched_on`` decides.
        kappa: examples drawn, where not all of the training set is used.
        generator: source of the draw.

    Raises:
        ValueError: kappa < 1, or more than there are.
    """
    checks.integer("server_examples", "kappa", kappa, ge=1)
    if rules.searched_on == "training-set":
        return train
    source = train if rules.searched_on == "training-sample" else held_out
    if kappa > len(source):
        raise ValueError(f"`server_examples(kappa=...)` must be <= {len(source)}, the examples there are; got {kappa}.")
    return source.take(torch.randperm(len(source), generator=generator)[:kappa])


def _check(labels: Tensor, federation: Federation) -> None:
    if labels.ndim != 1 or labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"`partition` needs labels [n] of integers; got {labels.dtype} {list(labels.shape)}.")
    if len(labels) < federation.num_devices:
        raise ValueError(
            f"`partition` needs an example for each of the {federation.num_devices} devices; got {len(labels)}. Use "
            "fewer devices (num_devices)."
        )
