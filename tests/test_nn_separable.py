"""The depthwise separable layer: a depthwise and a pointwise layer in one, held to both promises together.

With E the error that the first layer may have, the second may be off by Σ|w|·E, and by the promise of its own
sums, whose S holds the first layer's results and E.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import faltung as fl
import reference_nn
from checks import half_ulp
from grids import BFLOAT16, BOUNDARIES, HALVES, cover, draw
from hostile import CASES, hostile
from nn_tools import (
    ACTIVATIONS,
    LAYOUTS,
    VIEWS,
    Shape,
    allowance,
    assert_within,
    layer,
    turned,
    turned_weights,
)

FIRST = ("stride", "padding", "dilation", "boundary", "flip")


@pytest.fixture
def rng():
    return np.random.default_rng(491)


def pair(rng, dtype, sizes, taps, channels, multiplier=1, outside=5, batch=2, layout="channels_first"):
    """x, depthwise, pointwise, b and mid_bias at random."""
    middle = channels * multiplier
    x, depthwise, mid_bias = layer(rng, dtype, Shape(channels, middle, channels), sizes, taps, batch, layout)
    _, pointwise, b = layer(rng, dtype, Shape(middle, outside, 1), sizes, (1,) * len(taps), batch, layout)
    return x, depthwise, pointwise, b, mid_bias


def check(x, depthwise, pointwise, b=None, **options):
    """Run ``fl.nn.separable_conv`` and hold every output to the definition. Returns the result."""
    want, limit = definition(x, depthwise, pointwise, b, **options)
    got = fl.nn.separable_conv(x, depthwise, pointwise, b, **options)
    assert got.dtype == x.dtype and got.shape == want.shape
    assert_within(got, want, limit, options.get("activation"))
    return got


def definition(
    x, depthwise, pointwise, b=None, *, mid_bias=None, mid_activation=None, activation=None, residual=None,
    layout="channels_first", **options,
):  # fmt: skip
    """The exact sums of the second layer, and the largest error that is allowed at each of them."""
    channels = x.shape[x.ndim - depthwise.ndim + 1] if layout == "channels_first" else x.shape[-1]
    geometry = {name: options[name] for name in FIRST if name in options}
    first = reference_nn.conv(x, depthwise, mid_bias, groups=channels, layout=layout, **geometry)
    middle = first.activated(mid_activation)
    error = allowance(first, x.dtype, mid_activation)
    if x.dtype not in HALVES:  # what is kept between the layers may be rounded as a result is
        error = error + abs(middle).astype(np.longdouble) * 2.0 ** (
            -24 if x.dtype in (np.float32, np.complex64) else -53
        )
    want = reference_nn.conv(middle, pointwise.astype(middle.dtype), b, layout=layout, residual=residual)
    passed = reference_nn.conv(
        error, abs(pointwise.astype(middle.dtype)).astype(np.longdouble), layout=layout
    )
    top = np.finfo(np.float64 if x.dtype == np.float64 else np.float32).max
    past = (first.size >= top).astype(np.float64)  # nothing is promised of what is made of these
    reached = reference_nn.conv(past, np.ones(pointwise.shape), layout=layout).value > 0
    want = dataclasses.replace(want, size=np.where(reached, np.inf, want.size))
    more = dataclasses.replace(want, size=want.size + passed.value)
    limit = allowance(more, x.dtype) + passed.value
    steep = reference_nn.steepest(activation)
    limit = steep * limit + 4 * 2.0 ** (-52 if x.dtype.itemsize == 8 else -23) * abs(
        want.activated(activation)
    )
    if x.dtype in HALVES:
        limit = limit + half_ulp(abs(want.activated(activation)).astype(np.longdouble) + limit, x.dtype)
    return want, limit


@cover(
    rank=(1, 2, 3),
    layout=LAYOUTS,
    dtype=("float32", "float64", "float16", BFLOAT16),
    stride=(1, 2, 3),
    padding=(0, 1, "same", "full", "pairs"),
    dilation=(1, 2),
    boundary=BOUNDARIES,
    flip=(False, True),
    multiplier=(1, 2, 3),
    channels=(1, 3, 8, 17),
    outside=(1, 5, 16, 33),
    batch=(None, 0, 1, 3),
    bias=(False, True),
    middle=(False, True),
    residual=(False, True),
    mid_activation=ACTIVATIONS,
    activation=ACTIVATIONS,
)
def test_the_grid(
    rng, rank, layout, dtype, stride, padding, dilation, boundary, flip, multiplier, channels, outside, batch,
    bias, middle, residual, mid_activation, activation,
):  # fmt: skip
    sizes, taps = {1: ((29,), (5,)), 2: ((9, 11), (3, 4)), 3: ((5, 6, 5), (2, 3, 3))}[rank]
    x, depthwise, pointwise, b, mid_bias = pair(
        rng, dtype, sizes, taps, channels, multiplier, outside, batch, layout
    )
    options = {
        "stride": stride,
        "padding": tuple((i, 2) for i in range(rank)) if padding == "pairs" else padding,
        "dilation": dilation,
        "boundary": boundary,
        "flip": flip,
        "layout": layout,
        "mid_bias": mid_bias if middle else None,
        "mid_activation": mid_activation,
        "activation": activation,
    }
    if residual:
        shape = definition(x, depthwise, pointwise, **options)[0].shape
        options["residual"] = draw(rng, shape, dtype)
    check(x, depthwise, pointwise, b if bias else None, **options)


@cover(
    dtype=("float32", "float64", "float16", BFLOAT16),
    layout=LAYOUTS,
    channels=(16, 24, 33, 64),
    outside=(16, 40, 65),
    size=(7, 14, 28, 57),
    taps=(3, 5, 7),
    stride=(1, 2),
    multiplier=(1, 2),
)
def test_strips_and_their_tails(rng, dtype, layout, channels, outside, size, taps, stride, multiplier):
    x, depthwise, pointwise, b, mid_bias = pair(
        rng, dtype, (size, size), (taps, taps), channels, multiplier, outside, 1, layout
    )
    options = {"layout": layout, "stride": stride, "padding": taps // 2, "mid_bias": mid_bias}
    check(x, depthwise, pointwise, b, mid_activation="relu6", activation="relu", **options)


@cover(
    dtype=("float32", "float64", BFLOAT16), data=CASES, layout=LAYOUTS, weights=("random", "spike", "decades")
)
def test_hostile_data(rng, dtype, data, layout, weights):
    x = turned(hostile(data, rng, (2, 9, 11, 13), dtype), layout)
    depthwise = turned_weights(hostile(weights, rng, (9, 1, 3, 3), dtype), layout)
    pointwise = turned_weights(hostile("random", rng, (17, 9, 1, 1), dtype), layout)
    check(x, depthwise, pointwise, padding=1, layout=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_special_samples_reach_their_windows_only(rng, layout, special):
    x, depthwise, pointwise, b, _ = pair(rng, "float32", (17, 21), (3, 3), 16, 1, 24, 2, "channels_first")
    x[1, 3, 8, 9] = special
    got = fl.nn.separable_conv(
        turned(x, layout),
        turned_weights(depthwise, layout),
        turned_weights(pointwise, layout),
        b,
        padding=1,
        layout=layout,
    )
    expected = np.ones((2, 24, 17, 21), bool)
    expected[1, :, 7:10, 8:11] = False
    np.testing.assert_array_equal(np.isfinite(got), turned(expected, layout))


def test_special_weights_do_not_meet_the_padding(rng):
    x, depthwise, pointwise, b, _ = pair(rng, "float32", (7, 9), (3, 3), 8, 1, 12)
    depthwise[3, 0, 0, 1] = np.inf
    got = fl.nn.separable_conv(x, depthwise, pointwise, b, padding=1)
    assert np.isfinite(got[:, :, 0]).all() and not np.isfinite(got[:, :, 1:]).any()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_bits_for_any_workers_strides_and_out(rng, dtype, layout):
    arrays = pair(rng, dtype, (40, 33), (3, 3), 24, 1, 40, 3, layout)
    x, depthwise, pointwise, b, mid_bias = arrays
    options = {"padding": 1, "layout": layout, "mid_bias": mid_bias, "mid_activation": "relu6"}
    want = fl.nn.separable_conv(x, depthwise, pointwise, b, workers=1, **options)
    for workers in (2, 3, 5):
        got = fl.nn.separable_conv(x, depthwise, pointwise, b, workers=workers, **options)
        assert got.tobytes() == want.tobytes()
    for name, view in VIEWS.items():
        got = fl.nn.separable_conv(view(x), view(depthwise), view(pointwise), b, **options)
        assert got.tobytes() == want.tobytes(), name
        if name != "read-only":
            out = view(np.full_like(want, 7))
            assert fl.nn.separable_conv(x, depthwise, pointwise, b, out=out, **options) is out
            assert out.tobytes() == want.tobytes(), name
    with ThreadPoolExecutor(4) as threads:
        jobs = [
            threads.submit(fl.nn.separable_conv, x, depthwise, pointwise, b, **options) for _ in range(12)
        ]
        assert {job.result().tobytes() for job in jobs} == {want.tobytes()}


def test_out_may_overlap_the_input(rng):
    x, depthwise, pointwise, b, _ = pair(rng, "float32", (12, 13), (3, 3), 8, 1, 8)
    want = fl.nn.separable_conv(x.copy(), depthwise, pointwise, b, padding=1)
    assert fl.nn.separable_conv(x, depthwise, pointwise, b, padding=1, out=x) is x
    assert x.tobytes() == want.tobytes()


@pytest.mark.parametrize("overflow", ["raise", "wrap", "saturate"])
def test_integers_are_those_of_the_two_layers(rng, overflow):
    x, depthwise, pointwise, b, _ = pair(rng, "int32", (9, 8), (3, 3), 5, 2, 7)
    middle = fl.nn.conv(x, depthwise, groups=5, padding=1, overflow=overflow)
    want = fl.nn.conv(middle, pointwise, b, overflow=overflow)
    got = fl.nn.separable_conv(x, depthwise, pointwise, b, padding=1, overflow=overflow)
    np.testing.assert_array_equal(got, want)
    with pytest.raises(OverflowError):
        fl.nn.separable_conv(x * 2**20, depthwise * 2**12, pointwise, b)


def test_mixed_bytes_are_refused_between_the_layers(rng):
    """The first result is int32, so the second weights must be."""
    x, depthwise, pointwise, b, _ = pair(rng, "int8", (9, 8), (3, 3), 5)
    with pytest.raises(TypeError, match=r"`pointwise`.*int8.*int32"):
        fl.nn.separable_conv(x, depthwise, pointwise, b)
    got = fl.nn.separable_conv(x, depthwise, pointwise.astype(np.int32), b)
    assert got.dtype == np.int32
