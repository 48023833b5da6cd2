"""What the rows are made of: random samples and taps, and the problems of signal, image and volume."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from .problem import Array, Problem

Make = Callable[..., Problem]
"""Makes the problem from a generator of random numbers and, in smoke runs, the most samples of an axis."""

EIGHT_BIT = {
    2: (1, 2, 7, 16, 31, 45, 52),
    6: (0, 0, 1, 1, 1, 1, 3, 3, 4, 6, 7, 8, 11, 12, 13, 16, 16, 16, 18),
}
"""Gaussians by their sigma in 256ths, from the end to the middle: what cv2.GaussianBlur takes for uint8
images in the size of its choice, read off its answer to a thin line. Their sums are exact in 16 bits."""


def data(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Array:
    """Samples without structure: normal floats, all values of small integers, exact sums of large ones."""
    kind = np.dtype(dtype)
    if kind.kind == "c":
        real, imaginary = rng.standard_normal((2, *shape))
        return np.asarray((real + 1j * imaginary).astype(kind))
    if kind.kind == "f":
        return np.asarray(rng.standard_normal(shape).astype(kind))
    limit = {1: 128, 2: 32768, 4: 10**6, 8: 10**15}[
        kind.itemsize
    ]  # 10^15 * 25 * 9 stays in int64, not in 2^53
    low, high = (0, 2 * limit) if kind.kind == "u" else (-limit, limit)
    return rng.integers(low, high, shape, dtype=kind)


def taps(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, image: bool = False) -> Array:
    """Random taps of full rank; for ``image``, of sum one with some below zero, so that outputs saturate."""
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        return rng.integers(-9, 10, shape, dtype=kind)
    if not image:
        return data(rng, shape, dtype)
    k = rng.random(shape) - 0.2
    return np.asarray((k / k.sum()).astype(kind))


def cut(
    shape: tuple[int, ...], size: tuple[int, ...], axes: tuple[int, ...] | None, largest: int | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The array with at most ``largest`` samples along an axis, and a kernel of at most half of them.

    >>> cut((100, 200), (3, 150), None, 50)
    ((50, 50), (3, 25))
    """
    if largest is None:
        return shape, size
    shape = tuple(min(n, largest) for n in shape)
    along = range(len(shape)) if axes is None else axes
    return shape, tuple(min(n, (shape[axis] + 1) // 2) for axis, n in zip(along, size, strict=True))


def plain(full: tuple[int, ...], taps_full: tuple[int, ...], dtype: Any, kernel: Any = None,
          order: Any = "C", **options: Any) -> Make:  # fmt: skip
    """Random data and taps; ``options`` are the fields of `Problem`."""
    kernel = dtype if kernel is None else kernel
    image = np.dtype(dtype).kind in "iu" and np.dtype(kernel).kind == "f"

    def make(rng: np.random.Generator, largest: int | None = None) -> Problem:
        shape, size = cut(full, taps_full, options.get("axes"), largest)
        a = np.asarray(data(rng, shape, dtype), order=order)
        return Problem(a, taps(rng, size, kernel, image), **options)

    return make


def blur(full: tuple[int, ...], sigma: float, dtype: Any, radius: int, eight_bit: bool = False,
         **options: Any) -> Make:  # fmt: skip
    """A gaussian given by its taps along each axis, float32 and, if ``eight_bit``, multiples of 1/256."""

    def make(rng: np.random.Generator, largest: int | None = None) -> Problem:
        shape, size = cut(full, (2 * radius + 1,) * len(full), None, largest)
        factors = tuple((bits if eight_bit else gaussian)(sigma, n) for n in size)
        whole: Array = reduce(np.multiply.outer, factors)
        return Problem(data(rng, shape, dtype), whole, factors=factors, sigma=sigma, **options)

    return make


def gaussian(sigma: float, count: int) -> Array:
    """The taps of a gaussian, their sum one before rounding to float32."""
    x = np.arange(count) - (count - 1) / 2
    line = np.exp(-(x**2) / (2 * sigma**2))
    return np.asarray((line / line.sum()).astype(np.float32))


def bits(sigma: float, count: int) -> Array:
    """The middle ``count`` of ``EIGHT_BIT``."""
    half = np.array(EIGHT_BIT[int(sigma)], np.float32) / 256
    line = np.concatenate([half, half[-2::-1]])
    more = max(0, len(line) - count)
    return line[more // 2 : len(line) - (more + 1) // 2]


def template(full: tuple[int, ...], part: tuple[int, ...], dtype: Any, **options: Any) -> Make:
    """Search for a part of the data itself."""

    def make(rng: np.random.Generator, largest: int | None = None) -> Problem:
        shape, size = cut(full, part, None, largest)
        a = data(rng, shape, dtype)
        place = tuple(slice(n // 3, n // 3 + taps) for n, taps in zip(shape, size, strict=True))
        return Problem(a, a[place].copy(), "valid", correlate=True, **options)

    return make


def gaps(full: tuple[int, ...], taps_full: tuple[int, ...], dtype: Any, share: float, **options: Any) -> Make:
    """Data of which a random ``share`` is missing, under positive taps of sum one."""

    def make(rng: np.random.Generator, largest: int | None = None) -> Problem:
        shape, size = cut(full, taps_full, None, largest)
        a = data(rng, shape, dtype)
        a[rng.random(shape) < share] = np.nan
        k = rng.random(size)
        return Problem(a, np.asarray((k / k.sum()).astype(dtype)), missing=True, **options)

    return make
