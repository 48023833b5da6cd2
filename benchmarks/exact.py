"""Data that is hard on a method, and results so exact that any other can be judged by them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Draw = Callable[[np.random.Generator, int], Array]


def signs(n: int) -> Array:
    """1, -1, 1, -1, ..."""
    return np.asarray((-1.0) ** np.arange(n))


def spiked(rng: np.random.Generator, n: int, size: float) -> Array:
    """Noise of size 1 and one large sample in the middle."""
    x = rng.standard_normal(n)
    x[n // 2] = size
    return x


def stretches(rng: np.random.Generator, n: int) -> Array:
    """Noise whose size changes eight times, from 10^-9 to 10^9."""
    levels = np.repeat(rng.integers(-9, 10, 8), -(-n // 8))[:n]
    return np.asarray(rng.standard_normal(n) * 10.0**levels)


DATA: dict[str, Draw] = {
    "random": lambda rng, n: rng.standard_normal(n),
    "all 1/3": lambda rng, n: np.full(n, 1 / 3),
    "alternating ±0.1": lambda rng, n: signs(n) / 10,
    "cancelling, ±10⁶ + noise": lambda rng, n: 1e6 * signs(n) + rng.standard_normal(n),
    "loud and quiet stretches": stretches,
    "forty decades": lambda rng, n: np.sign(rng.standard_normal(n)) * 10 ** rng.uniform(-23, 17, n),
    "a spike of 10⁸": lambda rng, n: spiked(rng, n, 1e8),
    "a spike of 10³⁰": lambda rng, n: spiked(rng, n, 1e30),
}


def wide(a: Array, k: Array) -> tuple[Array, Array]:
    """The full convolution and S = Σ|a||k|, tap by tap in longdouble, in any number of axes."""
    shape = [n + m - 1 for n, m in zip(a.shape, k.shape, strict=True)]
    exact, size = np.zeros(shape, np.longdouble), np.zeros(shape, np.longdouble)
    samples = a.astype(np.longdouble)
    for place in np.ndindex(*k.shape):
        window = tuple(slice(i, i + n) for i, n in zip(place, a.shape, strict=True))
        term = samples * np.longdouble(k[place])
        exact[window] += term
        size[window] += abs(term)
    return exact, size


def error_of(value: float, window: Array, taps: Array) -> tuple[float, float]:
    """|value - Σ window · taps| and S, without any rounding; in one dimension."""
    there = taps != 0
    product, rest = _two_product(window[there].astype(float), taps[there].astype(float))
    return abs(math.fsum([*product.tolist(), *rest.tolist(), -value])), math.fsum(abs(product))


def _two_product(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Array, Array]:
    """Products, and what their rounding lost (Veltkamp, Dekker)."""
    product = x * y
    x_high, y_high = (v * 134217729.0 - (v * 134217729.0 - v) for v in (x, y))
    x_low, y_low = x - x_high, y - y_high
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
