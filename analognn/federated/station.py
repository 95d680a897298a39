"""The base station: what it knows of a sum before it denoises it, and what it does to the model after."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from analognn.channels import Received, checks
from analognn.denoise import EstimateWarning, Ml, Mmse, MmsePb, Prior
from analognn.evaluate import Evaluator
from analognn.federated.planning import FollowPower
from analognn.federated.plans import Fixed, Lmmse, Plan, Search
from analognn.federated.rules import PriorFrom
from analognn.plugins import called
from analognn.receiver import Labelled
from analognn.receiver.statistics import recalibrate


def fixed(lambda_prime: float, beta: float = 0.0) -> Fixed:
    """MMSEpb with one pair for the whole training."""
    return Fixed(MmsePb(lambda_prime, beta))


PLANS: Mapping[str, Callable[..., Plan]] = MappingProxyType(
    {
        "ml": lambda: Fixed(Ml()),
        "mmse": lambda: Fixed(Mmse()),
        "lmmse": Lmmse,
        "mmsepb": Search,
        "fixed": fixed,
        "schedule": FollowPower,
    }
)
"""The plans by name."""


def make_plan(name: str, **parameters: Any) -> Plan:
    """A plan by name, its parameters checked by their owner.

    Raises:
        ValueError: no such name, an unknown parameter, or a value outside its bounds.

    >>> make_plan("fixed", lambda_prime=0.9)
    Fixed(denoiser=MmsePb(lambda_prime=0.9, beta=0.0))
    """
    checks.choice("make_plan", "name", name, PLANS)
    made: Plan = called(PLANS[name], f"Plan {name!r}", parameters, "it has no default.")
    return made


@dataclass(frozen=True)
class BaseStation:
    """How a sum is denoised, and whether batch norms are re-calibrated after it.

    Args:
        plan: denoises.
        recalibrate: re-estimate all batch-norm statistics of the new global model on the base station's examples,
            before candidates are scored as well.
    """

    plan: Plan
    recalibrate: bool = False

    @property
    def needs_examples(self) -> bool:
        """Whether the base station must hold examples."""
        return self.recalibrate or self.plan.wants_examples

    def evaluator(self, examples: Labelled | None) -> Evaluator | None:
        """Scores a candidate as it would be used."""
        if examples is None:
            return None
        return _Recalibrated(examples) if self.recalibrate else examples.evaluator


def prior_of(received: Received, total: Tensor, source: PriorFrom) -> Prior:
    """Prior of a sum, with mean 0 as eq. (13) has it.

    Args:
        received: the noisy sum [n].
        total: the clean sum [n], whose variance is the side information.
        source: which of the two the variance is from.
    """
    if source == "side-information":
        return Prior(0.0, float(total.double().var(correction=0)), source)
    with warnings.catch_warnings():  # an update that noise buries is an ordinary event here, and 0 its right estimate
        warnings.simplefilter("ignore", EstimateWarning)
        return Prior(0.0, Prior.from_received(received).var, source)


class _Recalibrated(Evaluator):
    """Scores a model with batch-norm statistics re-estimated on the same inputs."""

    def __init__(self, examples: Labelled) -> None:
        super().__init__(examples.inputs, examples.labels, device=str(examples.labels.device))
        self._examples = examples

    def logits(self, model: nn.Module) -> Tensor:
        state = {name: buffer.clone() for name, buffer in model.named_buffers()}
        recalibrate(model, self._examples.inputs)
        answers = super().logits(model)
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(state[name])
        return answers
