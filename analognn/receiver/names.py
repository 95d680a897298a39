"""Receivers by name: words joined with "+", each a denoiser or a stage.

    ml    mmse@tensor    mmsepb+recalibrate    protect+recalibrate+affine

A denoiser takes the whole vector, or with "@tensor" or "@channel" the pieces one by one. Third parties add words
through the entry-point group ``analognn.receivers``: a denoiser or a :class:`Stage` class that needs no argument.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from analognn.channels import checks
from analognn.denoise import DENOISERS
from analognn.plugins import entry_points
from analognn.receiver.analytic import CorrectVariance, Project, Protect
from analognn.receiver.calibrated import CorrectOffset, DenoiseState
from analognn.receiver.chain import Receiver
from analognn.receiver.delivery import BUDGETS, Stage
from analognn.receiver.denoising import Denoise
from analognn.receiver.labelfree import SearchUnlabelled
from analognn.receiver.matching import MatchMoments
from analognn.receiver.oracle import OracleLayers, OracleSearch
from analognn.receiver.recalibration import Recalibrate
from analognn.receiver.searching import BETAS, LAMBDA_PRIMES, Search, SearchLayers
from analognn.receiver.tuning import TuneAffine

GROUP = "analognn.receivers"


@dataclass(frozen=True)
class Settings:
    """What a scenario says about all its receivers.

    Args:
        lambda_primes: grid of lambda' of every search.
        betas: grid of beta.
        directions: k of "protect".
    """

    lambda_primes: tuple[float, ...] = LAMBDA_PRIMES
    betas: tuple[float, ...] = BETAS
    directions: int = 4


def receiver(name: str, settings: Settings | None = None) -> Receiver:
    """The receiver called ``name``.

    Args:
        name: words joined with "+".
        settings: of the stages in it.

    Raises:
        ValueError: an unknown word; the message gives the nearest.

    >>> receiver("mmse@tensor+recalibrate").budget
    'unlabelled'
    """
    known = stages(settings)
    chain = [_stage(word, known) for word in name.split("+")]
    return Receiver(tuple(_linked(chain, index) for index in range(len(chain))))


def stages(settings: Settings | None = None) -> dict[str, Stage]:
    """Every word a receiver's name may hold, and its stage with ``settings``.

    Raises:
        ValueError: a third party's word that is there already.
    """
    own = _own(settings or Settings())
    denoisers = {word: Denoise(cls()) for word, cls in DENOISERS.items() if word not in own}
    found: dict[str, Stage] = {**denoisers, **own}
    for entry in entry_points(group=GROUP):
        if entry.name in found:
            raise ValueError(f"The receiver {entry.name!r} of {entry.value} is there already; it needs another name.")
        made: Any = entry.load()()
        found[entry.name] = made if isinstance(made, Stage) else Denoise(made)
    return found


def _own(settings: Settings) -> dict[str, Stage]:
    grid = (settings.lambda_primes, settings.betas)
    return {
        "mmsep": Search(settings.lambda_primes, (0.0,)),
        "mmsepb": Search(*grid),
        "mmsep-layers": SearchLayers(settings.lambda_primes),
        "mmsepb-moments": SearchUnlabelled("moments", *grid),
        "mmsepb-entropy": SearchUnlabelled("entropy", *grid),
        "offset": CorrectOffset(),
        "state": DenoiseState(),
        "protect": Protect(settings.directions),
        "project": Project(),
        "project-running-mean": Project("running-mean"),
        "variance": CorrectVariance(),
        "recalibrate": Recalibrate(),
        "recalibrate-relative": Recalibrate(relative=True),
        "moments": MatchMoments(),
        "affine": TuneAffine(),
        "oracle-mmsepb": OracleSearch(*grid),
        "oracle-layers": OracleLayers(),
    }


def _stage(word: str, known: dict[str, Stage]) -> Stage:
    base, at, per = word.partition("@")
    checks.choice("receiver", "name", base, known)
    stage = known[base]
    if not at:
        return stage
    if not isinstance(stage, Denoise):
        raise ValueError(f"`receiver(name=...)`: {base!r} is no denoiser of single pieces; leave out '@{per}'.")
    return replace(stage, per=per)  # type: ignore[arg-type]  # checked by the class


def _linked(chain: list[Stage], index: int) -> Stage:
    """The stage at ``index``, told of those around it that it has to know."""
    stage = chain[index]
    if isinstance(stage, (Search, SearchLayers)):
        return replace(stage, then=_label_free(chain[index + 1 :]))
    if isinstance(stage, CorrectVariance):
        for other in reversed(chain[:index]):
            if isinstance(other, Protect):
                return replace(stage, after="protect", directions=other.directions)
            if isinstance(other, Project):
                return replace(stage, after="project")
    return stage


def _label_free(chain: list[Stage]) -> tuple[Stage, ...]:
    """The stages up to the first that needs a label."""
    costly = BUDGETS.index("labelled")
    stop = next((i for i, stage in enumerate(chain) if BUDGETS.index(stage.budget) >= costly), len(chain))
    return tuple(chain[:stop])
