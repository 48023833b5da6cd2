"""What a layer is: linear, shift-equivariant, a matrix, a matrix product of columns; and its symmetries.

Whole numbers in floating point, so that equal means equal.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
import reference_nn
from nn_tools import METHODS, check, turned, turned_weights

BOUNDARIES = ("constant", "constant", "edge", "reflect", "symmetric", "wrap")


@dataclasses.dataclass
class Case:
    """A layer of whole numbers in channels_first, and its options."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    options: dict[str, Any]

    @property
    def axes(self) -> list[reference_nn.Axis]:
        names = ("stride", "padding", "dilation", "boundary")
        return reference_nn.axes_of(
            self.x.shape[2:], self.w.shape[2:], *(self.options[name] for name in names)
        )

    def run(self, **changes: Any) -> np.ndarray:
        return fl.nn.conv(self.x, self.w, **self.options | changes)


@st.composite
def cases(draw_from: st.DrawFn, max_rank: int = 3, small: bool = False) -> Case:
    """Any layer that must succeed; ``small`` ones have few channels."""
    number = lambda low, high: draw_from(st.integers(low, high))  # noqa: E731
    choose = lambda options: draw_from(st.sampled_from(options))  # noqa: E731
    rank = number(1, max_rank)
    groups = choose([1, 2] if small else [1, 1, 2, 3, 8])
    inside = choose([1, 2] if small else [1, 1, 2, 3, 5, 16, 20])
    outside = choose([1, 2] if small else [1, 2, 3, 5, 16, 17])
    taps = tuple(number(1, {1: 9, 2: 5, 3: 3}[rank]) for _ in range(rank))
    steps = {name: tuple(number(1, 3) for _ in range(rank)) for name in ("stride", "dilation")}
    padding = tuple((number(0, 4), number(0, 4)) for _ in range(rank))
    longest = {1: 40, 2: 5 if small else 12, 3: 5}[rank]
    sizes = tuple(
        max(1, d * (k - 1) + 1 - sum(pair)) + number(0, longest)
        for k, d, pair in zip(taps, steps["dilation"], padding, strict=True)
    )
    rng = np.random.default_rng(number(0, 2**32))
    dtype = choose([np.float32, np.float32, np.float64, np.float16, np.int32, np.int16])
    high = 1 if dtype == np.float16 else 3  # sums stay exact
    whole = lambda *shape: rng.integers(-high, high + 1, shape).astype(dtype)  # noqa: E731
    options = steps | {"padding": padding, "groups": groups, "boundary": choose(BOUNDARIES)}
    options |= {"flip": draw_from(st.booleans()), "method": choose(["auto", "auto", "auto", "reference"])}
    options["workers"] = choose([None, 1, 2])
    x = whole(number(1, 3), groups * inside, *sizes)
    return Case(x, whole(groups * outside, inside, *taps), whole(groups * outside), options)


def equal(one, other):
    np.testing.assert_array_equal(one, other)


@given(cases())
def test_the_definition(case):
    check(case.x, case.w, case.b, **case.options)


@given(cases(), st.sampled_from(METHODS))
def test_the_definition_by_a_method(case, method):
    try:
        check(case.x, case.w, case.b, **case.options | {"method": method})
    except fl.FaltungError as refusal:
        assert f"`method` (={method!r})" in str(refusal)


@given(cases(), st.integers(-3, 3))
def test_linear_in_the_input_and_in_the_weights(case, factor):
    rng = np.random.default_rng(1)
    factor = int(np.sign(factor)) if case.x.dtype == np.float16 else factor  # whole below 2048
    other = rng.integers(-1, 2, case.x.shape).astype(case.x.dtype)
    more = rng.integers(-1, 2, case.w.shape).astype(case.w.dtype)
    scale = case.x.dtype.type(factor)
    plain, run = case.run(), case.options
    equal(fl.nn.conv(scale * case.x + other, case.w, **run), scale * plain + fl.nn.conv(other, case.w, **run))
    equal(fl.nn.conv(case.x, scale * case.w + more, **run), scale * plain + fl.nn.conv(case.x, more, **run))


@given(cases(max_rank=2))
def test_shifting_by_a_stride_shifts_the_result(case):
    """Circularly, under wrap with as many outputs as strides fit into the input."""
    strides, axes = case.options["stride"], tuple(range(2, case.x.ndim))
    grown = [-n % s for n, s in zip(case.x.shape[2:], strides, strict=True)]
    x = np.pad(case.x, [(0, 0), (0, 0), *((0, n) for n in grown)])
    spans = [d * (k - 1) + 1 for d, k in zip(case.options["dilation"], case.w.shape[2:], strict=True)]
    padding = tuple((0, max(span - s, 0)) for span, s in zip(spans, strides, strict=True))
    options = case.options | {"boundary": "wrap", "padding": padding}
    if any(n + hi < span for n, span, (_, hi) in zip(x.shape[2:], spans, padding, strict=True)):
        return
    shifted = fl.nn.conv(np.roll(x, strides, axes), case.w, **options)
    equal(shifted, np.roll(fl.nn.conv(x, case.w, **options), [1] * len(axes), axes))


@given(cases(max_rank=2, small=True))
def test_a_layer_is_its_matrix(case):
    """Built from the index map; and <A x, y> = <x, Aᵀ y>."""
    w = case.w[(..., *[slice(None, None, -1)] * (case.w.ndim - 2))] if case.options["flip"] else case.w
    a = reference_nn.matrix(case.x.shape[1], case.axes, w.astype(np.int64), case.options["groups"])
    got = case.run().astype(np.int64)
    equal(got.reshape(len(case.x), -1), case.x.reshape(len(case.x), -1).astype(np.int64) @ a.T)
    y = np.random.default_rng(2).integers(-3, 4, got.shape)
    back = y.reshape(len(y), -1) @ a
    assert (got * y).sum() == (case.x.reshape(back.shape).astype(np.int64) * back).sum()


@given(cases())
def test_groups_are_a_block_diagonal_dense_layer(case):
    groups = case.options["groups"]
    outside, inside = case.w.shape[0] // groups, case.w.shape[1]
    dense = np.zeros((case.w.shape[0], case.x.shape[1], *case.w.shape[2:]), case.w.dtype)
    for g in range(groups):
        rows, columns = (slice(g * n, (g + 1) * n) for n in (outside, inside))
        dense[rows, columns] = case.w[rows]
    equal(case.run(), fl.nn.conv(case.x, dense, **case.options | {"groups": 1}))


@given(cases())
def test_a_group_is_a_layer_of_its_own(case):
    groups = case.options["groups"]
    parts = zip(np.split(case.x, groups, 1), np.split(case.w, groups), strict=True)
    alone = [fl.nn.conv(x, w, **case.options | {"groups": 1}) for x, w in parts]
    equal(case.run(), np.concatenate(alone, axis=1))


@given(cases())
def test_items_of_a_batch_do_not_meet(case):
    equal(case.run(), np.stack([fl.nn.conv(item, case.w, **case.options) for item in case.x]))


@given(cases())
def test_a_pointwise_layer_is_a_matrix_product(case):
    w = np.ascontiguousarray(case.w[(..., *[slice(0, 1)] * (case.w.ndim - 2))])
    options = case.options | {"groups": 1, "stride": 1, "padding": 0}
    w = w[:, : case.x.shape[1]]
    x = case.x[:, : w.shape[1]]
    product = w.reshape(w.shape[:2]).astype(np.int64) @ x.reshape(*x.shape[:2], -1).astype(np.int64)
    equal(fl.nn.conv(x, w, **options).astype(np.int64).reshape(product.shape), product)


@given(cases())
def test_flip_is_flipped_weights(case):
    turned_over = case.w[(..., *[slice(None, None, -1)] * (case.w.ndim - 2))]
    equal(fl.nn.conv(case.x, turned_over, **case.options), case.run(flip=not case.options["flip"]))


@given(cases(max_rank=2))
def test_flip_is_the_convolution_of_the_arrays(case):
    """One channel: `fl.convolve` in mode full."""
    x, w = case.x[0, 0], case.w[0, 0]
    got = fl.nn.conv(x[None], w[None, None], padding="full", flip=True)[0]
    equal(got, fl.convolve(x, w, "full"))
    equal(fl.nn.conv(x[None], w[None, None], padding="full")[0], fl.correlate(x, w, "full"))


@given(cases())
def test_dilation_is_a_kernel_stuffed_with_zeros(case):
    gaps = case.options["dilation"]
    stuffed = np.zeros(
        (*case.w.shape[:2], *(d * (k - 1) + 1 for d, k in zip(gaps, case.w.shape[2:], strict=True))),
        case.w.dtype,
    )
    stuffed[(..., *(slice(None, None, d) for d in gaps))] = case.w
    equal(case.run(), fl.nn.conv(case.x, stuffed, **case.options | {"dilation": 1}))


@given(cases())
def test_stride_takes_every_sth_output(case):
    dense = case.run(stride=1)
    equal(case.run(), dense[(..., *(slice(None, None, s) for s in case.options["stride"]))])


@given(cases())
def test_padding_is_numpys(case):
    padded = np.pad(case.x, [(0, 0), (0, 0), *case.options["padding"]], case.options["boundary"])
    equal(case.run(), fl.nn.conv(padded, case.w, **case.options | {"padding": 0}))


@given(cases())
def test_both_layouts_are_one_layer(case):
    last = fl.nn.conv(
        turned(case.x, "channels_last"),
        turned_weights(case.w, "channels_last"),
        case.b,
        layout="channels_last",
        **case.options,
    )
    equal(turned(fl.nn.conv(case.x, case.w, case.b, **case.options), "channels_last"), last)


@given(cases())
def test_bias_residual_and_relu_are_added_to_the_sums(case):
    plain = case.run()
    residual = np.random.default_rng(3).integers(-3, 4, plain.shape).astype(plain.dtype)
    got = fl.nn.conv(case.x, case.w, case.b, residual=residual, activation="relu", **case.options)
    sums = plain.astype(np.int64) + case.b.reshape(-1, *[1] * (plain.ndim - 2)) + residual
    equal(got, np.maximum(sums, 0).astype(plain.dtype))


# ---- columns


def columns_options(case):
    return {name: case.options[name] for name in ("stride", "padding", "dilation")}


@given(cases())
def test_columns_are_the_samples_under_every_window(case):
    case.options["boundary"] = "constant"
    cols = fl.nn.im2col(case.x, case.w.shape[2:], **columns_options(case))
    equal(cols, reference_nn.im2col(case.x, case.axes))
    assert cols.dtype == case.x.dtype and cols.flags.c_contiguous


@given(cases())
def test_columns_times_weights_are_the_layer(case):
    case.options |= {"boundary": "constant", "flip": False, "groups": 1}
    x = case.x[:, : case.w.shape[1]]
    cols = fl.nn.im2col(x, case.w.shape[2:], **columns_options(case)).astype(np.int64)
    product = case.w.reshape(len(case.w), -1).astype(np.int64) @ cols
    equal(fl.nn.conv(x, case.w, **case.options).astype(np.int64).reshape(product.shape), product)


@given(cases())
def test_columns_times_weights_are_the_layer_in_channels_last(case):
    case.options |= {"boundary": "constant", "flip": False, "groups": 1}
    x = turned(case.x[:, : case.w.shape[1]], "channels_last")
    w = turned_weights(case.w, "channels_last")
    cols = fl.nn.im2col(x, w.shape[:-2], layout="channels_last", **columns_options(case)).astype(np.int64)
    product = cols @ w.reshape(-1, w.shape[-1]).astype(np.int64)
    got = fl.nn.conv(x, w, layout="channels_last", **case.options).astype(np.int64)
    equal(got.reshape(product.shape), product)


@given(cases())
def test_col2im_is_the_transpose_of_im2col(case):
    case.options["boundary"] = "constant"
    size, taps, options = case.x.shape[2:], case.w.shape[2:], columns_options(case)
    cols = fl.nn.im2col(case.x, taps, **options)
    c = np.random.default_rng(4).integers(-3, 4, cols.shape).astype(case.x.dtype)
    back = fl.nn.col2im(c, size, taps, **options)
    equal(back, reference_nn.col2im(c, case.axes))
    wide = np.int64
    assert (cols.astype(wide) * c.astype(wide)).sum() == (case.x.astype(wide) * back.astype(wide)).sum()


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_columns_of_one_item(layout):
    x = np.arange(2 * 5 * 6, dtype=np.float32).reshape(1, 2, 5, 6)
    x = turned(x, layout)
    batch = fl.nn.im2col(x, (2, 3), padding=1, layout=layout)
    equal(fl.nn.im2col(x[0], (2, 3), padding=1, layout=layout), batch[0])
    equal(
        fl.nn.col2im(batch[0], (5, 6), (2, 3), padding=1, layout=layout),
        fl.nn.col2im(batch, (5, 6), (2, 3), padding=1, layout=layout)[0],
    )


# ---- depthwise, then pointwise


@given(cases(max_rank=2), st.booleans(), st.sampled_from(["channels_first", "channels_last"]))
def test_a_separable_layer_is_two_layers(case, middle, layout):
    rng = np.random.default_rng(5)
    channels = case.x.shape[1]
    if case.x.dtype == np.float16:
        return  # the first result need not be whole there
    multiplier = 1 + case.w.shape[0] % 2
    taps = case.w.shape[2:]
    depthwise = rng.integers(-2, 3, (channels * multiplier, 1, *taps)).astype(case.x.dtype)
    pointwise = rng.integers(-2, 3, (7, channels * multiplier, *[1] * len(taps))).astype(case.x.dtype)
    b = rng.integers(-2, 3, 7).astype(case.x.dtype)
    names = ("stride", "padding", "dilation", "boundary", "flip", "workers")
    options = {name: case.options[name] for name in names}
    x, depthwise, pointwise = (
        turned(case.x, layout),
        turned_weights(depthwise, layout),
        turned_weights(pointwise, layout),
    )
    mid_bias = rng.integers(-2, 3, channels * multiplier).astype(case.x.dtype) if middle else None
    mid_activation = "relu6" if middle else None
    first = fl.nn.conv(
        x, depthwise, mid_bias, groups=channels, layout=layout, activation=mid_activation, **options
    )
    want = fl.nn.conv(first, pointwise, b, layout=layout, activation="relu")
    got = fl.nn.separable_conv(
        x, depthwise, pointwise, b, layout=layout, mid_bias=mid_bias, mid_activation=mid_activation,
        activation="relu", **options,
    )  # fmt: skip
    equal(got, want)
