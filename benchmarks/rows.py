"""The rows: what is convolved, and how many times the best peer's speed is aimed at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .problem import Array, Problem


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table.

    ``kind``: ``peers`` asks best peer's time / ours; ``copy`` the rate beside numpy.copyto; ``ceiling`` the
    share of the machine's FMA rate; ``scaling`` one worker's time over two workers'. ``against`` limits the
    official ratio to contestants whose name starts so; the others are shown. ``needs`` are the packages
    without which the row counts as not measured. ``target`` None: for information.
    """

    name: str
    make: Callable[[np.random.Generator], Problem]
    target: float | None = None
    kind: str = "peers"
    against: tuple[str, ...] = ("",)
    needs: tuple[str, ...] = ("numpy", "scipy", "cv2", "torch", "astropy")
    plan: bool = False


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


def plain(shape: tuple[int, ...], size: tuple[int, ...], dtype: Any, kernel: Any = None,
          order: Any = "C", **options: Any) -> Callable[[np.random.Generator], Problem]:  # fmt: skip
    """A problem of random data and taps; ``options`` are the fields of `Problem`."""
    kernel = dtype if kernel is None else kernel
    image = np.dtype(dtype).kind in "iu" and np.dtype(kernel).kind == "f"

    def make(rng: np.random.Generator) -> Problem:
        a = np.asarray(data(rng, shape, dtype), order=order)
        return Problem(a, taps(rng, size, kernel, image), **options)

    return make


MEGA, SQUARE = (10**6,), (1024, 1024)
F4, F8, U1, I2 = np.float32, np.float64, np.uint8, np.int16

FIGURES = (
    *(Row(f"1d-f32-{n}", plain(MEGA, (n,), F4), target) for n, target in ((8, 2.5), (64, 5))),
    *(Row(f"1d-f64-{n}", plain(MEGA, (n,), F8), target) for n, target in ((8, 1.7), (64, 4))),
    *(Row(f"2d-f32-{n}x{n}", plain(SQUARE, (n, n), F4), target)
      for n, target in ((3, 1.1), (5, 2), (7, 2.5), (11, 2.5), (15, 3))),
    *(Row(f"2d-f64-{n}x{n}", plain(SQUARE, (n, n), F8), target)
      for n, target in ((3, 1.8), (5, 3), (7, 4), (11, 2.5), (15, 2))),
    Row("u8-to-f32-3x3", plain(SQUARE, (3, 3), U1, F4), 2),
    Row("u8-to-f32-7x7", plain(SQUARE, (7, 7), U1, F4), 3),
    Row("u8-to-u8-3x3", plain(SQUARE, (3, 3), U1, F4, result=U1), 2),
    Row("u8-to-u8-7x7", plain(SQUARE, (7, 7), U1, F4, result=U1), 3),
    Row("i16-to-f32-3x3", plain(SQUARE, (3, 3), I2, F4), 5),
    Row("i16-to-f32-7x7", plain(SQUARE, (7, 7), I2, F4), 5),
    Row("i16-to-i16-3x3", plain(SQUARE, (3, 3), I2, F4, result=I2), 5),
    Row("i16-to-i16-7x7", plain(SQUARE, (7, 7), I2, F4, result=I2), 5),
    Row("colour-u8-5x5", plain((1024, 1024, 3), (5, 5), U1, F4, axes=(0, 1), result=U1), 2),
    Row("colour-u8-to-f32-5x5", plain((1024, 1024, 3), (5, 5), U1, F4, axes=(0, 1)), 2),
    Row("i32-5x5", plain(SQUARE, (5, 5), np.int32), 10, against=("scipy",), needs=("scipy", "torch")),
    Row("i64-5x5", plain(SQUARE, (5, 5), np.int64), 10, against=("scipy",), needs=("scipy", "torch")),
    Row("c64-7x7", plain(SQUARE, (7, 7), np.complex64), 3),
    Row("3d-f32-3x3x3", plain((128,) * 3, (3, 3, 3), F4), 8),
    Row("3d-f32-7x7x7", plain((128,) * 3, (7, 7, 7), F4), 3),
    Row("batch-500x64x64-5x5", plain((500, 64, 64), (5, 5), F4, axes=(1, 2)), 3),
    Row("threads-4096-5x5", plain((4096, 4096), (5, 5), F4), 1.7, "scaling", needs=()),
    Row("call-16x3", plain((16,), (3,), F8), 0.5, against=("numpy.convolve",), needs=("numpy",), plan=True),
    Row("copy-share-3x3", plain(SQUARE, (3, 3), F4), 0.8, "copy", needs=("numpy",)),
    Row("fma-share-15x15", plain(SQUARE, (15, 15), F4), 0.75, "ceiling", needs=()),
)  # fmt: skip

EXTRAS = (
    *(Row(f"{word}-f32-7x7", plain(SQUARE, (7, 7), F4, boundary=word))
      for word in ("reflect", "symmetric", "edge", "wrap")),
    Row("even-f32-4x4", plain(SQUARE, (4, 4), F4)),
    Row("stride2-f32-5x5", plain(SQUARE, (5, 5), F4, stride=2)),
    Row("dilation2-f32-5x5", plain(SQUARE, (5, 5), F4, dilation=2)),
    Row("axis0-f32-9", plain(SQUARE, (9,), F4, axes=(0,))),
    Row("axis1-f32-9", plain(SQUARE, (9,), F4, axes=(1,))),
    Row("small-f32-16-3x3", plain((16, 16), (3, 3), F4), plan=True),
    Row("small-f32-64-5x5", plain((64, 64), (5, 5), F4), plan=True),
    Row("call-f32-16x3", plain((16,), (3,), F4), plan=True),
    Row("forder-f32-5x5", plain(SQUARE, (5, 5), F4, order="F")),
    Row("valid-f32-7x7", plain(SQUARE, (7, 7), F4, mode="valid")),
    Row("full-f32-7x7", plain(SQUARE, (7, 7), F4, mode="full")),
    Row("2d-f32-31x31", plain(SQUARE, (31, 31), F4)),
    Row("1d-f32-1024", plain(MEGA, (1024,), F4)),
    Row("large-f32-4096-5x5", plain((4096, 4096), (5, 5), F4)),
)  # fmt: skip

ROWS = FIGURES + EXTRAS


def shrunk(row: Row, largest: int) -> Callable[[np.random.Generator], Problem]:
    """The row's problem with its axes cut to ``largest`` samples, for smoke runs.

    A quick run shows that every contestant is asked the right question, not how fast it answers.
    """

    def make(rng: np.random.Generator) -> Problem:
        full = row.make(rng)
        keep = tuple(slice(0, max(largest, 1)) for _ in full.a.shape)
        order: Any = "F" if full.a.ndim > 1 and full.a.flags.f_contiguous else "C"
        a = np.array(full.a[keep], order=order)
        return Problem(
            a, full.k, full.mode, full.boundary, full.axes, full.stride, full.dilation, full.result
        )

    return make


def size_of(problem: Problem) -> int:
    """Bytes of the result."""
    return math.prod(problem.shape) * problem.dtype.itemsize
