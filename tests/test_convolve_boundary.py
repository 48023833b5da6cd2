"""What the outside of the array is: five boundaries, fill values, and terms that are absent."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fl
from checks import check
from grids import BOUNDARIES, DTYPES, FLOATS, INTEGERS, OPS, cover, draw

INF, NAN = np.inf, np.nan


@pytest.fixture
def rng():
    return np.random.default_rng(21)


@pytest.mark.parametrize(
    ("boundary", "extended"),
    [
        ("constant", [0, 0, 0, 1, 2, 3, 0, 0, 0]),
        ("edge", [1, 1, 1, 1, 2, 3, 3, 3, 3]),
        ("reflect", [2, 3, 2, 1, 2, 3, 2, 1, 2]),
        ("symmetric", [3, 2, 1, 1, 2, 3, 3, 2, 1]),
        ("wrap", [1, 2, 3, 1, 2, 3, 1, 2, 3]),
    ],
)
def test_the_boundaries_drawn(boundary, extended):
    delta = [0, 0, 0, 1, 0, 0, 0]
    assert fl.convolve([1, 2, 3], delta, boundary=boundary).tolist() == extended


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 17])
def test_full_equals_valid_on_what_numpy_pad_makes(rng, boundary, size):
    a, k = rng.integers(-99, 100, size), rng.integers(-99, 100, 23)
    padded = np.pad(a, 22, mode=boundary)
    assert np.array_equal(fl.convolve(a, k, boundary=boundary), fl.convolve(padded, k, "valid"))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("pair", list(itertools.product(BOUNDARIES, BOUNDARIES)), ids="-".join)
def test_one_boundary_per_axis(rng, op, pair):
    a, k = draw(rng, (6, 21), np.float32), draw(rng, (5, 4), np.float32)
    check(op, a, k, "same", boundary=pair, fill_value=2)
    check(op, a, k, "full", boundary=list(pair))
    check(op, draw(rng, (3, 2), np.int64), draw(rng, (9, 7), np.int64), "same", boundary=pair)


def test_valid_ignores_the_boundary(rng):
    a, k = draw(rng, (9, 12), np.float64), draw(rng, (3, 3), np.float64)
    plain = fl.convolve(a, k, "valid")
    for boundary in (*BOUNDARIES, ("wrap", "edge")):
        assert np.array_equal(fl.convolve(a, k, "valid", boundary=boundary, fill_value=7), plain)


# ---- fill values


@cover(dtype=DTYPES, mode=("full", "same"), op=OPS, fill=(1, 0, -0.0, 3))
def test_fill_values_are_samples(rng, dtype, mode, op, fill):
    fill = min(fill, 1) if dtype.kind == "b" else fill
    for shape, taps in [((40,), (5,)), ((6, 20), (3, 4))]:
        check(op, draw(rng, shape, dtype), draw(rng, taps, dtype), mode, fill_value=fill)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_the_ends_of_an_integer_range_as_fill(dtype):
    info, k = np.iinfo(dtype), np.array([1, 0, 0], dtype)
    for fill in (int(info.min), int(info.max)):
        assert fl.convolve(np.ones(2, dtype), k, "full", fill_value=fill).tolist() == [1, 1, fill, fill]
        assert fl.convolve(np.ones(2, dtype), k, "full", fill_value=dtype.type(fill)).dtype == dtype


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("fill", [INF, -INF, NAN, 0.25, -3.5])
def test_any_float_as_fill(rng, dtype, fill):
    a = draw(rng, (5, 30), dtype)
    for k in (draw(rng, (3, 5), dtype), np.zeros((3, 5), dtype), np.ones((3, 5), dtype)):
        for mode in ("same", "full"):
            check("convolve", a, k, mode, fill_value=fill)
            check("correlate", a, k, mode, fill_value=fill, boundary=("wrap", "constant"))


def test_nan_fill_marks_exactly_the_outputs_that_see_the_outside():
    got = fl.convolve(np.array([1.0, 2, 3, 2, 1]), [1, 1, 1], "same", fill_value=NAN)
    assert np.isnan(got).tolist() == [True, False, False, False, True]
    assert got[1:4].tolist() == [6, 7, 6]


def test_complex_fill(rng):
    a, k = draw(rng, (4, 9), np.complex64), draw(rng, (3, 3), np.complex64)
    check("convolve", a, k, "same", fill_value=2 - 1j)
    check("correlate", a, k, "full", fill_value=2 - 1j)


# ---- zero fill omits terms; a zero tap does not


@cover(dtype=FLOATS, op=OPS, value=(INF, -INF, NAN), position=(0, 3, 6))
def test_a_special_tap_outside_the_array_is_absent(rng, dtype, op, value, position):
    k = draw(rng, (7,), dtype)
    k[position] = value
    got = check(op, draw(rng, (40,), dtype), k, "full")
    assert np.isfinite(got).sum() == 6  # the six outputs that this tap does not reach
    check(op, draw(rng, (3, 5), dtype), k[None], "same")
    check(op, draw(rng, (5, 3), dtype), k[:, None], "same", dilation=2)
    check(op, draw(rng, (3,), dtype), k, "same")


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_a_zero_tap_multiplies(dtype):
    a, k = np.array([1, INF, 2, 3], dtype), np.array([1, 0, 1], dtype)
    got = fl.convolve(a, k)
    assert np.isnan(got).tolist() == [False, False, True, False, False, False]
    assert got[[0, 1, 3, 4, 5]].astype(float).tolist() == [1, INF, INF, 2, 3]


@cover(dtype=FLOATS, op=OPS, value=(INF, -INF, NAN), mode=("full", "same", "valid"), boundary=BOUNDARIES)
def test_special_samples_reach_exactly_the_windows_that_hold_them(rng, dtype, op, value, mode, boundary):
    a = draw(rng, (11, 60), dtype)
    a[4, 33] = value
    got = check(op, a, draw(rng, (3, 5), dtype), mode, boundary=boundary)
    assert np.count_nonzero(~np.isfinite(got)) == 15
    a[0, 0] = value  # also through every boundary
    check(op, a, draw(rng, (3, 5), dtype), mode, boundary=boundary)
    check(op, a, draw(rng, (3, 5), dtype), mode, boundary=boundary, stride=2, dilation=(3, 2))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_special_complex_samples_stay_local(rng, dtype):
    a = draw(rng, (9, 40), dtype)
    a[4, 20] = complex(NAN, 1)
    got = check("convolve", a, draw(rng, (3, 3), dtype), "same")
    assert np.count_nonzero(~np.isfinite(got)) == 9


def test_opposite_infinities_meet_in_nan():
    got = fl.convolve(np.array([INF, 1, -INF, 1, 1]), [1.0, 1, 1])
    assert np.isnan(got).tolist() == [False, False, True, False, False, False, False]
    assert got[[0, 1, 3, 4]].tolist() == [INF, INF, -INF, -INF]
