"""How long a series remembers."""

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
