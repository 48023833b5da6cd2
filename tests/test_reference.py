"""The oracle itself: hand-computed examples, NumPy and SciPy where they agree, and its two versions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from checks import as_float
from conftest import peer
from grids import BOUNDARIES, DTYPES, MODES, OPS, cover, draw, pairwise
from reference import boundary_index, quick_reference, reference

INF, NAN = float("inf"), float("nan")
BOTH = pytest.mark.parametrize("define", [reference, quick_reference])


def values(result):
    return result.real.tolist() if result.imag is None else (result.real + 1j * result.imag).tolist()


@BOTH
@pytest.mark.parametrize(
    ("op", "mode", "expected"),
    [
        ("convolve", "full", [0, 1, 2.5, 4, 1.5]),
        ("convolve", "same", [1, 2.5, 4]),
        ("convolve", "valid", [2.5]),
        ("correlate", "full", [0.5, 2, 3.5, 3, 0]),
        ("correlate", "same", [2, 3.5, 3]),
        ("correlate", "valid", [3.5]),
    ],
)
def test_the_worked_example_of_the_notes(define, op, mode, expected):
    assert values(define(op, [1, 2, 3], [0, 1, 0.5], mode)) == expected


@BOTH
def test_two_dimensions_by_hand(define):
    full = define("convolve", [[1, 2], [3, 4]], [[1, 10], [100, 1000]])
    assert values(full) == [[1, 12, 20], [103, 1234, 2040], [300, 3400, 4000]]


@BOTH
@pytest.mark.parametrize(
    ("boundary", "expected"),
    [
        ("constant", [0, 0, 0, 1, 2, 3, 0, 0, 0]),
        ("edge", [1, 1, 1, 1, 2, 3, 3, 3, 3]),
        ("reflect", [2, 3, 2, 1, 2, 3, 2, 1, 2]),
        ("symmetric", [3, 2, 1, 1, 2, 3, 3, 2, 1]),
        ("wrap", [1, 2, 3, 1, 2, 3, 1, 2, 3]),
    ],
)
def test_the_boundaries_as_a_delta_shows_them(define, boundary, expected):
    delta = [0, 0, 0, 1, 0, 0, 0]  # as wide as the picture: the full output is the extended array
    assert values(define("convolve", [1, 2, 3], delta, boundary=boundary)) == expected


@pytest.mark.parametrize("boundary", BOUNDARIES[1:])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_boundary_index_is_numpy_pad(size, boundary):
    reach = 3 * size + 4
    padded = np.pad(np.arange(size), reach, mode=boundary)
    assert [boundary_index(i, size, boundary) for i in range(-reach, size + reach)] == padded.tolist()


@BOTH
@pytest.mark.parametrize("op", OPS)
def test_the_anchor_names_the_tap_on_the_output_position(define, op):
    # The output at i takes a[i] with weight k[anchor], by definition.
    taps = [1, 10, 100, 1000]
    for anchor in range(4):
        response = values(define(op, [0, 0, 0, 1, 0, 0, 0], taps, "same", anchor=anchor))
        assert response[3] == taps[anchor]
        default = (4 - 1) // 2 if op == "convolve" else 4 // 2
        assert (anchor == default) == (response == values(define(op, [0, 0, 0, 1, 0, 0, 0], taps, "same")))


@BOTH
def test_anchor_by_hand(define):
    # y[i] = a[i + 1]·k[0] + a[i]·k[1] and y[i] = a[i − 1]·k[0] + a[i]·k[1]
    assert values(define("convolve", [1, 2, 3], [10, 1], "same", anchor=1)) == [21, 32, 3]
    assert values(define("correlate", [1, 2, 3], [10, 1], "same", anchor=1)) == [1, 12, 23]


@BOTH
def test_zero_fill_omits_terms_and_zero_taps_do_not(define):
    assert values(define("convolve", [1.0, 2.0], [INF, 1.0])) == [INF, INF, 2]
    first, second, third = values(define("convolve", [INF, 1.0], [0.0, 1.0]))
    assert math.isnan(first) and second == INF and third == 1
    # A fill other than zero is a sample like the others.
    assert values(define("convolve", [1.0], [INF, 1.0], "same", anchor=1, fill_value=2)) == [INF]
    assert values(define("convolve", [1, 2], [1, 10], fill_value=7)) == [71, 12, 27]


@BOTH
def test_correlation_conjugates_the_kernel(define):
    assert values(define("correlate", [2, 1j], [1j])) == [-2j, 1]
    assert values(define("convolve", [2, 1j], [1j])) == [2j, -1]


@BOTH
def test_stride_takes_every_output_and_dilation_spreads_the_taps(define):
    a, k = [1, 2, 4, 8, 16, 32], [1, 10]
    full = values(define("convolve", a, k))
    assert values(define("convolve", a, k, stride=3)) == full[::3]
    assert values(define("convolve", a, k, "valid", dilation=3)) == [18, 36, 72]
    assert values(define("correlate", a, k, "same", dilation=2)) == [10, 20, 41, 82, 164, 328]
    assert values(define("correlate", a, k, "valid", dilation=2, stride=2)) == [41, 164]


@BOTH
def test_axes_and_broadcasting(define):
    a, k = np.arange(6).reshape(2, 3), np.array([[1], [10]])
    assert define("convolve", a, [1, 1, 1], axes=1).shape == (2, 5)
    assert define("convolve", a[:1], np.ones((7, 2), int), "same", axes=(-1,)).shape == (7, 3)
    assert values(define("convolve", a, k, axes=1)) == [[0, 1, 2], [30, 40, 50]]
    # k's axis i runs along axes[i], also when that is every axis.
    swapped = define("correlate", a, k, "valid", axes=(1, 0))
    assert values(swapped) == values(define("correlate", a, k.T, "valid"))
    assert define("convolve", np.ones((0, 3)), [1.0], axes=1).shape == (0, 3)
    assert define("convolve", np.array(3), np.array(4)).real[()] == 12


def test_integers_and_fractions_are_exact():
    big = [2**62, 2**62 + 1, -(2**63)]
    assert reference("convolve", np.array(big), np.array([2**62, 1])).real.tolist() == [
        2**124, 2**124 + 2**62 + 2**62, -(2**125) + 2**62 + 1, -(2**63),
    ]  # fmt: skip
    assert reference("convolve", [1e300, 1.0, -1e300], [1.0, 1.0, 1.0], "valid").real[0] == 1
    assert reference("convolve", [0.1], [0.1]).real[0] == Fraction(0.1) ** 2
    assert quick_reference("convolve", np.array(big), np.array([3])).real.tolist() == [3 * v for v in big]


def test_magnitude_and_taps_measure_the_error():
    result = reference("convolve", [1, -2, 3], [4, -5])
    assert result.magnitude.tolist() == [4, 13, 22, 15] and result.taps == 2
    assert reference("correlate", [3 + 4j], [5 + 12j]).magnitude.tolist() == [65]


def options_of(rng, ndim):
    """Random options for one rank, small enough for pure Python."""
    return {
        "boundary": tuple(rng.choice(BOUNDARIES, ndim).tolist()),
        "fill_value": int(rng.integers(0, 2)),
        "stride": tuple(rng.integers(1, 4, ndim).tolist()),
        "dilation": tuple(rng.integers(1, 3, ndim).tolist()),
    }


@cover(op=OPS, mode=MODES, dtype=DTYPES, ndim=(1, 2, 3), fill_value=(0, 1))
def test_the_two_versions_agree(op, mode, dtype, ndim, fill_value):
    rng = np.random.default_rng([ndim, len(mode), DTYPES.index(dtype)])
    shape, taps = tuple(rng.integers(3, 7, ndim)), tuple(rng.integers(1, 3, ndim))
    if mode == "same" and ndim < 3:
        shape, taps = taps, shape  # a kernel larger than the array
    a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
    options = {
        "boundary": tuple(rng.choice(BOUNDARIES, ndim).tolist()),
        "fill_value": fill_value,
        "stride": tuple(rng.integers(1, 4, ndim).tolist()),
        "dilation": tuple(rng.integers(1, 3, ndim).tolist()),
    }
    slow, quick = reference(op, a, k, mode, **options), quick_reference(op, a, k, mode, **options)
    assert slow.shape == quick.shape and slow.taps == quick.taps
    for one, other in [(slow.real, quick.real), (slow.imag, quick.imag), (slow.magnitude, quick.magnitude)]:
        if dtype.kind in "iub":
            assert one is other is None or np.array_equal(one, other)
        elif one is not None:
            assert (abs(as_float(one) - other) <= 2.0**-50 * max(slow.magnitude.flat)).all()


@pytest.mark.parametrize("mode", MODES)
def test_scipy_signal_agrees(mode):
    signal = peer("scipy.signal")
    rng = np.random.default_rng(1)
    for ndim, op, even in itertools.product((1, 2, 3), OPS, (0, 1)):
        a = rng.integers(-9, 10, (5, 4, 4)[:ndim]) + 1j * rng.integers(-9, 10, (5, 4, 4)[:ndim])
        k = rng.integers(-9, 10, (3 + even, 3, 2)[:ndim]) * (1 - 2j)
        theirs = getattr(signal, op)(a, k, mode, method="direct")
        for define in (reference, quick_reference):
            assert np.array_equal(np.array(values(define(op, a, k, mode)), complex), theirs)


@pytest.mark.parametrize(
    ("boundary", "theirs"),
    [
        ("constant", "constant"),
        ("edge", "nearest"),
        ("reflect", "mirror"),
        ("symmetric", "reflect"),
        ("wrap", "wrap"),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_scipy_ndimage_agrees(op, boundary, theirs):
    ndimage = peer("scipy.ndimage")
    rng = np.random.default_rng(2)
    a, k = (rng.integers(-9, 10, (5, 4)), rng.integers(-9, 10, (3, 7)))  # the kernel reaches past the array
    expected = getattr(ndimage, op)(a, k, mode=theirs, cval=5)
    for define in (reference, quick_reference):
        assert np.array_equal(values(define(op, a, k, "same", boundary=boundary, fill_value=5)), expected)


def test_the_cover_has_every_pair_in_few_rows():
    levels = {"a": range(12), "b": "wxyz", "c": (True, False), "d": [np.int8, np.float64, np.bool_]}
    rows = pairwise(**levels)
    for p, q in itertools.combinations(range(4), 2):
        pairs = set(itertools.product(*(list(levels.values())[i] for i in (p, q))))
        assert {(row[p], row[q]) for row in rows} == pairs
    assert len(rows) <= 12 * 4 + 12
