"""The promise on the error, at every single output, on data chosen to break it.

``checks.assert_keeps_promise`` states the bound. Here are the data, sums of up to 10^5 terms with their exact
error, and the locality of whatever is not finite.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import faltung as fl
from checks import SINGLE, check, compare, half_ulp, oracle, promise
from grids import BOUNDARIES, COMPLEX, FLOATS, HALVES, MODES, OPS, cover, draw, product
from hostile import (
    CASES,
    KERNELS,
    METHODS,
    PRODUCTS,
    distance,
    exact_errors,
    hostile,
    planned,
    smallest,
    stays_within,
    two_product,
)
from reference import quick_reference

REAL = (np.dtype(np.float32), np.dtype(np.float64))
WHOLE = ("direct", "spectral", "reference")  # take every kernel
SHAPES = (((400,), (300,)), ((21, 65), (9, 11)), ((6, 9, 40), (3, 4, 5)))


@pytest.fixture
def rng():
    return np.random.default_rng(61)


# ---- the promise, whichever method is taken


@cover(
    dtype=FLOATS + COMPLEX,
    op=OPS,
    data=CASES,
    kernel=KERNELS,
    ndim=(1, 2, 3),
    boundary=("constant", "reflect"),
)
def test_hostile_data(rng, dtype, op, data, kernel, ndim, boundary):
    shape, taps = SHAPES[ndim - 1]
    a, k = hostile(data, rng, shape, dtype), hostile(kernel, rng, taps, dtype)
    check(op, a, k, "same", boundary=boundary, slack=owed(op, a, k, boundary))


def owed(op, a, k, boundary):
    """What the method that auto takes owes beside the promise: 2^-44 X Σ|k| if it transforms."""
    plan = getattr(fl, f"plan_{op}")(a.shape, k, "same", dtype=a.dtype, boundary=boundary)
    if plan.method != "spectral":
        return 0.0
    sizes, taps = (np.abs(x.astype(complex if x.dtype.kind == "c" else float)) for x in (a, k))
    with np.errstate(over="ignore", invalid="ignore"):
        return 2.0**-44 * sizes[np.isfinite(sizes)].max() * taps.sum()


@cover(dtype=FLOATS + COMPLEX, data=CASES, kernel=KERNELS)
def test_hostile_data_against_fractions(rng, dtype, data, kernel):
    check("convolve", hostile(data, rng, (36,), dtype), hostile(kernel, rng, (30,), dtype), "valid")
    check("correlate", hostile(data, rng, (6, 7), dtype), hostile(kernel, rng, (3, 4), dtype), "same")


# ---- every method, against its own bound


def assert_stays_within(rng, method, dtype, op, precision, data, kernel, ndim, mode, boundary):
    shape, taps = SHAPES[ndim - 1]
    a, k = hostile(data, rng, shape, dtype), hostile(kernel, rng, taps, dtype)
    assert stays_within(op, a, k, mode, method, boundary=boundary, precision=precision)


GRID = {
    "dtype": FLOATS + COMPLEX,
    "op": OPS,
    "precision": ("highest", "high"),
    "data": CASES,
    "kernel": KERNELS,
    "ndim": (1, 2, 3),
    "mode": MODES,
    "boundary": BOUNDARIES,
}


@pytest.mark.parametrize("method", WHOLE)
@cover(**GRID)
def test_every_method_stays_within_its_bound(
    rng, method, dtype, op, precision, data, kernel, ndim, mode, boundary
):
    assert_stays_within(rng, method, dtype, op, precision, data, kernel, ndim, mode, boundary)


@pytest.mark.full
@pytest.mark.parametrize("method", ["direct", "spectral"])
@pytest.mark.parametrize(
    ("dtype", "data", "kernel", "ndim"),
    product(dtype=FLOATS + COMPLEX, data=CASES, kernel=KERNELS, ndim=(1, 2, 3)),
    ids=str,
)
def test_every_method_on_every_pair_of_hostile_data(rng, method, dtype, data, kernel, ndim):
    for precision, mode, boundary in [("highest", "full", "constant"), ("high", "same", "reflect")]:
        assert_stays_within(rng, method, dtype, "convolve", precision, data, kernel, ndim, mode, boundary)


def assert_separable_stays_within(rng, dtype, op, data, kernel, ndim, mode, boundary):
    """Taps are real, and of few digits: half types get them as float32."""
    shape, taps = SHAPES[ndim - 1]
    real = np.float64 if dtype in (np.float64, np.complex128) else np.float32
    a, k = hostile(data, rng, shape, dtype), hostile(kernel, rng, taps, real)
    assert stays_within(op, a, k, mode, "separable", boundary=boundary)


PRODUCT_GRID = {"dtype": FLOATS + COMPLEX, "data": CASES, "kernel": PRODUCTS, "ndim": (1, 2, 3)}


@cover(**PRODUCT_GRID, op=OPS, mode=MODES, boundary=BOUNDARIES)
def test_the_separable_method_stays_within_its_bound(rng, dtype, op, data, kernel, ndim, mode, boundary):
    assert_separable_stays_within(rng, dtype, op, data, kernel, ndim, mode, boundary)


@pytest.mark.full
@pytest.mark.parametrize(list(PRODUCT_GRID), product(**PRODUCT_GRID), ids=str)
def test_the_separable_method_on_every_pair_of_hostile_data(rng, dtype, data, kernel, ndim):
    for op, mode, boundary in [("convolve", "full", "constant"), ("correlate", "same", "reflect")]:
        assert_separable_stays_within(rng, dtype, op, data, kernel, ndim, mode, boundary)


@pytest.mark.parametrize("dtype", [*REAL, *COMPLEX], ids=str)
@pytest.mark.parametrize("power", [15, 16, 17, 20, 60])
@pytest.mark.parametrize("ndim", [1, 2])
def test_spikes_around_the_size_that_a_block_takes(rng, dtype, power, ndim):
    """A block is transformed up to 2^16 times its root mean square, and runs direct beyond."""
    shape, taps = [((2000,), (200,)), ((70, 90), (11, 13))][ndim - 1]
    a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
    for place in (0, a.size // 3, a.size - 1):
        a.flat[place] = 2.0**power
    for precision in ("highest", "high"):
        assert stays_within("convolve", a, k, "same", "spectral", precision=precision)


@pytest.mark.parametrize("dtype", [*REAL, *COMPLEX], ids=str)
@pytest.mark.parametrize("axes", [0, 1])
def test_neighbours_of_another_size_in_a_batch(rng, dtype, axes):
    """Channels that are transformed together do not disturb each other."""
    a, k = draw(rng, (40, 400) if axes else (400, 40), dtype), draw(rng, (60,), dtype)
    levels = np.ldexp(1.0, rng.integers(-60, 61, 40))
    a *= (levels[:, None] if axes else levels).astype(a.real.dtype)
    for method in ("direct", "spectral"):
        for precision in ("highest", "high"):
            assert stays_within("convolve", a, k, "same", method, axes=axes, precision=precision)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS + COMPLEX, ids=str)
def test_special_samples_reach_their_windows_only(rng, method, special, dtype):
    """Several of them, some in one window: infinities of both signs are NaN there."""
    real = np.float64 if dtype in (np.float64, np.complex128) else np.float32
    for ndim, boundary in ((1, "wrap"), (2, "constant"), (3, "symmetric")):
        shape, taps = SHAPES[ndim - 1]
        a, k = draw(rng, shape, dtype), hostile("product", rng, taps, real)
        a.flat[a.size // 3] = special
        a.flat[a.size // 3 + 2] = -special
        a.flat[-1] = special
        assert stays_within("correlate", a, k, "same", method, boundary=boundary)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
def test_integers_at_their_limits_are_exact(rng, method, dtype):
    """Where a method takes them: all at one limit, at the other, and both at random."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    ran = []
    for shape, taps in [((200,), (70,)), ((9, 40), (4, 5))]:
        for share in (0, 0.5, 1):
            a = np.where(rng.random(shape) < share, high, low).astype(dtype)
            k = np.full(taps, high, dtype)
            plan = planned("convolve", a, k, "full", method, result_dtype=np.int64, overflow="wrap")
            ran.append(plan is not None)
            if plan is not None:
                want = oracle("convolve", a, k)
                compare(plan(a), want, np.dtype(np.int64), np.dtype(dtype), "wrap")
                assert plan.method == method and not plan.error_bound(a).any()
    assert all(ran) if method in ("direct", "reference") or dtype == "uint8" else True


# ---- long sums, with the exact error


def assert_sums_keep_the_promise(a, k, method="auto"):
    """Valid correlations; both the bound of the plan and the formula, with exact S."""
    plan = planned("correlate", a, k, "valid", method)
    got, bound = plan(a), plan.error_bound(a)
    errors, sizes = exact_errors(got, a, k)
    terms = k.size + (k.ndim if plan.method == "separable" else 0)
    limit = promise(terms) * sizes * 2.0 ** (-24 if got.dtype in SINGLE else -53)
    if got.dtype in HALVES:
        limit = limit + half_ulp(abs(got.astype(float)) + limit, got.dtype).astype(float)
    assert got.dtype == a.dtype
    assert (errors <= limit).all(), f"{(errors / limit).max():.3g} times what is allowed"
    loose = 2 if got.dtype in HALVES else 1 + 1e-6
    assert (errors <= bound).all() and (bound <= loose * limit + 1e-300).all()


TAPS = (1, 2, 100, 255, 256, 257, 1000, 4096, 20_000, 100_000)
LONG = {
    "dtype": REAL,
    "taps": TAPS,
    "data": ("constant", "decades", "alternating", "cancellation", "random", "steps"),
    "kernel": ("constant", "decades", "random", "cancellation"),
}


@cover(**LONG)
def test_up_to_100000_taps(rng, dtype, taps, data, kernel):
    a, k = hostile(data, rng, (taps + 4,), dtype), hostile(kernel, rng, (taps,), dtype)
    assert_sums_keep_the_promise(a, k)


@cover(**LONG | {"taps": TAPS[:-1]}, precision=("highest", "high"))
def test_up_to_20000_taps_by_transforms(rng, dtype, taps, data, kernel, precision):
    assert_some_sums_keep_the_promise(rng, dtype, 30_000, taps, data, kernel, precision)


@pytest.mark.parametrize(
    ("dtype", "n", "data", "kernel", "precision"),
    [
        (np.dtype(np.float32), 2_500_000, "constant", "constant", "highest"),
        (np.dtype(np.float64), 1_500_000, "decades", "random", "highest"),
        (np.dtype(np.float32), 1_500_000, "steps", "random", "high"),
    ],
    ids=str,
)
def test_100000_taps_by_transforms(rng, dtype, n, data, kernel, precision):
    """A kernel of this length takes the memory of a large result."""
    assert_some_sums_keep_the_promise(rng, dtype, n, 100_000, data, kernel, precision)


def assert_some_sums_keep_the_promise(rng, dtype, n, taps, data, kernel, precision):
    """Some outputs of a full convolution, the first and the last among them."""
    a, k = hostile(data, rng, (n,), dtype), hostile(kernel, rng, (taps,), dtype)
    plan = planned("convolve", a, k, "full", "spectral", precision=precision)
    got, bound = plan(a), plan.error_bound(a)
    for i in (0, taps - 1, a.size - 1, got.size - 1, *rng.integers(0, got.size, 4)):
        low, high = max(0, i - taps + 1), min(i + 1, a.size)
        window = a[low:high].astype(float)
        error, size = exact_errors(got[i : i + 1], window, k[i - high + 1 : i - low + 1][::-1])
        assert error[0] <= bound[i]
        assert bound[i] >= promise(taps) * size[0] * 2.0 ** (-24 if dtype == np.float32 else -53)


@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("shape", [(300, 333), (2, 50_000), (50_000, 2), (40, 50, 51)])
@pytest.mark.parametrize("case", ["constant", "decades"])
def test_100000_taps_in_more_axes(rng, dtype, shape, case):
    a = hostile(case, rng, tuple(n + 1 for n in shape), dtype)
    k = hostile("product", rng, shape, dtype)
    for method in ("auto", "separable", "reference"):
        assert_sums_keep_the_promise(a, k, method)


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
@pytest.mark.parametrize("method", ["auto", "reference"])
def test_long_complex_sums(rng, dtype, taps, method):
    a, k = draw(rng, (taps + 2,), dtype), draw(rng, (taps,), dtype)
    plan = planned("correlate", a, k, "valid", method)
    for i, (value, bound) in enumerate(zip(plan(a), plan.error_bound(a), strict=True)):
        x = a[i : i + taps].astype(complex)
        w = k.astype(complex).conj()
        parts = [(x.real, w.real, 1), (x.imag, w.imag, -1), (x.real, w.imag, 1j), (x.imag, w.real, 1j)]
        terms = {1: [-float(value.real)], 1j: [-float(value.imag)]}
        for u, v, unit in parts:
            for term in two_product(u, v):
                terms[1j if unit == 1j else 1] += (term * (1 if unit == 1j else unit)).tolist()
        error = math.hypot(math.fsum(terms[1]), math.fsum(terms[1j]))
        size = math.fsum(abs(x) * abs(w))
        limit = promise(2 * taps) * (2.0**-24 if dtype == np.complex64 else 2.0**-53) * size
        assert error <= limit and error <= bound


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
    """By methods that sum term by term. One by transforms keeps its bound."""
    if dtype == np.float16 and spike == 1e30:
        return  # is infinity there
    a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
    quiet = fl.convolve(a, k, method="direct")
    a[where] = spike
    loud = fl.convolve(a, k, method="direct")
    touched = tuple(slice(i, i + n) for i, n in zip(where, taps, strict=True))
    if not np.isfinite(spike):
        assert not np.isfinite(loud[touched]).any()
    quiet[touched] = loud[touched] = 0
    assert quiet.tobytes() == loud.tobytes()


@pytest.mark.parametrize("dtype", [*FLOATS[:3], COMPLEX[0]], ids=str)
@pytest.mark.parametrize("spike", [1e4, 1e8, 1e12, 1e16, 1e30])
@pytest.mark.parametrize(
    ("shape", "taps", "where"),
    [((3000,), (301,), (1450,)), ((90, 100), (17, 19), (40, 31)), ((24, 25, 33), (7, 5, 7), (14, 5, 16))],
)
def test_a_spike_elsewhere_spoils_nothing_by_transforms(rng, dtype, spike, shape, taps, where):
    """In single precision outputs whose windows do not hold it keep the bound of sums alone."""
    if dtype == np.float16 and spike > 6e4:
        return  # is infinity there
    a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
    a[where] = spike
    got = fl.convolve(a, k, method="spectral")
    bound = fl.plan_convolve(a.shape, k, dtype=dtype, method="direct").error_bound(a)
    error, _ = distance(got, oracle("convolve", a, k))
    error[tuple(slice(i, i + n) for i, n in zip(where, taps, strict=True))] = 0
    assert (error <= bound).all(), f"{(error / bound).max():.3g} times the bound of sums"


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
