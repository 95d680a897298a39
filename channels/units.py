"""Every conversion between dB and linear, and between noise per real weight and noise per complex symbol.

Conventions (w real weights, s = complex symbols that carry two weights each, E|s|^2 = 1):

    WNR   = Var[w] / noise_var              weights, per real value, mean removed
    SNR   = E[w^2] / noise_var              weights, per real value, mean included
    Es/N0 = E|s|^2 / no = 1 / no            symbols; ``no`` is the variance of the complex noise
    Eb/N0 = Es/N0 / (bits_per_symbol * coderate)

A symbol s = (w1 + j w2) / (sqrt(2) a) scales weights by 1 / (sqrt(2) a), and each real dimension gets half of
``no``, hence noise_var = a^2 no: with a^2 = Var[w] the WNR equals Es/N0.
"""

from __future__ import annotations

import math


def db_to_linear(value_db: float) -> float:
    """10^(value_db / 10), a power ratio.

    >>> db_to_linear(20.0)
    100.0
    """
    return math.pow(10.0, value_db / 10.0)


def linear_to_db(value: float) -> float:
    """10 log10(value) of a power ratio; -inf for 0, inf for inf.

    >>> linear_to_db(100.0)
    20.0
    """
    return 10.0 * math.log10(value) if value > 0 else -math.inf


def wnr_db_to_noise_var(wnr_db: float, var: float) -> float:
    """Noise variance per real weight at a weight-variance-to-noise ratio.

    >>> wnr_db_to_noise_var(10.0, var=0.5)
    0.05
    """
    return var / db_to_linear(wnr_db)


def noise_var_to_wnr_db(noise_var: float, var: float) -> float:
    """The inverse of :func:`wnr_db_to_noise_var`; inf without noise.

    >>> noise_var_to_wnr_db(0.05, var=0.5)
    10.0
    """
    return linear_to_db(var / noise_var) if noise_var > 0 else math.inf


def wnr_db_to_snr_db(wnr_db: float, *, mean: float, var: float) -> float:
    """SNR (mean square) of weights with this mean and variance at a WNR (variance).

    >>> round(wnr_db_to_snr_db(0.0, mean=1.0, var=1.0), 2)
    3.01
    """
    return wnr_db + linear_to_db((var + mean**2) / var)


def esn0_db_to_no(esn0_db: float) -> float:
    """Variance of the complex noise for unit-energy symbols.

    >>> esn0_db_to_no(10.0)
    0.1
    """
    return 1.0 / db_to_linear(esn0_db)


def ebn0_db_to_esn0_db(ebn0_db: float, *, bits_per_symbol: int, coderate: float) -> float:
    """Es/N0 of coded symbols.

    >>> round(ebn0_db_to_esn0_db(0.0, bits_per_symbol=4, coderate=0.5), 2)
    3.01
    """
    return ebn0_db + linear_to_db(bits_per_symbol * coderate)


def no_to_noise_var(no: float, var: float) -> float:
    """Noise per real weight of weights with variance ``var`` sent two a unit-energy symbol, noise ``no``.

    >>> no_to_noise_var(0.1, var=0.25)
    0.025
    """
    return no * var


def noise_var_to_no(noise_var: float, var: float) -> float:
    """The inverse of :func:`no_to_noise_var`.

    >>> noise_var_to_no(0.025, var=0.25)
    0.1
    """
    return noise_var / var
