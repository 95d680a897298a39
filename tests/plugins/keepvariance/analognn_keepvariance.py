"""A receiver by a third party: shrinks no further than to the spread of the weights, the whole of such a package."""

from dataclasses import dataclass
from typing import ClassVar

from analognn.denoise import Budget


@dataclass(frozen=True)
class KeepVariance:
    """w_hat = mu + (r - mu) s_w / sqrt(s_w^2 + s_z^2), which spreads as the weights do (a third party's receiver)."""

    budget: ClassVar[Budget] = "none"

    def __call__(self, received, prior):
        share = prior.var / (prior.var + received.noise_var_per_value)
        return prior.mean + (received.values - prior.mean) * share.sqrt()
