"""Many small networks trained as one: weights [s, in, out], so that a batched product serves all seeds at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """``x @ weight + bias`` of s networks, weights N(0, 1 / inputs) and biases 0.

    Args:
        inputs: width below.
        outputs: width above.
        generators: one a network; a network's weights are the same whatever it is stacked with.

    >>> layer = StackedLinear(3, 2, [torch.Generator().manual_seed(k) for k in range(4)])
    >>> layer(torch.zeros(4, 5, 3)).shape
    torch.Size([4, 5, 2])
    """

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        drawn = [torch.randn(inputs, outputs, generator=g) for g in generators]
        self.weight = nn.Parameter(torch.stack(drawn) * (1 / math.sqrt(inputs)))
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [..., s, n, out] for inputs [..., s, n, in]."""
        return torch.matmul(x, self.weight) + self.bias


def stacked_mlp(widths: Sequence[int], generators: Sequence[torch.Generator]) -> nn.Sequential:
    """Layers of ``widths`` with logistic units between them: StackedLinear, Sigmoid, ..., StackedLinear.

    >>> len(stacked_mlp((784, 40, 10), [torch.Generator()]))
    3
    """
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [StackedLinear(inputs, outputs, generators), nn.Sigmoid()]
    return nn.Sequential(*layers[:-1])


def take(x: Tensor, rows: Tensor) -> Tensor:
    """Rows [s, b] of each network's own samples ``x`` [s, n, ...].

    >>> take(torch.tensor([[10, 11], [20, 21]]), torch.tensor([[1], [0]]))
    tensor([[11],
            [20]])
    """
    return x[torch.arange(len(x)).unsqueeze(1), rows]


def batches(
    inputs: Tensor, targets: Tensor, orders: Sequence[torch.Generator], *, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """One pass over each network's samples [s, n, ...], in an order of its own.

    >>> x = torch.arange(4.0).view(1, 4, 1)
    >>> sum(float(b.sum()) for b, _ in batches(x, x, [torch.Generator()], size=3))
    6.0
    """
    order = torch.stack([torch.randperm(inputs.shape[1], generator=g) for g in orders])
    for rows in torch.split(order, size, -1):
        yield take(inputs, rows), take(targets, rows)
