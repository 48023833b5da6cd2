"""Every method is the definition, over the whole option space; and a method that cannot, says so."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import faltung as fl
from checks import check, numbers, oracle
from grids import BOUNDARIES, COMPLEX, MODES, OPS, cover, draw
from strategies import calls

MANY = settings(max_examples=min(5 * settings.default.max_examples, 3000))


def finite_largest(*arrays):
    """The largest finite magnitude."""
    parts = [np.abs(np.asarray(array).ravel()) for array in arrays]
    sizes = np.concatenate([part[np.isfinite(part)].astype(float) for part in parts] + [np.zeros(1)])
    return float(sizes.max())


def spectral_slack(call, precision):
    """What the spectral method owes beside the promise: X Σ|k| times 2^-44, or 2^-14 in float32."""
    a, k = numbers(call.a), numbers(call.k)
    with np.errstate(all="ignore"):
        taps = float(np.abs(k).astype(float).sum())
        bits = -14 if precision == "high" else -44
        slack = finite_largest(a, call.options.get("fill_value", 0)) * taps * 2.0**bits
    return slack if np.isfinite(slack) else 0.0


def runs_by(call, method, precision, slack=0.0):
    """Check a call by a method that may refuse it; whether it ran."""
    options = {**call.options, "method": method, "precision": precision}
    target = options.get("dtype")
    with np.errstate(all="ignore"):
        want = oracle(call.op, call.a, call.k, call.mode, **options)
    if target is not None and target.kind in "iu":  # NaN and infinities have no integer
        assume(not any(isinstance(v, (float, np.floating)) and not np.isfinite(v) for v in want.real.flat))
    try:
        check(call.op, call.a, call.k, call.mode, slack=slack, **options)
    except fl.FaltungError as error:
        if "`method`" not in str(error):
            raise
        return False
    return True


@MANY
@given(calls(), st.sampled_from(["highest", "high"]))
def test_the_spectral_method_is_the_definition(call, precision):
    runs_by(call, "spectral", precision, spectral_slack(call, precision))


@MANY
@given(calls(), st.randoms(use_true_random=False))
def test_the_separable_method_is_the_definition(call, random):
    """With the kernel replaced by an outer product of the same shape."""
    rng = np.random.default_rng(random.getrandbits(32))
    k = numbers(call.k)
    dtype = np.dtype(np.float64) if isinstance(call.k, list) and k.dtype.kind == "f" else k.dtype
    assume(dtype.kind != "c")
    whole = np.ones((), np.int64 if dtype.kind in "biu" else np.float64)
    for n in k.shape:
        factor = draw(rng, (n,), np.int64) if whole.dtype.kind == "i" else draw(rng, (n,), np.float64)
        whole = np.multiply.outer(whole, np.abs(factor) if dtype.kind in "bu" else factor)
    taps = whole.astype(dtype) if dtype.kind != "b" else whole != 0
    taps = taps.tolist() if isinstance(call.k, list) else taps
    call = dataclasses.replace(call, k=taps)
    runs_by(call, "separable", None)


@cover(
    op=OPS, mode=MODES, boundary=BOUNDARIES, dtype=["float32", "float64", "complex64", "uint8", "float16"],
    rank=[1, 2, 3], stride=[1, 2], dilation=[1, 2], method=["spectral", "separable"],
)  # fmt: skip
def test_larger_arrays(op, mode, boundary, dtype, rank, stride, dilation, method):
    rng = np.random.default_rng(7)
    shape = {1: (3000,), 2: (150, 90), 3: (30, 24, 40)}[rank]
    size = {1: (65,), 2: (9, 12), 3: (4, 5, 3)}[rank]
    a = draw(rng, shape, dtype)
    factors = [draw(rng, (n,), np.int64 if a.dtype.kind == "u" else np.float64) for n in size]
    k = factors[0]
    for factor in factors[1:]:
        k = np.multiply.outer(k, factor)
    k = k.astype({"uint8": "int32", "float64": "float64"}.get(dtype, "float32"))
    options = {"boundary": boundary, "stride": stride, "dilation": dilation}
    if a.dtype.kind == "u":
        options["dtype"] = np.int64
    if dtype == "float16":
        options["dtype"] = np.float16
    slack = 0.0
    if method == "spectral" and a.dtype.kind != "u":
        slack = finite_largest(a) * float(np.abs(k).astype(float).sum()) * 2.0**-44
    check(op, a, k, mode, method=method, slack=slack, **options)


@pytest.mark.parametrize("method", ["spectral", "separable", "direct"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint8"])
def test_the_same_bits_for_any_workers_strides_and_out(method, dtype):
    rng = np.random.default_rng(3)
    a = draw(rng, (260, 300), dtype, "wide" if dtype == "uint8" else "small")
    k = np.multiply.outer(np.arange(1, 12), np.arange(-5, 6)).astype(
        "int32" if dtype == "uint8" else "float32"
    )
    options = {"method": method, "dtype": np.int64} if dtype == "uint8" else {"method": method}
    want = fl.convolve(a, k, "same", workers=1, **options).tobytes()
    for workers in (2, 3):
        assert fl.convolve(a, k, "same", workers=workers, **options).tobytes() == want
    strided = np.asfortranarray(a)
    assert fl.convolve(strided, k, "same", **options).tobytes() == want
    out = np.zeros((300, 520), np.int64 if dtype == "uint8" else np.result_type(a, k)).T[::2]
    assert fl.convolve(a, k, "same", out=out, **options) is out
    assert out.tobytes() == want


@pytest.mark.parametrize("precision", ["highest", "high"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((3000, 40), 0), ((5, 2000, 9), 1), ((40, 3000), 1), ((3, 5, 2000), 2), ((900, 7, 6), 0)],
)
def test_the_same_bits_of_many_lines_for_any_strides(shape, axis, precision):
    """Which lines are transformed together is part of every bit, so memory may not decide it."""
    a = draw(np.random.default_rng(4), shape, np.float32)
    k = draw(np.random.default_rng(5), (150,), np.float32)
    options = {"axes": axis, "method": "spectral", "precision": precision}
    want = fl.convolve(a, k, "same", **options)
    layouts = [np.asfortranarray(a), np.repeat(a, 2, axis=-1)[..., ::2], a[:, ::-1].copy()[:, ::-1]]
    for layout in layouts:
        assert fl.convolve(layout, k, "same", workers=2, **options).tobytes() == want.tobytes()
    out = np.zeros(shape[::-1], np.float32).T
    fl.convolve(a, k, "same", out=out, **options)
    assert out.tobytes() == want.tobytes()


# ---- what a method refuses


REFUSED = {
    "no outer product": (np.float32, np.random.default_rng(0).standard_normal((7, 7)), "separable", {},
                         "needs a kernel that is a sum of at most 3 outer products"),
    "complex taps": (np.complex64, np.ones((5, 5), np.complex64), "separable", {}, "takes real taps only"),
    "large integers": (np.int64, np.ones((9, 9), np.int64), "spectral", {}, "cannot promise these integers"),
    "many large integers": (np.int64, np.full((9, 9), 2**40), "separable", {}, "would round these integers"),
}  # fmt: skip


@pytest.mark.parametrize(("dtype", "k", "method", "options", "text"), REFUSED.values(), ids=REFUSED)
def test_a_method_says_what_it_cannot(dtype, k, method, options, text):
    a = np.ones((64, 64), dtype)
    with pytest.raises(fl.FaltungError, match=f"`method` \\(='{method}'\\) {text}"):
        fl.convolve(a, k, "same", method=method, **options)
    with pytest.raises(fl.FaltungError, match=f"`method` \\(='{method}'\\) {text}"):
        fl.plan_convolve(a.shape, k, "same", dtype=dtype, method=method, **options)
    plan = fl.plan_convolve(a.shape, k, "same", dtype=dtype, **options)
    reasons = [c.reason for c in plan.explain().candidates if c.method == method]
    assert text in reasons[0]


def test_several_kernels_are_not_separated():
    a, k = np.ones((3, 40, 40), np.float32), np.ones((3, 5, 5), np.float32)
    with pytest.raises(fl.FaltungError, match="takes one kernel, not a batch of them"):
        fl.convolve(a, k, axes=(1, 2), method="separable")


# ---- special values and their reach


@pytest.mark.parametrize("method", ["spectral", "separable"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, *COMPLEX])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("precision", ["highest", "high"])
def test_values_that_are_not_finite_reach_their_window_only(method, dtype, boundary, precision):
    rng = np.random.default_rng(5)
    a = draw(rng, (70, 80), dtype)
    a[3, 4], a[40, 79], a[69, 30], a[41, 5] = np.nan, np.inf, -np.inf, np.inf
    k = np.multiply.outer([1.0, -2, 0, 3, 1], [2.0, 1, -1, 0.5]).astype(np.float32)
    with np.errstate(invalid="ignore"):
        want = fl.convolve(a, k, "same", boundary=boundary, method="reference")
        got = fl.convolve(a, k, "same", boundary=boundary, method=method, precision=precision)
    for part in (np.real, np.imag):
        finite = np.isfinite(part(want))
        np.testing.assert_array_equal(part(got)[~finite], part(want)[~finite])
        np.testing.assert_allclose(
            part(got)[finite], part(want)[finite], atol=1e-3 if precision == "high" else 1e-4
        )
