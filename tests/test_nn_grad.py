"""Gradients of layers beside their definition: options, data types, methods, memory, threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fl
import reference_grad
from grids import BOUNDARIES, COMPLEX, FLOATS, INTEGERS, cover, draw
from nn_tools import KINDS, LAYOUTS, VIEWS, Shape, compare, fits, layer, result_dtype

METHODS = ("gemm", "depthwise", "reference")
SIZES = {1: (31,), 2: (9, 13), 3: (5, 6, 7)}
TAPS = {1: (5,), 2: (3, 4), 3: (2, 3, 3)}
DEFINITION = ("stride", "padding", "dilation", "groups", "boundary", "layout", "flip", "output_padding")


@pytest.fixture
def rng():
    return np.random.default_rng(531)


def defined(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in DEFINITION}


def held(name: str, *arguments: Any, **options: Any) -> np.ndarray | None:
    """A gradient, held to its definition; None where an integer rightly does not fit."""
    want = getattr(reference_grad, name)(*arguments, **defined(options))
    dtype = result_dtype(next(a.dtype for a in arguments if isinstance(a, np.ndarray)))
    function = getattr(fl.nn.grad, name)
    if dtype.kind in "iu" and not fits(want, dtype):
        with pytest.raises(OverflowError):
            function(*arguments, **options)
        return None
    got = function(*arguments, **options)
    compare(got, want, dtype)
    return got


def by_every_method(x, weight_shape, g, **options: Any) -> list[str]:
    """The gradient of weights as it comes and by every method; which took it."""
    held("conv_weight", x, weight_shape, g, **options)
    ran = []
    for method in METHODS:
        try:
            held("conv_weight", x, weight_shape, g, method=method, **options)
        except fl.FaltungError as refusal:
            if f"`method` (={method!r})" not in str(refusal):
                raise
        else:
            ran.append(method)
    return ran


def case(rng, dtype, kind, rank, batch, layout, channels=6, more=5, **options):
    """x, w and the gradient of the layer's result, at random."""
    shape = Shape.of(kind, channels, more)
    x, w, _ = layer(rng, dtype, shape, SIZES[rank], TAPS[rank], batch, layout)
    options |= {"groups": shape.groups, "layout": layout}
    result = fl.nn.conv(np.zeros(x.shape), np.zeros(w.shape), **options).shape
    return x, w, draw(rng, result, dtype), options


# ---- the grid

GRID = {
    "dtype": (*FLOATS, *COMPLEX, *INTEGERS),
    "kind": KINDS,
    "layout": LAYOUTS,
    "boundary": BOUNDARIES,
    "rank": (1, 2, 3),
    "stride": (1, 2, "per axis"),
    "padding": (0, 2, "asymmetric", "same", "full"),
    "dilation": (1, 2),
    "batch": (None, 1, 3),
    "flip": (False, True),
}


@cover(**GRID)
def test_the_grid(rng, dtype, kind, layout, boundary, rank, stride, padding, dilation, batch, flip):
    stride = tuple(1 + i % 3 for i in range(rank)) if stride == "per axis" else stride
    padding = tuple((i, 3) for i in range(rank)) if padding == "asymmetric" else padding
    x, w, g, options = case(
        rng, dtype, kind, rank, batch, layout, stride=stride, padding=padding, dilation=dilation,
        boundary=boundary, flip=flip,
    )  # fmt: skip
    ran = by_every_method(x, w.shape, g, **options)
    assert "reference" in ran and ("gemm" in ran) == (np.dtype(dtype) in (*FLOATS, *COMPLEX))
    held("conv_bias", g, rank, layout=layout)
    held("conv_input", x.shape, w, g, **options)


TRANSPOSED = {name: GRID[name] for name in ("dtype", "kind", "layout", "rank", "batch", "flip", "dilation")}


@cover(**TRANSPOSED, stride=(1, 2, 3), padding=(0, 1, "asymmetric"), output_padding=(0, 1, "most"))
def test_transposed_layers(
    rng, dtype, kind, layout, rank, batch, flip, dilation, stride, padding, output_padding
):
    shape = Shape.of(kind, 6)
    x, _, _ = layer(rng, dtype, shape, SIZES[rank], TAPS[rank], batch, layout)
    inner = (shape.inside, shape.outside // shape.groups)
    weights = (*inner, *TAPS[rank]) if layout == "channels_first" else (*TAPS[rank], *inner[::-1])
    most = max(stride, dilation) - 1
    options = {
        "stride": stride, "dilation": dilation, "flip": flip, "layout": layout, "groups": shape.groups,
        "padding": ((1, 2),) * rank if padding == "asymmetric" else padding,
        "output_padding": most if output_padding == "most" else min(output_padding, most),
    }  # fmt: skip
    spatial = x.shape[-1 - rank : -1] if layout == "channels_last" else x.shape[-rank:]
    axes = reference_grad.transposed_axes(spatial, TAPS[rank], options)
    size = tuple(axis.size for axis in axes)
    inside = (shape.outside, *size) if layout == "channels_first" else (*size, shape.outside)
    g = draw(rng, inside if batch is None else (batch, *inside), dtype)
    held("conv_transpose_input", x.shape, draw(rng, weights, dtype), g, **options)
    held("conv_transpose_weight", x, weights, g, **options)


# ---- shapes that take other ways through the core


@cover(
    dtype=("float32", "float64", "float16", "complex64"),
    layout=LAYOUTS,
    shape=(
        Shape(1, 1, 1), Shape(3, 40, 1), Shape(40, 3, 1), Shape(29, 70, 1),
        Shape(200, 33, 1), Shape(64, 256, 1),
        Shape(24, 48, 2), Shape(32, 32, 8), Shape(20, 20, 20), Shape(17, 51, 17),
    ),
    sizes=((1, 1), (3, 5), (20, 7), (7, 20), (2, 520)),
    taps=((1, 1), (3, 3), (1, 5)),
    stride=(1, 2),
    batch=(1, 5),
)  # fmt: skip
def test_blocks_and_tiles(rng, dtype, layout, shape, sizes, taps, stride, batch):
    x, w, _ = layer(rng, dtype, shape, sizes, taps, batch, layout)
    options = {"stride": stride, "padding": 2, "groups": shape.groups, "layout": layout}
    result = fl.nn.conv(np.zeros(x.shape), np.zeros(w.shape), **options).shape
    g = draw(rng, result, dtype)
    for method in ("auto", "gemm"):
        held("conv_weight", x, w.shape, g, method=method, **options)
    held("conv_input", x.shape, w, g, **options)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_layer(data):
    integers = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    rank = integers(1, 3)
    groups = integers(1, 4)
    inside, outside = groups * integers(1, 6), groups * integers(1, 20)
    taps = tuple(integers(1, 4) for _ in range(rank))
    dilation, stride = tuple(integers(1, 3) for _ in taps), tuple(integers(1, 3) for _ in taps)
    padding = tuple((integers(0, 4), integers(0, 4)) for _ in taps)
    most = {1: 600, 2: 30, 3: 9}[rank]
    sizes = tuple(
        max(integers(1, most), d * (k - 1) + 1 - lo - hi)
        for k, d, (lo, hi) in zip(taps, dilation, padding, strict=True)
    )
    layout, batch = data.draw(st.sampled_from(LAYOUTS)), data.draw(st.sampled_from((None, 0, 1, 2, 5)))
    boundary = tuple(data.draw(st.sampled_from(BOUNDARIES)) for _ in taps)
    dtype = data.draw(st.sampled_from(("float32", "float64", "complex64", "bfloat16", "int64")))
    rng = np.random.default_rng(integers(0, 2**32))
    dtype = FLOATS[1] if dtype == "bfloat16" else np.dtype(dtype)
    x, w, _ = layer(rng, dtype, Shape(inside, outside, groups), sizes, taps, batch, layout)
    options = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "layout": layout,
        "boundary": boundary, "flip": data.draw(st.booleans()),
    }  # fmt: skip
    result = fl.nn.conv(np.zeros(x.shape), np.zeros(w.shape), **options).shape
    g = draw(rng, result, dtype)
    by_every_method(x, w.shape, g, **options)
    held("conv_input", x.shape, w, g, **options)


# ---- memory


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bits_from_any_memory(rng, view, layout, kind):
    x, w, g, options = case(rng, "float32", kind, 2, 2, layout, 20, 18, padding=1)
    for method in ("auto", "gemm"):
        want = fl.nn.grad.conv_weight(x, w.shape, g, method=method, **options)
        got = fl.nn.grad.conv_weight(VIEWS[view](x), w.shape, VIEWS[view](g), method=method, **options)
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64", "int32"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_out(rng, dtype, layout):
    x, w, g, options = case(rng, dtype, "dense", 2, 2, layout)
    want = fl.nn.grad.conv_weight(x, w.shape, g, **options)
    for view in ("contiguous", "transposed", "reversed", "spread out", "misaligned"):
        out = VIEWS[view](np.zeros(w.shape, dtype))
        assert fl.nn.grad.conv_weight(x, w.shape, g, out=out, **options) is out
        assert np.ascontiguousarray(out).tobytes() == want.tobytes()


def test_out_may_be_an_operand(rng):
    x, g = draw(rng, (1, 1, 5, 5), np.float64), draw(rng, (1, 1, 1, 1), np.float64)
    want = fl.nn.grad.conv_weight(x, (1, 1, 5, 5), g)
    assert fl.nn.grad.conv_weight(x, (1, 1, 5, 5), g, out=x) is x and x.tobytes() == want.tobytes()


def test_an_empty_batch_gives_zeros():
    for dtype in ("float32", "complex128", "int64", "int8"):
        x, g = np.zeros((0, 3, 5, 5), dtype), np.zeros((0, 4, 3, 3), dtype)
        got = fl.nn.grad.conv_weight(x, (4, 3, 3, 3), g)
        assert got.dtype == result_dtype(dtype) and got.shape == (4, 3, 3, 3) and not got.any()
        assert not fl.nn.grad.conv_bias(g, 2).any()


def test_lists_and_scalars_of_the_other_type():
    got = fl.nn.grad.conv_weight([[1, 2, 3, 4]], (1, 1, 2), np.float32([[1, 10, 100]]))
    assert got.dtype == np.float32 and got.tolist() == [[[321, 432]]]
    assert fl.nn.grad.conv_weight([[1, 2, 3]], [1, 1, 1], [[1, 1, 1]]).tolist() == [[[6]]]


# ---- threads


@pytest.mark.parametrize("method", ["auto", "gemm"])
@cover(
    kind=KINDS,
    layout=LAYOUTS,
    dtype=("float32", "float64", "complex64"),
    sizes=((40, 41), (7, 7), (3, 900)),
    channels=(1, 3, 40),
)
def test_same_bits_for_any_number_of_workers(rng, method, kind, layout, dtype, sizes, channels):
    shape = Shape.of(kind, channels, 50 if kind == "dense" else 3)
    x, w, _ = layer(rng, dtype, shape, sizes, (3, 3), 4, layout)
    options = {"groups": shape.groups, "layout": layout, "padding": 1, "method": method}
    g = draw(
        rng, fl.nn.conv(np.zeros(x.shape), np.zeros(w.shape), **options | {"method": "auto"}).shape, dtype
    )
    alone = fl.nn.grad.conv_weight(x, w.shape, g, workers=1, **options)
    bias = fl.nn.grad.conv_bias(g, 2, layout=layout, workers=1)
    for workers in (2, 3, 5):
        got = fl.nn.grad.conv_weight(x, w.shape, g, workers=workers, **options)
        assert got.tobytes() == alone.tobytes()
        assert fl.nn.grad.conv_bias(g, 2, layout=layout, workers=workers).tobytes() == bias.tobytes()


def test_many_threads_at_once(rng):
    x, w, g, options = case(rng, "float32", "dense", 2, 3, "channels_first", 20, 40, padding=1)
    inputs = [draw(rng, x.shape, np.float32) for _ in range(30)]
    run = lambda item: fl.nn.grad.conv_weight(item, w.shape, g, **options).tobytes()  # noqa: E731
    expected = [run(item) for item in inputs]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(run, inputs)) == expected


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", ["depthwise", "gemm"])
@pytest.mark.parametrize("channels", [64, 96, 160])
def test_nothing_of_an_earlier_call_remains(rng, channels, method, layout):
    """A call whose memory held NaN: what lies beyond a border is 0 at every step by which it is read."""
    x, w, g, options = case(rng, "float32", "depthwise", 2, 1, layout, channels, padding=1, stride=2)
    options |= {"method": method, "workers": 1}
    fl.nn.grad.conv_weight(np.full_like(x, np.nan), w.shape, np.full_like(g, np.nan), **options)
    held("conv_weight", x, w.shape, g, **options)
