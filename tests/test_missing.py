"""Missing data: the definition under every option and method, what is exact, what is refused; and astropy."""

from __future__ import annotations

import warnings
from functools import reduce

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import faltung as fl
from checks import SINGLE, as_float, compare, expected_dtype, numbers, promise
from conftest import peer
from grids import BFLOAT16, BOUNDARIES, DTYPES, FLOATS, MODES, OPS, cover, draw
from reference_missing import Want, by_definition, by_numpy
from strategies import calls

DEFINITION = ("boundary", "fill_value", "axes", "anchor", "stride", "dilation")
METHODS = ("direct", "separable", "spectral", "reference")
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
    return reduce(np.multiply.outer, [taps_of(case, rng, (n,), dtype) for n in shape])


def result_type(a, k, dtype=None):
    if dtype is not None:
        return np.dtype(dtype)
    expected = expected_dtype(a, k)
    return np.dtype(np.float64) if expected.kind in "iub" else expected


def assert_is(got, weight, want: Want, dtype, owed=0.0):
    """Result and weight are what the definition says; ``owed`` is what transforms add, over Σ|k|."""
    with np.errstate(invalid="ignore"):
        compare(got, want.y, dtype, slack=4 * owed * as_float(want.reach) if owed else 0.0)
    exact = as_float(want.weight)
    real = np.dtype(np.float64) if dtype.kind in "iu" else np.empty(0, dtype).real.dtype
    assert weight.dtype == real and weight.shape == got.shape
    assert (weight[exact == 1] == 1).all(), "the weight is exactly 1 where nothing is missing"
    assert (weight[exact == 0] == 0).all(), "the weight is exactly 0 where nothing is met"
    terms = want.y.taps * (2 if want.y.imag is not None else 1)
    relative = 2 * (promise(terms) + 3) * (2.0**-24 if dtype in SINGLE else 2.0**-53)
    stored, least = {np.dtype(np.float16): (2.0**-11, 2.0**-24), BFLOAT16: (2.0**-8, 0)}.get(real, (0, 0))
    allowed = (relative + stored) * exact + least + 2.0**-149 + (2.0**-42 if owed else 0)
    assert (abs(weight.astype(np.longdouble) - exact) <= allowed).all()


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
    a_dtype=(*DTYPES, "float32", "float64"),
    k_dtype=("float32", "float64", "complex64", "complex128", "int8", "uint8"),
    kernel=KERNELS,
    share=(0.0, 0.05, 0.3, 0.7, 1.0),
    op=OPS,
    method=("auto", "direct", "reference"),
    mode=MODES,
    boundary=BOUNDARIES,
    steps=((1, 1), (2, 1), (1, 3), (2, 3)),
    fill_value=(0, 1),
)
def test_types_and_options(
    rng, a_dtype, k_dtype, kernel, share, op, method, mode, boundary, steps, fill_value
):
    if np.dtype(a_dtype).name in ("bfloat16", "uint64") and np.dtype(k_dtype).kind == "i":
        return  # have no common type
    a, k = draw(rng, (11, 13), a_dtype), taps_of(kernel, rng, (2, 3), k_dtype)
    options = {"method": method, "boundary": boundary, "fill_value": fill_value}
    options["stride"], options["dilation"] = steps
    check(op, a, rng.random(a.shape) < share, k, mode, owed(a, method), **options)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_float_types_with_themselves_and_with_lists(rng, dtype):
    a = draw(rng, (60,), dtype)
    mask = rng.random(60) < 0.4
    for k in (taps_of("positive", rng, (5,), dtype), [0.25, 0.5], [1, -2, 1], fl.kernels.box(3, ndim=1)):
        check("convolve", a, mask, k, "same")


@cover(
    op=OPS,
    mode=MODES,
    boundary=BOUNDARIES,
    dtype=("float32", "float64"),
    kernel=KERNELS,
    method=METHODS,
    shape=(((300,), (60,)), ((70, 90), (9, 13)), ((20, 21, 22), (5, 4, 3))),
)
def test_larger_arrays_with_holes(rng, op, mode, boundary, dtype, kernel, method, shape):
    a = draw(rng, shape[0], dtype)
    mask = rng.random(a.shape) < 0.05
    mask[tuple(slice(n // 4, 3 * n // 4) for n in a.shape)] = True
    k = outer(kernel, rng, shape[1], dtype)
    check(op, a, mask, k, mode, owed(a, method), boundary=boundary, method=method)


@given(calls(max_ndim=3), st.sampled_from([0.02, 0.3, 0.9]), st.integers(0, 2**32))
def test_any_call(call, share, seed):
    """Over the whole option space; integer results and what is not finite have tests of their own."""
    a, k, options = numbers(call.a), numbers(call.k), dict(call.options)
    mask = np.random.default_rng(seed).random(a.shape) < share
    target = options.get("dtype")
    assume(target is None or target.kind not in "iu")
    assume(all(np.isfinite(np.asarray(x).astype(complex)).all() for x in (a, k, options["fill_value"])))
    want = by_numpy(call.op, a, mask, k, call.mode, **{x: options[x] for x in DEFINITION if x in options})
    with np.errstate(all="ignore"):
        got, weight = getattr(fl, call.op)(
            call.a, call.k, call.mode, mask=mask, return_weight=True, **options
        )
    largest = np.append(abs(a.astype(complex)).ravel(), 2.5)
    assert_is(got, weight, want, result_type(call.a, call.k, target), owed(largest, "auto"))


# ---- what is exact


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("dtype", ["uint8", "int32", *FLOATS, "complex64", "complex128"], ids=str)
def test_with_nothing_missing_the_bits_are_those_of_the_plain_call(rng, dtype, method):
    a, k = draw(rng, (40, 50), dtype), outer("positive", rng, (3, 7), np.float64)
    plain = fl.convolve(a, k.tolist(), "same", method=method)
    for missing in ({"nan_policy": "omit"}, {"mask": False}, {"mask": np.zeros(a.shape, bool)}):
        y, weight = fl.convolve(a, k.tolist(), "same", method=method, return_weight=True, **missing)
        assert y.dtype == plain.dtype and y.tobytes() == plain.tobytes()
        assert (weight == 1).all()
        y = fl.convolve(a, k.tolist(), "same", method=method, **missing)
        assert y.tobytes() == plain.tobytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_stays_constant(rng, dtype, kernel, method):
    """Whatever is missing, y is the constant times the sum of the taps, to the rounding of Σ|k|."""
    k = outer(kernel, rng, (5, 6), dtype)
    a = np.full((60, 70), 1 / 3, dtype)
    mask = rng.random(a.shape) < 0.6
    mask[20:40, 20:40] = True
    y = fl.convolve(a, k, "same", boundary="edge", mask=mask, method=method)
    expected = float(a[0, 0]) * k.astype(float).sum()
    known = ~np.isnan(y)
    assert known.sum() > 1000 and not known.all()
    unit = 2.0**-24 if dtype == "float32" else 2.0**-53
    scale = float(a[0, 0]) * abs(k.astype(float)).sum()
    assert (abs(y[known] - expected) <= 300 * unit * scale * (30 if method == "spectral" else 1)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_are_exactly_0_and_1_where_nothing_or_all_is_met(rng, dtype, kernel, method):
    """And there a result keeps the promise of complete data."""
    k = outer(kernel, rng, (9, 11), dtype)
    a = draw(rng, (80, 90), dtype)
    mask = np.zeros(a.shape, bool)
    mask[20:50, 20:60] = rng.random((30, 40)) < 0.98
    mask[30:45, 30:50] = True
    y, weight = fl.convolve(a, k, "same", mask=mask, method=method, return_weight=True)
    pattern = (k != 0).astype(np.int64)
    lost = fl.convolve(mask, pattern, "same")
    assert ((weight == 1) >= (lost == 0)).all() and ((weight == 1) <= (lost < pattern.sum())).all()
    assert np.array_equal(weight == 0, lost == pattern.sum())
    assert np.array_equal(np.isnan(y), weight == 0)
    plain = fl.convolve(a, k, "same", method=method)
    scale = fl.convolve(abs(a), abs(k), "same").astype(float)
    bound = 2 * promise(k.size) * (2.0**-24 if dtype == "float32" else 2.0**-53) * scale
    bound += 2.0**-43 * abs(a).max() * abs(k).sum() if method == "spectral" else 0
    assert (abs(y - plain)[lost == 0] <= bound[lost == 0]).all()


def test_a_tap_of_zero_asks_for_nothing():
    a = np.array([np.nan, 1.0, 2.0, 3.0])
    y, weight = fl.correlate(a, [0.0, 1.0, 1.0], "valid", nan_policy="omit", return_weight=True)
    assert y.tolist() == [3, 5] and weight.tolist() == [1, 1]
    y, weight = fl.correlate(a, [0.0, 0.0], "valid", nan_policy="omit", return_weight=True)
    assert y.tolist() == [0, 0, 0] and weight.tolist() == [1, 1, 1]


def test_a_faint_tail_alone_gives_what_it_sees():
    """Far in a hole only the tails of a kernel meet samples: any method gives their mean, not noise."""
    k = fl.kernels.gaussian(6, ndim=2, truncate=6)
    a = np.random.default_rng(5).uniform(10, 11, (200, 200))
    mask = np.zeros(a.shape, bool)
    mask[65:135, 65:135] = True
    want = fl.convolve(a, k, "same", mask=mask, method="direct", return_weight=True)
    assert 0 < want[1].min() < 1e-6
    for method in set(METHODS) - {"direct", "reference"}:
        y, weight = fl.convolve(a, k, "same", mask=mask, method=method, return_weight=True)
        np.testing.assert_allclose(y, want[0], rtol=1e-10)
        np.testing.assert_allclose(weight, want[1], rtol=1e-9)


def test_a_tiny_missing_tap_counts_too():
    """1 - weight has the digits of what is missing, not of 1."""
    a = np.array([5.0, 7.0, np.nan, 9.0])
    y, weight = fl.correlate(a, [1e-12, 1.0], "valid", nan_policy="omit", return_weight=True)
    np.testing.assert_allclose(weight, [1, 1e-12, 1 / (1 + 1e-12)], rtol=2e-12)
    assert weight[0] == 1 > weight[2]
    np.testing.assert_allclose(y, [7 + 5e-12, 7 * (1 + 1e-12), 9 * (1 + 1e-12)], rtol=5e-16)


# ---- what is missing


def test_nan_is_missing_in_either_part_and_infinity_is_a_value():
    a = np.array([1 + 1j, complex(np.nan, 2), complex(2, np.nan), 3 - 1j])
    got = fl.correlate(a, [1.0, 1.0], "valid", nan_policy="omit")
    assert got[0] == 2 + 2j and np.isnan(got[1]) and got[2] == 6 - 2j
    a = np.array([np.inf, 1.0, np.nan, 2.0, -np.inf])
    assert fl.correlate(a, [1.0, 1.0], "valid", nan_policy="omit").tolist() == [np.inf, 2, 4, -np.inf]
    assert fl.correlate(a, [1.0, -1.0], "valid", nan_policy="omit").tolist() == [np.inf, 0, 0, np.inf]
    for kernel in ([1.0, 2.0], [1.0, -2.0]):  # an infinity under the mask is no value
        y = fl.convolve(a, kernel, "valid", mask=np.isinf(a), nan_policy="omit")
        assert np.isfinite(y).all()


def test_an_infinity_of_one_part_leaves_the_other_alone():
    a = np.array([complex(np.inf, 1), 2 + 2j, complex(np.nan, 0)])
    for kernel, imag in (([1.0, 1.0, 2.0], 6), ([1.0, 1.0, -2.0], 0)):
        got = fl.correlate(a, kernel, "valid", nan_policy="omit")
        assert not np.isfinite(got[0].real) and got[0].imag == imag


def test_nan_is_a_value_where_it_is_not_omitted():
    a = np.array([np.nan, 1.0, 2.0, 3.0])
    last, ends = [False, False, False, True], [True, False, False, True]
    got = fl.correlate(a, [1.0, 1.0], "valid", mask=last)
    assert np.isnan(got[0]) and got[1:].tolist() == [3, 4]
    assert fl.correlate(a, [1.0, 1.0], "valid", mask=ends).tolist() == [2, 3, 4]
    with pytest.raises(ValueError, match=r"`a` holds NaN \(at index \(0,\)\)"):
        fl.correlate(a, [1.0, 1.0], mask=last, nan_policy="raise")
    assert fl.correlate(a, [1.0, 1.0], "valid", mask=ends, nan_policy="raise").tolist() == [2, 3, 4]


@pytest.mark.parametrize("method", [method for method in METHODS if method != "separable"])
def test_taps_that_are_not_finite(rng, method):
    a = abs(draw(rng, (30,), np.float64))
    a[11] = np.nan
    y = fl.convolve(a, [1.0, np.nan, 2.0], "valid", nan_policy="omit", method="direct")
    assert np.isnan(y).all()
    y, weight = fl.convolve(a, [1.0, np.inf], "valid", nan_policy="omit", method=method, return_weight=True)
    holes = np.isnan(a[1:]) | np.isnan(a[:-1])
    assert np.isnan(y[holes]).all() and np.isnan(weight[holes]).all()
    assert (y[~holes] == np.inf).all() and (weight[~holes] == 1).all()


def test_masks_broadcast_and_come_in_many_kinds(rng):
    a = draw(rng, (4, 5, 3), np.float64)
    mask = rng.random((4, 5)) < 0.3
    want = fl.convolve(a, np.ones((2, 2)), axes=(0, 1), mask=np.repeat(mask[..., None], 3, axis=2))
    for form in (mask[..., None], mask[..., None].tolist(), np.asfortranarray(mask)[..., None]):
        assert np.array_equal(fl.convolve(a, np.ones((2, 2)), axes=(0, 1), mask=form), want, equal_nan=True)
    assert np.isnan(fl.convolve(a, np.ones((2, 2)), "valid", axes=(0, 1), mask=True)).all()


def test_mask_and_nan_add_up():
    a = np.array([1.0, np.nan, 3.0, 4.0, 5.0])
    third = [False, False, True, False, False]
    y, weight = fl.correlate(a, np.ones(5), "valid", mask=third, nan_policy="omit", return_weight=True)
    assert weight.tolist() == [0.6] and y == pytest.approx(10 / 0.6)


def test_masked_arrays_bring_their_mask_and_give_a_masked_array():
    data = np.ma.array([1.0, 2.0, 3.0, 4.0, 5.0], mask=[0, 1, 1, 1, 0])
    y, weight = fl.correlate(data, np.ones(3), "valid", return_weight=True)
    assert type(y) is type(weight) is np.ma.MaskedArray
    assert y.mask.tolist() == [False, True, False] and np.isnan(y.data[1])
    assert y[[0, 2]].tolist() == pytest.approx([3, 15])
    assert weight.data.tolist() == pytest.approx([1 / 3, 0, 1 / 3]) and not weight.mask.any()
    both = fl.correlate(data, np.ones(3), "valid", mask=[True, False, False, False, False])
    assert both.mask.tolist() == [True, True, False]
    assert fl.correlate(np.ma.array([1, 2]), [1]).dtype == np.float64  # the type never depends on the values
    assert fl.convolve(np.ma.array(3.0, mask=True), 2.0) is np.ma.masked
    assert fl.convolve(np.ma.array(3.0), 2.0) == 6
    out = np.empty(3)
    assert fl.correlate(data, np.ones(3), "valid", out=out) is out and np.isnan(out[1])


def test_masks_of_astropy_are_not_lost():
    nddata, masked = peer("astropy.nddata"), peer("astropy.utils.masked")
    mask = np.array([False, True, False, False])
    image = nddata.CCDData(np.array([1.0, 100, 3, 4]), unit="adu", mask=mask)
    for a in (image, masked.Masked(np.array([1.0, 100, 3, 4]), mask=mask)):
        got = fl.convolve(a, [1, 1], "valid")
        assert type(got) is np.ndarray and got.tolist() == [2, 6, 7]
        with pytest.raises(TypeError, match="`k` is a masked array"):
            fl.convolve(np.ones(9), a)
    image.mask = None
    assert fl.convolve(image, [1, 1], "valid").tolist() == [101, 103, 7]


def test_other_kinds_get_their_own(rng):
    torch = peer("torch")
    a, k = draw(rng, (6, 7), np.float32), draw(rng, (3, 3), np.float32)
    a[2, 3] = np.nan
    want = fl.convolve(a, k, "same", nan_policy="omit", return_weight=True)
    got = fl.convolve(torch.from_numpy(a), torch.from_numpy(k), "same", nan_policy="omit", return_weight=True)
    for ours, expected in zip(got, want, strict=True):
        assert isinstance(ours, torch.Tensor) and np.array_equal(ours.numpy(), expected, equal_nan=True)
    masked = fl.convolve(torch.nan_to_num(torch.from_numpy(a)), k, "same", mask=torch.from_numpy(np.isnan(a)))
    assert np.array_equal(masked.numpy(), want[0], equal_nan=True)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [[1.0, 2.0, 3.0], [1.0, -2.0, 0.5]])
def test_a_fill_of_nan_makes_what_lies_outside_missing(op, method, k):
    call = getattr(fl, op)
    omit = {"nan_policy": "omit", "method": method, "return_weight": True}
    a = np.array([1.0, 2.0, np.nan, 4.0])
    got = call(a, k, fill_value=np.nan, **omit)
    want = call(np.pad(a, 2, constant_values=np.nan), k, "valid", **omit)
    for ours, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-14, atol=1e-14)
    y, weight = call(np.ones(6), k, "same", fill_value=np.nan, **omit)
    assert y == pytest.approx(np.full(6, sum(k))) and weight[0] < 1 == weight[2]


def test_a_fill_of_nan_is_a_value_where_nan_is_not_omitted():
    got = fl.convolve([1.0, 2.0], [1.0, 1.0], mask=[True, False], fill_value=np.nan)
    assert np.isnan(got[0]) and got[1] == 4 and np.isnan(got[2])


# ---- results


def test_types_of_results_and_weights(rng):
    mask = np.zeros((5, 6), bool)
    mask[2, 3] = True
    for a_dtype, k, dtype, expected, weights in [
        ("uint8", [[1, 1]], None, "float64", "float64"),
        ("bool", [[True, True]], None, "float64", "float64"),
        ("int64", np.ones((1, 2), np.uint64), None, "float64", "float64"),
        ("uint8", [[1, 1]], "float32", "float32", "float32"),
        ("uint8", [[1, 1]], "int16", "int16", "float64"),
        ("float32", [[1, 1]], None, "float32", "float32"),
        ("float32", [[0.5, 0.5]], "float64", "float64", "float64"),
        ("float16", [[1, 1]], None, "float16", "float16"),
        ("complex64", [[1, 1]], None, "complex64", "float32"),
        ("float64", [[1, 1j]], None, "complex128", "float64"),
        ("float32", [[1, 1]], "complex128", "complex128", "float64"),
    ]:
        a = draw(rng, (5, 6), a_dtype)
        for gone in (mask, None):
            y, weight = fl.convolve(a, k, mask=gone, dtype=dtype, return_weight=True)
            assert y.dtype == expected and weight.dtype == weights


@pytest.mark.parametrize("overflow", ["raise", "wrap", "saturate"])
def test_integer_results_are_rounded_and_checked_like_any(overflow):
    a = np.array([200, 255, 91, 1, 2], np.uint8)
    k, mask = np.array([1, 1, 1], np.uint8), np.array([False, True, False, False, False])

    def run():
        return fl.correlate(a, k, "valid", mask=mask, dtype=np.uint8, overflow=overflow)

    if overflow == "raise":
        with pytest.raises(OverflowError, match=r"index \(0,\) is 436, beyond uint8; pass `dtype=np.uint16`"):
            run()
    else:  # 436.5, 138, 94
        assert run().tolist() == {"wrap": [436 - 256, 138, 94], "saturate": [255, 138, 94]}[overflow]
    with pytest.raises(ValueError, match=r"the result at index \(1,\) is NaN, which no integer type holds"):
        fl.correlate(a, [1, 1], "valid", mask=[False, True, True, False, False], dtype=np.int64)


def test_integers_are_summed_exactly(rng):
    a, k = rng.integers(-(2**31), 2**31, 500), rng.integers(-(2**15), 2**15, 40)
    check("convolve", a, rng.random(500) < 0.3, k, owed=owed(a, "auto"))
    least = np.array([-128, 5], np.int8)
    check("convolve", least, [True, False], least)
    check("convolve", np.array([5, -1]), [True, False], np.array([-(2**63), 2**62, -(2**63)]))


def test_min_valid(rng):
    a = draw(rng, (400,), np.float32)
    mask = rng.random(400) < 0.4
    for k in (np.ones(5, np.float32), np.full(9, 1 / 9, np.float32), np.array([1, -2, 1, 0, 3], np.float32)):
        y, weight = fl.convolve(a, k, mask=mask, return_weight=True)
        for share in (0.2, 0.4, 0.5, 5 / 9, 2 / 3, 1, 1.0):
            got, same = fl.convolve(a, k, mask=mask, return_weight=True, min_valid=share)
            assert np.array_equal(weight, same)
            # To rounding: a share of 5/9 of a box of 9 is met by 5 samples.
            assert np.array_equal(np.isnan(got), (weight < share - 1e-5) | (weight == 0))
            assert np.array_equal(got[~np.isnan(got)], y[~np.isnan(got)])
            assert np.array_equal(fl.convolve(a, k, mask=mask, min_valid=share), got, equal_nan=True)


def test_batches_of_kernels(rng):
    a = draw(rng, (3, 20, 21), np.float64)
    k = np.stack([taps_of(case, rng, (3, 4), np.float64) for case in ("positive", "zero-sum", "negative")])
    mask = rng.random(a.shape) < 0.4
    for samples, gone, taps in ((a, mask, k), (a[:1], mask[:1], abs(k)), (a, mask, k[:1])):
        y, weight = fl.convolve(samples, taps, "same", axes=(1, 2), mask=gone, return_weight=True)
        for i in range(3):
            one, two, kernel = (x[min(i, len(x) - 1)] for x in (samples, gone, taps))
            alone = fl.convolve(one, kernel, "same", mask=two, return_weight=True)
            np.testing.assert_allclose(y[i], alone[0], rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(weight[i], alone[1], rtol=1e-14)


@pytest.mark.parametrize("kernel", ["positive", "mixed"])
@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 2), (2,), (0, 1, 2)])
def test_blocks_do_not_show(rng, kernel, axes, monkeypatch):
    """Large arrays run in blocks; the same numbers as in one piece, on every boundary."""
    a, mask = draw(rng, (6, 7, 8), np.float64), rng.random((6, 7, 8)) < 0.3
    mask[:3] = False
    k = taps_of(kernel, rng, (3, 4, 5)[: len(axes)], np.float64)
    for boundary in BOUNDARIES:
        options = {"axes": axes, "boundary": boundary, "mask": mask, "return_weight": True, "fill_value": 2}
        whole = fl.convolve(a, k, **options)
        for size in (5, 40, 300):
            with monkeypatch.context() as patch:
                patch.setattr("faltung._missing.MISSING_BLOCK", size)
                patch.setattr("faltung._weighted.MISSING_STRIP", 64)
                parts = fl.convolve(a, k, **options)
            np.testing.assert_allclose(parts[0], whole[0], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(parts[1], whole[1], rtol=1e-14)


def test_the_same_bits_for_any_number_of_workers(rng):
    a, mask = draw(rng, (700, 800), np.float32), rng.random((700, 800)) < 0.2
    k = taps_of("mixed", rng, (9, 9), np.float32)
    one, many = (fl.convolve(a, k, mask=mask, workers=n, return_weight=True) for n in (1, 2))
    assert one[0].tobytes() == many[0].tobytes() and one[1].tobytes() == many[1].tobytes()


# ---- out


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_out(rng, dtype):
    a, k = draw(rng, (30, 40), dtype), taps_of("mixed", rng, (3, 3), "float16")
    mask = rng.random(a.shape) < 0.3
    want = fl.convolve(a, k, "same", mask=mask)
    large = np.zeros((60, 80), a.dtype)
    for out in (np.empty_like(a), np.empty_like(a, order="F"), large[::2, ::2]):
        assert fl.convolve(a, k, "same", mask=mask, out=out) is out
        assert np.array_equal(out, want, equal_nan=True)
    assert not large[1::2].any()
    y, weight = fl.convolve(a, k, "same", mask=mask, out=np.empty_like(a), return_weight=True)
    assert np.array_equal(y, want, equal_nan=True) and weight.shape == a.shape


def test_out_may_overlap(rng):
    a, mask = draw(rng, (30, 40), np.float64), rng.random((30, 40)) < 0.3
    k = taps_of("positive", rng, (3, 3), np.float64)
    want = fl.convolve(a, k, "same", mask=mask)
    for shift in (0, 1):
        memory = np.zeros((31, 40))
        memory[:30] = a
        out = memory[shift : 30 + shift]
        fl.convolve(memory[:30], k, "same", mask=mask, out=out)
        assert np.array_equal(out, want, equal_nan=True)
    shared = np.zeros(30 * 40 * 8, np.uint8)  # the mask lies where the result goes
    gone, out = shared[: 30 * 40].view(bool).reshape(30, 40), shared.view(np.float64).reshape(30, 40)
    gone[...] = mask
    fl.convolve(a, k, "same", mask=gone, out=out)
    assert np.array_equal(out, want, equal_nan=True)


def test_nothing_is_written_before_an_error():
    a = np.array([200.0, 255, 90, np.nan, 2])
    out = np.full(4, 7, np.uint8)
    with pytest.raises(OverflowError):
        fl.convolve(a, [1, 1], "valid", nan_policy="omit", dtype=np.uint8, out=out)
    assert (out == 7).all()
    out = np.full(4, 7.0)
    with pytest.raises(ValueError, match="holds NaN"):
        fl.convolve(a, [1, 1], "valid", nan_policy="raise", mask=a == 200, out=out)
    assert (out == 7).all()


def test_the_input_is_never_changed(rng):
    a, k = draw(rng, (30, 31), np.float64), draw(rng, (3, 3), np.float64)
    a[rng.random(a.shape) < 0.2] = np.nan
    mask = rng.random(a.shape) < 0.2
    before = a.tobytes(), k.tobytes(), mask.tobytes()
    fl.convolve(a, k, mask=mask, nan_policy="omit")
    assert (a.tobytes(), k.tobytes(), mask.tobytes()) == before


# ---- plans


@pytest.mark.parametrize("method", ["auto", *METHODS])
@pytest.mark.parametrize("kernel", ["positive", "mixed"])
def test_plans(rng, method, kernel):
    k = outer(kernel, rng, (3, 4), np.float32)
    options = {"nan_policy": "omit", "min_valid": 0.4, "return_weight": True, "method": method}
    plan = fl.plan_convolve((20, 30), k, "same", boundary="wrap", dtype=np.float32, **options)
    for share in (0.0, 0.3, 0.9):
        a = draw(rng, (20, 30), np.float32)
        a[rng.random(a.shape) < share] = np.nan
        want = fl.convolve(a, k, "same", boundary="wrap", **options)
        for _ in range(2):
            got = plan(a)
            np.testing.assert_allclose(got[0], want[0], rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(got[1], want[1], rtol=1e-5)
        out = np.empty_like(a)
        assert plan(a, out=out)[0] is out and np.array_equal(out, got[0], equal_nan=True)
        masked = plan(np.ma.masked_invalid(a))
        assert np.array_equal(masked[0].filled(np.nan), got[0], equal_nan=True)


@pytest.mark.parametrize(("k", "count"), [([1.0, 2.0], 2), ([1.0, -2.0], 4)])
def test_a_plan_tells_how_many_convolutions_gaps_cost(k, count):
    told = dict(fl.plan_convolve(9, k, nan_policy="omit").explain().details)["missing data"]
    assert told.startswith(f"{count} sub-convolutions") and f"{count + 1} where" in told
    assert "missing data" not in dict(fl.plan_convolve(9, k).explain().details)
    of_integers = fl.plan_convolve(9, [1, 2], dtype="uint8", nan_policy="omit").explain()
    assert not any(row.promise == "exact" for row in of_integers.candidates)


def test_plans_for_complete_data_refuse_masks():
    plan = fl.plan_convolve((3,), [1, 1], dtype=np.float64)
    with pytest.raises(TypeError, match=r"`x` is a masked array.*plan with `nan_policy='omit'`"):
        plan(np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]))


def test_plans_of_integers_take_masked_arrays():
    plan = fl.plan_convolve((3,), [1, 1], "valid", dtype=np.int16, nan_policy="omit")
    assert plan.dtype == np.float64
    got = plan(np.ma.array([1, 2, 3], mask=[1, 0, 0], dtype=np.int16))
    assert got.tolist() == [4, 5]


# ---- errors


@pytest.mark.parametrize(
    ("kind", "message", "options"),
    [
        (TypeError, r"`mask` \(of int64\) must be of bool, True where.*`mask != 0`", {"mask": [[0] * 5] * 4}),
        (
            ValueError,
            r"`mask` must have the shape of `a`.*\(mask: \(5, 4\), a: \(4, 5\)\)",
            {"mask": np.zeros((5, 4), bool)},
        ),
        (ValueError, r"`mask` must have.*\(mask: \(1, 4, 5\)", {"mask": np.zeros((1, 4, 5), bool)}),
        (TypeError, r"`mask` is a masked array", {"mask": np.ma.zeros((4, 5), bool)}),
        (ValueError, r"`min_valid` \(=1.5\) must be a share of the kernel, from 0 to 1", {"min_valid": 1.5}),
        (ValueError, r"`min_valid` \(=-0.1\)", {"min_valid": -0.1}),
        (TypeError, r"`return_weight` \(=1\) must be True", {"return_weight": 1, "nan_policy": "omit"}),
        (
            ValueError,
            r"`nan_policy` \(='ignore'\) must be one of 'propagate', 'omit'",
            {"nan_policy": "ignore"},
        ),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_errors(op, kind, message, options):
    with pytest.raises(kind, match=message) as caught:
        getattr(fl, op)(np.ones((4, 5)), np.ones((2, 2)), **options)
    assert isinstance(caught.value, fl.FaltungError)


@pytest.mark.parametrize("op", OPS)
def test_a_kernel_has_no_mask(op):
    with pytest.raises(TypeError, match=r"`k` is a masked array.*pass `k.filled"):
        getattr(fl, op)(np.ones((4, 5)), np.ma.ones((2, 2)))


# ---- other packages


def test_what_others_make_of_a_gap():
    """One NaN under 3 taps; one sample of a million under a mask."""
    signal, ndimage = peer("scipy.signal"), peer("scipy.ndimage")
    a, k = np.arange(20.0), np.ones(3)
    a[8] = np.nan
    for y in (np.convolve(a, k), signal.convolve(a, k, method="direct"), ndimage.convolve1d(a, k)):
        assert np.isnan(y).sum() == 3
    assert np.isnan(signal.fftconvolve(a, k)).all()
    assert np.isnan(ndimage.uniform_filter1d(a, 3))[7:].all()
    masked = np.ma.array(np.nan_to_num(a, nan=1e6), mask=np.isnan(a))
    for y in (signal.convolve(masked, k), ndimage.convolve1d(masked, k)):
        assert type(y) is np.ndarray and y.max() > 1e6
    assert np.ma.convolve(masked, k, "same").mask.sum() == 3
    assert np.ma.convolve(masked, k, "same", propagate_mask=False)[8] == a[7] + a[9]
    assert fl.convolve(masked, k, "same")[8] == 1.5 * (a[7] + a[9])


def test_what_opencv_makes_of_a_gap():
    cv2 = peer("cv2")
    image = np.ones((64, 64), np.float32)
    image[30, 30] = np.nan
    assert np.isnan(cv2.filter2D(image, -1, np.ones((9, 9), np.float32))).sum() == 81
    assert np.isnan(cv2.filter2D(image, -1, np.ones((15, 15), np.float32))).all()


def run(convolve, *arguments, **options):
    """Astropy warns where a hole stays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return convolve(*arguments, **options)


@pytest.mark.parametrize("boundary", ["fill", "wrap", "extend"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.8])
@pytest.mark.parametrize("shape", [(50,), (30, 33), (11, 12, 13)])
def test_as_astropy_where_taps_are_positive(rng, boundary, normalize, share, shape):
    """Its results are of taps divided by their sum, or are multiplied by it again."""
    astropy = peer("astropy.convolution")
    a, k = draw(rng, shape, np.float64), rng.uniform(0.1, 1, (5, 3, 3)[: len(shape)])
    a[rng.random(shape) < share] = np.nan
    words = {"fill": "constant", "wrap": "wrap", "extend": "edge"}
    want = run(astropy.convolve, a, k, boundary=boundary, normalize_kernel=normalize)
    got = fl.convolve(a, k, "same", boundary=words[boundary], nan_policy="omit")
    np.testing.assert_allclose(got / (k.sum() if normalize else 1), want, rtol=1e-12, atol=1e-13)


def test_ends_that_are_missing_are_astropy_s_fill_of_nan(rng):
    astropy = peer("astropy.convolution")
    a, k = draw(rng, (40,), np.float64), np.array([1.0, 3.0, 2.0])
    want = astropy.convolve(a, k, boundary="fill", fill_value=np.nan)
    got = fl.convolve(a, k / 6, "same", fill_value=np.nan, nan_policy="omit")
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_astropy_refuses_taps_of_sum_zero():
    astropy = peer("astropy.convolution")
    a = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    with pytest.raises(ValueError, match="sum close to zero"):
        astropy.convolve(a, [1.0, 0.0, -1.0], normalize_kernel=False)
    with pytest.raises(ValueError, match="unnormalizable"):
        astropy.convolve_fft(a, [1.0, 0.0, -1.0], normalize_kernel=False)
    slope = fl.convolve(a, [1.0, 0.0, -1.0], "same", boundary="edge", nan_policy="omit")
    assert slope.tolist() == [1, 0, 2, 0, 1]


def test_astropy_divides_by_taps_that_cancel():
    """Its weights are the taps, which may sum to nothing where a sample is missing; ours are their sizes."""
    astropy = peer("astropy.convolution")
    a, k = np.array([4, 7, np.nan, 6, 5, 8, 6]), np.array([-1, 1.0001, 1])
    given = a[~np.isnan(a)]
    assert np.nanmax(run(astropy.convolve, a, k, boundary="wrap")) > 1000
    ours = fl.convolve(a, k, "same", boundary="wrap", nan_policy="omit")
    assert abs(ours).max() <= abs(given).max() * abs(k).sum()


def test_astropy_s_two_functions_disagree():
    """Where only the negative taps meet samples; and in a hole, where one says 0 and warns of nothing."""
    astropy = peer("astropy.convolution")
    five, k = np.array([5, 5, 5, 5, np.nan, 5, 5, 5, 5]), np.array([-1.0, 3.0, -1.0])
    assert astropy.convolve(five, k, boundary="wrap")[4] == pytest.approx(5)
    assert astropy.convolve_fft(five, k, boundary="wrap")[4] == 0
    hole = np.array([5, 5, np.nan, np.nan, np.nan, 5, 5])
    assert np.isnan(run(astropy.convolve, hole, np.ones(3), boundary="wrap")[3])
    assert astropy.convolve_fft(hole, np.ones(3), boundary="wrap")[3] == 0
    for method in METHODS:
        options = {"boundary": "wrap", "nan_policy": "omit", "method": method}
        assert fl.convolve(five, k, "same", **options) == pytest.approx(np.full(9, 5))
        assert np.isnan(fl.convolve(hole, [1.0, 1.0, 1.0], "same", **options)[3])


def test_astropy_s_convolve_drops_imaginary_parts():
    astropy = peer("astropy.convolution")
    a = np.array([1, 2, np.nan, 4, 5]) * (1 + 1j)
    assert not np.iscomplexobj(run(astropy.convolve, a, np.ones(3)))
    assert fl.convolve(a, np.ones(3), "valid", nan_policy="omit").imag.tolist() == [4.5, 9, 13.5]
