"""What gradients are: derivatives, exact transposes, convolutions; their promise; their errors."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import faltung as fl
import reference_grad
from faltung import _core
from grids import BOUNDARIES, FLOATS, cover, draw
from hostile import CASES, hostile
from nn_tools import KINDS, LAYOUTS, Shape, allowance, assert_within, compare, layer, turned, turned_weights

SIZES = {1: (23,), 2: (7, 9), 3: (4, 5, 6)}
TAPS = {1: (4,), 2: (3, 2), 3: (2, 3, 1)}
grad = fl.nn.grad


@pytest.fixture
def rng():
    return np.random.default_rng(541)


def inner(a, b):
    return math.fsum((a.astype(np.longdouble) * b).ravel())


# ---- derivatives and transposes

MAPS = {
    "kind": KINDS,
    "layout": LAYOUTS,
    "boundary": BOUNDARIES,
    "rank": (1, 2, 3),
    "stride": (1, 2, 3),
    "dilation": (1, 2),
    "flip": (False, True),
    "batch": (None, 2),
}


def example(rng, dtype, kind, layout, rank, batch, **options):
    shape = Shape.of(kind, 4, 3)
    x, w, _ = layer(rng, dtype, shape, SIZES[rank], TAPS[rank], batch, layout)
    options |= {"groups": shape.groups, "layout": layout, "padding": ((1, 3),) * rank}
    return x, w, draw(rng, fl.nn.conv(x, w, **options).shape, dtype), options


@cover(**MAPS)
def test_exact_transposes(rng, kind, layout, boundary, rank, stride, dilation, flip, batch):
    """⟨conv(x, w), g⟩ = ⟨x, conv_input(w, g)⟩ = ⟨w, conv_weight(x, g)⟩, in integers to the bit."""
    options = {"boundary": boundary, "stride": stride, "dilation": dilation, "flip": flip}
    x, w, g, options = example(rng, np.int64, kind, layout, rank, batch, **options)
    y = fl.nn.conv(x, w, **options)
    value = int((y * g).sum())
    assert int((x * grad.conv_input(x.shape, w, g, **options)).sum()) == value
    assert int((w * grad.conv_weight(x, w.shape, g, **options)).sum()) == value
    x, w, g = (draw(rng, a.shape, np.float64) for a in (x, w, g))
    value, size = inner(fl.nn.conv(x, w, **options), g), inner(fl.nn.conv(abs(x), abs(w), **options), abs(g))
    assert abs(inner(x, grad.conv_input(x.shape, w, g, **options)) - value) <= 1e-12 * size
    assert abs(inner(w, grad.conv_weight(x, w.shape, g, **options)) - value) <= 1e-12 * size


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("groups", [1, 2])
def test_exact_transposes_of_transposed_layers(rng, layout, groups):
    x, w = draw(rng, (2, 4, 5, 6), np.int64), draw(rng, (4, 3, 3, 2), np.int64)
    x, w = turned(x, layout), turned_weights(w, layout)
    options = {"stride": (2, 3), "padding": ((1, 0), (0, 2)), "output_padding": (1, 2), "groups": groups}
    options |= {"layout": layout, "dilation": (1, 2)}
    y = fl.nn.conv_transpose(x, w, **options)
    g = draw(rng, y.shape, np.int64)
    value = int((y * g).sum())
    assert int((x * grad.conv_transpose_input(x.shape, w, g, **options)).sum()) == value
    assert int((w * grad.conv_transpose_weight(x, w.shape, g, **options)).sum()) == value


@cover(kind=KINDS, layout=LAYOUTS, boundary=BOUNDARIES, rank=(1, 2), stride=(1, 2))
def test_finite_differences(rng, kind, layout, boundary, rank, stride):
    """Of the loss Σ y² / 2, whose gradient is y; a quadratic, so that central differences are exact."""
    x, w, _, options = example(rng, np.float64, kind, layout, rank, 2, boundary=boundary, stride=stride)
    b = draw(rng, (w.shape[0] if layout == "channels_first" else w.shape[-1],), np.float64)
    loss = lambda x, w, b: (fl.nn.conv(x, w, b, **options) ** 2).sum() / 2  # noqa: E731
    g = fl.nn.conv(x, w, b, **options)
    found = (
        grad.conv_input(x.shape, w, g, **options),
        grad.conv_weight(x, w.shape, g, **options),
        grad.conv_bias(g, rank, layout=layout),
    )
    for i, gradient in enumerate(found):
        for _ in range(3):
            step = [np.zeros(a.shape) for a in (x, w, b)]
            step[i] = draw(rng, gradient.shape, np.float64)
            high, low = (
                loss(*(a + s * d for a, d in zip((x, w, b), step, strict=True))) for s in (0.5, -0.5)
            )
            size = abs(high) + abs(low)
            assert abs((high - low) - (gradient * step[i]).sum()) <= 1e-12 * size


# ---- gradients of gradients


@cover(kind=KINDS, layout=LAYOUTS, boundary=BOUNDARIES, stride=(1, 2), dilation=(1, 2))
def test_double_backward(rng, kind, layout, boundary, stride, dilation):
    """Each gradient is linear in both of its arguments, and transposed by the other functions.

    With v for what a loss sends back to dx = conv_input(w, g):  to g, conv(v, w); to w, conv_weight(v, g).
    With u for dw = conv_weight(x, g):  to g, conv(x, u); to x, conv_input(u, g).
    """
    options = {"boundary": boundary, "stride": stride, "dilation": dilation}
    x, w, g, options = example(rng, np.int64, kind, layout, 2, 2, **options)
    v, u = draw(rng, x.shape, np.int64), draw(rng, w.shape, np.int64)
    value = int((v * grad.conv_input(x.shape, w, g, **options)).sum())
    assert int((g * fl.nn.conv(v, w, **options)).sum()) == value
    assert int((w * grad.conv_weight(v, w.shape, g, **options)).sum()) == value
    value = int((u * grad.conv_weight(x, w.shape, g, **options)).sum())
    assert int((g * fl.nn.conv(x, u, **options)).sum()) == value
    assert int((x * grad.conv_input(x.shape, u, g, **options)).sum()) == value


# ---- the promise


@cover(
    dtype=FLOATS,
    data=CASES,
    given=(*CASES, "random"),
    kind=KINDS,
    layout=LAYOUTS,
    boundary=("constant", "reflect"),
    stride=(1, 2),
)
def test_hostile_data(rng, dtype, data, given, kind, layout, boundary, stride):
    shape = Shape.of(kind, 6, 9)
    x = turned(hostile(data, rng, (2, shape.inside, 9, 13), dtype), layout)
    w = turned_weights(np.zeros((shape.outside, shape.inside // shape.groups, 3, 5), dtype), layout)
    options = {"groups": shape.groups, "layout": layout, "boundary": boundary, "stride": stride, "padding": 2}
    with np.errstate(all="ignore"):
        result = fl.nn.conv(np.zeros(x.shape), np.zeros(w.shape), **options).shape
    first = (2, shape.outside, *(result[2:] if layout == "channels_first" else result[1:-1]))
    g = turned(hostile(given, rng, first, dtype), layout)
    for method in ("auto", "gemm"):
        got = grad.conv_weight(x, w.shape, g, method=method, **options)
        want = reference_grad.conv_weight(x, w.shape, g, **options)
        assert_within(got, want, allowance(want, got.dtype))
    got, want = grad.conv_bias(g, 2, layout=layout), reference_grad.conv_bias(g, 2, layout)
    assert_within(got, want, allowance(want, got.dtype))


@cover(
    dtype=("float32", "float64", "complex64"),
    kind=("dense", "depthwise"),
    sizes=((150, 130), (2, 9000)),
    data=("constant", "drift", "random"),
)
def test_100000_terms(rng, dtype, kind, sizes, data):
    """Chains of at most 256 terms: a plain chain of equal terms would be off by thousands of units."""
    shape = Shape.of(kind, 2, 2)
    x, w, _ = layer(rng, dtype, shape, sizes, (1, 3), 6)
    if data != "random":
        x = np.full(x.shape, 1.1, dtype)
    g = draw(rng, (6, shape.outside, sizes[0], sizes[1] - 2), dtype)
    if data == "drift":
        g = (abs(g) + 0.7).astype(dtype)
    options = {"groups": shape.groups}
    for method in ("auto", "gemm"):
        compare(
            grad.conv_weight(x, w.shape, g, method=method, **options),
            reference_grad.conv_weight(x, w.shape, g, **options),
            np.dtype(dtype),
        )
    compare(grad.conv_bias(g, 2), reference_grad.conv_bias(g, 2), np.dtype(dtype))


@cover(
    special=(np.nan, np.inf, -np.inf),
    where=("corner", "edge", "middle"),
    kind=KINDS,
    layout=LAYOUTS,
    dtype=("float32", "float64", "complex128"),
)
def test_what_is_not_finite_reaches_its_taps_only(rng, special, where, kind, layout, dtype):
    """A gradient that is not finite must not meet the zeros that stand for absent samples."""
    shape = Shape.of(kind, 5, 20)
    x, w, _ = layer(rng, dtype, shape, (8, 9), (3, 3), 2, layout)
    options = {"groups": shape.groups, "layout": layout, "padding": 1, "stride": (1, 2)}
    g = draw(rng, fl.nn.conv(x, w, **options).shape, dtype)
    at = {"corner": (0, 0), "edge": (3, -1), "middle": (4, 2)}[where]
    for array in (g, x):
        spoiled = array.copy()
        spoiled[(1, 0, *at) if layout == "channels_first" else (1, *at, 0)] = special
        pair = (x, spoiled) if array is g else (spoiled, g)
        want = reference_grad.conv_weight(pair[0], w.shape, pair[1], **options)
        assert not np.isfinite(want.value).all() and np.isfinite(want.value).any()
        for method in ("auto", "gemm"):
            got = grad.conv_weight(pair[0], w.shape, pair[1], method=method, **options)
            assert (np.isfinite(got) == np.isfinite(want.value)).all()
            compare(np.where(np.isfinite(got), got, 0).astype(dtype), _finite(want), np.dtype(dtype))


def _finite(want):
    good = np.isfinite(want.value)
    parts = (np.where(good, part, 0) for part in (want.value, want.size, want.reach))
    return type(want)(*parts, want.terms)


# ---- errors


def fails(text, function, *arguments, **options):
    with pytest.raises(fl.FaltungError) as caught:
        function(*arguments, **options)
    assert text in str(caught.value), str(caught.value)


X, W, G = np.ones((2, 4, 8, 8)), np.ones((6, 4, 3, 3)), np.ones((2, 6, 6, 6))


def test_errors_of_the_gradient_of_weights():
    of = grad.conv_weight
    needed = (
        "`g` must have the shape of the layer's result, (2, 6, 8, 8). (x: (2, 4, 8, 8), weight_shape: (6, 4"
    )
    fails(needed, of, X, W.shape, G, padding=1)
    fails("`weight_shape` has 5 input channels", of, X, (6, 5, 3, 3), G)
    fails("taps of `weight_shape` span 9 samples, and `x` has 8", of, X, (6, 4, 9, 9), G)
    fails("`weight_shape` (=7) must be the shape of an array", of, X, 7, G)
    fails("`weight_shape` (=(6, -4, 3, 3)) must be the shape of an array", of, X, (6, -4, 3, 3), G)
    fails("`g` (of float32) must have the data type of `x` (float64)", of, X, W.shape, G.astype("f"))
    fails("`method` (='fast')", of, X, W.shape, G, method="fast")
    refused = "`method` (='depthwise') cannot compute this gradient: needs one group a channel; use 'auto'"
    fails(refused, of, X, W.shape, G, method="depthwise")
    fails("`out` must have exactly the shape of the result", of, X, W.shape, G, out=np.zeros((6, 4, 3, 4)))


def test_errors_of_the_gradient_of_the_input():
    of = grad.conv_input
    shapes = "(input_shape: (2, 4, 8, 8), w: (6, 4, 3, 3), g: (2, 6, 6, 6))"
    fails(
        f"`g` must have the shape of the layer's result, (2, 6, 3, 3). {shapes}", of, X.shape, W, G, stride=2
    )
    fails("`input_shape` (=(2, -4, 8, 8)) must be the shape of an array", of, (2, -4, 8, 8), W, G)
    fails("`groups` (=3) must divide the channels of `input_shape`", of, X.shape, W, G, groups=3)
    fails("`w` (of float32) must have the data type of `g` (float64)", of, X.shape, W.astype("f"), G)
    fails("`out` must have exactly the shape of the result", of, X.shape, W, G, out=np.zeros((6, 4, 3, 4)))


def test_errors_of_the_gradient_of_the_bias():
    of = grad.conv_bias
    fails("`layout` (='NCHW') is no layout; that is 'channels_first' here", of, G, 2, layout="NCHW")
    fails("`g` has 4 axes, and `rank` is 1; it must have 3, or 2 without a batch axis", of, G, 1)
    fails("`rank` (=0) must be at least 1", of, G, 0)
    fails("`g` has an axis of size 0, and only a batch may be empty", of, np.ones((2, 0, 3)), 1)


def test_errors_of_transposed_layers():
    x, w, g = np.ones((2, 4, 5)), np.ones((4, 3, 3)), np.ones((2, 3, 12))
    of_input, of_weight = grad.conv_transpose_input, grad.conv_transpose_weight
    needed = "`g` must have the shape of the layer's result, (2, 3, 11)"
    fails(needed, of_weight, x, w.shape, g, stride=2)
    fails("`w` has 4 input channels, but `input_shape` has 5 channels", of_input, (2, 5, 5), w, g)
    fails("`weight_shape` has 4 input channels, but `x` has 5", of_weight, np.ones((2, 5, 5)), w.shape, g)
    fails("`x` has 5 axes and `weight_shape` has 3", of_weight, np.ones((1,) * 5), w.shape, g)
    fails("`x` has an axis of size 0", of_weight, np.ones((2, 0, 5)), (1, 1, 1), g)
    fails("`output_padding`", of_input, x.shape, w, g, output_padding=1)


def test_integers_that_do_not_fit():
    x, g = np.full((1, 1, 4), 2**62), np.ones((1, 1, 4), np.int64)
    fails("a sum of the gradient does not fit int64; convert", grad.conv_weight, x, (1, 1, 1), g)
    w, g = np.full((1, 1, 3), 100, np.int16), np.full((1, 1, 3), 110, np.int16)
    out, options = np.zeros((1, 1, 3), np.int16), {"padding": 1, "boundary": "edge"}
    text = "a sum of the gradient does not fit int16; convert"
    fails(text, grad.conv_input, (1, 1, 3), w, g, out=out, **options)
    assert not out.any()


# ---- instruction sets

HERE = Path(__file__).parent
FORCED = "FALTUNG_ISA" in os.environ  # such a run is one of several that cover them all
OTHERS = [] if FORCED else [isa for isa in _core.available_isas() if isa != _core.isa()]


@pytest.mark.parametrize("isa", OTHERS)
def test_gradients_under_another_instruction_set(isa, plain_environment):
    chosen = "test_the_grid or test_blocks_and_tiles or test_hostile_data or terms or taps_only"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE / "test_nn_grad.py"),
         str(HERE / "test_nn_grad_properties.py"), "-k", chosen],
        env={**plain_environment, "FALTUNG_ISA": isa},
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
