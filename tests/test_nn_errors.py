"""Every error of layers by its text: the argument in backticks, its value, the rule, the fix.

A case is what differs from a call that works, the built-in exception that it also is, and what the message
must say. Nothing is written before an error. Data types are in test_nn_dtypes.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import faltung as fl

X, W, B = np.ones((2, 4, 6, 7), np.float32), np.ones((6, 4, 3, 3), np.float32), np.ones(6, np.float32)
ROW, ROW_W = np.ones((1, 2, 9), np.float32), np.ones((3, 2, 3), np.float32)
SHAPE = (2, 6, 4, 5)


def f32(*shape):
    return np.ones(shape, np.float32)


def refused(kind, words, call, *arguments, **options):
    """The call raises ``kind``, as a FaltungError, with every word in its message."""
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert isinstance(caught.value, fl.FaltungError), f"{type(caught.value).__name__}: {message}"
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"
    assert message[0] in "`'" or message[0].isupper(), message


def cases(**rows):
    """Parametrize a test with named (changes of the arguments, exception, words)."""
    return pytest.mark.parametrize(("changes", "kind", "words"), list(rows.values()), ids=list(rows))


def conv(**changes):
    arguments = {"x": X, "w": W, "b": B} | changes
    return fl.nn.conv(**arguments)


def plan(**changes):
    """The same as a plan, where the change is not one of a call."""
    arguments = {"x": X, "w": W, "b": B} | changes
    x = arguments.pop("x")
    return fl.nn.plan_conv(x.shape, dtype=x.dtype, **arguments)


BOTH = pytest.mark.parametrize("call", [conv, plan], ids=["conv", "plan_conv"])


def test_the_call_that_works():
    assert conv().shape == SHAPE and plan()(X).shape == SHAPE


# ---- shapes


@BOTH
@cases(
    channels=({"w": f32(6, 3, 3, 3)}, ValueError, ["`w`", "3", "4", "channels", "x: (2, 4, 6, 7)"]),
    more_channels=({"w": f32(6, 8, 3, 3)}, ValueError, ["`w`", "8", "4 ", "w: (6, 8, 3, 3)"]),
    needs_groups=({"w": f32(6, 2, 3, 3)}, ValueError, ["`w`", "`groups=2`"]),
    depthwise=({"w": f32(4, 1, 3, 3), "b": None}, ValueError, ["`w`", "`groups=4`"]),
    last=({"w": f32(3, 3, 4, 6), "x": f32(2, 6, 7, 4)}, ValueError, ["`layout='channels_last'`"]),
    first=({"layout": "channels_last"}, ValueError, ["`layout='channels_first'`"]),
    groups=({"groups": 3}, ValueError, ["`groups` (=3)", "4", "6", "1 or 2"]),
    groups_and_weights=({"groups": 2}, ValueError, ["`w`", "4", "`groups`", "2"]),
    many_groups=({"groups": 5}, ValueError, ["`groups` (=5)", "1 or 2"]),
    no_groups=({"groups": 0}, ValueError, ["`groups` (=0)", "1"]),
    few_groups=({"groups": -2}, ValueError, ["`groups` (=-2)"]),
    fraction=({"groups": 2.0}, TypeError, ["`groups` (=2.0)"]),
    flag=({"groups": True}, TypeError, ["`groups` (=True)"]),
    low_rank=({"w": f32(6, 4)}, ValueError, ["`w`", "2 axes", "3"]),
    rank=({"w": f32(6, 4, 3)}, ValueError, ["`x`", "4", "`w`", "3"]),
    high_rank=({"w": f32(6, 4, 3, 3, 3, 3)}, ValueError, ["`x`", "4", "6", "5"]),
    flat=({"x": f32(7)}, ValueError, ["`x`", "`w`", "x: (7,)"]),
    no_samples=({"x": f32(2, 4, 0, 7)}, ValueError, ["`x`", "0", "(2, 4, 0, 7)"]),
    no_channels=({"x": f32(2, 0, 6, 7), "w": f32(6, 0, 3, 3)}, ValueError, ["`x`", "0"]),
    no_taps=({"w": f32(6, 4, 0, 3)}, ValueError, ["`w`", "0", "(6, 4, 0, 3)"]),
    no_outputs=({"w": f32(0, 4, 3, 3), "b": None}, ValueError, ["`w`", "0"]),
    bias=({"b": f32(5)}, ValueError, ["`b`", "6", "(5,)"]),
    bias_of_inputs=({"b": f32(4)}, ValueError, ["`b`", "6 output channels", "(4,)"]),
    column=({"b": f32(6, 1)}, ValueError, ["`b`", "(6, 1)"]),
    scalar=({"b": np.float32(1)}, ValueError, ["`b`", "()"]),
)
def test_shapes(call, changes, kind, words):
    refused(kind, words, call, **changes)


@pytest.mark.parametrize("shape", [(2, 6, 4, 4), (6, 4, 5), (1, 6, 4, 5), (2, 4, 5, 6), (6,), ()], ids=str)
def test_the_residual_has_the_shape_of_the_result(shape):
    refused(ValueError, ["`residual`", str(shape), str(SHAPE)], conv, residual=f32(*shape))


def test_unbatched_residuals_have_no_batch_axis():
    assert fl.nn.conv(X[0], W, residual=f32(6, 4, 5)).shape == (6, 4, 5)
    refused(
        ValueError, ["`residual`", "(1, 6, 4, 5)", "(6, 4, 5)"], fl.nn.conv, X[0], W, residual=f32(1, 6, 4, 5)
    )


# ---- padding, steps


@BOTH
@cases(
    flat=({"padding": (1, 2, 3, 4)}, ValueError, ["`padding` (=(1, 2, 3, 4))", "ONNX", "((1, 3), (2, 4))"]),
    listed=({"padding": [0, 0, 1, 1]}, ValueError, ["`padding`", "ONNX", "((0, 1), (0, 1))"]),
    three=({"padding": (1, 2, 3)}, ValueError, ["`padding` (=(1, 2, 3))", "3", "2 axes"]),
    one=({"padding": (1,)}, ValueError, ["`padding` (=(1,))", "1", "2 axes"]),
    pairs=({"padding": ((1, 1),)}, ValueError, ["`padding`", "1 pairs", "2 axes"]),
    triple=({"padding": ((1, 1), (1, 1, 1))}, TypeError, ["`padding`", "(lo, hi)"]),
    negative=({"padding": -1}, ValueError, ["`padding` (=-1)", "negative", "crop"]),
    negative_end=({"padding": ((0, 0), (0, -2))}, ValueError, ["`padding`", "negative"]),
    fraction=({"padding": 0.5}, TypeError, ["`padding` (=0.5)"]),
    word=({"padding": "half"}, ValueError, ["`padding` (='half')", "'same'", "'valid'"]),
    onnx=({"padding": "SAME_UPPER"}, ValueError, ["`padding` (='SAME_UPPER')", "'same'"]),
    tensorflow=({"padding": "SAME"}, ValueError, ["`padding` (='SAME')", "'same'"]),
    causal=({"padding": "causal"}, ValueError, ["`padding` (='causal')", "rank 1"]),
    stride=({"stride": 0}, ValueError, ["`stride` (=0)", "1"]),
    strides=({"stride": (1, 2, 3)}, ValueError, ["`stride` (=(1, 2, 3))", "2 axes"]),
    a_float=({"stride": 1.5}, TypeError, ["`stride` (=1.5)"]),
    dilation=({"dilation": -1}, ValueError, ["`dilation` (=-1)", "1"]),
    dilations=({"dilation": (2,)}, ValueError, ["`dilation` (=(2,))", "2 axes"]),
    far=({"stride": 2**40}, ValueError, ["`stride`", "2^31"]),
    far_taps=({"dilation": 2**40}, ValueError, ["`dilation`", "2^31"]),
)
def test_padding_and_steps(call, changes, kind, words):
    refused(kind, words, call, **changes)


def test_a_padding_that_leaves_no_output_names_the_size_that_would():
    """9 samples of 11 needed; of the dilated kernel 9 samples of 6 + 1 + 0."""
    big = f32(6, 4, 11, 3)
    refused(ValueError, ["no output", "`w`", "11", "6", "axis 0"], conv, w=big)
    refused(ValueError, ["`padding`", "no output", "5"], conv, w=big)  # 5 more samples would do
    assert conv(w=big, padding=((5, 0), (0, 0))).shape == (2, 6, 1, 5)
    dilated = {"dilation": (4, 1), "padding": ((1, 0), (0, 0))}
    refused(ValueError, ["`padding`", "no output", "`dilation`", "4", "9", "6 + 1 + 0"], conv, **dilated)
    assert conv(dilation=(4, 1), padding=((1, 2), (0, 0))).shape == (2, 6, 1, 5)
    refused(ValueError, ["no output", "axis 1"], plan, w=f32(6, 4, 3, 8))


# ---- words


@BOTH
@pytest.mark.parametrize(
    ("name", "wrong", "offers"),
    [
        ("boundary", "cyclic", ["'constant'", "'wrap'"]),
        ("boundary", "zeros", ["'constant'"]),
        ("boundary", "replicate", ["'edge'"]),
        ("boundary", "circular", ["'wrap'"]),
        ("layout", "NCHW", ["'channels_first'"]),
        ("layout", "NHWC", ["'channels_last'"]),
        ("layout", "first", ["'channels_first'", "'channels_last'"]),
        ("method", "magic", ["'auto'", "'gemm'", "'depthwise'", "'grouped'", "'reference'"]),
        ("method", "direct", ["'auto'", "'gemm'"]),
        ("precision", "low", ["'highest'", "'high'", "'medium'"]),
        ("overflow", "ignore", ["'raise'", "'wrap'", "'saturate'"]),
        ("activation", "magic", ["'relu'", "'silu'", "'gelu_tanh'"]),
        ("activation", "swish", ["'silu'"]),
        ("activation", "ReLU", ["'relu'"]),
        ("activation", "leaky_relu", ["('leaky_relu', "]),
    ],
)
def test_an_unknown_word_names_the_words_there_are(call, name, wrong, offers):
    refused(ValueError, [f"`{name}` (={wrong!r})", *offers], call, **{name: wrong})


@BOTH
@pytest.mark.parametrize("name", ["boundary", "layout", "method", "overflow", "activation", "padding"])
@pytest.mark.parametrize("wrong", [1.5, ["relu", 2], {}, np.ones(3)], ids=["number", "list", "dict", "array"])
def test_what_is_not_a_word_is_refused_by_name(call, name, wrong):
    refused((TypeError, ValueError), [f"`{name}`"], call, **{name: wrong})


@BOTH
@cases(
    slope=({"activation": ("leaky_relu",)}, TypeError, ["`activation`", "('leaky_relu', slope)"]),
    slopes=({"activation": ("leaky_relu", 1, 2)}, TypeError, ["`activation`", "('leaky_relu', slope)"]),
    text=({"activation": ("leaky_relu", "0.1")}, TypeError, ["`activation`"]),
    infinite=({"activation": ("leaky_relu", np.inf)}, ValueError, ["`activation`", "finite"]),
    bounds=({"activation": ("clip", 1)}, TypeError, ["`activation`", "('clip', low, high)"]),
    crossed=({"activation": ("clip", 2, 1)}, ValueError, ["`activation` (=('clip', 2, 1))", "low <= high"]),
    nan=({"activation": ("clip", np.nan, 1)}, ValueError, ["`activation`", "low <= high"]),
    function=({"activation": np.tanh}, TypeError, ["`activation`", "'tanh'"]),
    several=({"boundary": ("edge",)}, ValueError, ["`boundary`", "1 words", "2"]),
    one_wrong=({"boundary": ("edge", "mirror")}, ValueError, ["`boundary`", "'mirror'", "'reflect'"]),
    flip=({"flip": 1}, TypeError, ["`flip` (=1)", "True or False"]),
    workers=({"workers": 0}, ValueError, ["`workers` (=0)", "1"]),
    some_workers=({"workers": 1.5}, TypeError, ["`workers` (=1.5)"]),
)
def test_other_options(call, changes, kind, words):
    refused(kind, words, call, **changes)


@pytest.mark.parametrize(
    ("dtype", "activation", "words"),
    [
        ("int32", "silu", ["`activation` (='silu')", "int32", "'relu'"]),
        ("int8", ("leaky_relu", 0.5), ["`activation`", "'relu'"]),
        ("int16", ("clip", 0.5, 2), ["`activation`", "whole", "int16"]),
        ("complex64", "relu", ["`activation` (='relu')", "complex64"]),
        ("complex128", ("clip", 0, 1), ["`activation`", "complex128"]),
    ],
)
def test_activations_that_a_type_has_not(dtype, activation, words):
    x, w = ROW.astype(dtype), ROW_W.astype(dtype)
    refused((TypeError, ValueError), words, fl.nn.conv, x, w, activation=activation)


@BOTH
@cases(
    floats=({"x_zero_point": 1}, TypeError, ["`x_zero_point` (=1)", "int8", "float32"]),
    weights=({"w_zero_point": 3}, TypeError, ["`w_zero_point` (=3)", "float32"]),
)
def test_zero_points_of_floating_point(call, changes, kind, words):
    refused(kind, words, call, **changes)


BYTES = {"x": np.ones((1, 2, 5), np.uint8), "w": np.ones((3, 2, 2), np.int8), "b": None}


@BOTH
@cases(
    high=({"x_zero_point": 256}, ValueError, ["`x_zero_point` (=256)", "uint8", "0 to 255"]),
    low=({"x_zero_point": -1}, ValueError, ["`x_zero_point` (=-1)", "uint8"]),
    weights=({"w_zero_point": 128}, ValueError, ["`w_zero_point` (=128)", "int8", "-128 to 127"]),
    few=({"w_zero_point": (1, 2)}, TypeError, ["`w_zero_point` (=(1, 2))", "3"]),
    several=({"x_zero_point": (1, 2)}, TypeError, ["`x_zero_point` (=(1, 2))"]),
    fraction=({"x_zero_point": 0.5}, TypeError, ["`x_zero_point` (=0.5)"]),
    fractions=({"w_zero_point": (1, 2, 0.5)}, TypeError, ["`w_zero_point`"]),
    text=({"x_zero_point": "1"}, TypeError, ["`x_zero_point` (='1')"]),
)
def test_zero_points(call, changes, kind, words):
    refused(kind, words, call, **BYTES | changes)


def test_zero_points_of_wider_integers():
    x, w = ROW.astype(np.int16), ROW_W.astype(np.int16)
    refused(TypeError, ["`x_zero_point` (=1)", "int8", "int16"], fl.nn.conv, x, w, x_zero_point=1)


# ---- methods


@pytest.mark.parametrize("method", ["depthwise", "planes", "spectral"])
def test_a_method_says_what_it_cannot(method):
    """These take one input channel a group."""
    refused(ValueError, [f"`method` (={method!r})", "'auto'"], conv, method=method)
    refused(ValueError, [f"`method` (={method!r})", "'auto'"], plan, method=method)
    listed = {c.method: c for c in plan().explain().candidates}
    assert listed[method].seconds is None and len(listed[method].reason) > 10
    assert listed[method].reason in str(plan().explain())


# ---- operands


@cases(
    nothing=({"x": None, "b": None}, TypeError, ["`x`"]),
    text=({"x": "abc", "b": None}, TypeError, ["`x`"]),
    a_set=({"w": {1, 2}}, TypeError, ["`w`"]),
    ragged=({"w": [[[1.0], [1.0, 2.0]]]}, (TypeError, ValueError), ["`w`"]),
    masked=({"x": np.ma.array(X, mask=np.ones_like(X, bool))}, TypeError, ["`x`", "mask"]),
    masked_weights=({"w": np.ma.array(W, mask=np.ones_like(W, bool))}, TypeError, ["`w`", "mask"]),
    bias_text=({"b": "abc"}, TypeError, ["`b`"]),
    residual_text=({"residual": "abc"}, TypeError, ["`residual`"]),
)
def test_operands_that_are_no_arrays(changes, kind, words):
    refused(kind, words, conv, **changes)


# ---- out


@pytest.mark.parametrize("shape", [(2, 6, 4, 4), (6, 4, 5), (2, 4, 5, 6), (1, 6, 4, 5), ()], ids=str)
def test_out_of_another_shape(shape):
    out = np.zeros(shape, np.float32)
    refused(ValueError, ["`out`", str(shape), str(SHAPE)], conv, out=out)
    refused(ValueError, ["`out`", str(shape), str(SHAPE)], plan(), X, out=out)
    assert not out.any()


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "complex64", ">f4"])
def test_out_of_another_type(dtype):
    out = np.zeros(SHAPE, dtype)
    refused(TypeError, ["`out`", "float32"], conv, out=out)
    refused(TypeError, ["`out`", "float32"], plan(), X, out=out)
    assert not out.any()


def test_out_that_cannot_be_written():
    out = np.zeros(SHAPE, np.float32)
    out.flags.writeable = False
    refused(ValueError, ["`out`", "read-only"], conv, out=out)
    refused(TypeError, ["`out`"], conv, out=[])
    refused((TypeError, ValueError), ["`out`"], conv, out=np.broadcast_to(np.float32(1), SHAPE))


@cases(
    activation=({"activation": "magic"}, ValueError, []),
    residual=({"residual": f32(1)}, ValueError, []),
    bias=({"b": f32(5)}, ValueError, []),
    types=({"w": W.astype(np.float64)}, TypeError, []),
    method=({"method": "depthwise"}, ValueError, []),
    workers=({"workers": 0}, ValueError, []),
)
def test_out_is_untouched_after_an_error(changes, kind, words):
    out = np.full(SHAPE, 7, np.float32)
    refused(kind, words, conv, out=out, **changes)
    assert (out == 7).all()
    assert conv(out=out) is out and not (out == 7).any()


# ---- plans


@pytest.mark.parametrize("shape", [(2, 4, 6, 8), (4, 6, 7), (1, 4, 6, 7), (2, 6, 7, 4), (7,)], ids=str)
def test_a_plan_is_for_one_shape(shape):
    refused(ValueError, ["`x`", str(shape), str(X.shape), "plan"], plan(), f32(*shape))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", ">f4"])
def test_a_plan_is_for_one_type(dtype):
    refused(TypeError, ["`x`", "float32"], plan(), X.astype(dtype))


def test_other_weights_have_the_same_shape():
    for wrong in (f32(6, 4, 3, 4), f32(5, 4, 3, 3), f32(6, 4, 3)):
        refused(ValueError, ["`w`", str(wrong.shape), str(W.shape)], plan().with_weights, wrong)
    refused(ValueError, ["`b`", "(5,)", "6"], plan().with_weights, W, f32(5))


def test_arguments_of_plan_conv():
    refused(TypeError, ["`x_shape`", "'abc'"], fl.nn.plan_conv, "abc", W, dtype=np.float32)
    refused(TypeError, ["`x_shape`"], fl.nn.plan_conv, (2, 4, 6.0, 7), W, dtype=np.float32)
    refused(ValueError, ["`x_shape`", "negative"], fl.nn.plan_conv, (-2, 4, 6, 7), W, dtype=np.float32)
    refused(TypeError, ["`dtype`", "'number'"], fl.nn.plan_conv, X.shape, W, dtype="number")
    refused(TypeError, ["`w`", "float32", "float64"], fl.nn.plan_conv, X.shape, W, dtype=np.float64)


# ---- separable layers


DEPTHWISE, POINTWISE = f32(4, 1, 3, 3), f32(6, 4, 1, 1)


@cases(
    dense=({"depthwise": W}, ValueError, ["`depthwise`", "(6, 4, 3, 3)"]),
    channels=({"depthwise": f32(6, 1, 3, 3)}, ValueError, ["`depthwise`", "4", "6"]),
    pointwise=({"pointwise": f32(6, 5, 1, 1)}, ValueError, ["`pointwise`", "5", "4"]),
    taps=({"pointwise": f32(6, 4, 3, 3)}, ValueError, ["`pointwise`", "1"]),
    flat=({"pointwise": f32(6, 4)}, ValueError, ["`pointwise`", "(6, 4)"]),
    ranks=({"depthwise": f32(4, 1, 3)}, ValueError, ["`x`", "`depthwise`"]),
    bias=({"b": f32(4)}, ValueError, ["`b`", "6", "(4,)"]),
    middle=({"mid_bias": f32(6)}, ValueError, ["`mid_bias`", "4", "(6,)"]),
    word=({"mid_activation": "swish"}, ValueError, ["`mid_activation` (='swish')", "'silu'"]),
    types=({"pointwise": POINTWISE.astype(np.float64)}, TypeError, ["`pointwise`", "float64", "float32"]),
    depthwise_type=({"depthwise": DEPTHWISE.astype("f2")}, TypeError, ["`depthwise`", "float16"]),
    middle_type=({"mid_bias": np.ones(4)}, TypeError, ["`mid_bias`", "float64", "float32"]),
    pads=({"padding": (0, 0, 1, 1)}, ValueError, ["`padding`", "ONNX", "((0, 1), (0, 1))"]),
    window=({"depthwise": f32(4, 1, 8, 3)}, ValueError, ["`padding`", "no output", "`depthwise`"]),
    out=({"out": f32(2, 6, 6, 7)}, ValueError, ["`out`", "(2, 6, 6, 7)", "(2, 6, 4, 5)"]),
)
def test_separable(changes, kind, words):
    arguments = {"x": X, "depthwise": DEPTHWISE, "pointwise": POINTWISE}
    assert fl.nn.separable_conv(**arguments).shape == SHAPE
    refused(kind, words, fl.nn.separable_conv, **arguments | changes)


# ---- columns


@cases(
    rank=({"kernel_size": (3, 3, 3, 3)}, ValueError, ["`x`", "`kernel_size`", "4"]),
    taps=({"kernel_size": (0, 3)}, ValueError, ["`kernel_size` (=(0, 3))", "1"]),
    fraction=({"kernel_size": 1.5}, TypeError, ["`kernel_size` (=1.5)"]),
    stride=({"stride": 0}, ValueError, ["`stride` (=0)"]),
    pads=({"padding": (0, 0, 1, 1)}, ValueError, ["`padding`", "ONNX", "((0, 1), (0, 1))"]),
    window=({"kernel_size": (9, 3)}, ValueError, ["`padding`", "no output", "9"]),
    layout=({"layout": "NHWC"}, ValueError, ["`layout` (='NHWC')", "'channels_last'"]),
)
def test_im2col(changes, kind, words):
    arguments = {"x": X, "kernel_size": (3, 3)}
    assert fl.nn.im2col(**arguments).shape == (2, 36, 20)
    refused(kind, words, fl.nn.im2col, **arguments | changes)


COLS = f32(2, 36, 20)


@cases(
    rows=({"cols": f32(2, 35, 20)}, ValueError, ["`cols`", "35", "9"]),
    windows=({"cols": f32(2, 36, 21)}, ValueError, ["`cols`", "21", "20"]),
    rank=({"cols": f32(20)}, ValueError, ["`cols`", "(20,)"]),
    size=({"output_size": (6, 7, 8)}, ValueError, ["`kernel_size` (=(3, 3))", "3 axes"]),
    small=({"output_size": (2, 7)}, ValueError, ["no output"]),
    taps=({"kernel_size": (0, 3)}, ValueError, ["`kernel_size` (=(0, 3))"]),
    layout=({"layout": "NHWC"}, ValueError, ["`layout` (='NHWC')", "'channels_last'"]),
)
def test_col2im(changes, kind, words):
    arguments = {"cols": COLS, "output_size": (6, 7), "kernel_size": (3, 3)}
    assert fl.nn.col2im(**arguments).shape == (2, 4, 6, 7)
    refused(kind, words, fl.nn.col2im, **arguments | changes)


# ---- the shape of the interface


def test_options_are_keyword_only():
    names = {
        fl.nn.conv: ["x", "w", "b"],
        fl.nn.plan_conv: ["x_shape", "w", "b"],
        fl.nn.separable_conv: ["x", "depthwise", "pointwise", "b"],
        fl.nn.plan_separable_conv: ["x_shape", "depthwise", "pointwise", "b"],
        fl.nn.im2col: ["x", "kernel_size"],
        fl.nn.col2im: ["cols", "output_size", "kernel_size"],
    }
    for function, expected in names.items():
        parameters = inspect.signature(function).parameters
        positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == expected, function
    with pytest.raises(TypeError):
        fl.nn.conv(X, W, B, 1)
    with pytest.raises(TypeError, match="strides"):
        fl.nn.conv(X, W, strides=1)


def test_an_error_leaves_the_library_as_it_was():
    before = conv()
    for wrong in [{"stride": 0}, {"activation": "magic"}, {"w": f32(6, 3, 3, 3)}, {"workers": 0}]:
        with pytest.raises(fl.FaltungError):
            conv(**wrong)
    np.testing.assert_array_equal(conv(), before)
