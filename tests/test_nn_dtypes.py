"""Data types of layers: exact integers, zero points, half types, complex numbers; and what does not mix."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fl
from grids import BFLOAT16, COMPLEX, HALVES, INTEGERS, cover, draw
from nn_tools import (
    BYTES,
    KINDS,
    LAYOUTS,
    METHODS,
    Shape,
    by_every_method,
    check,
    layer,
    oracle,
    planned,
    residual_for,
    result_dtype,
    runs_by,
    turned,
    turned_weights,
)

WIDER = tuple(dtype for dtype in INTEGERS if dtype.itemsize > 1)


@pytest.fixture
def rng():
    return np.random.default_rng(431)


# ---- integers


@cover(
    dtype=INTEGERS,
    kind=KINDS,
    layout=LAYOUTS,
    spread=("small", "wide"),
    overflow=("raise", "wrap", "saturate"),
    bias=(False, True),
    residual=(False, True),
    activation=(None, "relu", "relu6", ("clip", -7, 100)),
    stride=(1, 2),
    boundary=("constant", "edge", "wrap"),
)
def test_integers_are_exact(
    rng, dtype, kind, layout, spread, overflow, bias, residual, activation, stride, boundary
):
    shape = Shape.of(kind, 6, 9)
    x, w, b = layer(rng, dtype, shape, (7, 9), (3, 3), 2, layout, spread)
    options = {"groups": shape.groups, "layout": layout, "stride": stride, "boundary": boundary, "padding": 1}
    if residual:
        options["residual"] = residual_for(rng, x, w, spread, **options)
    by_every_method(x, w, b if bias else None, overflow=overflow, activation=activation, **options)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("overflow", ["raise", "wrap", "saturate"])
def test_integers_at_their_limits(rng, dtype, kind, overflow):
    """Everything at one end of the range, at the other, and both at random."""
    info, shape = np.iinfo(dtype), Shape.of(kind, 5, 6)
    for low, high in itertools.product((info.min, info.max), repeat=2):
        x, w, b = layer(rng, dtype, shape, (6, 7), (3, 3))
        x[...] = np.where(rng.random(x.shape) < 0.5, low, high)
        w[...] = np.where(rng.random(w.shape) < 0.5, high, low)
        by_every_method(x, w, b, groups=shape.groups, padding=1, overflow=overflow)


@pytest.mark.parametrize("kind", ["dense", "depthwise"])
@pytest.mark.parametrize(("x_dtype", "w_dtype"), list(itertools.product(BYTES, BYTES)), ids=str)
def test_bytes_of_both_signs_mix(rng, x_dtype, w_dtype, kind):
    shape = Shape.of(kind, 5, 6)
    x, _, b = layer(rng, x_dtype, shape, (6, 7), (3, 3), spread="wide")
    _, w, _ = layer(rng, w_dtype, shape, (6, 7), (3, 3), spread="wide")
    b = draw(rng, b.shape, np.int32)
    got = check(x, w, b, groups=shape.groups, padding=1)
    assert got.dtype == np.int32
    by_every_method(x, w, b, groups=shape.groups, padding=1)


@pytest.mark.parametrize("dtype", BYTES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_long_sums_of_bytes(dtype, layout):
    """255·255 fits 24 bits 258 times only, and 2^31 33 thousand times."""
    high = np.iinfo(dtype).max
    for channels, taps in [(300, 1), (29, 9), (1000, 9), (20_000, 1)]:
        x = turned(np.full((1, channels, taps + 1), high, dtype), layout)
        w = turned_weights(np.full((5, channels, taps), high, dtype), layout)
        by_every_method(x, w, layout=layout)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("activation", [None, "relu", ("clip", -5, 2**27)], ids=str)
def test_bias_and_residual_beside_which_bytes_are_small(rng, kind, layout, activation):
    """Sums of bytes fit the 24 bits of float32, what is added to them need not."""
    shape = Shape.of(kind, 6, 7)
    x, w, b = layer(rng, "uint8", shape, (7, 9), (3, 3), 2, layout, "wide")
    w //= 8
    options = {"groups": shape.groups, "padding": 1, "layout": layout}
    b[:] = rng.integers(2**26, 2**28, b.shape) | 1
    r = residual_for(rng, x, w, **options)
    r[...] = rng.integers(-(2**28), 2**28, r.shape) | 1
    for extra in ({"b": b}, {"residual": r}, {"b": b, "residual": r}):
        by_every_method(
            x, w, extra.get("b"), residual=extra.get("residual"), activation=activation, **options
        )


def test_sums_of_bytes_beyond_32_bits():
    x, w = np.full((1, 40_000, 1), 255, np.uint8), np.full((2, 40_000, 1), 255, np.uint8)
    for method in ("auto", *METHODS):
        for overflow in ("raise", "wrap", "saturate"):
            runs_by(method, x, w, overflow=overflow)
    with pytest.raises(OverflowError, match=r"2601000000") as caught:
        fl.nn.conv(x, w)
    assert isinstance(caught.value, fl.FaltungError) and "int32" in str(caught.value)
    assert (fl.nn.conv(x, w, overflow="saturate") == 2**31 - 1).all()


@pytest.mark.parametrize("dtype", WIDER, ids=str)
def test_overflow_names_the_place_the_value_and_the_way_out(dtype):
    high = np.iinfo(dtype).max
    x, w = np.zeros((1, 1, 5), dtype), np.array([[[1]], [[2]]], dtype)
    x[0, 0, 3] = high
    out = np.full((1, 2, 5), 7, dtype)
    with pytest.raises(OverflowError, match=str(2 * int(high))) as caught:
        fl.nn.conv(x, w, out=out)
    message = str(caught.value)
    assert isinstance(caught.value, fl.FaltungError)
    assert "(0, 1, 3)" in message and str(dtype) in message and "overflow" in message
    assert (out == 7).all(), "wrote into `out` before the error"
    assert int(fl.nn.conv(x, w, overflow="saturate")[0, 1, 3]) == high
    assert int(fl.nn.conv(x, w, overflow="wrap")[0, 1, 3]) == (-2 if np.iinfo(dtype).min else high - 1)


def test_an_activation_may_bring_a_sum_back_into_range():
    x, w = np.full((1, 1, 3), 30_000, np.int16), np.full((1, 1, 1), 2, np.int16)
    assert fl.nn.conv(x, w, activation="relu6").tolist() == [[[6, 6, 6]]]
    assert fl.nn.conv(-x, w, activation="relu").tolist() == [[[0, 0, 0]]]
    with pytest.raises(OverflowError):
        fl.nn.conv(x, w, activation="relu")


@pytest.mark.parametrize("value", [2**53 - 1, 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**53) - 1, -(2**63)])
@pytest.mark.parametrize("where", ["x", "w", "b", "residual"])
def test_integers_about_2_to_the_53(value, where):
    """Where float64 stops to hold every integer."""
    x, w = np.array([[[0, 0, where == "w"]]], np.int64), np.array([[[1]]], np.int64)
    b, r = np.array([0], np.int64), np.zeros((1, 1, 3), np.int64)
    {"x": x, "w": w, "b": b, "residual": r}[where].flat[0] = value
    for method in ("auto", *METHODS):
        runs_by(method, x, w, b, residual=r)
        runs_by(method, x, w, b if where == "b" else None, residual=r if where == "residual" else None)
    assert value in fl.nn.conv(x, w, b, residual=r)


def test_sums_that_pass_2_to_the_53_on_their_way():
    """The result is small and the sums are not; terms of one size cancel."""
    half = 2**52 + 1
    x = np.array([[[half], [half], [-half], [-half], [1]]], np.int64)
    w = np.ones((3, 5, 1), np.int64)
    for method in ("auto", *METHODS):
        runs_by(method, x, w)
    assert fl.nn.conv(x, w).tolist() == [[[1]] * 3]


# ---- zero points


@cover(
    x_dtype=BYTES,
    w_dtype=BYTES,
    kind=KINDS,
    layout=LAYOUTS,
    x_zero=("0", "1", "low", "high"),
    w_zero=("0", "1", "low", "high", "each"),
    padding=(0, 1, "same", ((2, 0), (0, 3))),
    boundary=("constant", "reflect"),
    bias=(False, True),
)
def test_zero_points(rng, x_dtype, w_dtype, kind, layout, x_zero, w_zero, padding, boundary, bias):
    """Σ (x − x₀)(w − w₀); a term outside is absent, so padding stands for x₀."""
    shape = Shape.of(kind, 5, 7)
    x, _, _ = layer(rng, x_dtype, shape, (6, 7), (3, 3), 2, layout, "wide")
    _, w, b = layer(rng, w_dtype, shape, (6, 7), (3, 3), 2, layout, "wide")
    b = draw(rng, b.shape, np.int32)

    def point(how, dtype):
        info = np.iinfo(dtype)
        return {"0": 0, "1": 1, "low": int(info.min), "high": int(info.max)}[how]

    each = rng.integers(0, 100, shape.outside).astype(w_dtype) if w_zero == "each" else point(w_zero, w_dtype)
    options = {"groups": shape.groups, "layout": layout, "padding": padding, "boundary": boundary}
    options |= {"x_zero_point": point(x_zero, x_dtype), "w_zero_point": each}
    by_every_method(x, w, b if bias else None, **options)


def test_zero_points_of_a_long_sum():
    """Differences reach 255 and −255 whatever the signs."""
    for low, high in [(0, 255), (255, 0)]:
        x, w = np.full((1, 600, 9), high, np.uint8), np.full((3, 600, 9), low, np.uint8)
        by_every_method(x, w, x_zero_point=low, w_zero_point=high)


@pytest.mark.parametrize("point", [3, np.uint8(3), np.array(3, np.uint8), np.array([3], np.uint8)], ids=repr)
def test_a_zero_point_in_any_form(rng, point):
    x, w, _ = layer(rng, "uint8", Shape(2, 3, 1), (8,), (3,))
    want = oracle(x, w, x_zero_point=3, w_zero_point=3).value
    np.testing.assert_array_equal(fl.nn.conv(x, w, x_zero_point=point, w_zero_point=point), want)


# ---- floating point


@cover(dtype=HALVES, kind=KINDS, layout=LAYOUTS, size=(7, 14), taps=(1, 3, 7), activation=(None, "silu"))
def test_half_types_are_summed_in_float32(rng, dtype, kind, layout, size, taps, activation):
    """Rounded once: next to the exact result by half an ulp and a little."""
    shape = Shape.of(kind, 17, 20)
    x, w, b = layer(rng, dtype, shape, (size, size), (taps, taps), 2, layout)
    options = {"groups": shape.groups, "layout": layout, "padding": taps // 2, "activation": activation}
    got = check(x, w, b, **options)
    assert got.dtype == dtype
    by_every_method(x, w, b, **options)


@cover(
    dtype=COMPLEX, kind=KINDS, layout=LAYOUTS, flip=(False, True), boundary=("constant", "wrap"), taps=(1, 3)
)
def test_complex_numbers_are_never_conjugated(rng, dtype, kind, layout, flip, boundary, taps):
    shape = Shape.of(kind, 5, 7)
    x, w, b = layer(rng, dtype, shape, (9, 8), (taps, taps), 2, layout)
    options = {"groups": shape.groups, "layout": layout, "flip": flip, "boundary": boundary, "padding": 1}
    r = residual_for(rng, x, w, **options)
    by_every_method(x, w, b, residual=r, **options)
    unit = np.array([[[1j]]], dtype)
    assert fl.nn.conv(unit, unit).tolist() == [[[-1 + 0j]]]


@pytest.mark.parametrize("dtype", ["int16", "int32", "float16", "float32", "float64", "complex64"])
def test_byte_swapped_data_give_a_native_result(rng, dtype):
    x, w, b = layer(rng, dtype, Shape(3, 4, 1), (8,), (3,))
    swapped = [v.astype(v.dtype.newbyteorder("S")) for v in (x, w, b)]
    got = fl.nn.conv(*swapped)
    assert got.dtype.isnative and got.dtype == x.dtype
    np.testing.assert_array_equal(got, fl.nn.conv(x, w, b))


@pytest.mark.parametrize("dtype", [*INTEGERS, *HALVES, "float32", "float64", *COMPLEX], ids=str)
def test_the_result_has_one_type(rng, dtype):
    x, w, b = layer(rng, dtype, Shape(3, 4, 1), (8,), (3,))
    assert fl.nn.conv(x, w, b).dtype == result_dtype(dtype)
    assert planned(x, w, b, "auto")(x).dtype == result_dtype(dtype)


@pytest.mark.parametrize("dtype", [*INTEGERS, *HALVES, "float32", "float64", *COMPLEX], ids=str)
def test_columns_keep_their_type(rng, dtype):
    x = draw(rng, (2, 3, 5, 6), dtype)
    cols = fl.nn.im2col(x, (2, 2), padding=1)
    assert cols.dtype == x.dtype
    back = fl.nn.col2im(cols, (5, 6), (2, 2), padding=1)
    assert back.dtype == x.dtype
    np.testing.assert_array_equal(back.astype(complex), 4 * x.astype(complex))


# ---- what does not go together

MIXED = [
    ("float32", "float64"),
    ("float64", "float32"),
    ("float16", "float32"),
    ("float16", BFLOAT16),
    ("float32", "complex64"),
    ("int32", "float32"),
    ("int16", "int32"),
    ("uint8", "float32"),
    ("int8", "int16"),
    ("uint16", "int16"),
]


@pytest.mark.parametrize(("x_dtype", "w_dtype"), MIXED, ids=str)
def test_two_types_are_refused(rng, x_dtype, w_dtype):
    x, w = draw(rng, (1, 2, 6), x_dtype), draw(rng, (3, 2, 3), w_dtype)
    with pytest.raises(TypeError, match="`w`") as caught:
        fl.nn.conv(x, w)
    message = str(caught.value)
    assert isinstance(caught.value, fl.FaltungError)
    assert str(np.dtype(x_dtype)) in message and str(np.dtype(w_dtype)) in message and "astype" in message


@pytest.mark.parametrize("name", ["b", "residual"])
@pytest.mark.parametrize(
    ("dtype", "wrong"), [("float32", "float64"), ("int8", "int8"), ("int16", "int32"), ("float16", "float32")]
)
def test_bias_and_residual_have_the_type_of_the_result(rng, name, dtype, wrong):
    x, w = draw(rng, (1, 2, 6), dtype), draw(rng, (3, 2, 3), dtype)
    extra = np.zeros(3 if name == "b" else (1, 3, 4), wrong)
    with pytest.raises(TypeError, match=f"`{name}`") as caught:
        fl.nn.conv(x, w, **{name: extra})
    assert str(result_dtype(dtype)) in str(caught.value) and str(np.dtype(wrong)) in str(caught.value)


@pytest.mark.parametrize("dtype", [bool, np.longdouble, object, "U1", "M8[D]", "i4,f4"], ids=str)
def test_types_that_no_layer_takes(dtype):
    x, w = np.zeros((1, 2, 6), dtype), np.zeros((3, 2, 3), dtype)
    with pytest.raises(TypeError, match="`x`") as caught:
        fl.nn.conv(x, w)
    assert isinstance(caught.value, fl.FaltungError) and str(np.dtype(dtype)) in str(caught.value)
    if x.dtype != bool:  # columns hold any number
        with pytest.raises(TypeError, match="`x`"):
            fl.nn.im2col(x, (2,))
