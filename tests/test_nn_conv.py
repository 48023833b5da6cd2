"""The values of layers over the option grid: every method that takes a problem against the definition."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import faltung as fl
from grids import BFLOAT16, BOUNDARIES, cover, draw
from nn_tools import (
    ACTIVATIONS,
    KINDS,
    LAYOUTS,
    METHODS,
    VIEWS,
    Shape,
    by_every_method,
    check,
    layer,
    oracle,
    planned,
    residual_for,
    runs_by,
    turned,
    turned_weights,
)

SIZES = {1: (23,), 2: (9, 11), 3: (5, 6, 7), 4: (3, 4, 5, 3)}
TAPS = {1: (5,), 2: (3, 4), 3: (2, 3, 3), 4: (2, 1, 3, 2)}
DTYPES = ("float32", "float64", "float16", BFLOAT16, "complex64", "complex128", "int8", "int32")
PADDINGS = (0, 2, "per axis", "pairs", "valid", "same", "same_lower", "full")


@pytest.fixture
def rng():
    return np.random.default_rng(401)


def padding_of(how, rank):
    """A padding by its name in the grid."""
    if how == "per axis":
        return tuple(range(rank))
    return tuple((i, 2 - i % 3) for i in range(rank)) if how == "pairs" else how


@cover(
    rank=(1, 2, 3, 4),
    layout=LAYOUTS,
    dtype=DTYPES,
    stride=(1, 2, "per axis"),
    padding=PADDINGS,
    dilation=(1, 2, "per axis"),
    kind=KINDS,
    boundary=BOUNDARIES,
    flip=(False, True),
    bias=(False, True),
    residual=(False, True),
    activation=ACTIVATIONS,
    batch=(None, 0, 1, 3),
    channels=(1, 3, 8),
)
def test_the_grid(
    rng, rank, layout, dtype, stride, padding, dilation, kind, boundary, flip, bias, residual, activation,
    batch, channels,
):  # fmt: skip
    taps, sizes = TAPS[rank], SIZES[rank]
    dilations = tuple(1 + i % 2 for i in range(rank)) if dilation == "per axis" else (dilation,) * rank
    sizes = tuple(max(n, d * (k - 1) + 1) for n, d, k in zip(sizes, dilations, taps, strict=True))
    shape = Shape.of(kind, channels)
    x, w, b = layer(rng, dtype, shape, sizes, taps, batch, layout)
    options = {
        "stride": tuple(1 + i % 3 for i in range(rank)) if stride == "per axis" else stride,
        "padding": padding_of(padding, rank),
        "dilation": dilations if dilation == "per axis" else dilation,
        "groups": shape.groups,
        "boundary": boundary,
        "layout": layout,
        "flip": flip,
    }
    if residual:
        options["residual"] = residual_for(rng, x, w, **options)
    if activation is not None:
        activation = whole_numbers(activation, x.dtype)
        options["activation"] = activation
    by_every_method(x, w, b if bias else None, **options)


def whole_numbers(activation, dtype):
    """Of integers and complex numbers only what is defined for them."""
    if dtype.kind in "iu":
        return activation if activation in ("relu", "relu6", ("clip", -1.0, 2.0)) else "relu"
    return None if dtype.kind == "c" else activation


@cover(
    dtype=("float32", "float64", "float16", BFLOAT16, "uint8", "complex64"),
    kind=KINDS,
    inside=(1, 3, 4, 7, 16, 17, 33, 64, 70),
    outside=(1, 5, 16, 31, 32, 48, 65),
    sizes=((1, 1), (4, 4), (7, 7), (14, 14), (13, 30), (1, 57), (29, 5)),
    taps=((1, 1), (3, 3), (1, 7), (5, 5), (7, 7), (2, 4)),
    stride=(1, 2, (2, 1), 3),
    dilation=(1, 1, 2),
    layout=LAYOUTS,
    boundary=("constant", "constant", "reflect"),
    activation=(None, "relu", "silu"),
)
def test_tiles_and_their_tails(
    rng, dtype, kind, inside, outside, sizes, taps, stride, dilation, layout, boundary, activation
):
    """Sizes about the register tiles, the vectors and the blocks of channels."""
    shape = Shape.of(kind, inside if kind != "grouped" else max(inside // 4, 1), outside)
    x, w, b = layer(rng, dtype, shape, sizes, taps, 2, layout)
    options = {"stride": stride, "dilation": dilation, "groups": shape.groups, "padding": "same"}
    options |= {"layout": layout, "boundary": boundary, "activation": whole_numbers(activation, x.dtype)}
    by_every_method(x, w, b, **options)


@pytest.mark.full
@cover(
    dtype=("float32", "float64", "float16", "int8"),
    groups=(1, 2, 3, 4, 8, 16, 32),
    each=(1, 2, 3, 4, 8, 17),
    out_each=(1, 2, 3, 8, 19),
    size=(1, 2, 6, 7, 8, 15, 28, 57),
    taps=(1, 2, 3, 5, 7, 9, 13),
    stride=(1, 2, 3),
    dilation=(1, 2, 5),
    rank=(1, 2, 3),
    layout=LAYOUTS,
    padding=("same", "full", "pairs", 1),
)
def test_a_larger_grid(
    rng, dtype, groups, each, out_each, size, taps, stride, dilation, rank, layout, padding
):
    sizes = (size if rank < 3 else min(size, 8), *[min(size, 9)] * (rank - 1))
    kernel = (taps, *[min(taps, 3)] * (rank - 1))
    sizes = tuple(max(n, dilation * (k - 1) + 1) for n, k in zip(sizes, kernel, strict=True))
    x, w, b = layer(rng, dtype, Shape(groups * each, groups * out_each, groups), sizes, kernel, 2, layout)
    options = {"stride": stride, "dilation": dilation, "groups": groups, "layout": layout}
    by_every_method(x, w, b, padding=padding_of(padding, rank), **options)


# ---- which method takes what


MUST = [
    ("gemm", "dense", (9, 11), (3, 3)),
    ("gemm", "dense", (40,), (5,)),
    ("gemm", "dense", (5, 6, 7), (3, 3, 3)),
    ("gemm", "dense", (9, 11), (1, 1)),
    ("depthwise", "depthwise", (9, 11), (3, 3)),
    ("depthwise", "depthwise", (40,), (5,)),
    ("depthwise", "depthwise", (5, 6, 7), (3, 3, 3)),
    ("depthwise", "multiplier", (9, 11), (5, 5)),
    ("grouped", "grouped", (9, 11), (3, 3)),
    ("grouped", "grouped", (40,), (5,)),
]


@pytest.mark.parametrize(("method", "kind", "sizes", "taps"), MUST, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", BFLOAT16, "int8"], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_method_takes_what_it_is_for(rng, method, kind, sizes, taps, dtype, layout):
    """Otherwise a method that refuses everything would pass every other test."""
    shape = Shape.of(kind, 8, 6)
    x, w, b = layer(rng, dtype, shape, sizes, taps, 2, layout)
    options = {"padding": 1, "groups": shape.groups, "layout": layout}
    assert runs_by(method, x, w, b, **options)
    assert planned(x, w, b, method, **options).method == method


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", BFLOAT16, "int8", "complex64"], ids=str)
def test_the_definition_is_not_what_runs_by_default(rng, kind, dtype):
    shape = Shape.of(kind, 16, 16)
    x, w, b = layer(rng, dtype, shape, (14, 14), (3, 3))
    assert planned(x, w, b, "auto", padding=1, groups=shape.groups).method != "reference"


def test_the_methods_are_those_that_explain_lists(rng):
    x, w, b = layer(rng, "float32", Shape(8, 8, 1), (9, 9), (3, 3))
    listed = [c.method for c in planned(x, w, b, "auto").explain().candidates]
    assert set(listed) <= set(METHODS) and {"gemm", "depthwise", "grouped", "reference"} <= set(listed)
    assert len(listed) == len(set(listed))


# ---- kernels and inputs of odd sizes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_kernels_larger_than_the_input(rng, kind, boundary, layout):
    shape = Shape.of(kind, 3)
    for sizes, taps, padding in [((2, 3), (5, 7), (3, 5)), ((1, 1), (3, 3), 1), ((4,), (11,), "same")]:
        x, w, b = layer(rng, "float32", shape, sizes, taps, 2, layout)
        options = {"padding": padding, "groups": shape.groups, "boundary": boundary, "layout": layout}
        by_every_method(x, w, b, **options)
        by_every_method(x, w, b, dilation=2, **options | {"padding": "full"})


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_that_see_nothing(rng, kind):
    """Padding beyond the kernel: such outputs are the bias, whatever the weights are."""
    shape = Shape.of(kind, 3)
    x, w, b = layer(rng, "float32", shape, (4, 5), (2, 2))
    by_every_method(x, w, b, padding=4, groups=shape.groups)
    w[:] = np.inf
    by_every_method(x, w, b, padding=4, groups=shape.groups)
    got = fl.nn.conv(x, w, b, padding=4, groups=shape.groups)
    np.testing.assert_array_equal(got[:, :, 0, 0], np.broadcast_to(b, got.shape[:2]))


@pytest.mark.parametrize("kind", KINDS)
def test_strides_longer_than_the_kernel(rng, kind):
    shape = Shape.of(kind, 5)
    for sizes, taps, stride in [((30, 31), (1, 1), 4), ((30, 31), (2, 3), 5), ((100,), (3,), 50)]:
        x, w, b = layer(rng, "float32", shape, sizes, taps)
        by_every_method(x, w, b, stride=stride, groups=shape.groups)


@pytest.mark.parametrize("taps", [13, 31, 51])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_depthwise_kernels(rng, taps, layout, dtype):
    x, w, b = layer(rng, dtype, Shape(5, 5, 5), (20, 33), (taps, taps), 1, layout)
    by_every_method(x, w, b, padding=taps // 2, groups=5, layout=layout)


@pytest.mark.parametrize("dilation", [1, 2, 8, 64, 512])
def test_causal_dilated_rows(rng, dilation):
    x, w, b = layer(rng, "float32", Shape(16, 16, 1), (700,), (2,))
    got = check(x, w, b, padding="causal", dilation=dilation)
    assert got.shape[-1] == 700
    by_every_method(x, w, b, padding="causal", dilation=dilation, stride=2)


@pytest.mark.parametrize("rank", [5, 6])
def test_any_rank(rng, rank):
    x, w, b = layer(rng, "float32", Shape(2, 3, 1), (3,) * rank, (2,) * rank)
    by_every_method(x, w, b, padding=1, stride=2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_an_empty_batch_gives_an_empty_result(rng, layout, method):
    x, w, b = layer(rng, "float32", Shape(4, 6, 1), (9, 11), (3, 3), 0, layout)
    if runs_by(method, x, w, b, layout=layout):
        got = fl.nn.conv(x, w, b, layout=layout, method=method)
        assert got.shape == ((0, 6, 7, 9) if layout == "channels_first" else (0, 7, 9, 6))


def test_the_example_of_the_notes(rng):
    x, w, b = layer(rng, "float32", Shape(3, 64, 1), (32, 32), (3, 3), 1)
    assert check(x, w, b, padding=1).shape == (1, 64, 32, 32)
    by_every_method(x, w, b, padding=1, activation="relu")


# ---- the words for padding


@pytest.mark.parametrize("word", ["valid", "same", "same_lower", "full"])
def test_a_word_is_its_pairs(rng, word):
    x, w, _ = layer(rng, "float32", Shape(3, 4, 1), (7, 8), (4, 3))
    pairs = {
        "valid": ((0, 0), (0, 0)),
        "same": ((1, 1), (0, 1)),
        "same_lower": ((1, 1), (1, 0)),
        "full": ((3, 3), (2, 2)),
    }[word]
    if word == "same":
        pairs = ((1, 2), (0, 1))
    if word == "same_lower":
        pairs = ((2, 1), (1, 0))
    np.testing.assert_array_equal(
        fl.nn.conv(x, w, stride=(1, 2), padding=word), fl.nn.conv(x, w, stride=(1, 2), padding=pairs)
    )


def test_the_size_under_same_is_that_of_the_input_over_the_stride(rng):
    for stride in (1, 2, 3, 4):
        for size in (1, 5, 12, 13):
            x, w, _ = layer(rng, "float32", Shape(1, 1, 1), (size,), (3,))
            for word in ("same", "same_lower"):
                assert fl.nn.conv(x, w, stride=stride, padding=word).shape[-1] == -(-size // stride)


def test_one_boundary_or_one_an_axis(rng):
    x, w, b = layer(rng, "float32", Shape(2, 3, 1), (6, 7), (3, 3))
    check(x, w, b, padding=2, boundary=("wrap", "constant"))
    check(x, w, b, padding=2, boundary=("reflect", "edge"))


# ---- the epilogue


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", BFLOAT16], ids=str)
def test_every_activation_over_its_range(activation, dtype):
    """As a 1x1 layer that multiplies by one: its own error shows."""
    dtype = np.dtype(dtype)
    x = np.concatenate([np.linspace(-30, 30, 331), np.linspace(-1, 1, 50), [0.0, -0.0, 1e-30, -3, 3, 6]])
    x = x.astype(dtype).reshape(1, 1, -1)
    w = np.ones((1, 1, 1), dtype)
    for method in ("auto", *METHODS):
        runs_by(method, x, w, activation=activation)
    special = np.array([[[np.nan, np.inf]]], dtype)
    got = fl.nn.conv(special, w, activation=activation)
    want = {"relu6": 6, "hardsigmoid": 1, "sigmoid": 1, "tanh": 1, ("clip", -1.0, 2.0): 2}
    assert np.isnan(got[0, 0, 0]) and got[0, 0, 1] == want.get(activation, np.inf)


@cover(
    activation=ACTIVATIONS,
    bias=(False, True),
    residual=(False, True),
    layout=LAYOUTS,
    kind=KINDS,
    dtype=("float32", "float64", BFLOAT16),
)
def test_bias_then_residual_then_activation(rng, activation, bias, residual, layout, kind, dtype):
    shape = Shape.of(kind, 9, 17)
    x, w, b = layer(rng, dtype, shape, (13, 9), (3, 3), 2, layout)
    options = {"padding": 1, "layout": layout, "groups": shape.groups, "activation": activation}
    if residual:
        options["residual"] = residual_for(rng, x, w, **options)
    by_every_method(x, w, b if bias else None, **options)


def test_a_clip_may_be_open(rng):
    x, w, b = layer(rng, "float32", Shape(3, 4, 1), (8,), (3,))
    for bounds in [(-np.inf, 0.5), (0.5, np.inf), (-np.inf, np.inf), (1.0, 1.0)]:
        check(x, w, b, activation=("clip", *bounds))


def test_a_leaky_slope_of_any_size(rng):
    x, w, b = layer(rng, "float32", Shape(3, 4, 1), (8,), (3,))
    for slope in (0.0, 0.01, 1.0, 2.5, -0.5):
        check(x, w, b, activation=("leaky_relu", slope))


# ---- memory


@cover(
    view=VIEWS,
    weights=VIEWS,
    residual=VIEWS,
    layout=LAYOUTS,
    kind=KINDS,
    dtype=("float32", "float64", "float16", "int8", "complex64"),
)
def test_views(rng, view, weights, residual, layout, kind, dtype):
    shape = Shape.of(kind, 7, 4)
    x, w, b = layer(rng, dtype, shape, (8, 9), (3, 3), 2, layout)
    options = {"padding": 1, "layout": layout, "groups": shape.groups}
    r = residual_for(rng, x, w, **options)
    plain = {method: bits(method, x, w, b, residual=r, **options) for method in METHODS}
    x, w, r = VIEWS[view](x), VIEWS[weights](w), VIEWS[residual](r)
    b = np.repeat(b, 2)[::2]
    before = [v.tobytes() for v in (x, w, b, r)]
    ran = by_every_method(x, w, b, residual=r, **options)
    assert [v.tobytes() for v in (x, w, b, r)] == before
    for method in ran:
        assert bits(method, x, w, b, residual=r, **options) == plain[method], method


def bits(method, x, w, b, **options):
    """The bytes of a result, None where the method refuses."""
    try:
        return fl.nn.conv(x, w, b, method=method, **options).tobytes()
    except fl.FaltungError:
        return None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [view for view in VIEWS if view != "read-only"])
def test_out_of_any_strides(rng, layout, kind, how):
    shape = Shape.of(kind, 8, 16)
    x, w, b = layer(rng, "float32", shape, (10, 9), (3, 3), 2, layout)
    options = {"padding": 1, "layout": layout, "groups": shape.groups, "activation": "relu"}
    want = oracle(x, w, b, **options)
    for method in METHODS:
        expected = bits(method, x, w, b, **options)
        if expected is None:
            continue
        out = VIEWS[how](np.full(want.shape, 7, np.float32))
        surroundings = out.base
        assert fl.nn.conv(x, w, b, out=out, method=method, **options) is out
        assert out.tobytes() == expected, method
        if how == "spread out":
            out[...] = 0
            assert not surroundings.any(), "wrote between the elements"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_result_is_c_contiguous_in_its_layout(rng, layout):
    x, w, b = layer(rng, "float32", Shape(6, 5, 1), (8, 9), (3, 3), 2, layout)
    got = fl.nn.conv(np.asfortranarray(x), w, b, layout=layout)
    assert got.flags.c_contiguous and got.flags.writeable and not np.shares_memory(got, x)


def test_out_may_overlap_its_inputs(rng):
    large = draw(rng, (3, 4, 9, 9), np.float32)
    w, b = draw(rng, (4, 4, 3, 3), np.float32), draw(rng, (4,), np.float32)
    x, out = large[:2], large[1:]
    want = fl.nn.conv(x.copy(), w, b, padding=1)
    assert fl.nn.conv(x, w, b, padding=1, out=out) is out
    assert out.tobytes() == want.tobytes()
    x = draw(rng, (2, 4, 9, 9), np.float32)
    r = x.copy()
    want = fl.nn.conv(x, w, b, padding=1, residual=r)
    assert fl.nn.conv(x, w, b, padding=1, residual=r, out=r).tobytes() == want.tobytes()
    weights = draw(rng, (4, 4, 1, 1), np.float32)
    x = draw(rng, (1, 4, 4, 1), np.float32)
    want = fl.nn.conv(x, weights)
    assert fl.nn.conv(x, weights, out=weights.reshape(1, 4, 4, 1)).tobytes() == want.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("memory", LAYOUTS)
def test_views_are_not_copied(rng, layout, memory):
    """NHWC memory seen as NCHW and the other way round, and every second item."""
    shape, w = (2, 16, 128, 128), draw(rng, (16, 16, 1, 1), np.float32)
    x = turned(draw(rng, (4, *shape[1:]), np.float32), memory)[::2]
    if memory != layout:
        x = np.moveaxis(x, 1, -1) if layout == "channels_last" else np.moveaxis(x, -1, 1)
    w = turned_weights(w, layout)
    out = np.empty(x.shape, np.float32)
    want = fl.nn.conv(np.ascontiguousarray(x), w, layout=layout)
    tracemalloc.start()
    try:
        fl.nn.conv(x, w, layout=layout, out=out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes // 4, f"{peak} bytes were set aside for an input of {x.nbytes}"
    np.testing.assert_array_equal(out, want)


def test_broadcast_views(rng):
    row, w = draw(rng, (1, 3, 1, 20), np.float32), np.broadcast_to(np.float32(0.5), (4, 3, 3, 3))
    by_every_method(np.broadcast_to(row, (2, 3, 6, 20)), w, None, padding=1)
