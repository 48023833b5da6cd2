"""The levels of the option grids, small covers of their products, and random data.

A pairwise cover has every two levels of different options in at least one row: it finds what one option or a
pair of options breaks, in 80 rows instead of 3000. The full products run under the marker ``full``.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
INTEGERS = tuple(np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64))
HALVES = (np.dtype(np.float16), BFLOAT16)
FLOATS = (*HALVES, np.dtype(np.float32), np.dtype(np.float64))
COMPLEX = (np.dtype(np.complex64), np.dtype(np.complex128))
DTYPES = (np.dtype(bool), *INTEGERS, *FLOATS, *COMPLEX)

OPS = ("convolve", "correlate")
MODES = ("full", "same", "valid")
BOUNDARIES = ("constant", "edge", "reflect", "symmetric", "wrap")


def product(**levels: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Every row of the grid: one level of each option."""
    return list(itertools.product(*levels.values()))


def pairwise(**levels: Sequence[Any]) -> list[tuple[Any, ...]]:
    """A few rows that cover every two levels of different options. Greedy; the same rows every time."""
    choices = [list(level) for level in levels.values()]
    options = range(len(choices))
    missing = {
        ((p, i), (q, j))
        for p, q in itertools.combinations(options, 2)
        for i, j in itertools.product(range(len(choices[p])), range(len(choices[q])))
    }
    rng = random.Random(0)
    rows = []
    while missing:
        row = dict(min(missing))
        for option in rng.sample(options, len(options)):
            if option not in row:
                gains = [
                    sum(tuple(sorted([(option, i), other])) in missing for other in row.items())
                    for i in range(len(choices[option]))
                ]
                row[option] = rng.choice([i for i, gain in enumerate(gains) if gain == max(gains)])
        missing -= set(itertools.combinations(sorted(row.items()), 2))
        rows.append(tuple(choices[option][row[option]] for option in options))
    return rows


def cover(**levels: Sequence[Any]) -> pytest.MarkDecorator:
    """Parametrize a test with the pairwise cover: its arguments are the names of the options."""
    return pytest.mark.parametrize(list(levels), pairwise(**levels), ids=str)


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any, spread: str = "small") -> np.ndarray:
    """Random data.

    ``"small"`` keeps sums of a few dozen products inside every dtype: integers up to 1, or 3 from 16 bits
    on; floats normal. ``"wide"`` fills the range: all integers of the dtype, floats over many decades.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        limit = info.max if spread == "wide" else 1 if dtype.itemsize == 1 else 3
        low = max(info.min, -limit - 1 if spread == "wide" else -limit)
        return rng.integers(low, limit, shape, dtype, endpoint=True)
    if dtype.kind == "c":
        half = np.dtype(np.float32 if dtype.itemsize == 8 else np.float64)
        return (draw(rng, shape, half, spread) + 1j * draw(rng, shape, half, spread)).astype(dtype)
    decades = {"small": 0, "wide": 2 if dtype == np.float16 else 15}[spread]
    return (rng.standard_normal(shape) * 10.0 ** rng.uniform(-decades, decades, shape)).astype(dtype)
