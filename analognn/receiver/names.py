"""Receivers by name: words joined with "+", each a denoiser or a stage.

    ml    mmse@tensor    mmsepb+recalibrate    project+recalibrate+affine

A denoiser takes the whole vector, or with "@tensor" or "@channel" the pieces one by one. Third parties add words
through the entry-point group ``analognn.receivers``: a denoiser or a :class:`Stage` class that needs no argument.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any, get_args

from analognn.channels import checks
from analognn.denoise import DENOISERS, MmseP, MmsePb
from analognn.receiver.chain import Receiver
from analognn.receiver.delivery import BUDGETS, Stage
from analognn.receiver.denoising import Denoise
from analognn.receiver.pieces import Per
from analognn.receiver.recalibration import Recalibrate
from analognn.receiver.searching import BETAS, LAMBDA_PRIMES, Search

GROUP = "analognn.receivers"


@dataclass(frozen=True)
class Settings:
    """What a scenario says about all its receivers.

    Args:
        lambda_primes: grid of lambda' of every search.
        betas: grid of beta.
    """

    lambda_primes: tuple[float, ...] = LAMBDA_PRIMES
    betas: tuple[float, ...] = BETAS


_STAGES: dict[str, type[Stage]] = {
    "recalibrate": Recalibrate,
}


def words() -> dict[str, type[Any]]:
    """Every word a receiver's name may hold, and the class it stands for.

    Raises:
        ValueError: two owners of one word.
    """
    found: dict[str, type[Any]] = {**DENOISERS, **_STAGES}
    for entry in entry_points(group=GROUP):
        if entry.name in found:
            raise ValueError(f"The receiver {entry.name!r} of {entry.value} is there already; it needs another name.")
        found[entry.name] = entry.load()
    return found


def receiver(name: str, settings: Settings | None = None) -> Receiver:
    """The receiver called ``name``.

    Args:
        name: words joined with "+".
        settings: of the searches in it.

    Raises:
        ValueError: an unknown word; the message gives the nearest.

    >>> receiver("mmse@tensor+recalibrate").budget
    'unlabelled'
    """
    stages = [_stage(word, settings or Settings()) for word in name.split("+")]
    for index, stage in enumerate(stages):
        if isinstance(stage, Search):
            stages[index] = replace(stage, then=_label_free(stages[index + 1 :]))
    return Receiver(tuple(stages))


def _label_free(stages: list[Stage]) -> tuple[Stage, ...]:
    """The stages up to the first that needs a label."""
    costly = BUDGETS.index("labelled")
    stop = next((i for i, stage in enumerate(stages) if BUDGETS.index(stage.budget) >= costly), len(stages))
    return tuple(stages[:stop])


def _stage(word: str, settings: Settings) -> Stage:
    known = words()
    base, at, per = word.partition("@")
    checks.choice("receiver", "name", base, known)
    made = known[base]
    if made in (MmseP, MmsePb):
        betas = settings.betas if made is MmsePb else (0.0,)
        return Search(settings.lambda_primes, betas)
    if issubclass(made, Stage):
        if at:
            raise ValueError(f"`receiver(name=...)`: {base!r} is no denoiser; only denoisers take '@{per}'.")
        stage: Stage = made()
        return stage
    checks.choice("receiver", f"{base}@...", per or "model", get_args(Per))
    return Denoise(made(), per=per or "model")  # type: ignore[arg-type]  # checked above
