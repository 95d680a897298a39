"""In what the text of a paper, its released code and a sound experiment differ: the one list of it.

Shao, Liew, Gunduz, "Denoising Noisy Neural Networks: A Bayesian Approach With Compensation", sec. V-C, says one thing;
the code its authors released (github.com/lynshao/NoisyNN, folder TrainingNoise_CIFAR10, files Fed.py and Main.py) does
another in six points. Each is a field of :class:`Rules`, so that its effect can be measured alone:

=============== ===================================== ============================================================
field           as written                            as coded
=============== ===================================== ============================================================
contaminated    all batch norms go over the reliable  'shortcut:1' is looked for where names have 'shortcut.1': the
                path                                  shortcuts' batch norms, running statistics and counters
                                                      included, go through the noise
power           noise against Var of the sum          against its mean square (counters included, which grow by
                                                      whole numbers and dominate it)
prior           Var[w] is known                       Var of the clean sum (counters included)
searched_on     100 examples of the training set      the whole training set
reported        the last round                        the best of the rounds evaluated on test data
shards          the examples left over, by label      positions among those left over, taken as indices into the
                                                      data set: the shards are not sorted at all, and most of the
                                                      examples left over are never trained on
=============== ===================================== ============================================================

Not modelled: the released code also augments the images it searches on, rounds averaged counters by a cast, and scores
a training whose loss passes 20 as 10 %. Its numbers of values agree with ours: 11,167,949 of ResNet18 travel as analog
where 11,164,362 should. ShuffleNetV2 has no batch norm of that name, so there as coded is not contaminated.

``audited`` is ours: as written, with the prior estimated from what was received, the search on examples no device
holds, and the last round reported (beside it the best by validation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from analognn.channels import checks

Power = Literal["variance", "mean-square"]
PriorFrom = Literal["blind", "side-information"]
SearchedOn = Literal["held-out", "training-sample", "training-set"]
Reported = Literal["last", "best-on-test"]
Shards = Literal["labels", "positions"]


@dataclass(frozen=True)
class Rules:
    """What a federated experiment does in the points in dispute; see :mod:`analognn.federated.rules`.

    Args:
        contaminated: batch norms in shortcuts (modules called "downsample" or "shortcut"), running statistics and
            counters included, travel over the air.
        power: what a WNR is measured against, the variance of the superposed update or its mean square.
        prior: where the base station has the variance of the update from: the received values alone, or the clean sum.
        searched_on: what (lambda', beta) are searched on: examples that no device holds, a sample of the training set,
            or all of it.
        reported: the round whose test accuracy counts.
        shards: how the examples left over are assigned; "positions" is the slip of the released code.

    >>> PRESETS["as-coded"].contaminated
    True
    """

    contaminated: bool = False
    power: Power = "variance"
    prior: PriorFrom = "blind"
    searched_on: SearchedOn = "held-out"
    reported: Reported = "last"
    shards: Shards = "labels"

    def __post_init__(self) -> None:
        checks.choice("Rules", "power", self.power, get_args(Power))
        checks.choice("Rules", "prior", self.prior, get_args(PriorFrom))
        checks.choice("Rules", "searched_on", self.searched_on, get_args(SearchedOn))
        checks.choice("Rules", "reported", self.reported, get_args(Reported))
        checks.choice("Rules", "shards", self.shards, get_args(Shards))


PRESETS: Mapping[str, Rules] = MappingProxyType(
    {
        "as-written": Rules(prior="side-information", searched_on="training-sample"),
        "as-coded": Rules(
            contaminated=True,
            power="mean-square",
            prior="side-information",
            searched_on="training-set",
            reported="best-on-test",
            shards="positions",
        ),
        "audited": Rules(),
    }
)
"""The three by name."""
