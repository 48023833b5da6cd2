"""Layers in tests: their data, how a result is held to the definition, and ONNX nodes as calls."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import faltung as fl
import reference_nn
from checks import SINGLE, half_ulp, largest, promise, store
from grids import draw
from reference_nn import Sums, steepest

METHODS = ("gemm", "depthwise", "grouped", "planes", "matrix", "spectral", "reference")
LAYOUTS = ("channels_first", "channels_last")
ACTIVATIONS = (
    None, "relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "silu", "tanh", "gelu", "gelu_tanh",
    ("leaky_relu", 0.1), ("clip", -1.0, 2.0),
)  # fmt: skip
BYTES = (np.dtype(np.int8), np.dtype(np.uint8))
DEFINITION = (
    "stride", "padding", "dilation", "groups", "boundary", "layout", "flip", "residual", "x_zero_point",
    "w_zero_point",
)  # fmt: skip
CLIPS = ("relu", "relu6", "clip")  # add no rounding


# ---- data


def turned(x: np.ndarray, layout: str) -> np.ndarray:
    """A channels_first batch in a layout, contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if layout == "channels_last" else x


def turned_weights(w: np.ndarray, layout: str) -> np.ndarray:
    """channels_first weights in a layout, contiguous."""
    return np.ascontiguousarray(np.moveaxis(w, (0, 1), (-1, -2))) if layout == "channels_last" else w


@dataclass(frozen=True)
class Shape:
    """A layer's sizes; ``kind`` says how its channels meet."""

    inside: int
    outside: int
    groups: int

    @staticmethod
    def of(kind: str, channels: int, more: int = 5) -> Shape:
        """Channels for a kind: dense, grouped, depthwise or multiplier (of 2)."""
        return {
            "dense": Shape(channels, more, 1),
            "grouped": Shape(3 * channels, 3 * more, 3),
            "depthwise": Shape(channels, channels, channels),
            "multiplier": Shape(channels, 2 * channels, channels),
        }[kind]


KINDS = ("dense", "grouped", "depthwise", "multiplier")


def layer(
    rng: np.random.Generator,
    dtype: Any,
    shape: Shape,
    sizes: tuple[int, ...],
    taps: tuple[int, ...],
    batch: int | None = 2,
    layout: str = "channels_first",
    spread: str = "small",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, w and b at random; ``batch`` None is unbatched."""
    x = turned(draw(rng, (1 if batch is None else batch, shape.inside, *sizes), dtype, spread), layout)
    w = turned_weights(draw(rng, (shape.outside, shape.inside // shape.groups, *taps), dtype, spread), layout)
    b = draw(rng, (shape.outside,), result_dtype(dtype), spread)
    return (x[0] if batch is None else x), w, b


def residual_for(
    rng: np.random.Generator, x: np.ndarray, w: np.ndarray, spread: str = "small", **options: Any
) -> np.ndarray:
    """A residual of the output's shape, at random."""
    definition = {name: value for name, value in options.items() if name in DEFINITION and name != "residual"}
    zeros = [np.zeros(v.shape, np.float64) for v in (x, w)]
    definition.pop("x_zero_point", None), definition.pop("w_zero_point", None)
    return draw(rng, reference_nn.conv(*zeros, **definition).shape, result_dtype(x.dtype), spread)


def result_dtype(dtype: Any) -> np.dtype:
    """8-bit integers give int32; everything else keeps its type."""
    dtype = np.dtype(dtype)
    return np.dtype(np.int32) if dtype in BYTES else dtype


# ---- comparing


def check(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, *, want: Sums | None = None, **options: Any
) -> Any:
    """Run ``fl.nn.conv`` and hold shape, dtype and every output to the definition. Returns the result."""
    want = want or oracle(x, w, b, **options)
    activation, overflow = options.get("activation"), options.get("overflow", "raise")
    dtype = result_dtype(x.dtype)
    if dtype.kind in "iu" and overflow == "raise" and not fits(want, dtype, activation):
        with pytest.raises(OverflowError):
            fl.nn.conv(x, w, b, **options)
        return None
    got = fl.nn.conv(x, w, b, **options)
    compare(got, want, dtype, activation, overflow)
    return got


def runs_by(method: str, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **options: Any) -> bool:
    """Check a call by a method that may refuse it; whether it ran."""
    try:
        check(x, w, b, method=method, **options)
    except fl.FaltungError as refusal:
        if f"`method` (={method!r})" not in str(refusal):
            raise
        return False
    return True


def by_every_method(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **options: Any) -> list[str]:
    """Check the call as it is and by every method; which methods took it."""
    want = oracle(x, w, b, **options)
    check(x, w, b, want=want, **options)
    ran = [method for method in METHODS if runs_by(method, x, w, b, want=want, **options)]
    assert "reference" in ran
    return ran


def planned(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, method: str, **options: Any) -> Any:
    """A plan by this method, or None where the method refuses."""
    try:
        plan = fl.nn.plan_conv(x.shape, w, b, dtype=x.dtype, method=method, **options)
    except fl.FaltungError as refusal:
        if f"`method` (={method!r})" not in str(refusal):
            raise
        return None
    assert method in ("auto", plan.method)
    return plan


def oracle(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **options: Any) -> Sums:
    """The exact sums of a call."""
    return reference_nn.conv(x, w, b, **{name: options[name] for name in DEFINITION if name in options})


def fits(want: Sums, dtype: np.dtype, activation: Any = None) -> bool:
    """Whether every output lies inside an integer dtype."""
    info = np.iinfo(dtype)
    return all(info.min <= v <= info.max for v in want.activated(activation).flat)


def compare(
    got: np.ndarray, want: Sums, dtype: np.dtype, activation: Any = None, overflow: str = "raise"
) -> None:
    """Assert that ``got`` is what the exact sums say: integers exactly, floats within the promise."""
    assert got.dtype == dtype and got.dtype.isnative, f"result dtype {got.dtype}, expected {dtype}"
    assert got.shape == want.shape, f"result shape {got.shape}, expected {want.shape}"
    if dtype.kind in "iu":
        for index, value in np.ndenumerate(want.activated(activation)):
            stored = store(int(value), dtype, overflow)
            assert int(got[index]) == stored, f"at {index}: got {got[index]}, expected {stored}"
        return
    limit = allowance(want, dtype, activation)
    assert_within(got, want, limit, activation)


def allowance(want: Sums, dtype: np.dtype, activation: Any = None) -> np.ndarray:
    """The largest error that the promise allows at each output."""
    single = dtype in SINGLE
    terms = want.terms * (2 if dtype.kind == "c" else 1)
    long = np.longdouble
    with np.errstate(all="ignore"):
        size, reach = want.size.astype(long), want.reach.astype(long)
        lost = np.ldexp(reach, -123) if single else terms * np.ldexp(long(1), -1075)
        limit = promise(terms) * np.ldexp(size, -24 if single else -53) + lost
        y = want.activated(activation)
        if activation is not None:
            limit = steepest(activation) * limit
        if (activation[0] if isinstance(activation, tuple) else activation) not in (None, *CLIPS):
            limit = limit + 4 * np.ldexp(abs(y).astype(long), -23 if single else -52)
        if dtype in SINGLE[:2]:
            limit = limit + half_ulp(abs(y).astype(long) + limit, dtype)
    return limit


def assert_within(got: np.ndarray, want: Sums, limit: np.ndarray, activation: Any = None) -> None:
    """Every output within ``limit``; infinities and NaN exactly where the definition has them.

    Nothing is promised where S itself overflows the type of the sums.
    """
    y = want.activated(activation)
    narrow = np.longdouble if got.dtype.kind != "c" else np.clongdouble
    with np.errstate(all="ignore"):
        error = abs(got.astype(narrow) - y.astype(narrow))
        stored = y.astype(got.dtype)
        exact_size = abs(y).astype(np.longdouble)
        if got.dtype.kind == "c":
            same = ~np.isfinite(got)
        else:
            same = (got == stored) | (np.isnan(got) & np.isnan(stored))
        special = ~np.isfinite(y)
        top = np.finfo(np.float32 if got.dtype in SINGLE else np.float64).max
        open_end = want.size >= top
        past = exact_size + limit >= largest(got.dtype)
        good = np.where(special, same, (error <= limit) | (past & same) | open_end)
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        raise AssertionError(
            f"{np.count_nonzero(~good)} of {got.size} outputs break the promise: at {index} {got[index]}, "
            f"exact {y[index]}, error {error[index]} beyond {limit[index]}"
        )


def stays_within(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, method: str, want: Sums, **options: Any
) -> bool:
    """Whether the method runs; then every output must lie within the promise and ``plan.error_bound``."""
    plan = planned(x, w, b, method, **options)
    if plan is None:
        return False
    got = plan(x)
    bound = np.broadcast_to(plan.error_bound(x), got.shape).astype(np.longdouble)
    activation = options.get("activation")
    if plan.method != "spectral":  # owes more, and its bound says how much
        assert_within(got, want, allowance(want, got.dtype, activation), activation)
    assert_within(got, want, bound, activation)
    return True


# ---- memory


def misaligned(x: np.ndarray) -> np.ndarray:
    """The values one byte past any alignment."""
    raw = np.zeros(x.nbytes + 1, np.uint8)
    view = raw[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def spread_out(x: np.ndarray) -> np.ndarray:
    """The values in every second element of a larger array."""
    large = np.zeros([2 * n + 1 for n in x.shape], x.dtype)
    view = large[(slice(1, None, 2),) * x.ndim]
    view[...] = x
    return view


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": lambda x: x,
    "other layout": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "reversed": lambda x: np.flip(np.ascontiguousarray(np.flip(x))),
    "spread out": spread_out,
    "misaligned": misaligned,
    "read-only": read_only,
}


# ---- ONNX


@dataclass(frozen=True)
class Node:
    """One node of the ONNX project's conformance cases, with its inputs and what it must give."""

    name: str
    kind: str
    attributes: dict[str, Any]
    inputs: list[np.ndarray]
    output: np.ndarray

    def run(self) -> np.ndarray:
        """The node by ``fl.nn``."""
        return {"Conv": self.conv, "ConvInteger": self.conv_integer, "Col2Im": self.col2im}[self.kind]()

    def conv(self) -> np.ndarray:
        x, w, *b = self.inputs
        self._agrees_on_the_kernel(w)
        return fl.nn.conv(x, w, *b, **conv_options(self.attributes, w.ndim - 2))

    def conv_integer(self) -> np.ndarray:
        x, w, *zeros = self.inputs
        self._agrees_on_the_kernel(w)
        names = ("x_zero_point", "w_zero_point")
        points = dict(zip(names, zeros, strict=False))
        options = conv_options(self.attributes, w.ndim - 2)
        return fl.nn.conv(x, w, **options, **points)

    def col2im(self) -> np.ndarray:
        cols, image, block = self.inputs
        options = conv_options(self.attributes, len(block))
        del options["groups"]
        return fl.nn.col2im(cols, tuple(image.tolist()), tuple(block.tolist()), **options)

    def _agrees_on_the_kernel(self, w: np.ndarray) -> None:
        assert tuple(self.attributes.get("kernel_shape", w.shape[2:])) == w.shape[2:]


AUTO_PAD = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}


def conv_options(attributes: dict[str, Any], rank: int) -> dict[str, Any]:
    """A convolution's attributes as ours: ``pads`` (all starts, then all ends) becomes pairs."""
    pads = attributes.get("pads", [0] * 2 * rank)
    word = attributes.get("auto_pad", "NOTSET")
    pairs = tuple(zip(pads[:rank], pads[rank:], strict=True))
    return {
        "stride": tuple(attributes.get("strides", [1] * rank)),
        "dilation": tuple(attributes.get("dilations", [1] * rank)),
        "padding": AUTO_PAD.get(word, pairs),
        "groups": attributes.get("group", 1),
    }


def node_cases(onnx: Any) -> list[Node]:
    """The cases of ``onnx.backend.test.case.node`` for the operators; importing a module makes its cases."""
    folder = "onnx.backend.test.case.node"
    for module in ("conv", "convinteger", "col2im"):
        importlib.import_module(f"{folder}.{module}")
    found = []
    for case in importlib.import_module(folder)._NodeTestCases:
        node = case.model.graph.node[0]
        if node.op_type in ("Conv", "ConvInteger", "Col2Im") and len(case.model.graph.node) == 1:
            ((inputs, outputs),) = case.data_sets
            found.append(Node(case.name, node.op_type, attributes_of(onnx, node), list(inputs), outputs[0]))
    return found


def converted_cases(onnx: Any, folders: tuple[str, ...]) -> list[Node]:
    """The models of one Conv that the wheel brings as files."""
    from onnx import numpy_helper

    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    found = []
    for path in sorted(p for folder in folders for p in (data / folder).glob("*/model.onnx")):
        graph = onnx.load(path).graph
        if [node.op_type for node in graph.node] != ["Conv"]:
            continue
        node, sets = graph.node[0], path.parent / "test_data_set_0"
        values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        fed = [value.name for value in graph.input if value.name not in values]
        for i, name in enumerate(fed):
            values[name] = tensor(onnx, sets / f"input_{i}.pb")
        output = tensor(onnx, sets / "output_0.pb")
        inputs = [values[name] for name in node.input]
        found.append(Node(path.parent.name, "Conv", attributes_of(onnx, node), inputs, output))
    return found


def tensor(onnx: Any, path: Path) -> np.ndarray:
    """An array from a file."""
    from onnx import numpy_helper

    return numpy_helper.to_array(onnx.load_tensor(path))


def attributes_of(onnx: Any, node: Any) -> dict[str, Any]:
    """A node's attributes as plain Python values."""
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {name: v.decode() if isinstance(v, bytes) else v for name, v in values.items()}
