"""(lambda', beta) of MMSEpb without a label: by what the network itself says of the receiver's inputs.

moments     sum over batch-norm channels of KL( N(m_c, v_c) || N(running mean, running variance) )
entropy     mean entropy of the predicted class probabilities [nat]

(m_c, v_c) is what reaches the batch norm with the candidate's weights. The running statistics are those of the clean
network, so the pair that comes nearest to them undoes most of what noise did to the activations. A network drowned in
noise answers one class with confidence, which is why low entropy alone misleads.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from analognn.channels import checks
from analognn.denoise import Budget, MmsePb, affine, lambda_prime_bound
from analognn.evaluate import Inputs, logits_of
from analognn.receiver.delivery import Delivery, Stage
from analognn.receiver.inputs import count, device_of
from analognn.receiver.layers import BatchNorm, batch_norms, hooked, statistics
from analognn.receiver.searching import BETAS, LAMBDA_PRIMES

Criterion = Literal["moments", "entropy"]


@dataclass(frozen=True)
class SearchUnlabelled(Stage):
    """MMSEpb with the pair that suits the unlabelled examples best.

    Args:
        criterion: "moments" of the activations before each batch norm, or "entropy" of the answers.
        lambda_primes: grid of lambda'; values outside the domain are left out.
        betas: grid of beta [1 / weight].
    """

    criterion: Criterion = "moments"
    lambda_primes: tuple[float, ...] = LAMBDA_PRIMES
    betas: tuple[float, ...] = BETAS

    budget: ClassVar[Budget] = "unlabelled"

    def __post_init__(self) -> None:
        checks.choice("SearchUnlabelled", "criterion", self.criterion, get_args(Criterion))

    def check(self, model: nn.Module) -> None:
        """See :meth:`Stage.check`."""
        if self.criterion == "moments" and not batch_norms(model):
            raise ValueError(
                f"`SearchUnlabelled(criterion='moments')`: {type(model).__name__} has no batch norm with running "
                "statistics to come near to; use criterion='entropy'."
            )

    def __call__(self, delivery: Delivery) -> Delivery:
        """See :class:`Stage`.

        Raises:
            ValueError: every lambda' is outside its domain for this noise.
        """
        self.check(delivery.model)
        inputs: Inputs = delivery.needs(self, "unlabelled")
        model, received = delivery.copied_model(device_of(inputs)), delivery.estimate
        bound = lambda_prime_bound(received, delivery.prior)
        best, best_cost = None, math.inf
        for lambda_prime, beta in itertools.product([v for v in self.lambda_primes if v < bound], self.betas):
            delivery.layout.write(affine(received, delivery.prior, lambda_prime, beta), model)
            cost = _cost(model, inputs, self.criterion)
            if best is None or cost < best_cost:
                best, best_cost = MmsePb(lambda_prime, beta), cost
        if best is None:
            raise ValueError(
                f"`SearchUnlabelled(lambda_primes=...)` must hold a value < 1 + s_w^2 / s_z^2 = {bound:.6g}; got "
                f"{min(self.lambda_primes)!r} at least."
            )
        chosen = delivery.with_weights(best(received, delivery.prior))
        columns = {"lambda_prime": best.lambda_prime, "beta": best.beta}
        return chosen.with_model(chosen.model, **columns).spending(unlabelled=count(inputs))


def _cost(model: nn.Module, inputs: Inputs, criterion: Criterion) -> float:
    costs: list[Tensor] = []
    norms = batch_norms(model)

    def see(name: str, x: Tensor, _output: Tensor) -> None:
        costs.append(_divergence(norms[name], x))

    watched = norms if criterion == "moments" else {}
    with torch.no_grad(), hooked(watched, see):
        logits = logits_of(model, inputs)
    if criterion == "entropy":
        log_p = logits.float().log_softmax(1)
        costs = [-(log_p.exp() * log_p).sum(1).mean()]
    total = float(torch.stack(costs).sum())
    return total if math.isfinite(total) else math.inf


def _divergence(norm: BatchNorm, x: Tensor) -> Tensor:
    """Kullback-Leibler divergence of Gaussians with the statistics of ``x`` from those of ``norm``, over channels."""
    rows = x.movedim(1, 0).flatten(1)
    mean, var = rows.mean(1), rows.var(1, correction=0) + norm.eps
    running_mean, running_var = statistics(norm)
    wanted = running_var + norm.eps
    return 0.5 * (torch.log(wanted / var) + (var + (mean - running_mean).square()) / wanted - 1).sum()
