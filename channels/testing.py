"""The contract every medium must pass; for the authors of plug-ins as for ours.

    r = target + z,    target = w (or the sum over the devices),    E[z] = 0,    E[z_i^2] = noise_var_i

>>> from analognn.channels import Awgn
>>> check_channel(Awgn(noise_var=0.01), noiseless=Awgn(noise_var=0.0))

A medium that fails raises ``AssertionError`` with what was asked, the bound and what came. Statistical bounds are
STANDARD_ERRORS standard errors, taken from the sample itself (so heavy tails widen them): a sound medium fails by
chance about once in a million checks, and the seed is fixed. Errors of different values are taken as independent unless
``coherence`` says how many neighbours share a fate (the two weights of a symbol, all those of one fading block): the
standard error then comes from the means over such blocks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .base import Channel, MultipleAccess, Received

STANDARD_ERRORS = 5.0

Send = Callable[[Tensor, torch.Generator], Received]


def check_channel(
    channel: Channel,
    *,
    noiseless: Channel | None = None,
    n: int = 4096,
    coherence: int = 1,
    deterministic: bool = False,
    seed: int = 0,
    tolerance: float = 1e-5,
) -> None:
    """Raise unless ``channel`` keeps the contract of :class:`Channel`.

    Checked: type, shape, dtype (float32, float64) and device of what comes back (that it is finite, :class:`Received`
    sees to); one vector and a batch [2, n]; the input and the global random states untouched; same generator state same
    bits, another state other bits; unit gain, no offset, and a measured error variance equal to the reported one, also
    for an input of another scale and mean; the parts of a :class:`NoiseSplit` add up; the noise-free channel returns
    what was sent.

    Args:
        channel: the medium, with some noise.
        noiseless: the same medium with its noise turned off; None skips that check.
        n: length of the test vectors. The standard error of the variance is about sqrt(2 / n).
        coherence: number of neighbouring values whose errors may depend on each other.
        deterministic: whether it draws nothing (rounding to the nearest): the same bits for any generator.
        seed: of the test vectors and the generators.
        tolerance: of values that should be exact, relative to the largest magnitude: rounding, not noise.

    Raises:
        AssertionError: what failed, the bound, the value.
    """
    _require(isinstance(channel, Channel), channel, f"must be a Channel; got {type(channel).__name__}")
    _require(20 * coherence <= n, channel, f"is checked with n >= 20 coherence = {20 * coherence} values; got n = {n}")
    w = _weights(2, n, seed=seed)
    medium = _one_way(channel, tolerance, coherence, deterministic)
    _check_medium(medium, w[0], seed)
    _check_noise(medium, w, seed)
    if not deterministic:
        _check_rows_differ(medium, w[:1].expand(2, -1).clone(), seed)
    if noiseless is not None:
        _check_identity(_one_way(noiseless, tolerance), w, seed)


def check_multiple_access(
    channel: MultipleAccess,
    *,
    noiseless: MultipleAccess | None = None,
    num_devices: int = 3,
    n: int = 4096,
    seed: int = 0,
    tolerance: float = 1e-5,
) -> None:
    """Raise unless ``channel`` keeps the contract of :class:`MultipleAccess`: that of a channel, for the sum.

    Args:
        channel: the medium, with some noise.
        noiseless: the same medium with its noise turned off; None skips that check.
        num_devices: k, how many send.
        n: length of the test vectors.
        seed: of the test vectors and the generators.
        tolerance: of values that should be exact, relative to the largest magnitude.

    Raises:
        AssertionError: what failed, the bound, the value.

    >>> from analognn.channels import AwgnMultipleAccess
    >>> check_multiple_access(AwgnMultipleAccess(noise_var=0.01), noiseless=AwgnMultipleAccess(noise_var=0.0))
    """
    _require(isinstance(channel, MultipleAccess), channel, f"must be a MultipleAccess; got {type(channel).__name__}")
    w = _weights(num_devices, n, seed=seed)
    _check_medium(_shared(channel, tolerance), w, seed)
    if noiseless is not None:
        _check_identity(_shared(noiseless, tolerance), w, seed)


@dataclass(frozen=True)
class _Medium:
    """What the checks see: how to send, and what a perfect medium would return."""

    owner: object
    send: Send
    target: Callable[[Tensor], Tensor]
    tolerance: float
    coherence: int = 1
    deterministic: bool = False

    def floor(self, x: Tensor) -> float:
        """Largest error that rounding explains."""
        return self.tolerance * float(self.target(x).abs().max())

    def error(self, x: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Error and reported variance [...], float64, of one transmission."""
        received = self.send(x, _generator(seed))
        _check_split(received, self.owner)
        z = received.values.double() - self.target(x.double())
        return z, torch.as_tensor(received.noise_var, dtype=torch.float64, device=z.device).expand(z.shape)


def _one_way(channel: Channel, tolerance: float, coherence: int = 1, deterministic: bool = False) -> _Medium:
    def send(x: Tensor, generator: torch.Generator) -> Received:
        return channel.transmit(x, generator=generator)

    return _Medium(channel, send, lambda x: x, tolerance, coherence, deterministic)


def _shared(channel: MultipleAccess, tolerance: float) -> _Medium:
    return _Medium(channel, lambda x, g: channel.superpose(x, generator=g), lambda x: x.sum(0), tolerance)


def _check_medium(medium: _Medium, x: Tensor, seed: int) -> None:
    for dtype in (torch.float32, torch.float64):
        _check_form(medium, x.to(dtype), seed)
    _check_seeding(medium, x, seed)
    for scaled in (x, 3 * x + 1):
        _check_noise(medium, scaled, seed)


def _check_form(medium: _Medium, x: Tensor, seed: int) -> None:
    before, states = x.clone(), _global_states()
    received = medium.send(x, _generator(seed))
    _require(
        _global_states() == states, medium.owner, "must leave the global random states (torch, numpy, random) alone"
    )
    _require(torch.equal(x, before), medium.owner, "must not change its input")
    _require(isinstance(received, Received), medium.owner, f"must return Received; got {type(received).__name__}")
    wanted, values = medium.target(x), received.values
    for what in ("shape", "dtype", "device"):
        want, got = getattr(wanted, what), getattr(values, what)
        _require(want == got, medium.owner, f"must return values of {what} {want} for {x.dtype} input; got {got}")


def _check_seeding(medium: _Medium, x: Tensor, seed: int) -> None:
    generator = _generator(seed)
    first, second = medium.send(x, generator), medium.send(x, generator)
    again, other = medium.send(x, _generator(seed)), medium.send(x, _generator(seed + 1))
    same = torch.equal(first.values, again.values) and bool(
        (torch.as_tensor(first.noise_var) == torch.as_tensor(again.noise_var)).all()
    )
    _require(same, medium.owner, "must return the same bits for the same generator state")
    if bool((torch.as_tensor(first.noise_var) == 0).all()):
        return
    wanted = "the same" if medium.deterministic else "other"
    for received, what in ((other, "another seed"), (second, "a generator that has moved on")):
        same = torch.equal(first.values, received.values)
        _require(same == medium.deterministic, medium.owner, f"must return {wanted} bits for {what}")


def _check_noise(medium: _Medium, x: Tensor, seed: int) -> None:
    """Unit gain, no offset, and the variance that is reported; erased values (infinite variance) stay out."""
    z, var = medium.error(x, seed)
    target = medium.target(x.double())
    alive = torch.isfinite(var)
    _require(bool(alive.any()), medium.owner, "must deliver some value; got an infinite noise_var for each")
    exact = alive & (var == 0)
    worst = float(z[exact].abs().max()) if bool(exact.any()) else 0.0
    floor = medium.floor(x)
    _require(
        worst <= floor,
        medium.owner,
        f"must have no error where noise_var is 0 (tolerance {floor:.2g}); got {worst:.4g}",
    )
    centred = torch.where(alive, target - target[alive].mean(), 0)
    weight = torch.where(alive, var.clamp_min(floor**2), torch.inf).reciprocal()
    # Least squares with each value at its own noise: gain - 1 = sum(c z / var) / sum(c^2 / var), c the centred target.
    _check_mean("gain", 1 + z * centred * weight / (centred.square() * weight)[alive].mean(), alive, 1.0, medium)
    _check_mean("offset", z * weight / weight[alive].mean(), alive, 0.0, medium, floor=floor)
    noisy = alive & (var > 0)
    if bool(noisy.any()):
        ratio = z.square() / var
        _check_mean("measured error variance / reported noise_var", ratio, noisy, 1.0, medium, floor=0.0)


def _check_split(received: Received, owner: object) -> None:
    if received.split is None:
        return
    var = torch.as_tensor(received.noise_var, dtype=torch.float64).expand(received.values.shape)
    mean, total = float(var[torch.isfinite(var)].mean()), received.split.total
    _require(
        math.isclose(mean, total, rel_tol=1e-4),
        owner,
        f"the parts of split must add up to the mean finite noise_var {mean:.6g}; got {total:.6g}",
    )


def _check_mean(
    what: str, terms: Tensor, counted: Tensor, wanted: float, medium: _Medium, *, floor: float | None = None
) -> None:
    """The mean of the ``counted`` terms [..., n] must be ``wanted`` within its standard error, from their own spread.

    Over blocks b of ``coherence`` neighbours: SE = sqrt(sum_b (sum_{i in b} (t_i - mean))^2) / count.
    """
    count, mean = int(counted.sum()), float(terms[counted].mean())
    deviations = torch.where(counted, terms - mean, 0)
    blocks = torch.nn.functional.pad(deviations, (0, -terms.shape[-1] % medium.coherence))
    sums = blocks.reshape(-1, medium.coherence).sum(-1)
    bound = STANDARD_ERRORS * float(sums.norm()) / count + (medium.tolerance if floor is None else floor)
    _require(
        abs(mean - wanted) <= bound,
        medium.owner,
        f"{what} must be {wanted:g} within {bound:.2g} ({STANDARD_ERRORS:g} standard errors); got {mean:.4g}",
    )


def _check_rows_differ(medium: _Medium, x: Tensor, seed: int) -> None:
    received = medium.send(x, _generator(seed))
    if bool((torch.as_tensor(received.noise_var) > 0).any()):
        same = torch.equal(received.values[0], received.values[1])
        _require(not same, medium.owner, "must draw new noise for each vector of a batch; got the same twice")


def _check_identity(medium: _Medium, x: Tensor, seed: int) -> None:
    for dtype in (torch.float32, torch.float64):
        z, var = medium.error(x.to(dtype), seed)
        worst, floor = float(z[torch.isfinite(var)].abs().max()), medium.floor(x)
        _require(
            worst <= floor,
            medium.owner,
            f"without noise must return what was sent, to {floor:.2g}; got {worst:.4g} off",
        )


def _require(ok: bool, owner: object, text: str) -> None:
    if not ok:
        raise AssertionError(f"Contract of {owner!r}: {text}.")


def _weights(*shape: int, seed: int) -> Tensor:
    """Like weights: not centred, not of unit variance."""
    return 0.05 + 0.3 * torch.randn(shape, generator=_generator(seed + 1_000_003))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _global_states() -> tuple[object, ...]:
    numpy_state = repr(np.random.get_state())  # noqa: NPY002 (the legacy state is what must not move)
    return (bytes(torch.get_rng_state().tolist()), numpy_state, random.getstate())
