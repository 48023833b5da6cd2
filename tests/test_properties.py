"""Any valid call is the definition; and the laws of convolution hold, exactly, on integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import faltung as fl
from checks import check, oracle
from grids import BOUNDARIES, MODES, OPS
from strategies import calls

MANY = settings(max_examples=min(6 * settings.default.max_examples, 4000))
modes, boundaries, ops = st.sampled_from(MODES), st.sampled_from(BOUNDARIES), st.sampled_from(OPS)
values = st.integers(-(2**20), 2**20)


def integers(shape, elements=values):
    return arrays(np.int64, shape, elements=elements)


@st.composite
def operands(draw, max_dims=3, max_side=9, max_taps=5):
    """An array and a kernel that fits into it, of the same rank."""
    shape = draw(array_shapes(max_dims=max_dims, max_side=max_side))
    taps = tuple(draw(st.integers(1, min(n, max_taps))) for n in shape)
    return draw(integers(shape)), draw(integers(taps))


def flip(k):
    return k[(slice(None, None, -1),) * k.ndim]


# ---- the whole option space


@MANY
@given(calls())
def test_any_valid_call_is_the_definition(call):
    run, target = getattr(fl, call.op), call.options.get("dtype")
    with np.errstate(all="ignore"):
        want = oracle(call.op, call.a, call.k, call.mode, **call.options)
    if target is not None and target.kind in "iu" and not is_finite(want):  # an integer has no room for it
        with pytest.raises((ValueError, OverflowError)):
            run(call.a, call.k, call.mode, **{**call.options, "overflow": "raise"})
        return
    got = check(call.op, call.a, call.k, call.mode, **call.options)
    if got is not None:
        out = np.asfortranarray(np.zeros(got.shape, got.dtype))
        assert check(call.op, call.a, call.k, call.mode, out=out, **call.options) is out


def is_finite(want):
    return not any(isinstance(v, (float, np.floating)) and not np.isfinite(v) for v in want.real.flat)


@MANY
@given(calls(max_ndim=3))
def test_any_valid_call_as_a_plan(call):
    options = dict(call.options)
    run, plan_for = getattr(fl, call.op), getattr(fl, "plan_" + call.op)
    try:
        expected = run(call.a, call.k, call.mode, **options)
    except (OverflowError, ValueError) as error:
        expected = error
    result = {"result_dtype": options.pop("dtype", None)}
    plan = plan_for(
        call.a.shape, call.k, call.mode, dtype=call.a.dtype.newbyteorder("="), **result, **options
    )
    x = call.a.astype(call.a.dtype.newbyteorder("="))
    if isinstance(expected, Exception):
        with pytest.raises(type(expected)):
            plan(x)
    else:
        assert plan(x).tobytes() == expected.tobytes()


# ---- laws


@given(operands(), st.data(), modes, boundaries, ops)
def test_linear_in_the_array_and_in_the_kernel(pair, data, mode, boundary, op):
    (a, k), run = pair, getattr(fl, op)
    b, w = data.draw(integers(a.shape)), data.draw(integers(k.shape))
    options = {"mode": mode, "boundary": boundary}
    assert np.array_equal(
        run(3 * a - 2 * b, k, **options), 3 * run(a, k, **options) - 2 * run(b, k, **options)
    )
    assert np.array_equal(run(a, 5 * k + w, **options), 5 * run(a, k, **options) + run(a, w, **options))


@given(operands())
def test_full_convolution_commutes(pair):
    a, k = pair
    assert np.array_equal(fl.convolve(a, k), fl.convolve(k, a))


@given(operands(max_dims=2), st.data())
def test_full_convolution_associates(pair, data):
    (a, k), small = pair, st.integers(-99, 99)
    w = data.draw(integers(tuple(min(n, 3) for n in k.shape), small))
    one, other = fl.convolve(fl.convolve(a, k), w), fl.convolve(a, fl.convolve(k, w))
    assert np.array_equal(one, other)


@given(operands(), modes, boundaries, st.data())
def test_convolution_is_correlation_with_the_flipped_conjugate(pair, mode, boundary, data):
    a, k = pair
    z = k + 1j * data.draw(integers(k.shape))
    options = {"boundary": boundary, "dilation": 2 if mode != "valid" else 1}
    assert np.array_equal(fl.convolve(a, k, mode, **options), fl.correlate(a, flip(k), mode, **options))
    assert np.array_equal(
        fl.convolve(a, z, mode, **options), fl.correlate(a, flip(z.conj()), mode, **options)
    )
    if mode == "same":
        anchor = tuple(data.draw(st.integers(0, n - 1)) for n in k.shape)
        mirrored = tuple(n - 1 - c for n, c in zip(k.shape, anchor, strict=True))
        one = fl.convolve(a, k, mode, anchor=anchor, **options)
        assert np.array_equal(one, fl.correlate(a, flip(k), mode, anchor=mirrored, **options))


@given(operands(), st.data())
def test_a_delta_reproduces_and_shifts(pair, data):
    a, k = pair
    delta = np.zeros(k.shape, np.int64)
    where = tuple(data.draw(st.integers(0, n - 1)) for n in k.shape)
    delta[where] = 1
    full = fl.convolve(a, delta)
    inside = tuple(slice(i, i + n) for i, n in zip(where, a.shape, strict=True))
    assert np.array_equal(full[inside], a)
    full[inside] = 0
    assert not full.any()
    assert np.array_equal(fl.convolve(a, delta, "same", anchor=where), a)


@given(operands(), st.data(), ops)
def test_shifting_the_array_shifts_the_result(pair, data, op):
    (a, k), run = pair, getattr(fl, op)
    before = [(data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in a.shape]
    assert np.array_equal(run(np.pad(a, before), k), np.pad(run(a, k), before))


@given(operands(), modes, boundaries, ops, st.data())
def test_transposing_both_transposes_the_result(pair, mode, boundary, op, data):
    (a, k), run = pair, getattr(fl, op)
    order = data.draw(st.permutations(range(a.ndim)))
    turned = run(a.transpose(order), k.transpose(order), mode, boundary=boundary)
    assert np.array_equal(turned, run(a, k, mode, boundary=boundary).transpose(order))


@given(operands(), ops)
def test_reversing_both_reverses_the_full_result(pair, op):
    (a, k), run = pair, getattr(fl, op)
    assert np.array_equal(run(flip(a), flip(k)), flip(run(a, k)))


@given(operands(max_dims=2), modes, boundaries, ops, st.data())
def test_a_batch_is_a_loop(pair, mode, boundary, op, data):
    (a, k), run = pair, getattr(fl, op)
    batch, axis = data.draw(integers((3, *a.shape))), data.draw(st.integers(0, a.ndim))
    axes = [d for d in range(a.ndim + 1) if d != axis]
    got = run(np.moveaxis(batch, 0, axis), k, mode, boundary=boundary, axes=axes)
    loop = [run(item, k, mode, boundary=boundary) for item in batch]
    assert np.array_equal(got, np.stack(loop, axis))


@given(operands(), modes, boundaries, ops, st.data())
def test_a_stride_is_a_slice(pair, mode, boundary, op, data):
    (a, k), run = pair, getattr(fl, op)
    stride = tuple(data.draw(st.integers(1, 5)) for _ in a.shape)
    dense = run(a, k, mode, boundary=boundary)
    assert np.array_equal(
        run(a, k, mode, boundary=boundary, stride=stride), dense[tuple(slice(None, None, s) for s in stride)]
    )


@given(operands(max_taps=3), boundaries, ops, st.data())
def test_a_dilation_is_a_kernel_with_zeros_between(pair, boundary, op, data):
    (a, k), run = pair, getattr(fl, op)
    dilation = tuple(data.draw(st.integers(1, 4)) for _ in k.shape)
    stuffed = np.zeros([d * (n - 1) + 1 for d, n in zip(dilation, k.shape, strict=True)], np.int64)
    stuffed[tuple(slice(None, None, d) for d in dilation)] = k
    assert np.array_equal(run(a, k, boundary=boundary, dilation=dilation), run(a, stuffed, boundary=boundary))
    centre = tuple((n - 1) // 2 if op == "convolve" else n // 2 for n in k.shape)
    anchor = tuple(c * d for c, d in zip(centre, dilation, strict=True))
    same = run(a, k, "same", boundary=boundary, dilation=dilation)
    assert np.array_equal(same, run(a, stuffed, "same", boundary=boundary, anchor=anchor))


@given(operands(), st.data())
def test_correlation_is_the_adjoint(pair, data):
    a, k = pair
    y = data.draw(
        integers(tuple(n - m + 1 for n, m in zip(a.shape, k.shape, strict=True)), st.integers(-99, 99))
    )
    assert int((fl.correlate(a, k, "valid") * y).sum()) == int((a * fl.convolve(y, k)).sum())


@given(operands())
def test_the_sum_of_the_full_result_is_the_product_of_the_sums(pair):
    a, k = pair
    assert int(fl.convolve(a, k).sum()) == int(a.sum()) * int(k.sum())


@given(integers(array_shapes(min_dims=2, max_dims=2)), integers(3), integers(2), modes)
def test_a_separable_kernel_is_two_passes(a, column, row, mode):
    a, k = a % 1000, np.outer(column % 100, row % 100)
    if mode == "valid" and (a.shape[0] < 3 or a.shape[1] < 2):
        return
    passes = fl.convolve(fl.convolve(a, column % 100, mode, axes=0), row % 100, mode, axes=1)
    assert np.array_equal(fl.convolve(a, k, mode), passes)


@given(integers(st.integers(1, 30), st.integers(0, 9)), integers(st.integers(1, 30), st.integers(0, 9)))
def test_convolution_multiplies_polynomials(a, k):
    def at_1000(coefficients):
        return sum(int(c) * 1000**power for power, c in enumerate(coefficients))

    assert at_1000(fl.convolve(a, k)) == at_1000(a) * at_1000(k)
