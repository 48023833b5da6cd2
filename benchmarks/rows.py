"""The rows: what is convolved, and how many times the best peer's speed is aimed at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .makers import Make, blur, gaps, plain, template
from .problem import Problem

ALL = ("numpy", "scipy", "cv2", "torch", "astropy")


@dataclass(frozen=True, eq=False)
class Row:
    """One line of the table.

    ``kind``: ``peers`` asks best peer's time / ours; ``copy`` the rate beside numpy.copyto; ``ceiling`` the
    share of the machine's FMA rate; ``scaling`` one worker's time over two workers'; ``limit`` the time
    without over the time within the memory limit. ``against`` limits the official ratio to contestants whose
    name starts so; the others are shown. ``needs`` are the packages without which the row counts as not
    measured. ``target`` None: for information. ``group`` is where a picture puts it.
    """

    name: str
    make: Make
    target: float | None = None
    kind: str = "peers"
    against: tuple[str, ...] = ("",)
    needs: tuple[str, ...] = ALL
    plan: bool = False
    group: str = ""


def group(name: str, *rows: Row) -> tuple[Row, ...]:
    """The rows as members of a group."""
    return tuple(replace(row, group=name) for row in rows)


MEGA, SQUARE, CUBE = (10**6,), (1024, 1024), (128,) * 3
LARGE, HUGE = (2048, 2048), (8192, 8192)
LAST, FIRST = (10**5, 256), (256, 10**5)
F4, F8, U1, I2, C8 = np.float32, np.float64, np.uint8, np.int16, np.complex64
WORDS = ("high", "highest")


def by_precision(
    name: str, make: Callable[..., Make], *targets: float | None, **options: Any
) -> tuple[Row, ...]:
    """A row for each word, with a target each."""
    return tuple(
        Row(f"{name}-{word}", make(precision=word), target, **options)
        for word, target in zip(WORDS, targets, strict=True)
    )


def image(side: int, dtype: Any) -> Callable[..., Make]:
    """1024 x 1024 under a square of random taps."""
    return lambda **options: plain(SQUARE, (side, side), dtype, **options)


def signal(count: int, dtype: Any) -> Callable[..., Make]:
    """10^6 samples under random taps."""
    return lambda **options: plain(MEGA, (count,), dtype, **options)


FIGURES = (
    *group(
        "1-D, few taps",
        *(Row(f"1d-f32-{n}", plain(MEGA, (n,), F4), target) for n, target in ((8, 2.5), (64, 5))),
        *(Row(f"1d-f64-{n}", plain(MEGA, (n,), F8), target) for n, target in ((8, 1.7), (64, 4))),
    ),
    *group(
        "1-D, many taps",
        *by_precision("1d-f32-1024", signal(1024, F4), 5, 2.5),
        *by_precision("1d-f32-16384", signal(16384, F4), 3, 1.8),
        *by_precision("1d-f32-100000", signal(10**5, F4), 1.5, 1.5),
        Row("1d-f64-1024", plain(MEGA, (1024,), F8), 5),
        Row("1d-f64-16384", plain(MEGA, (16384,), F8), 3),
        Row("1d-f64-100000", plain(MEGA, (10**5,), F8), 1.5),
        *by_precision("last-256x2048", lambda **o: plain(LAST, (2048,), F4, axes=(0,), **o), 4, 4),
        *by_precision("first-256x2048", lambda **o: plain(FIRST, (2048,), F4, axes=(1,), **o), 4, 4),
    ),
    *group(
        "2-D, few taps",
        *(Row(f"2d-f32-{n}x{n}", plain(SQUARE, (n, n), F4), target)
          for n, target in ((3, 1.1), (5, 2), (7, 2.5), (11, 2.5), (15, 3))),
        *(Row(f"2d-f64-{n}x{n}", plain(SQUARE, (n, n), F8), target)
          for n, target in ((3, 1.8), (5, 3), (7, 4), (11, 2.5), (15, 2))),
    ),
    *group(
        "2-D, many taps",
        *by_precision("2d-f32-31x31", image(31, F4), 3, 1.6),
        *by_precision("2d-f32-63x63", image(63, F4), 3, 1.5),
        *by_precision("2d-f32-127x127", image(127, F4), 2.5, 1.4),
        *(Row(f"2d-f64-{n}x{n}", plain(SQUARE, (n, n), F8), target)
          for n, target in ((31, 1.7), (63, 1.6), (127, 1.5))),
    ),
    *group(
        "Template search",
        *by_precision("template-f32", lambda **o: template(LARGE, (200, 200), F4, **o), 1.3, 1.3),
        *by_precision("template-c64", lambda **o: template(LARGE, (200, 200), C8, **o), 2, 2),
    ),
    *group(
        "Separable",
        Row("gauss2-f32", blur(LARGE, 2, F4, 8, boundary="reflect"), 2.5),
        Row("gauss6-f32", blur(LARGE, 6, F4, 24, boundary="reflect"), 2.5),
        Row("gauss2-u8", blur(LARGE, 2, U1, 6, True, boundary="reflect", result=U1), 1.5),
        Row("gauss6-u8", blur(LARGE, 6, U1, 18, True, boundary="reflect", result=U1), 1.5),
        Row("separable-f32-25", blur((2048, 8192), 4, F4, 12, boundary="reflect"), 3),
    ),
    *group(
        "Integers and colour",
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
    ),
    *group(
        "Volumes, batches, complex",
        Row("3d-f32-3x3x3", plain(CUBE, (3, 3, 3), F4), 8),
        Row("3d-f32-7x7x7", plain(CUBE, (7, 7, 7), F4), 3),
        *by_precision("3d-f32-15x15x15", lambda **o: plain(CUBE, (15,) * 3, F4, **o), 2, 2),
        Row("batch-500x64x64-5x5", plain((500, 64, 64), (5, 5), F4, axes=(1, 2)), 3),
        Row("c64-7x7", plain(SQUARE, (7, 7), C8), 3),
    ),
    *group(
        "Missing data",
        Row("missing-f64-9x9", gaps(SQUARE, (9, 9), F8, 0.2), 10, against=("astropy",)),
    ),
    *group(
        "Overheads and limits",
        Row("threads-4096-5x5", plain((4096, 4096), (5, 5), F4), 1.7, "scaling", needs=()),
        Row("limit-16MB-5x5", plain(HUGE, (5, 5), F4, memory_limit=16_000_000), 0.8, "limit", needs=()),
        Row("limit-16MB-15x15", plain(HUGE, (15, 15), F4, memory_limit=16_000_000), 0.8, "limit", needs=()),
        Row("call-16x3", plain((16,), (3,), F8), 0.5, against=("numpy.convolve",), needs=("numpy",),
            plan=True),
        Row("copy-share-3x3", plain(SQUARE, (3, 3), F4), 0.8, "copy", needs=("numpy",)),
        Row("fma-share-15x15", plain(SQUARE, (15, 15), F4), 0.75, "ceiling", needs=()),
    ),
)  # fmt: skip

EXTRAS = group(
    "For information",
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
    Row("large-f32-4096-5x5", plain((4096, 4096), (5, 5), F4)),
    Row("plan-f32-16384-high", plain(MEGA, (16384,), F4, precision="high"), plan=True),
    Row("gauss2-f32-whole", blur(LARGE, 2, F4, 8, boundary="reflect", whole=True)),
    Row("gauss2-u8-real", blur(LARGE, 2, U1, 8, boundary="reflect", result=U1)),
    Row("gauss2-f32-3d", blur(CUBE, 2, F4, 8, boundary="reflect")),
    Row("full-c64-31x31", plain(SQUARE, (31, 31), C8, mode="full")),
)  # fmt: skip

ROWS = FIGURES + EXTRAS


def size_of(problem: Problem) -> int:
    """Bytes of the result."""
    return math.prod(problem.shape) * problem.dtype.itemsize
