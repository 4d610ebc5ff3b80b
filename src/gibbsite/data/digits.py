"""Handwritten digits of 8 x 8 pixels, shipped with scikit-learn: real data on every machine."""

import numpy as np

from gibbsite.core import Binary, Reals
from gibbsite.data.dataset import Dataset, build, split

LEVELS = 17  # grey levels 0..16


def digits(*, seed: int = 0) -> Dataset:
    """`x = (level + u) / 17` with u uniform on [0, 1): a density whose bits per dimension refer to the 17 levels.

    With nll in nats per image, `bits = (nll / 64 + ln 17) / ln 2` per pixel bounds the code length of the levels from
    above (Theis, van den Oord & Bethge, ICLR 2016, section 3.1).
    """
    rng = np.random.default_rng(seed)
    x = (_levels() + rng.random((1797, 64))) / LEVELS
    note = "8x8 digits, 17 grey levels filled with uniform noise of width 1/17; bits per dimension refer to the levels."
    return build("digits", Reals((64,)), split(x, rng), columns=_columns(), image_shape=(8, 8), dequantised=1 / LEVELS, note=note)


def digits_binary(*, seed: int = 0) -> Dataset:
    """Pixels at level 8 or above are 1."""
    rng = np.random.default_rng(seed)
    x = (_levels() >= 8).astype(np.float32)
    note = "8x8 digits, ink where the grey level is 8 of 16 or more."
    return build("digits-binary", Binary((64,)), split(x, rng), columns=_columns(), image_shape=(8, 8), note=note)


def _levels() -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits().data


def _columns() -> tuple[str, ...]:
    return tuple(f"pixel {row},{column}" for row in range(8) for column in range(8))
