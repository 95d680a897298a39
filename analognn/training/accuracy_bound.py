"""Likelihood as a lower bound on accuracy: Theorem 6 of Adigun, Kosko, and the bound that says more.

    softmax     A = sum_k t_k 1(a_k = max a)                           A >= L              (153)   A >= 1 + L/ln 2
    logistic    A = sum_k t_k 1(a_k >= 1/2) + (1 - t_k) 1(a_k < 1/2)   A >= L + K ln 2     (154)   A >= K + L/ln 2

(153) holds because L <= 0 <= A and tells nothing. On the right, ours: a wrong class has a_k <= 1/2, so ln a_k <= -ln 2,
and a right one has ln a_k <= 0; hence error rate <= cross-entropy / ln 2. It is equality at L = -ln 2 and at L = 0, and
above (153) and (154) wherever it is not negative (per unit).
"""

from __future__ import annotations

import math

from torch import Tensor

from analognn.training.likelihoods import Logistic, Softmax

Classifier = Softmax | Logistic


def accuracy(likelihood: Classifier, output: Tensor, target: Tensor) -> Tensor:
    """A [...] of (148) or (149) for logits and targets [..., K]; logistic: of K.

    >>> import torch
    >>> accuracy(Logistic(), torch.tensor([2.0, -1.0, 3.0]), torch.tensor([1.0, 0.0, 0.0]))
    tensor(2.)
    """
    if isinstance(likelihood, Softmax):
        return (target * (output == output.amax(-1, keepdim=True))).sum(-1)
    one = (output >= 0).to(target.dtype)
    return (target * one + (1 - target) * (1 - one)).sum(-1)


def theorem6_bound(likelihood: Classifier, output: Tensor, target: Tensor) -> Tensor:
    """L, or L + K ln 2, [...]: (153), (154)."""
    free = 0.0 if isinstance(likelihood, Softmax) else output.shape[-1] * math.log(2)
    return likelihood.log_likelihood(output, target) + free


def sharp_bound(likelihood: Classifier, output: Tensor, target: Tensor) -> Tensor:
    """1 + L/ln 2, or K + L/ln 2, [...].

    >>> import torch
    >>> sharp_bound(Logistic(), torch.zeros(1), torch.ones(1))
    tensor(0.)
    """
    most = 1 if isinstance(likelihood, Softmax) else output.shape[-1]
    return most + likelihood.log_likelihood(output, target) / math.log(2)
