"""The reliable path of a scenario: what takes it, over which link, and what share of the payload it costs.

    [reliable]
    kind = "ldpc"          # or "repetition", "ideal"; the other keys are those of that class
    max_rounds = 8

Keys of the link that are left out are those of the medium at the point, so that the reliable path goes over the very
channel of the analog payload, at its Es/N0. Without the table the path is ideal: its bits are counted and cost nothing.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from analognn.channels import Fading, Ideal, Ldpc, ReliablePath, Repetition, Usage, checks
from analognn.channels.qam import EqualisedLink
from analognn.channels.reliable import to_bits
from analognn.packing import ParameterLayout

KINDS: dict[str, type[Ideal | Repetition | Ldpc]] = {"ideal": Ideal, "repetition": Repetition, "ldpc": Ldpc}


def reliable_path(table: Mapping[str, Any], medium: Mapping[str, Any]) -> ReliablePath:
    """The path that ``table`` asks for.

    Args:
        table: the ``[reliable]`` table of a scenario.
        medium: parameters of the medium at a point, for the keys of the link that the table leaves out. A table that
            names a fading ``model`` takes none of the medium's fading.

    Raises:
        TypeError, ValueError: an unknown kind or key, a value outside its bounds, or no Es/N0 in either.

    >>> path = reliable_path({"kind": "ldpc"}, {"esn0_db": 10.0, "model": "rayleigh", "threshold": 0.1})
    >>> path.esn0_db, path.model
    (10.0, 'rayleigh')
    """
    kind = table.get("kind", "ideal")
    checks.choice("Scenario", "reliable.kind", kind, KINDS)
    cls = KINDS[kind]
    keys = [item.name for item in dataclasses.fields(cls)]
    own = {key: value for key, value in table.items() if key != "kind"}
    for key in own:
        checks.choice("Scenario", f"reliable, key of kind {kind!r}", key, keys)
    if cls is Ideal:
        return Ideal()
    fading = {item.name for item in dataclasses.fields(Fading)} if "model" in own else set()
    shared = {item.name for item in dataclasses.fields(EqualisedLink)} - fading
    parameters = {key: value for key, value in medium.items() if key in shared} | own
    if "esn0_db" not in parameters:
        raise ValueError(
            f"`Scenario(reliable.esn0_db=...)` is needed for kind = {kind!r} beside a medium that has none of its own; "
            f"this one has {', '.join(medium) or 'no parameters'}."
        )
    return cls(**parameters)


def deliver(
    model: nn.Module, layout: ParameterLayout, path: ReliablePath, side_info_bits: int, *, generator: torch.Generator
) -> tuple[nn.Module, Usage]:
    """A copy of ``model`` whose reliable tensors are those that ``path`` delivered, and what that cost.

    Args:
        model: the sender's.
        layout: says which tensors are reliable.
        path: takes them, in one delivery.
        side_info_bits: of the medium's side information, which travels along; its content is in the medium's hands.
        generator: source of randomness.

    Raises:
        DeliveryError: the path gave up.
        RuntimeError: a wrong bit passed its checksum.
    """
    received = copy.deepcopy(model)
    state = received.state_dict(keep_vars=False)
    sent = {name: state[name].clone() for name in layout.reliable_names}
    side = {"side information": torch.zeros(-(-side_info_bits // 8), dtype=torch.uint8)}
    delivered, usage = path.deliver({**sent, **side}, generator=generator)
    delivered.pop("side information")
    if sent and not torch.equal(to_bits(delivered), to_bits(sent)):
        raise RuntimeError(f"{path} delivered wrong bits under valid checksums; a draw in 16 million may do so.")
    for name, tensor in delivered.items():
        state[name].copy_(tensor)
    return received, usage


def columns(usage: Usage) -> dict[str, Any]:
    """The record's columns about the reliable path."""
    return {
        "reliable_bits": usage.side_info_bits,
        "reliable_uses": usage.channel_uses,
        "reliable_energy": usage.energy,
        "reliable_retransmissions": usage.retransmissions,
    }
