"""A layer as an ONNX model, written byte by byte: every engine reads it, and no package is needed to make it.

The format is protobuf: a field is its number and wire type, then a number or a length and that many bytes.
The field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .layers_problem import Problem
from .problem import Array

OPSET, IR_VERSION = 13, 8

INT, INTS = 2, 7
"""AttributeProto.type."""

ELEMENT = {"float32": 1, "float16": 10, "float64": 11}
"""TensorProto.data_type."""


def varint(n: int) -> bytes:
    """Seven bits a byte, the lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def field(number: int, value: int | str | bytes) -> bytes:
    """A number, a text or a message under its field number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def attribute(name: str, value: int | Iterable[int]) -> bytes:
    """AttributeProto: one integer, or several."""
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, INT)
    return field(1, name) + b"".join(field(8, n) for n in value) + field(20, INTS)


def node(kind: str, inputs: Iterable[str], output: str, **attributes: int | Iterable[int]) -> bytes:
    """NodeProto."""
    parts = [field(1, name) for name in inputs] + [field(2, output), field(3, output), field(4, kind)]
    return b"".join(parts + [field(5, attribute(*item)) for item in attributes.items()])


def tensor(name: str, array: Array) -> bytes:
    """TensorProto: a constant."""
    dims = b"".join(field(1, n) for n in array.shape)
    data = np.ascontiguousarray(array).tobytes()
    return dims + field(2, ELEMENT[array.dtype.name]) + field(8, name) + field(9, data)


def value(name: str, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> bytes:
    """ValueInfoProto: an input or output with its type."""
    dims = b"".join(field(1, field(1, n)) for n in shape)
    return field(1, name) + field(2, field(1, field(1, ELEMENT[dtype.name]) + field(2, dims)))


def model(p: Problem) -> bytes:
    """ModelProto: x -> y through one Conv, or through the two of a pair with their activations."""
    s, dtype = p.shape, p.x.dtype
    constants = [tensor(f"w{i}", w) for i, w in enumerate(p.weights)]
    constants += [tensor(f"b{i}", b) for i, b in enumerate(p.biases)]
    if "relu6" in (s.between, s.after):
        constants += [tensor("zero", np.zeros((), dtype)), tensor("six", np.full((), 6, dtype))]
    convolutions = [(s.taps, s.stride, s.dilation, s.groups, s.padding)]
    if s.then:
        convolutions.append(((1,) * s.rank, 1, 1, 1, (0,) * s.rank))
    nodes: list[bytes] = []
    name = "x"
    for i, (taps, stride, dilation, groups, padding) in enumerate(convolutions):
        final = i + 1 == len(convolutions)
        function = s.after if final else s.between
        output = f"conv{i}" if function or not final else "y"
        nodes.append(node("Conv", [name, f"w{i}", f"b{i}"], output, kernel_shape=taps, group=groups,
                          strides=(stride,) * s.rank, dilations=(dilation,) * s.rank,
                          pads=padding * 2))  # fmt: skip
        name = output
        if function:
            kind, limits = ("Relu", []) if function == "relu" else ("Clip", ["zero", "six"])
            name = "y" if final else f"{function}{i}"
            nodes.append(node(kind, [output, *limits], name))
    inputs = [value("x", p.x.shape, dtype)]
    return finished(nodes, constants, inputs, value("y", (len(p.x), s.channels, *s.out), dtype))


def finished(
    nodes: Iterable[bytes], constants: Iterable[bytes], inputs: Iterable[bytes], output: bytes
) -> bytes:
    """ModelProto of one graph."""
    graph = b"".join(field(1, n) for n in nodes) + field(2, "layer")
    graph += b"".join(field(5, c) for c in constants)
    graph += b"".join(field(11, v) for v in inputs) + field(12, output)
    opset = field(1, "") + field(2, OPSET)
    return field(1, IR_VERSION) + field(2, "faltung benchmarks") + field(7, graph) + field(8, opset)
