"""Many affine candidates of one received vector, evaluated as one batch through shared weights.

    w_hat = theta r + rho 1
    conv(x, w_hat) = theta conv(x, r) + rho box(x),    box(x) = conv(x, 1), one channel per group
    x w_hat^T      = theta x r^T      + rho sum(x),    embedding and biases element by element

MMSEpb and all that is linear in r is of this form, theta and rho the same everywhere or one per tensor. So G candidates
on k examples are one pass of G k examples through the weights r: no weights are rewritten, and the kernels are large
where k is small. The candidate's index is a `torch.vmap` dimension over (theta, rho), so what precedes the first analog
layer runs once. An analog tensor used by any other function (an attention's packed projection, a position code) is
expanded to theta r + rho for that call. The results equal those of rewritten weights up to floating-point rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from analognn.channels import Received, checks
from analognn.denoise import Prior, affine
from analognn.evaluate import Evaluator, Inputs, Score, eval_mode, logits_of
from analognn.packing import ParameterLayout

LIVE_OUTPUTS = 12  # layer outputs alive at once, in units of the largest one; 9.7 was measured (mnist-resnet8)
TOLERANCE = 1e-3  # of the largest logit, in the check against rewritten weights

_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


@dataclass(frozen=True)
class AffineFamily:
    """The candidates theta_g r + rho_g, g = 1...G, around one received vector.

    Args:
        values: r [n].
        theta: gains, [G], or [G, T] with one per tensor of the layout.
        rho: offsets, of the same shape, in units of weight.

    Raises:
        ValueError: no candidates, or shapes that do not fit.

    >>> family = AffineFamily(torch.ones(40), theta=torch.tensor([1.0, 0.5]), rho=torch.tensor([0.0, 0.1]))
    >>> layout = ParameterLayout.from_model(nn.Conv2d(1, 4, 3))
    >>> family.candidate(1, layout)[0]
    tensor(0.6000)
    """

    values: Tensor
    theta: Tensor
    rho: Tensor

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or self.theta.ndim not in (1, 2) or self.theta.shape != self.rho.shape:
            raise ValueError(
                "`AffineFamily` needs values [n] and theta, rho [G] or [G, T]; got "
                f"{list(self.values.shape)}, {list(self.theta.shape)} and {list(self.rho.shape)}."
            )
        if self.theta.numel() == 0:
            raise ValueError("`AffineFamily(theta=...)` must hold at least one candidate; got none.")

    def __len__(self) -> int:
        return self.theta.shape[0]

    @classmethod
    def mmsepb(cls, received: Received, prior: Prior, pairs: Sequence[tuple[float, float]]) -> AffineFamily:
        """MMSEpb at these (lambda', beta), for noise of one variance.

        Raises:
            ValueError: the noise variance differs from weight to weight, so that theta does.
        """
        if not is_affine(received):
            raise ValueError(
                "`AffineFamily.mmsepb` needs one noise variance for all weights; got "
                f"{torch.as_tensor(received.noise_var).numel()}. Evaluate the candidates one by one."
            )
        variance = float(torch.as_tensor(received.noise_var).flatten()[0])
        at = Received(torch.tensor([0.0, 1.0], dtype=torch.float64), variance, received.source)  # rho, theta + rho
        ends = torch.stack([affine(at, prior, lambda_prime, beta) for lambda_prime, beta in pairs])
        rho, theta = ends[:, 0], ends[:, 1] - ends[:, 0]
        return cls(received.values, theta.to(received.values), rho.to(received.values))

    def candidate(self, index: int, layout: ParameterLayout) -> Tensor:
        """Weights [n] of one candidate, written out."""
        theta, rho = (_per_weight(part[index], layout) for part in (self.theta, self.rho))
        return theta * self.values + rho


def is_affine(received: Received) -> bool:
    """Whether one (theta, rho) holds for all weights: the noise has one variance."""
    variance = torch.as_tensor(received.noise_var)
    return bool((variance == variance.flatten()[0]).all())


def affine_scores(
    model: nn.Module,
    layout: ParameterLayout,
    families: Sequence[AffineFamily],
    evaluator: Evaluator,
    *,
    max_bytes: int = 2**30,
) -> list[list[Score]]:
    """Score every candidate of every family, for example S noise draws with G candidates each.

    Args:
        model: whose reliable tensors the candidates keep; not changed.
        layout: of ``model``.
        families: one per received vector.
        evaluator: on the examples.
        max_bytes: bound on the activations held at a time; candidates and examples are cut to fit.

    Raises:
        ValueError: see :func:`affine_logits`.
    """
    scores = []
    for family in families:
        total = [Score(0, 0, 0.0)] * len(family)
        start = 0
        for logits in _batches(model, layout, family, evaluator, max_bytes):
            labels = evaluator.labels[start : start + logits.shape[1]].cpu()
            total = [sum_ + Score.of(rows, labels) for sum_, rows in zip(total, logits.cpu(), strict=True)]
            start += logits.shape[1]
        scores.append(total)
    return scores


def affine_logits(
    model: nn.Module,
    layout: ParameterLayout,
    family: AffineFamily,
    evaluator: Evaluator,
    *,
    max_bytes: int = 2**30,
) -> Tensor:
    """Logits of every candidate, float32 [G, n, classes]; arguments as in :func:`affine_scores`.

    Raises:
        ValueError: a family that does not fit the layout, ``torch.compile`` asked for, or a model that reaches its
            weights where Python cannot follow.
    """
    return torch.cat(list(_batches(model, layout, family, evaluator, max_bytes)), dim=1)


def _batches(
    model: nn.Module, layout: ParameterLayout, family: AffineFamily, evaluator: Evaluator, max_bytes: int
) -> Iterator[Tensor]:
    """Logits [G, b, classes] of b examples after the other."""
    checks.integer("affine_scores", "max_bytes", max_bytes, ge=1)
    theta, rho = (_per_tensor(part, layout).to(evaluator.device) for part in (family.theta, family.rho))
    if evaluator.execution.compiled:
        raise ValueError("`Execution(compiled=True)` is for one model at a time; evaluate affine families without it.")
    shared = copy.deepcopy(model).to(evaluator.device)
    layout.write(family.values, shared)
    slots = {id(shared.get_parameter(slot.name)): index for index, slot in enumerate(layout.slots)}
    pair_bytes = _check(shared, layout, family.values, evaluator.batch(slice(0, 1)), slots)
    pairs = max(1, max_bytes // pair_bytes)
    examples = min(evaluator.batch_size, len(evaluator), pairs)
    for start in range(0, len(evaluator), examples):
        batch = evaluator.batch(slice(start, start + examples))
        with evaluator.autocast():
            yield _forward(shared, slots, batch, theta, rho, max(1, pairs // examples)).detach()


def _forward(
    shared: nn.Module, slots: Mapping[int, int], batch: Inputs, theta: Tensor, rho: Tensor, candidates: int
) -> Tensor:
    """Logits [G, b, classes], ``candidates`` at a time."""

    def one(theta_t: Tensor, rho_t: Tensor) -> Tensor:
        with _AffineWeights(slots, theta_t, rho_t):
            return logits_of(shared, batch).float()

    with torch.no_grad(), eval_mode(shared), sdpa_kernel(SDPBackend.MATH):  # the others have no batching rule
        logits: Tensor = torch.vmap(one, chunk_size=candidates)(theta, rho)
        return logits


def _check(
    shared: nn.Module, layout: ParameterLayout, values: Tensor, example: Inputs, slots: Mapping[int, int]
) -> int:
    """Bytes of activations per candidate and example, after one example has shown that the affine form holds."""
    count = len(layout.slots)
    theta = torch.linspace(0.7, 0.9, count, dtype=values.dtype, device=values.device)
    rho = 0.05 * values.std() * theta.flip(0)
    mode = _AffineWeights(slots, theta.to(next(shared.parameters())), rho.to(next(shared.parameters())))
    with torch.no_grad(), eval_mode(shared):
        with mode:
            got = logits_of(shared, example).float()
        layout.write(_per_weight(theta, layout) * values + _per_weight(rho, layout), shared)
        expected = logits_of(shared, example).float()
    layout.write(values, shared)
    error = float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-30))
    if error > TOLERANCE:
        raise ValueError(
            f"`affine_scores`: {type(shared).__name__} reaches its weights where Python cannot follow (logits "
            f"off by {error:.2g} of the largest); evaluate the candidates one by one, route='loop'."
        )
    return LIVE_OUTPUTS * mode.largest


class _AffineWeights(TorchFunctionMode):
    """Inside, every use of an analog parameter r sees theta r + rho.

    Args:
        slots: id of a parameter -> its index in the layout.
        theta: gain per tensor [T].
        rho: offset per tensor [T].
    """

    def __init__(self, slots: Mapping[int, int], theta: Tensor, rho: Tensor) -> None:
        super().__init__()
        self.slots, self.theta, self.rho = slots, theta, rho
        self.largest = 1  # bytes of the largest output so far

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if len(args) > 1 and self._is_analog(args[1]) and func in (F.linear, F.embedding, *_CONVOLUTIONS):
            output = self._shared(func, args, kwargs)
        else:
            output = func(*self._expanded(args), **{name: self._expanded(value) for name, value in kwargs.items()})
        if isinstance(output, Tensor):
            self.largest = max(self.largest, output.numel() * output.element_size())
        return output

    def _shared(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Theta func(x, r) + rho func(x, 1) + bias."""
        x, weight, *rest = args
        theta, rho = self._coefficients(weight)
        if func is F.embedding:
            embedded: Tensor = theta * func(x, weight, *rest, **kwargs) + rho
            return embedded
        bias = self._expanded(rest[0] if rest else kwargs.pop("bias", None))
        if func is F.linear:
            y: Tensor = theta * func(x, weight) + rho * x.sum(-1, keepdim=True)
        else:
            y = _convolution(func, x, weight, theta, rho, rest[1:], kwargs)
        return y if bias is None else y + bias.view(-1, *[1] * (weight.ndim - 2))

    def _expanded(self, value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return type(value)(self._expanded(item) for item in value)
        if self._is_analog(value):
            theta, rho = self._coefficients(value)
            return theta * value + rho
        return value

    def _is_analog(self, value: Any) -> bool:
        return isinstance(value, nn.Parameter) and id(value) in self.slots

    def _coefficients(self, parameter: nn.Parameter) -> tuple[Tensor, Tensor]:
        index = self.slots[id(parameter)]
        return self.theta[index], self.rho[index]


def _convolution(
    func: Callable[..., Tensor],
    x: Tensor,
    weight: Tensor,
    theta: Tensor,
    rho: Tensor,
    rest: Sequence[Any],
    kwargs: dict[str, Any],
) -> Tensor:
    """Theta conv(x, r) + rho box(x); ``rest`` and ``kwargs`` are what follows the bias."""
    channels = 1 - weight.ndim  # the channel axis, counted from the end
    groups = rest[3] if len(rest) > 3 else kwargs.get("groups", 1)  # fourth in both kinds of convolution
    y = torch.unflatten(func(x, weight, None, *rest, **kwargs), channels, (groups, -1))
    window = torch.ones(groups, 1, *weight.shape[2:], dtype=x.dtype, device=x.device)
    box = func(torch.unflatten(x, channels, (groups, -1)).sum(channels), window, None, *rest, **kwargs)
    mixed: Tensor = theta * y + rho * box.unsqueeze(channels)
    return mixed.flatten(channels - 1, channels)


def _per_tensor(part: Tensor, layout: ParameterLayout) -> Tensor:
    """[G] or [G, T] to [G, T]."""
    count = len(layout.slots)
    if part.ndim == 2 and part.shape[1] != count:
        raise ValueError(f"`AffineFamily(theta=...)` must have one column per tensor, {count}; got {part.shape[1]}.")
    return part if part.ndim == 2 else part.unsqueeze(1).expand(-1, count)


def _per_weight(part: Tensor, layout: ParameterLayout) -> Tensor:
    """A number or [T] to what broadcasts to [n]."""
    if part.ndim == 0:
        return part
    return part.repeat_interleave(torch.tensor([slot.shape.numel() for slot in layout.slots], device=part.device))
