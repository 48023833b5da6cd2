"""The ONNX project's own cases for Conv, ConvInteger and Col2Im; and beside its reference and its runtime."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from conftest import peer
from grids import cover
from nn_tools import AUTO_PAD, BYTES, KINDS, Node, Shape, conv_options, converted_cases, layer, node_cases

onnx = peer("onnx")
NODES = node_cases(onnx)
CONVERTED = converted_cases(onnx, ("pytorch-converted", "pytorch-operator"))


@pytest.fixture
def rng():
    return np.random.default_rng(451)


def names(cases):
    return [case.name for case in cases]


# ---- the conformance cases


@pytest.mark.parametrize("case", NODES, ids=names(NODES))
def test_node_cases(case):
    got = case.run()
    assert got.dtype == case.output.dtype
    np.testing.assert_array_equal(got, case.output)  # whole numbers


@pytest.mark.parametrize("case", CONVERTED, ids=names(CONVERTED))
def test_converted_models(case):
    got = case.run()
    assert got.dtype == case.output.dtype
    np.testing.assert_allclose(got, case.output, rtol=1e-5, atol=1e-6)


def test_no_case_is_lost():
    """The wheel has this many; a reader that finds fewer tests less than it says."""
    kinds = [case.kind for case in NODES]
    assert kinds.count("Conv") >= 5 and kinds.count("ConvInteger") == 2 and kinds.count("Col2Im") == 5
    assert {"test_basic_conv_with_padding", "test_conv_with_autopad_same"} <= set(names(NODES))
    assert len(CONVERTED) >= 22 and {"test_Conv1d_dilated", "test_Conv3d_groups"} <= set(names(CONVERTED))


def test_flat_pads_are_refused_and_the_pairs_shown():
    x, w = np.ones((1, 1, 5, 5), np.float32), np.ones((1, 1, 3, 3), np.float32)
    with pytest.raises(ValueError, match=r"ONNX.*\(\(1, 3\), \(2, 4\)\)"):
        fl.nn.conv(x, w, padding=[1, 2, 3, 4])
    got = fl.nn.conv(x, w, **conv_options({"pads": [1, 2, 3, 4]}, 2))
    assert got.shape == (1, 1, 7, 9)


# ---- ONNX Runtime


def model_of(kind, inputs, attributes):
    """A model of one node, and its inputs by name."""
    helper = onnx.helper
    feeds = {f"in{i}": np.ascontiguousarray(value) for i, value in enumerate(inputs)}
    types = [helper.np_dtype_to_tensor_dtype(value.dtype) for value in feeds.values()]
    result = onnx.TensorProto.INT32 if kind == "ConvInteger" else types[0]
    described = [
        helper.make_tensor_value_info(name, element, value.shape)
        for (name, value), element in zip(feeds.items(), types, strict=True)
    ]
    node = helper.make_node(kind, list(feeds), ["y"], **attributes)
    graph = helper.make_graph([node], "one", described, [helper.make_tensor_value_info("y", result, None)])
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9), feeds


def run(runtime, kind, inputs, attributes):
    """One node by ONNX Runtime."""
    model, feeds = model_of(kind, inputs, attributes)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def by_onnx(kind, inputs, attributes):
    """One node by the ONNX project's reference implementation."""
    model, feeds = model_of(kind, inputs, attributes)
    return peer("onnx.reference").ReferenceEvaluator(model).run(None, feeds)[0]


def agree(ours, theirs):
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    if ours.dtype.kind in "iu":
        np.testing.assert_array_equal(ours, theirs)
    else:
        near = 100 * np.finfo(ours.dtype).eps * abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=near)


@cover(
    rank=(1, 2, 3),
    kind=KINDS,
    strides=(1, 2, "per axis"),
    pads=("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "pairs"),
    dilations=(1, 2),
    bias=(False, True),
)
def test_conv(rng, rank, kind, strides, pads, dilations, bias):
    runtime = peer("onnxruntime")
    if dilations == 2 and pads in AUTO_PAD:
        dilations = 1  # ONNX Runtime refuses these with dilation
    shape = Shape.of(kind, 6)
    sizes, taps = {1: ((31,), (4,)), 2: ((12, 13), (3, 4)), 3: ((7, 8, 6), (2, 3, 3))}[rank]
    x, w, b = layer(rng, "float32", shape, sizes, taps)
    attributes = {
        "kernel_shape": list(taps),
        "strides": [1 + i % 3 for i in range(rank)] if strides == "per axis" else [strides] * rank,
        "dilations": [dilations] * rank,
        "group": shape.groups,
    }
    if pads == "pairs":
        attributes["pads"] = [*range(rank), *range(1, rank + 1)]
    elif pads != "NOTSET":
        attributes["auto_pad"] = pads
    inputs = [x, w, b] if bias else [x, w]
    agree(Node("", "Conv", attributes, inputs, b).run(), run(runtime, "Conv", inputs, attributes))


@cover(x_dtype=BYTES, w_dtype=BYTES, kind=KINDS, points=("none", "x", "both"), pads=(0, 1))
def test_conv_integer(rng, x_dtype, w_dtype, kind, points, pads):
    runtime = peer("onnxruntime")
    shape = Shape.of(kind, 5)
    x, _, _ = layer(rng, x_dtype, shape, (8, 9), (3, 3), spread="wide")
    _, w, b = layer(rng, w_dtype, shape, (8, 9), (3, 3), spread="wide")
    inputs = [x, w]
    if points != "none":
        inputs.append(np.array(17, x_dtype))
    if points == "both":
        inputs.append(np.array(9, w_dtype))
    attributes = {"pads": [pads] * 4, "group": shape.groups}
    ours = Node("", "ConvInteger", attributes, inputs, b).run()
    agree(ours, run(runtime, "ConvInteger", inputs, attributes))


@cover(rank=(1, 2, 3), strides=(1, 2), dilations=(1, 2), pads=(0, 1))
def test_col2im(rng, rank, strides, dilations, pads):
    sizes, taps = {1: ((9,), (4,)), 2: ((9, 8), (3, 2)), 3: ((5, 6, 7), (2, 1, 3))}[rank]
    attributes = {
        "strides": [strides] * rank,
        "dilations": [dilations] * rank,
        "pads": [pads] * 2 * rank,
    }
    options = {"stride": strides, "dilation": dilations, "padding": pads}
    cols = fl.nn.im2col(rng.integers(-9, 10, (2, 3, *sizes)).astype(np.float32), taps, **options)
    inputs = [cols, np.array(sizes), np.array(taps)]
    ours = Node("", "Col2Im", attributes, inputs, cols).run()
    agree(ours, by_onnx("Col2Im", inputs, attributes))
    if rank == 2 or dilations == 1:  # of more axes ONNX Runtime places dilated columns wrongly
        agree(ours, run(peer("onnxruntime"), "Col2Im", inputs, attributes))
