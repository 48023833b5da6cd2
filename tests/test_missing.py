"""Missing data: the definition under every option and method, what is exact, what is refused; and astropy."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import faltung as fl
from checks import SINGLE, as_float, compare, expected_dtype, numbers
from conftest import peer
from grids import BFLOAT16, BOUNDARIES, COMPLEX, DTYPES, FLOATS, INTEGERS, MODES, OPS, cover, draw
from reference_missing import Want, by_definition, by_numpy
from strategies import calls

DEFINITION = ("boundary", "fill_value", "axes", "anchor", "stride", "dilation")


def in_this_build(method):
    try:
        fl.convolve(np.ones((4, 4)), np.ones((2, 2)), method=method)
    except ValueError as error:
        return "not in this build" not in str(error)
    return True


METHODS = [method for method in ("direct", "separable", "spectral", "reference") if in_this_build(method)]
KERNELS = ("positive", "negative", "zero-sum", "mixed", "box", "single", "spread")


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def taps_of(case, rng, shape, dtype):
    """Kernels by their signs; complex ones have them in both parts."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return taps_of(case, rng, shape, np.float64).astype(dtype) * dtype.type(0.6 - 0.8j)
    if dtype.kind in "biu":
        return draw(rng, shape, dtype)
    k = rng.uniform(0.1, 1, shape)
    if case == "negative":
        k = -k
    elif case == "zero-sum":
        k = k - k.mean()
    elif case == "mixed":
        k = rng.standard_normal(shape)
    elif case == "box":
        k = np.full(shape, 1 / k.size)
    elif case == "single":
        k = np.zeros(shape)
        k.flat[k.size // 3] = 2.5
    elif case == "spread":
        k = k * 10.0 ** rng.uniform(-5, 0, shape)
    return k.astype(dtype)


def outer(case, rng, shape, dtype):
    """The same, as outer products."""
    factors = [taps_of(case, rng, (n,), dtype) for n in shape]
    return reduce(np.multiply.outer, factors)


def result_type(a, k, dtype=None):
    if dtype is not None:
        return np.dtype(dtype)
    expected = expected_dtype(a, k)
    return np.dtype(np.float64) if expected.kind in "iub" else expected


def assert_is(got, weight, want: Want, dtype, owed=0.0):
    """Result and weight are what the definition says; ``owed`` is an error relative to Σ|k| max|a|."""
    with np.errstate(invalid="ignore", over="ignore"):
        slack = np.nan_to_num(4 * owed * as_float(want.reach), posinf=np.inf) if owed else 0.0
    compare(got, want.y, dtype, slack=slack)
    expected = as_float(want.weight)
    real = np.dtype(np.float64) if dtype.kind in "iu" else np.empty(0, dtype).real.dtype
    assert weight.dtype == real and weight.shape == got.shape
    unit = {np.dtype(np.float16): 2.0**-11, BFLOAT16: 2.0**-8}.get(real, 0)
    unit += (2.0**-24 if dtype in SINGLE else 2.0**-53) * 2 * (promise_units(want) + 3)
    given = weight.astype(np.longdouble)
    assert (weight[expected == 1] == 1).all(), "the weight is exactly 1 where nothing is missing"
    assert (weight[expected == 0] == 0).all(), "the weight is exactly 0 where nothing is met"
    share = np.minimum(expected, 1 - expected) if not owed else 1
    floor = 2.0**-24 if real == np.float16 else 2.0**-149
    assert (abs(given - expected) <= unit * np.maximum(share, expected) + floor + (2.0**-40 if owed else 0)).all()


def promise_units(want: Want) -> float:
    n = want.y.taps * (2 if want.y.imag is not None else 1)
    return 1.1 * min(n, 256) + math.ceil(n / 256) + 20


def check(op, a, mask, k, mode="full", owed=0.0, **options):
    """Run with a mask and hold the result to the oracle."""
    definition = {name: options[name] for name in DEFINITION if name in options}
    arrays = numbers(a), numbers(k)
    define = by_definition if arrays[0].size * arrays[1].size <= 2000 else by_numpy
    want = define(op, arrays[0], mask, arrays[1], mode, **definition)
    got, weight = getattr(fl, op)(a, k, mode, mask=mask, return_weight=True, **options)
    assert_is(got, weight, want, result_type(a, k, options.get("dtype")), owed)
    return got, weight


def owed(a, method):
    """What the spectral method owes, relative to Σ|k|."""
    return 2.0**-44 * float(abs(a).max()) if method in ("spectral", "auto") else 0.0


# ---- the definition


@cover(
    op=OPS,
    mode=MODES,
    boundary=BOUNDARIES,
    dtype=("float32", "float64", "complex64", "complex128"),
    kernel=KERNELS,
    share=(0.1, 0.5, 0.95),
    method=METHODS,
    ndim=(1, 2, 3),
)
def test_every_method_is_the_definition(rng, op, mode, boundary, dtype, kernel, share, method, ndim):
    shape, taps = [((90,), (7,)), ((12, 17), (3, 4)), ((6, 7, 8), (2, 3, 3))][ndim - 1]
    a = draw(rng, shape, dtype)
    mask = rng.random(shape) < share
    k = outer(kernel, rng, taps, np.empty(0, dtype).real.dtype)
    check(op, a, mask, k, mode, owed(a, method), boundary=boundary, method=method, fill_value=0.5)


@cover(
    op=OPS,
    mode=MODES,
    boundary=BOUNDARIES,
    a_dtype=(*DTYPES, "float32", "float64"),
    k_dtype=("float32", "float64", "complex64", "complex128", "int8", "uint8"),
    kernel=KERNELS,
    share=(0.0, 0.05, 0.3, 0.7, 1.0),
    method=("auto", "direct", "reference"),
    stride=(1, 2),
    dilation=(1, 3),
    fill_value=(0, 1),
)
def test_types_and_options(rng, op, mode, boundary, a_dtype, k_dtype, kernel, share, method, stride, dilation, fill_value):  # fmt: skip
    if np.dtype(a_dtype).name in ("bfloat16", "uint64") and np.dtype(k_dtype).kind in "i":
        return  # have no common type
    a, k = draw(rng, (11, 13), a_dtype), taps_of(kernel, rng, (2, 3), k_dtype)
    check(op, a, rng.random(a.shape) < share, k, mode, owed(a, method), boundary=boundary, method=method,
          stride=stride, dilation=dilation, fill_value=fill_value)  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_float_types_with_themselves_and_with_lists(rng, dtype):
    a = draw(rng, (60,), dtype)
    mask = rng.random(60) < 0.4
    for k in (taps_of("positive", rng, (5,), dtype), [0.25, 0.5, 0.25], [1, -2, 1], fl.kernels.box(3, ndim=1)):
        check("convolve", a, mask, k, "same")


@cover(
    op=OPS, mode=MODES, boundary=BOUNDARIES, dtype=("float32", "float64"), kernel=KERNELS, method=METHODS,
    shape=(((300,), (60,)), ((70, 90), (9, 13)), ((20, 21, 22), (5, 4, 3))),
)  # fmt: skip
def test_larger_arrays_with_holes(rng, op, mode, boundary, dtype, kernel, method, shape):
    a = draw(rng, shape[0], dtype)
    mask = rng.random(a.shape) < 0.05
    mask[tuple(slice(n // 4, 3 * n // 4) for n in a.shape)] = True
    k = outer(kernel, rng, shape[1], dtype)
    check(op, a, mask, k, mode, owed(a, method), boundary=boundary, method=method)


@given(calls(max_ndim=3), st.sampled_from([0.02, 0.3, 0.9]), st.integers(0, 2**32))
def test_any_call(call, share, seed):
    """Over the whole option space. Where not all is finite, windows without a gap are as without a mask."""
    a, k, options = numbers(call.a), numbers(call.k), dict(call.options)
    rng = np.random.default_rng(seed)
    mask = rng.random(a.shape) < share
    target = options.get("dtype")
    assume(target is None or target.kind not in "iu")
    pair = {a.dtype.name, k.dtype.name} if not isinstance(call.k, list) else set()
    assume(not (pair & {"uint64", "bfloat16"}) or len(pair) == 1 or target is not None)
    finite = all(np.isfinite(x.astype(complex)).all() for x in (a, k)) and np.isfinite(options["fill_value"])
    op = getattr(fl, call.op)
    if not finite:
        if k.dtype.kind == "f" and not np.isfinite(k).all():
            return
        with np.errstate(all="ignore"):
            y, weight = op(call.a, call.k, call.mode, mask=mask, return_weight=True, **options)
            plain = op(call.a, call.k, call.mode, **{**options, "dtype": y.dtype})
        full = weight == 1
        assert np.array_equal(np.isnan(y[full]), np.isnan(plain[full]))
        return
    with np.errstate(all="ignore"):
        definition = {name: options[name] for name in DEFINITION if name in options}
        want = by_numpy(call.op, a, mask, k, call.mode, **definition)
    try:
        got, weight = op(call.a, call.k, call.mode, mask=mask, return_weight=True, **options)
    except fl.FaltungTypeError:
        assume(False)
    assert_is(got, weight, want, result_type(call.a, call.k, target), owed(np.append(np.abs(a.astype(complex)).ravel(), 1.0), "auto"))  # fmt: skip
