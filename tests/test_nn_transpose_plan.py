"""Plans of transposed layers, and every error by its text."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import faltung as fl
from grids import draw
from nn_tools import LAYOUTS, Shape
from nn_transposed import layer, residual_for

X, W = np.ones((1, 4, 5, 6), np.float32), np.ones((4, 3, 3, 3), np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(491)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "complex64"])
def test_a_plan_gives_the_same_bits_as_the_call(rng, layout, dtype):
    x, w, b = layer(rng, dtype, Shape(9, 5, 1), (6, 7), (4, 4), 2, layout)
    options = {"stride": 2, "padding": 1, "layout": layout}
    plan = fl.nn.plan_conv_transpose(x.shape, w, b, **options)
    want = fl.nn.conv_transpose(x, w, b, **options)
    assert plan.shape == want.shape and plan.dtype == want.dtype
    for _ in range(2):
        assert plan(x).tobytes() == want.tobytes()
    out = np.empty_like(want)
    assert plan(x, out=out) is out and out.tobytes() == want.tobytes()
    r = residual_for(rng, x, w, **options)
    joined = fl.nn.conv_transpose(x, w, b, residual=r, **options)
    assert plan(x, residual=r).tobytes() == joined.tobytes()
    assert pickle.loads(pickle.dumps(plan))(x).tobytes() == want.tobytes()
    other = plan.with_weights(w * 2, b)
    assert other(x).tobytes() == fl.nn.conv_transpose(x, w * 2, b, **options).tobytes()


def test_what_a_plan_tells(rng):
    x, w, b = layer(rng, "float32", Shape(64, 32, 1), (14, 14), (4, 4), 1)
    plan = fl.nn.plan_conv_transpose(x.shape, w, b, stride=2, padding=1)
    assert plan.spec.transposed and plan.spec.output_size == (28, 28)
    assert plan.cost == 14 * 14 * 16 * 64 * 32 == plan.spec.cost().multiplications
    text = str(plan.explain())
    assert "conv_transpose float32" in text and "spectral" not in text and "microkernel" in text
    assert {c.method for c in plan.explain().candidates} == {
        "gemm",
        "depthwise",
        "grouped",
        "planes",
        "reference",
    }
    assert "conv_transpose" in repr(plan)
    bound = plan.error_bound(x)
    assert bound.shape == plan.shape and 0 < bound.max() < 1e-2
    measured = fl.nn.plan_conv_transpose(x.shape, w, b, stride=2, padding=1, measure=True)
    np.testing.assert_allclose(measured(x), plan(x), atol=1e-3)


def test_memory_is_that_of_the_weights_and_a_strip(rng):
    """No matrix of columns: that of this layer has 256 times the input's numbers."""
    x, w, b = layer(rng, "float32", Shape(21, 21, 1), (40, 40), (16, 16), 1)
    plan = fl.nn.plan_conv_transpose(x.shape, w, b, stride=8)
    (taken,) = (c for c in plan.explain().candidates if c.chosen)
    result = 4 * np.prod(plan.shape)
    assert taken.extra_bytes is not None and taken.extra_bytes < 2 * w.nbytes + result


def test_it_agrees_with_the_function_that_zeros_are_put_between(rng):
    """stride 1 over an input with zeros between its samples, flipped and full."""
    x, w, _ = layer(rng, "float64", Shape(3, 4, 1), (5, 6), (3, 3), 1)
    spread = np.zeros((1, 3, 9, 11))
    spread[:, :, ::2, ::2] = x
    want = fl.nn.conv(spread, w.swapaxes(0, 1), padding="full", flip=True)
    np.testing.assert_allclose(fl.nn.conv_transpose(x, w, stride=2), want, atol=1e-12)


def test_output_size_solves_output_padding(rng):
    x, w = draw(rng, (1, 4, 5, 6), np.float32), draw(rng, (4, 3, 3, 3), np.float32)
    want = fl.nn.conv_transpose(x, w, stride=2, padding=1, output_padding=(1, 0))
    got = fl.nn.conv_transpose(x, w, stride=2, padding=1, output_size=(10, 11))
    assert got.shape == (1, 3, 10, 11) and got.tobytes() == want.tobytes()
    same = fl.nn.conv_transpose(x, w, stride=2, padding="same")
    assert same.shape == (1, 3, 10, 12)


def test_kinds_are_kept():
    assert fl.nn.conv_transpose([[1, 2]], [[[1, 10]]], stride=2).tolist() == [[1, 10, 2, 20]]
    assert fl.nn.conv_transpose(X[0], W).shape == (3, 7, 8)


ERRORS = [
    ({"output_padding": 1}, r"`output_padding` \(=\(1, 1\)\) must be less than `stride` \(=\(1, 1\)\)"),
    ({"stride": 2, "output_padding": 2}, r"must be less than `stride` \(=\(2, 2\)\)"),
    ({"stride": 2, "output_size": (20, 13)}, r"`output_size` \(=\(20, 13\)\) must lie between \(11, 13\) and "
     r"\(12, 14\) for the spatial axes of `x` \(=\(5, 6\)\)"),
    ({"stride": 2, "output_size": 10}, r"must lie between"),
    ({"stride": 2, "output_size": 12, "output_padding": 1}, r"decides `output_padding`"),
    ({"padding": 9}, r"crops all of axis 0, whose output size would be -11; use less padding"),
    ({"padding": "SAME"}, r"`padding` \(='SAME'\) is no word.*'same'"),
    ({"padding": "causal"}, r"rank 1"),
    ({"padding": [0, 0, 1, 1]}, r"lists all starts, then all ends"),
    ({"groups": 3}, r"`groups` \(=3\) must divide the channels of `x` \(=4\); use 1, 2 or 4"),
    ({"stride": 0}, r"`stride` \(=.*must be at least 1"),
    ({"dilation": 2**31}, r"`dilation` \(=2147483648\) must be less than 2\^31"),
    ({"layout": "NHWC"}, r"`layout` \(='NHWC'\) is no layout; that is 'channels_last' here"),
    ({"layout": "channels_last"}, r"`w` has 3 input channels and `x` has 6; pass weights of the shape "
     r"\(\*kernel, out / groups, in\), or `layout='channels_first'`"),
    ({"method": "spectral"}, r"`method` \(='spectral'\)"),
    ({"method": "depthwise"}, r"`method` \(='depthwise'\) cannot run this layer: .*one input channel"),
    ({"overflow": "clip"}, r"`overflow` \(='clip'\)"),
    ({"activation": "swish"}, r"`activation` \(='swish'\)"),
    ({"precision": "best"}, r"`precision` \(='best'\)"),
    ({"workers": 0}, r"`workers`"),
    ({"x_zero_point": 3}, r"`x_zero_point` \(=3\) is for int8 and uint8"),
    ({"residual": np.ones((1, 3, 7, 9), np.float32)}, r"`residual` must have exactly the shape"),
    ({"out": np.ones((1, 3, 7, 9), np.float32)}, r"`out`"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "text"), ERRORS, ids=[next(iter(o)) + str(i) for i, (o, _) in enumerate(ERRORS)]
)
def test_an_option_that_cannot_be(options, text):
    with pytest.raises(fl.FaltungError, match=text):
        fl.nn.conv_transpose(X, W, **options)


@pytest.mark.parametrize(
    ("x", "w", "text"),
    [
        (X, np.ones((3, 4, 3, 3), np.float32), r"`w` has 3 input channels and `x` has 4; pass weights of the "
         r"shape \(in, out / groups, \*kernel\); these have their two channel axes the other way round"),
        (X, np.ones((4, 3), np.float32), r"`w` has 2 axes; it must have at least 3, \(in, out / g"),
        (X[0, 0], W, r"`x` has 2 axes and `w` has 4; `x` must have 4, or 3 without a batch axis"),
        (X[:, :, :0], W, r"`x` has an axis of size 0"),
        (X, W.astype(np.float64), r"`w` \(of float64\) must have the data type of `x`"),
        (X > 0, W > 0, r"bool"),
    ],
)  # fmt: skip
def test_operands_that_do_not_fit(x, w, text):
    with pytest.raises(fl.FaltungError, match=text):
        fl.nn.conv_transpose(x, w)


def test_a_bias_of_another_length():
    with pytest.raises(fl.FaltungError, match=r"`b` must hold one number for each of the 6 output channels"):
        fl.nn.conv_transpose(X, W, np.ones(3, np.float32), groups=2)
