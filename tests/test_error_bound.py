"""``plan.error_bound(x)``: the promise as numbers, term by term, and infinite where nothing is promised."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import faltung as fl
from checks import SINGLE, as_float, half_ulp, oracle, promise
from faltung import _bound
from grids import BFLOAT16, BOUNDARIES, COMPLEX, FLOATS, HALVES, MODES, OPS, cover, draw
from hostile import distance, planned
from reference import boundary_index, geometry, reference
from reference_missing import by_definition


@pytest.fixture
def rng():
    return np.random.default_rng(17)


def brute_force(op, a, k, mode, block, **options):
    """X and Σ|k| for every output of a convolution along all axes, position by position."""
    names = ("boundary", "anchor", "stride", "dilation")
    boundary, anchor, stride, dilation = (
        options.get(name, default) for name, default in zip(names, ("constant", None, 1, 1), strict=True)
    )
    axes = tuple(range(a.ndim))
    conv = geometry(op, a, k, mode, axes, boundary, anchor, stride, dilation)
    reached = {
        d: axis.reach() for d, axis in geometry(op, a, k, mode, axes, boundary, anchor, 1, dilation).items()
    }
    fill = abs(options.get("fill_value", 0))
    size = abs(a.astype(complex if a.dtype.kind == "c" else float))
    found = np.zeros([conv[d].outputs for d in axes])
    for index in np.ndindex(found.shape):
        sources = []
        for d, i in enumerate(index):
            ends = [conv[d].position(i, tap) for tap in (0, conv[d].taps - 1)]
            first = max(max(ends) - block[d] + 1, -reached[d][0])
            last = min(min(ends) + block[d] - 1, a.shape[d] - 1 + reached[d][1])
            word = conv[d].boundary
            sources.append({boundary_index(p, a.shape[d], word) for p in range(first, last + 1)})
        values = [fill if None in place else size[place] for place in itertools.product(*sources)]
        found[index] = max((v for v in values if np.isfinite(v)), default=0)
    return found


def spectral_bound(plan, a, block, precision="highest"):
    """The bound that a spectral plan with these blocks would tell."""
    return _bound.error_bound(plan._recipe, a, plan._kernel, "spectral", block, precision)


@cover(
    op=OPS,
    mode=MODES,
    boundary=BOUNDARIES,
    stride=(1, 2),
    dilation=(1, 2),
    dtype=("float32", "float64", "complex64"),
    precision=("highest", "high"),
    sizes=(((23,), (4,), (8,)), ((40,), (5,), (16,)), ((9, 7), (3, 2), (8, 4)), ((5, 6), (2, 3), (64, 64))),
)
def test_the_spectral_bound_term_by_term(rng, op, mode, boundary, stride, dilation, dtype, precision, sizes):
    shape, taps, block = sizes
    if mode == "valid" or boundary == "constant":
        dilation = min(dilation, 1 + (min(shape) > 6))
    options = {"boundary": boundary, "stride": stride, "dilation": dilation}
    if boundary == "constant":
        options["fill_value"] = 3
    a, k = draw(rng, shape, dtype, "wide"), draw(rng, taps, dtype)
    plan = getattr(fl, f"plan_{op}")(shape, k, mode, dtype=dtype, **options)
    want = reference(op, a, k, mode, **options)
    terms = k.size * (2 if want.imag is not None else 1)
    unit, c = (2.0**-24, 2.0**-14) if np.dtype(dtype) in SINGLE else (2.0**-53, 2.0**-44)
    size = as_float(want.magnitude).astype(float)
    assert plan.method == "direct"
    np.testing.assert_allclose(plan.error_bound(a), promise(terms) * unit * size, rtol=1e-9, atol=1e-40)
    nearby = brute_force(op, a, k, mode, block, **options)
    more = (c if precision == "high" else 2.0**-44) * nearby * abs(k.astype(complex)).sum()
    bound = spectral_bound(plan, a, block, precision)
    np.testing.assert_allclose(bound, promise(terms) * unit * size + more, rtol=1e-9, atol=1e-40)


def test_blocks_go_with_the_axes_of_the_array(rng):
    """Whatever the order of `axes`; a batch has its own samples and its own taps."""
    a, k = draw(rng, (3, 20, 30), "float64", "wide"), draw(rng, (5, 4), "float64")
    block = (16, 8)
    plan = fl.plan_convolve(a.shape, k, "same", axes=(1, 2))
    turned = fl.plan_convolve(a.shape, k.T.copy(), "same", axes=(2, 1))
    expected = spectral_bound(plan, a, block)
    np.testing.assert_allclose(spectral_bound(turned, a, block), expected, rtol=1e-12)
    for one, bound in zip(a, expected, strict=True):
        alone = spectral_bound(fl.plan_convolve(one.shape, k, "same"), one, block)
        np.testing.assert_allclose(bound, alone, rtol=1e-12)
    kernels = np.stack([k, 10 * k, 100 * k])
    plan = fl.plan_convolve(a.shape, kernels, "same", axes=(1, 2))
    for factor, bound, alone in zip((1, 10, 100), spectral_bound(plan, a, block), expected, strict=True):
        np.testing.assert_allclose(bound, factor * alone, rtol=1e-9)
    spread = fl.plan_convolve((1, 20, 30), kernels, "same", axes=(1, 2))
    np.testing.assert_allclose(spectral_bound(spread, a[:1], block)[1], 10 * expected[0], rtol=1e-9)


def test_a_separable_plan_counts_a_term_an_axis(rng):
    a, k = draw(rng, (9, 9), "float32"), np.ones((3, 3), np.float32)
    how = fl.plan_convolve(a.shape, k, dtype="float32")._recipe
    bounds = [_bound.error_bound(how, a, k, method, None, "highest") for method in ("direct", "separable")]
    np.testing.assert_allclose(bounds[1] / bounds[0], promise(9 + 2) / promise(9), rtol=1e-6)


# ---- where nothing is promised


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [*FLOATS, *COMPLEX], ids=str)
def test_a_special_sample_makes_the_bounds_of_its_windows_infinite(rng, special, dtype):
    a = draw(rng, (40,), dtype)
    a[20] = special
    plan = fl.plan_convolve(a.shape, draw(rng, (5,), dtype), "same", dtype=dtype)
    for bound in (plan.error_bound(a), spectral_bound(plan, a, (16,))):
        assert np.isinf(bound[18:23]).all() and np.isfinite(np.delete(bound, range(18, 23))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_an_overflow_makes_the_bound_infinite(dtype):
    top = np.finfo(dtype).max
    a = np.array([top / 2, top / 2, top / 2, 1, 1, 1], dtype)
    plan = fl.plan_convolve(a.shape, np.ones(3, dtype), "valid", dtype=dtype)
    assert np.isinf(plan.error_bound(a)).tolist() == [True, True, False, False]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_half_result_that_may_overflow_has_no_bound(dtype):
    top, half_step = (65504.0, 16.0) if dtype == np.float16 else (float.fromhex("0x1.fep127"), 2.0**119)
    a = np.array([top, half_step, 0, top / 2, -top / 4], dtype)
    bound = fl.plan_convolve(a.shape, np.ones(2, dtype), "valid", dtype=dtype).error_bound(a)
    assert np.isinf(bound).tolist() == [True, False, False, False]


# ---- what the type of the result loses


@cover(
    dtype=("int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64", "complex128"),
    result=("float16", BFLOAT16, "float32", "float64", "complex64", "complex128"),
    method=("direct", "reference"),
)
def test_results_of_another_type(rng, dtype, result, method):
    if np.dtype(dtype).kind == "c" and np.dtype(result).kind != "c":
        return
    a, k = draw(rng, (60,), dtype, "wide"), draw(rng, (7,), dtype)
    with np.errstate(over="ignore"):
        plan = fl.plan_convolve(a.shape, k, dtype=dtype, result_dtype=result, method=method)
        got, bound = plan(a), plan.error_bound(a)
    want = oracle("convolve", a, k)
    error, exact = distance(got, want)
    finite = np.isfinite(bound)
    assert got.dtype == result and (error[finite] <= bound[finite]).all()
    assert finite.any() or np.dtype(result) == np.float16
    # Not much more than the sums and half a unit in the last place.
    unit = 2.0**-24 if plan._recipe.compute == "f32" else 2.0**-53
    limit = promise(14) * unit * as_float(want.magnitude) + 1e-300
    if np.dtype(result) in HALVES:
        limit = limit + 2 * half_ulp(abs(exact) + limit, np.dtype(result))
    elif np.dtype(result).name in ("float32", "complex64"):
        limit = limit + 2.0**-23 * abs(exact) + 2.0**-148
    assert (bound[finite] <= limit[finite] * 1.001).all()


def test_integers_are_exact_and_rounding_to_them_costs_a_half():
    plan = fl.plan_convolve((4,), [1, 2, 1], dtype="uint8")
    assert not plan.error_bound([1, 2, 3, 4]).any()
    rounding = fl.plan_convolve((4,), np.float32([0.5, 0.5]), dtype="float32", result_dtype=np.int32)
    assert np.allclose(rounding.error_bound(np.ones(4)), 0.5, atol=1e-5)
    exact = fl.plan_convolve((3,), [1, 1], dtype="int64", result_dtype=np.float64)
    assert not exact.error_bound([2**40, 3, 4]).any()
    beyond = exact.error_bound([2**60, 3, 4])
    assert beyond[0] == pytest.approx(promise(2) * 2.0**7) and beyond[0] > 0


# ---- missing data


@cover(
    op=OPS,
    dtype=("float32", "float64", "complex64", "int16", "float16"),
    boundary=BOUNDARIES,
    mode=MODES,
    signs=("positive", "both"),
    share=(0.1, 0.6, 0.95),
    method=("auto", "direct", "separable", "spectral"),
    ndim=(1, 2),
)
def test_beside_gaps(rng, op, dtype, boundary, mode, signs, share, method, ndim):
    """Above every error, and not above what docs/missing-data.md says."""
    shape, taps = [((70,), (9,)), ((12, 17), (3, 4))][ndim - 1]
    a = draw(rng, shape, dtype)
    mask = rng.random(shape) < share
    factors = [rng.integers(1, 9, n) * (1 if signs == "positive" else (-1) ** np.arange(n)) for n in taps]
    k = functools.reduce(np.multiply.outer, factors).astype(float).tolist()
    plan = planned(op, a, k, mode, method, boundary=boundary, nan_policy="omit")
    masked = np.ma.masked_array(a, mask)
    got, bound = np.ma.getdata(plan(masked)), plan.error_bound(masked)
    want = by_definition(op, a, mask, k, mode, boundary=boundary)
    error, _ = distance(got, want.y)
    empty = want.weight == 0
    assert np.isnan(got[empty]).all() and np.isinf(bound[empty]).all()
    assert (error[~empty] <= bound[~empty]).all()
    unit = 2.0**-24 if plan._recipe.compute == "f32" and not plan._recipe.exact else 2.0**-53
    terms = want.y.taps * (2 if want.y.imag is not None else 1)
    n = terms + (0 if method == "direct" else ndim)
    limit = promise(n) * unit * as_float(want.y.magnitude) * (1 + 1 / promise(terms))
    limit += 2.0**-42 * float(abs(a).max()) * as_float(want.reach) * (method in ("auto", "spectral"))
    if np.dtype(dtype) in HALVES:
        limit += 2 * half_ulp(as_float(want.y.magnitude) * 3 + limit, np.dtype(dtype))
    assert (bound[~empty] <= 1.001 * limit[~empty] + 1e-37).all()
    complete = np.ma.masked_array(a, np.zeros(shape, bool))
    np.testing.assert_array_equal(plan.error_bound(complete), plan.error_bound(a))


def test_nan_is_a_gap_where_it_is_omitted():
    a = np.array([1, 2, np.nan, 4, 5, 6, 7])
    plan = fl.plan_convolve(a.shape, [1.0, 1.0], "valid", nan_policy="omit")
    bound = plan.error_bound(a)
    assert bound == pytest.approx(plan.error_bound(np.ma.masked_invalid(a)))
    assert bound[0] == pytest.approx(promise(2) * 2.0**-53 * 3)
    assert bound[1] == pytest.approx(3 * (promise(2) + 3) * 2.0**-53 * 2 / 0.5)
    strict = fl.plan_convolve(a.shape, [1.0, 1.0], "valid", nan_policy="omit", min_valid=0.6)
    assert np.isinf(strict.error_bound(a)).tolist() == [False, True, True, False, False, False]
    ends = fl.plan_convolve(a.shape, [1.0, 1.0], nan_policy="omit", fill_value=np.nan)
    assert ends.error_bound(a)[0] == pytest.approx(3 * (promise(2) + 3) * 2.0**-53 * 1 / 0.5)


def test_a_bound_of_masked_samples_wants_a_plan_that_takes_them():
    plan = fl.plan_convolve((3,), [1.0, 2.0])
    with pytest.raises(fl.FaltungError, match="`x` has masked samples, and this plan is for complete data"):
        plan.error_bound(np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]))
    assert plan.error_bound(np.ma.masked_array([1.0, 2.0, 3.0], False)).shape == (4,)


def test_samples_of_another_shape():
    plan = fl.plan_convolve((4,), [1.0, 2.0])
    with pytest.raises(fl.FaltungError, match="`x` must have exactly the plan's shape"):
        plan.error_bound([1.0, 2.0])


@pytest.mark.parametrize("shape", [(), (0, 4)])
def test_no_axes_and_no_outputs(shape):
    axes = 1 if shape else None
    plan = fl.plan_convolve(shape, np.ones((3,) if shape else ()), axes=axes)
    assert plan.error_bound(np.ones(shape)).shape == plan.shape
