"""Transposed layers beside PyTorch, the ONNX project's cases for ConvTranspose, and ONNX Runtime."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import faltung as fl
from conftest import peer
from grids import cover
from nn_tools import KINDS, Node, Shape, attributes_of, conv_options
from nn_transposed import layer

torch = peer("torch")
onnx = peer("onnx")
SIZES = {1: (17,), 2: (6, 7), 3: (4, 5, 3)}
TAPS = {1: (5,), 2: (3, 4), 3: (3, 2, 3)}


@pytest.fixture
def rng():
    return np.random.default_rng(471)


def agree(ours, theirs):
    """Equal up to two roundings of the same sum."""
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    near = 100 * np.finfo(ours.dtype).eps * abs(theirs).max(initial=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=near)


@cover(
    rank=(1, 2, 3),
    dtype=("float32", "float64", "complex64"),
    kind=KINDS,
    stride=(1, 2, 3),
    padding=(0, 1, "per axis"),
    extra=(0, 1),
    dilation=(1, 2),
    bias=(False, True),
    batch=(None, 1, 3),
)
def test_beside_pytorch(rng, rank, dtype, kind, stride, padding, extra, dilation, bias, batch):
    shape = Shape.of(kind, 6)
    x, w, b = layer(rng, dtype, shape, SIZES[rank], TAPS[rank], batch)
    pads = tuple(i % 2 for i in range(rank)) if padding == "per axis" else (padding,) * rank
    options = {
        "stride": stride, "padding": pads, "dilation": dilation, "groups": shape.groups,
        "output_padding": min(extra, max(stride, dilation) - 1),
    }  # fmt: skip
    b = b if bias else None
    tensors = [torch.from_numpy(v) if v is not None else None for v in (x, w, b)]
    theirs = getattr(torch.nn.functional, f"conv_transpose{rank}d")(*tensors, **options)
    agree(fl.nn.conv_transpose(x, w, b, **options), theirs.numpy())


def test_a_tensor_gives_a_tensor(rng):
    x, w, _ = layer(rng, "float32", Shape(3, 4, 1), (5, 6), (4, 4))
    y = fl.nn.conv_transpose(torch.from_numpy(x), torch.from_numpy(w), stride=2, output_size=(12, 14))
    module = torch.nn.ConvTranspose2d(3, 4, 4, stride=2, bias=False)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(w))
        theirs = module(torch.from_numpy(x), output_size=(12, 14))
    assert isinstance(y, torch.Tensor)
    agree(y.numpy(), theirs.numpy())


# ---- ONNX


def cases():
    """The project's cases of one ConvTranspose."""
    folder = "onnx.backend.test.case.node"
    importlib.import_module(f"{folder}.convtranspose")
    found = []
    for case in importlib.import_module(folder)._NodeTestCases:
        node = case.model.graph.node[0]
        if node.op_type == "ConvTranspose" and len(case.model.graph.node) == 1:
            ((inputs, outputs),) = case.data_sets
            found.append(Node(case.name, node.op_type, attributes_of(onnx, node), list(inputs), outputs[0]))
    return found


def options_of(attributes, x, w):
    """A ConvTranspose's attributes as ours; ``output_shape`` solves the padding, as the operator says."""
    rank = w.ndim - 2
    options = conv_options(attributes, rank)
    extra = attributes.get("output_padding", [0] * rank)
    options["output_padding"] = tuple(extra)
    if "output_shape" in attributes:
        pairs = []
        for axis, size in enumerate(attributes["output_shape"][-rank:]):
            s, d, k = options["stride"][axis], options["dilation"][axis], w.shape[2 + axis]
            total = s * (x.shape[2 + axis] - 1) + extra[axis] + d * (k - 1) + 1 - size
            small, large = total // 2, total - total // 2
            upper = attributes.get("auto_pad") == "SAME_UPPER"
            pairs.append((small, large) if upper else (large, small))
        options["padding"] = pairs
    return options


CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_node_cases(case):
    x, w, *b = case.inputs
    options = options_of(case.attributes, x, w)
    pairs = options["padding"]
    if not isinstance(pairs, str) and min(map(min, pairs)) < 0:  # more than the kernels reach
        options |= {"padding": 0, "output_size": case.output.shape[2:], "output_padding": 0}
    got = fl.nn.conv_transpose(x, w, *b, **options)
    assert got.dtype == case.output.dtype
    np.testing.assert_allclose(got, case.output, rtol=1e-6)


def test_no_case_is_lost():
    names = {case.name for case in CASES}
    assert len(CASES) >= 9 and {"test_convtranspose_3d", "test_convtranspose_dilations"} <= names


@cover(kind=KINDS, stride=(1, 2, 3), padding=(0, 1), extra=(0, 1), rank=(1, 2, 3), bias=(False, True))
def test_beside_onnx_runtime(rng, kind, stride, padding, extra, rank, bias):
    runtime = peer("onnxruntime")
    shape, helper = Shape.of(kind, 6), onnx.helper
    x, w, b = layer(rng, "float32", shape, SIZES[rank], TAPS[rank])
    more = min(extra, stride - 1)
    attributes = {
        "strides": [stride] * rank, "pads": [padding] * 2 * rank, "output_padding": [more] * rank,
        "group": shape.groups,
    }  # fmt: skip
    feeds = {"x": x, "w": w} | ({"b": b} if bias else {})
    node = helper.make_node("ConvTranspose", list(feeds), ["y"], **attributes)
    described = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, v.shape) for name, v in feeds.items()
    ]
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "one", described, [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    choices = runtime.SessionOptions()
    choices.intra_op_num_threads, choices.log_severity_level = 1, 3
    session = runtime.InferenceSession(model.SerializeToString(), choices, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, feeds)
    ours = fl.nn.conv_transpose(
        x, w, b if bias else None, stride=stride, padding=padding, output_padding=more, groups=shape.groups
    )
    agree(ours, theirs)
