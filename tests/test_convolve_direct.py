"""The direct method against the definition: dtype × boundary × mode × rank, tails and tap counts.

The shapes have vectors, tails and edges in every axis; integers run over their full range, modulo 2^bits.
"""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from checks import check
from grids import BOUNDARIES, COMPLEX, DTYPES, FLOATS, INTEGERS, MODES, OPS, cover, draw, product

SHAPES = {
    1: ((331,), (7,)),
    2: ((19, 83), (5, 4)),
    3: ((7, 6, 35), (3, 2, 3)),
    4: ((3, 4, 5, 21), (2, 1, 3, 4)),
}
# The dtypes whose inner loops differ: one integer of each width, and every float.
LOOPS = tuple(np.dtype(name) for name in ("uint8", "int16", "int32", "int64")) + FLOATS + COMPLEX

GRID = {
    "dtype": DTYPES,
    "op": OPS,
    "mode": MODES,
    "boundary": BOUNDARIES,
    "ndim": (1, 2, 3, 4),
    "spread": ("small", "wide"),
    "method": ("auto", "direct"),
}


def run(dtype, op, mode, boundary, ndim, spread, method, **options):
    rng = np.random.default_rng([DTYPES.index(dtype), ndim])
    shape, taps = SHAPES[ndim]
    a, k = draw(rng, shape, dtype, spread), draw(rng, taps, dtype, spread)
    if spread == "wide" and dtype.kind in "iu":
        options["overflow"] = "wrap"
    return check(op, a, k, mode, boundary=boundary, method=method, **options)


@cover(**GRID)
def test_the_grid(dtype, op, mode, boundary, ndim, spread, method):
    run(dtype, op, mode, boundary, ndim, spread, method)


@pytest.mark.full
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_whole_grid(dtype):
    for row in product(**{**GRID, "dtype": [dtype], "method": ["direct"]}):
        run(*row)


@cover(dtype=LOOPS, op=OPS, mode=MODES)
def test_every_width_around_the_vector_lengths(dtype, op, mode):
    rng = np.random.default_rng(1)
    k = draw(rng, (3,), dtype)
    for size in (*range(3, 70), 127, 128, 129, 255, 257):
        check(op, draw(rng, (size,), dtype), k, mode, boundary="reflect")


@cover(dtype=LOOPS, op=OPS, boundary=BOUNDARIES)
def test_every_small_height_and_width(dtype, op, boundary):
    # Images smaller than a tile of rows, than a vector, than the kernel.
    rng = np.random.default_rng(2)
    k = draw(rng, (3, 5), dtype)
    for height in (1, 2, 3, 5, 8):
        for width in (1, 2, 5, 9, 16, 17, 34):
            check(op, draw(rng, (height, width), dtype), k, "same", boundary=boundary)


@pytest.mark.parametrize("dtype", LOOPS, ids=str)
def test_every_number_of_taps(dtype):
    rng = np.random.default_rng(3)
    a = draw(rng, (150,), dtype)
    for taps in (*range(1, 34), 63, 64, 65, 150):
        check("convolve", a, draw(rng, (taps,), dtype), "same", overflow="wrap")
    image = draw(rng, (21, 40), dtype)
    for taps in [(1, 1), (1, 9), (9, 1), (2, 2), (3, 3), (4, 7), (5, 5), (7, 7), (8, 2), (11, 11), (15, 15)]:
        check("convolve", image, draw(rng, taps, dtype), "same", boundary="wrap", overflow="wrap")


@pytest.mark.parametrize("dtype", LOOPS, ids=str)
@pytest.mark.parametrize("op", OPS)
def test_more_than_256_taps(dtype, op):
    # Where partial sums begin to be added.
    rng = np.random.default_rng(4)
    for taps in (255, 256, 257, 511, 512, 513, 1025):
        check(op, draw(rng, (1100,), dtype), draw(rng, (taps,), dtype), "valid", overflow="wrap")
    check(op, draw(rng, (20, 24), dtype), draw(rng, (17, 19), dtype), "same", overflow="wrap")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("op", OPS)
def test_the_reference_method_is_the_definition(dtype, op):
    rng = np.random.default_rng(5)
    a, k = draw(rng, (9, 14), dtype), draw(rng, (3, 4), dtype)
    for mode, boundary in zip(MODES, ("wrap", "reflect", "edge"), strict=True):
        slow = check(op, a, k, mode, boundary=boundary, method="reference")
        if dtype.kind in "iub":
            assert np.array_equal(slow, getattr(fl, op)(a, k, mode, boundary=boundary, method="direct"))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
def test_the_reference_method_equals_direct_on_full_range_integers(dtype, overflow):
    rng = np.random.default_rng(6)
    a, k = draw(rng, (30, 21), dtype, "wide"), draw(rng, (5, 3), dtype, "wide")
    direct, slow = (fl.convolve(a, k, overflow=overflow, method=method) for method in ("direct", "reference"))
    assert np.array_equal(direct, slow)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.float16, np.uint8], ids=str)
@pytest.mark.parametrize("shape", [(200, 301), (70_001,)])
def test_the_same_bits_for_any_number_of_workers(dtype, shape):
    rng = np.random.default_rng(7)
    a, k = draw(rng, shape, dtype), draw(rng, (5, 5) if len(shape) == 2 else (70,), dtype)
    one, two, five = (fl.convolve(a, k, "same", overflow="wrap", workers=n).tobytes() for n in (1, 2, 5))
    assert one == two == five


def test_a_second_call_gives_the_same_bits():
    rng = np.random.default_rng(8)
    a, k = draw(rng, (64, 65), np.float32), draw(rng, (7, 7), np.float32)
    assert fl.convolve(a, k).tobytes() == fl.convolve(a.copy(), k.copy()).tobytes()


def test_the_worked_example_of_the_notes():
    assert fl.convolve([1, 2, 3], [0, 1, 0.5]).tolist() == [0, 1, 2.5, 4, 1.5]
    assert fl.convolve([1, 2, 3], [0, 1, 0.5], "valid").tolist() == [2.5]
    assert fl.correlate([1, 2, 3], [0, 1, 0.5], "valid").tolist() == [3.5]
