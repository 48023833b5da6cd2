"""The promise on the error, at every single output, on data chosen to break it.

``checks.assert_keeps_promise`` states the bound. Here are the data, sums of up to 10^5 terms with their exact
error, and the locality of whatever is not finite.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import faltung as fl
from checks import SINGLE, check, half_ulp, promise
from grids import COMPLEX, FLOATS, HALVES, OPS, cover, draw
from reference import quick_reference

REAL = (np.dtype(np.float32), np.dtype(np.float64))
HOSTILE = ("spike", "huge spike", "cancellation", "decades", "constant", "alternating", "subnormal", "mixed")
KERNELS = ("random", "spike", "cancellation", "decades", "constant", "alternating", "subnormal")


@pytest.fixture
def rng():
    return np.random.default_rng(61)


def smallest(dtype):
    """The least positive number of a float dtype."""
    return 2.0 ** {"float16": -24, "bfloat16": -133, "float32": -149, "float64": -1074}[np.dtype(dtype).name]


def hostile(case, rng, shape, dtype):
    """Data of one of the cases; complex data has it in both parts."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        part = np.float32 if dtype.itemsize == 8 else np.float64
        return (hostile(case, rng, shape, part) + 1j * hostile(case, rng, shape, part)).astype(dtype)
    narrow = dtype == np.float16
    tiny = smallest(dtype)
    x = rng.standard_normal(shape)
    signs = (-1.0) ** np.indices(shape).sum(axis=0)
    if "spike" in case:
        x.flat[x.size // 2] = 3e4 if narrow else 1e30 if case == "huge spike" else 1e8
    elif case == "cancellation":
        x += signs * (1e3 if narrow else 1e6)
    elif case == "decades":
        x = np.sign(x) * 10 ** rng.uniform(*((-5, 1) if narrow else (-23, 17)), shape)
    elif case == "constant":
        x = np.full(shape, 1 / 3)
    elif case == "alternating":
        x = signs / 10
    elif case == "subnormal":
        x = np.ldexp(rng.integers(-127, 128, shape).astype(float), int(np.log2(tiny)))
    elif case == "mixed":
        x = np.where(rng.random(shape) < 0.5, x, 10 * x * tiny)
    return x.astype(dtype)


@cover(
    dtype=FLOATS + COMPLEX,
    op=OPS,
    data=HOSTILE,
    kernel=KERNELS,
    ndim=(1, 2, 3),
    boundary=("constant", "reflect"),
)
def test_hostile_data(rng, dtype, op, data, kernel, ndim, boundary):
    shape, taps = [((400,), (300,)), ((21, 65), (9, 11)), ((6, 9, 40), (3, 4, 5))][ndim - 1]
    check(op, hostile(data, rng, shape, dtype), hostile(kernel, rng, taps, dtype), "same", boundary=boundary)


@cover(dtype=FLOATS + COMPLEX, data=HOSTILE, kernel=KERNELS)
def test_hostile_data_against_fractions(rng, dtype, data, kernel):
    check("convolve", hostile(data, rng, (50,), dtype), hostile(kernel, rng, (35,), dtype), "valid")
    check("correlate", hostile(data, rng, (9, 11), dtype), hostile(kernel, rng, (4, 5), dtype), "same")


@pytest.mark.parametrize("dtype", FLOATS + COMPLEX, ids=str)
@pytest.mark.parametrize("method", ["direct", "reference"])
def test_both_methods_keep_it(rng, dtype, method):
    for case in HOSTILE:
        a, k = hostile(case, rng, (30, 31), dtype), draw(rng, (3, 9), dtype)
        check("convolve", a, k, "same", method=method)


# ---- long sums, with the exact error


def exact_errors(got, a, k):
    """|error| and S for every output of a valid correlation of float32 or float64 data, without rounding.

    Products become two floats that sum to them exactly (Veltkamp, Dekker); ``math.fsum`` adds without error.
    """
    errors, sizes = np.empty(got.shape), np.empty(got.shape)
    weights = k.astype(float).ravel()
    for index in np.ndindex(got.shape):
        window = a[tuple(slice(i, i + n) for i, n in zip(index, k.shape, strict=True))].astype(float).ravel()
        product, rest = two_product(window, weights)
        errors[index] = abs(math.fsum([*product.tolist(), *rest.tolist(), -float(got[index])]))
        sizes[index] = math.fsum(abs(product))
    return errors, sizes


def two_product(x, y):
    product = x * y
    x_high, y_high = (v * 134217729.0 - (v * 134217729.0 - v) for v in (x, y))
    x_low, y_low = x - x_high, y - y_high
    return product, ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


def assert_sums_keep_the_promise(a, k):
    got = fl.correlate(a, k, "valid")
    errors, sizes = exact_errors(got, a, k)
    unit = 2.0**-24 if got.dtype in SINGLE else 2.0**-53
    limit = promise(k.size) * unit * sizes
    if got.dtype in HALVES:
        limit = limit + half_ulp(abs(got.astype(float)) + limit, got.dtype).astype(float)
    assert got.dtype == a.dtype
    assert (errors <= limit).all(), f"{(errors / limit).max():.3g} times what is allowed"


TAPS = (1, 2, 100, 255, 256, 257, 1000, 4096, 20_000, 100_000)


@cover(
    dtype=REAL,
    taps=TAPS,
    data=("constant", "decades", "alternating", "cancellation", "random"),
    kernel=("constant", "decades", "random"),
)
def test_up_to_100000_taps(rng, dtype, taps, data, kernel):
    assert_sums_keep_the_promise(hostile(data, rng, (taps + 4,), dtype), hostile(kernel, rng, (taps,), dtype))


@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("shape", [(300, 333), (2, 50_000), (50_000, 2), (40, 50, 51), (1000, 1, 100)])
@pytest.mark.parametrize("case", ["constant", "decades"])
def test_100000_taps_in_more_axes(rng, dtype, shape, case):
    a = hostile(case, rng, tuple(n + 1 for n in shape), dtype)
    assert_sums_keep_the_promise(a, hostile("constant", rng, shape, dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("taps", [1, 256, 4096, 50_000])
def test_long_sums_of_half_types(rng, dtype, taps):
    for case in ("constant", "random"):
        a, k = hostile(case, rng, (taps + 3,), dtype), hostile("random", rng, (taps,), dtype)
        assert_sums_keep_the_promise(a / dtype.type(64), k)


@cover(
    a_dtype=("bool", "uint8", "int16", "int32", *FLOATS),
    k_dtype=("weak", "uint8", "float16", "float32", "float64"),
    target=(None, "float32", "float64", "int64", "complex64"),
    taps=(300, 3000),
)
def test_long_sums_of_mixed_types(rng, a_dtype, k_dtype, target, taps):
    if a_dtype == HALVES[1] and k_dtype == "float16":
        return  # have no common dtype
    a, k = draw(rng, (taps + 3,), a_dtype), draw(rng, (taps,), "float64" if k_dtype == "weak" else k_dtype)
    if a.dtype.kind in "iu":
        a = draw(rng, a.shape, a_dtype, "wide")
    check("correlate", a, k.tolist() if k_dtype == "weak" else k, "valid", dtype=target, overflow="wrap")


@pytest.mark.parametrize("dtype", COMPLEX, ids=str)
@pytest.mark.parametrize("taps", [129, 3000, 40_000])
def test_long_complex_sums(rng, dtype, taps):
    a, k = draw(rng, (taps + 2,), dtype), draw(rng, (taps,), dtype)
    got = fl.correlate(a, k, "valid")
    for i, value in enumerate(got):
        x = a[i : i + taps].astype(complex)
        w = k.astype(complex).conj()
        parts = [(x.real, w.real, 1), (x.imag, w.imag, -1), (x.real, w.imag, 1j), (x.imag, w.real, 1j)]
        terms = {1: [-float(value.real)], 1j: [-float(value.imag)]}
        for u, v, unit in parts:
            for term in two_product(u, v):
                terms[1j if unit == 1j else 1] += (term * (1 if unit == 1j else unit)).tolist()
        error = math.hypot(math.fsum(terms[1]), math.fsum(terms[1j]))
        size = math.fsum(abs(x) * abs(w))
        assert error <= promise(2 * taps) * (2.0**-24 if dtype == np.complex64 else 2.0**-53) * size


# ---- typical size


@pytest.mark.parametrize("dtype", [*REAL, *COMPLEX], ids=str)
@pytest.mark.parametrize(
    "shapes", [((3000,), (9,)), ((9000,), (1000,)), ((70, 80), (7, 7)), ((60, 61), (25, 25))]
)
def test_the_root_mean_square_on_random_data(rng, dtype, shapes):
    a, k = (draw(rng, shape, dtype) for shape in shapes)
    got, want = fl.convolve(a, k, "valid"), quick_reference("convolve", a, k, "valid")
    exact = want.real if want.imag is None else want.real + 1j * want.imag
    relative = (abs(got - exact) / want.magnitude).astype(float)
    n = k.size * (2 if dtype.kind == "c" else 1)
    assert np.sqrt(np.mean(relative**2)) <= math.sqrt(n) * (2.0**-24 if dtype in SINGLE else 2.0**-53)


# ---- locality


@pytest.mark.parametrize("dtype", FLOATS + COMPLEX, ids=str)
@pytest.mark.parametrize("spike", [3e4, 1e30, np.inf, np.nan])
@pytest.mark.parametrize(
    ("shape", "taps", "where"),
    [((900,), (301,), (450,)), ((50, 70), (7, 9), (20, 31)), ((9, 10, 33), (3, 3, 3), (4, 5, 16))],
)
def test_a_spike_elsewhere_changes_no_bit(rng, dtype, spike, shape, taps, where):
    if dtype == np.float16 and spike == 1e30:
        return  # is infinity there
    a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
    quiet = fl.convolve(a, k)
    a[where] = spike
    loud = fl.convolve(a, k)
    touched = tuple(slice(i, i + n) for i, n in zip(where, taps, strict=True))
    if not np.isfinite(spike):
        assert not np.isfinite(loud[touched]).any()
    quiet[touched] = loud[touched] = 0
    assert quiet.tobytes() == loud.tobytes()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("taps", [1, 2, 3, 5, 15, 31])
def test_one_nan_in_an_image_marks_one_window(rng, dtype, taps):
    a, k = draw(rng, (64, 64), dtype), draw(rng, (taps, taps), dtype)
    a[30, 33] = np.nan
    nan = np.isnan(fl.correlate(a, k, "same", boundary="reflect"))
    low, high = taps - 1 - taps // 2, taps // 2
    expected = np.zeros((64, 64), bool)
    expected[30 - low : 31 + high, 33 - low : 34 + high] = True
    assert np.array_equal(nan, expected)


# ---- gradual underflow


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_subnormals_are_never_flushed(dtype):
    one, tiny = np.array([1], dtype), dtype.type(smallest(dtype))
    a = np.arange(50).astype(dtype) * tiny
    assert tiny > 0
    assert np.array_equal(fl.convolve(a, one), a)
    assert np.array_equal(
        fl.convolve(a, np.ones(3, dtype), "valid"), (3 * np.arange(1, 49)).astype(dtype) * tiny
    )
    diagonal = np.eye(2).astype(dtype)
    assert np.array_equal(fl.correlate(np.stack([a, a]), diagonal, "valid")[0], a[:-1] + a[1:])


def test_the_caller_keeps_its_floating_point_state():
    small = np.full(8, 1e-40, np.float32)
    fl.convolve(np.ones((300, 300), np.float32), np.ones((5, 5), np.float32))
    assert (small * np.float32(0.5) > 0).all()


@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_values_next_to_the_largest_do_not_overflow_early(dtype):
    big = np.finfo(dtype).max
    a = np.array([big / 4, big / 4, -big / 4, -big / 4] * 20, dtype)
    assert np.array_equal(fl.convolve(a, np.ones(4, dtype), "valid")[::2][:4], [0, 0, 0, 0])
    assert fl.convolve(np.array([big / 2, big / 2]), np.ones(2, dtype), "valid").tolist() == [big]
