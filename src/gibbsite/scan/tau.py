"""How long a series remembers, and whether its chains agree."""

import math

import numpy as np
from jaxtyping import Float

WINDOW = 6.0  # autocorrelation times over which correlations are summed


def autocorrelation_time(series: Float[np.ndarray, "chains draws"]) -> float:
    """`tau = 1 + 2 sum_t rho(t)`, in draws, summed up to 6 tau (Madras & Sokal, J. Stat. Phys. 50, 1988); NaN where nothing varies.

    Correlations are about the mean of all chains. Of n draws, an n / tau-th as many are as good as independent.
    """
    draws = series.shape[1]
    centred = series - series.mean()
    padded = np.fft.rfft(centred, 2 * draws, axis=1)
    covariance = np.fft.irfft(np.abs(padded) ** 2, axis=1)[:, :draws].mean(axis=0) / np.arange(draws, 0, -1)
    if covariance[0] <= 0:
        return math.nan
    tau = 2 * np.cumsum(covariance / covariance[0]) - 1
    enough = np.arange(draws) >= WINDOW * tau
    return float(tau[np.argmax(enough)] if enough.any() else tau[-1])


def split_rhat(series: Float[np.ndarray, "chains draws"]) -> float:
    """sqrt(var+ / W), each chain cut in two (Gelman & Rubin 1992); 1 where nothing varies, infinite where only chains differ."""
    half = series.shape[1] // 2
    parts = np.concatenate([series[:, :half], series[:, half : 2 * half]])
    within, between = parts.var(axis=1, ddof=1).mean(), parts.mean(axis=1).var(ddof=1)
    if within == 0:
        return 1.0 if between == 0 else math.inf
    return float(np.sqrt((half - 1) / half + between / within))
