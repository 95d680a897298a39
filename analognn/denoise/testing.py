"""The contract every denoiser must keep; for the authors of plug-ins as for ours.

    w_hat = f(r),   r = w + z:   f(r) = r without noise,   f(r) = mu where r was erased,   E[(f(r) - w)^2] <= s_z^2

>>> from analognn.denoise import Mmse
>>> check_denoiser(Mmse())

A denoiser that fails raises ``AssertionError`` with what was asked, the bound and what came.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from analognn.channels import Received

from .base import Budget, Denoiser, Prior

STANDARD_ERRORS = 5.0
NOISE_VAR = 0.09
PRIOR = Prior(mean=0.05, var=0.09)
"""Of the test weights: not centred, at a WNR of 0 dB."""


def check_denoiser(
    denoiser: Denoiser, *, identity: bool = True, prior_at_erasure: bool = True, better_than_ml: bool = True
) -> None:
    """Raise unless ``denoiser`` keeps the contract of :class:`Denoiser`.

    Checked: a frozen dataclass with a budget; shape, dtype (float32, float64), device and finiteness of what comes
    back, for a vector, a matrix [out, in], a kernel [out, in, 3, 3] and a single value; arguments and global random
    states untouched; the same bits again; one noise variance and the same one per value agree; without noise r, and an
    erased value the prior's mean, each alone and among others; finite at extreme scales; on Gaussian weights at a WNR
    of 0 dB a squared error not above that of ML, within its standard error.

    Args:
        denoiser: what to check.
        identity: whether it returns r where there is no noise.
        prior_at_erasure: whether an erased value becomes the prior's mean. One that keeps r (ML) or moves the mean on
            purpose does not.
        better_than_ml: whether it means to lower the squared error of such weights.

    Raises:
        AssertionError: what failed, the bound, the value.
    """
    _check_class(denoiser)
    for dtype in (torch.float32, torch.float64):
        for shape in ((400,), (40, 30), (16, 8, 3, 3), (1,)):
            _check_form(denoiser, _received(shape, dtype))
    _check_scales(denoiser)
    _check_limits(denoiser, identity, prior_at_erasure)
    if better_than_ml:
        _check_error(denoiser)


def _check_class(denoiser: Denoiser) -> None:
    parameters = getattr(type(denoiser), "__dataclass_params__", None)
    _require(parameters is not None and parameters.frozen, denoiser, "must be a frozen dataclass")
    budget, known = getattr(type(denoiser), "budget", None), get_args(Budget)
    _require(budget in known, denoiser, f"must have a class variable budget, one of {known}; got {budget!r}")


def _check_form(denoiser: Denoiser, received: Received) -> None:
    before, states = received.values.clone(), _global_states()
    out = denoiser(received, PRIOR)
    _require(_global_states() == states, denoiser, "must leave the global random states (torch, numpy, random) alone")
    _require(torch.equal(received.values, before), denoiser, "must not change the received values")
    for what in ("shape", "dtype", "device"):
        want, got = getattr(before, what), getattr(out, what)
        _require(want == got, denoiser, f"must return {what} {want}; got {got}")
    _require(bool(torch.isfinite(out).all()), denoiser, f"must return finite values for shape {list(before.shape)}")
    _require(torch.equal(denoiser(received, PRIOR), out), denoiser, "must return the same bits for the same input")
    each = dataclasses.replace(received, noise_var=torch.full_like(before, NOISE_VAR))
    apart = float((denoiser(each, PRIOR) - out).abs().max())
    _require(
        apart <= 1e-4,
        denoiser,
        f"must treat one noise_var and the same one per value alike, to 1e-4; got {apart:.2g} apart",
    )


def _check_scales(denoiser: Denoiser) -> None:
    """Weights, noise and both together a million times larger or smaller."""
    received = _received((40, 30), torch.float64)
    for weights, noise in ((1e-6, 1e-6), (1e6, 1e6), (1.0, 1e-6), (1e-6, 1.0)):
        scaled = Received(weights * received.values, noise**2 * NOISE_VAR, "exact")
        out = denoiser(scaled, Prior(weights * PRIOR.mean, weights**2 * PRIOR.var))
        _require(
            bool(torch.isfinite(out).all()),
            denoiser,
            f"must be finite for weights times {weights}, noise times {noise}",
        )


def _check_limits(denoiser: Denoiser, identity: bool, prior_at_erasure: bool) -> None:
    values = _received((40, 30), torch.float32).values
    limits = [(0.0, values)] * identity + [(math.inf, torch.full_like(values, PRIOR.mean))] * prior_at_erasure
    for noise_var, wanted in limits:
        some = torch.full_like(values, NOISE_VAR)
        some[::2, 1::2] = noise_var
        everywhere = torch.full_like(values, noise_var)
        for where, variance in (("everywhere", noise_var), ("everywhere", everywhere), ("at some values", some)):
            out = denoiser(Received(values, variance, "exact"), PRIOR)
            hit = (torch.as_tensor(variance) == noise_var).expand(values.shape)
            apart = float((out - wanted)[hit].abs().max())
            name = "the received values" if noise_var == 0 else "the prior's mean"
            _require(
                apart <= 1e-6 and bool(torch.isfinite(out).all()),
                denoiser,
                f"must return {name} for noise_var={noise_var} {where}, to 1e-6; got {apart:.2g} apart",
            )


def _check_error(denoiser: Denoiser) -> None:
    for w in _weights():
        z = math.sqrt(NOISE_VAR) * _normal(w.shape, seed=1)
        received = Received(w + z, NOISE_VAR, "exact")
        excess = (denoiser(received, PRIOR) - w).square() - z.square()
        bound = STANDARD_ERRORS * float(excess.std()) / math.sqrt(w.numel())
        _require(
            float(excess.mean()) <= bound,
            denoiser,
            f"must not raise the squared error over that of ML by more than {bound:.2g} ({STANDARD_ERRORS:g} standard "
            f"errors) on Gaussian weights {list(w.shape)}; got {float(excess.mean()):.3g}",
        )


def _weights() -> Iterator[Tensor]:
    for shape in ((4096,), (64, 96), (32, 16, 3, 3)):
        yield PRIOR.mean + math.sqrt(PRIOR.var) * _normal(shape, seed=0)


def _received(shape: tuple[int, ...], dtype: torch.dtype) -> Received:
    values = PRIOR.mean + math.sqrt(PRIOR.var + NOISE_VAR) * _normal(shape, seed=2)
    return Received(values.to(dtype), NOISE_VAR, "exact")


def _normal(shape: tuple[int, ...], *, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _require(ok: bool, owner: object, text: str) -> None:
    if not ok:
        raise AssertionError(f"Contract of {owner!r}: {text}.")


def _global_states() -> tuple[object, ...]:
    numpy_state = repr(np.random.get_state())  # noqa: NPY002 (the legacy state is what must not move)
    return (bytes(torch.get_rng_state().tolist()), numpy_state, random.getstate())
