"""The peers backwards. PyTorch has everything; engines the transposed convolution.

That is the gradient of the input too: there ONNX Runtime and OpenVINO take part with weights that come with
every call, as a training step's do. No engine has the gradient of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .backward_problem import EPS, Task, joined
from .contestant import Contestant, Prepared, Unsupported, module
from .layers_onnx import finished, node, tensor, value
from .layers_peers import (
    TORCH,
    Eager,
    Prepare,
    first_only,
    onnxruntime_bound,
    opencv_net,
    openvino_bound,
    refusing,
)

NO_OPERATION = "no operation for this"


def by_work(ways: Mapping[str, Prepare]) -> Prepare:
    """A contestant that takes the works of ``ways``."""

    def prepare(p: Task, threads: int, fresh: bool = False) -> Prepared:
        way = ways.get(p.work.of)
        if way is None:
            raise Unsupported(NO_OPERATION)
        return way(p, threads, fresh)

    return prepare


# ---- PyTorch


def torch_transposed(p: Task, threads: int, fresh: bool = False) -> Prepared:
    """torch.nn.functional.conv_transpose1d, 2d and 3d."""
    eager, s = Eager(p), p.work
    run = getattr(eager.functional, f"conv_transpose{eager.rank + eager.lift}d")
    x, w, b = eager.tensor(p.x), eager.tensor(p.weights[0]), eager.torch.from_numpy(p.biases[0])
    stride, padding = eager.numbers(1, s.stride), eager.numbers(0, s.padding)
    extra, dilation = eager.numbers(0, s.output_padding), eager.numbers(1, s.dilation)
    laid = eager.laid
    return Prepared(lambda: laid(run(x, w, b, stride, padding, extra, s.groups, dilation)), eager.finish)


def torch_gradient(p: Task, threads: int, fresh: bool = False) -> Prepared:
    """torch.ops.aten.convolution_backward, asked for one gradient."""
    eager, s = Eager(p), p.work
    run = eager.torch.ops.aten.convolution_backward
    w = s.of == "weight"
    g = eager.tensor(p.g if w else p.x)
    x = eager.tensor(p.x if w else np.zeros(p.size, p.x.dtype))
    weight = eager.tensor(np.zeros(p.size, p.x.dtype) if w else p.weights[0])
    stride, padding, dilation = (eager.numbers(1, s.stride), eager.numbers(0, s.padding),
                                 eager.numbers(1, s.dilation))  # fmt: skip
    none, mask, laid = eager.numbers(0, 0), [not w, w, False], eager.laid

    def call() -> Any:
        found = run(g, x, weight, None, stride, padding, dilation, False, none, s.groups, mask)
        return laid(found[w])

    return Prepared(call, eager.finish)


def torch_block(p: Task, threads: int, fresh: bool = False) -> Prepared:
    """conv2d, batch_norm in training and relu; then the gradients that autograd finds."""
    torch, s = module("torch"), p.work
    with torch.inference_mode(False):
        eager = Eager(p)
        functional, laid = eager.functional, eager.laid
        run = getattr(functional, f"conv{eager.rank}d")
        g = eager.tensor(p.g)
        leaves = [eager.tensor(p.x.copy()), eager.tensor(p.weights[0].copy())]
        leaves = [leaf.requires_grad_() for leaf in (*leaves, *map(torch.tensor, p.biases))]
        mean, var = torch.zeros(s.cout), torch.ones(s.cout)
    x, w, scale, bias = leaves

    def call() -> Any:
        with torch.inference_mode(False), torch.enable_grad():
            z = run(x, w, None, s.stride, s.padding)
            y = functional.relu(functional.batch_norm(z, mean, var, scale, bias, True, 0.1, EPS))
            found = torch.autograd.grad(y, leaves, g)
        return laid(y.detach()), laid(found[0]), laid(found[1]), found[2], found[3]

    return Prepared(call, lambda found: joined(p, [part.numpy() for part in found]))


# ---- engines


def model(p: Task, given: bool = False) -> bytes:
    """ModelProto: x -> y through one ConvTranspose; ``given`` weights are an input, without bias."""
    s, dtype, w = p.work, p.x.dtype, p.weights[0]
    names = ["x", "w"] if given else ["x", "w", "b"]
    transposed = node(
        "ConvTranspose", names, "y", kernel_shape=s.taps, group=s.groups, strides=(s.stride,) * s.rank,
        dilations=(s.dilation,) * s.rank, pads=s.padding * 2, output_padding=s.output_padding,
    )  # fmt: skip
    inputs = [value("x", p.x.shape, dtype)] + [value("w", w.shape, dtype)] * given
    constants = [] if given else [tensor("w", w), tensor("b", p.biases[0])]
    return finished([transposed], constants, inputs, value("y", p.size, dtype))


def engine(bound: Callable[..., Prepared]) -> Prepare:
    """An engine's way of both."""

    @refusing
    def prepare(p: Task, threads: int, fresh: bool = False) -> Prepared:
        first_only(p)
        given = p.work.of == "input"
        feeds = {"x": p.x} | ({"w": p.weights[0]} if given else {})
        return bound(model(p, given), feeds, p, threads, fresh)

    return by_work({"transposed": prepare, "input": prepare})


@refusing
def opencv(p: Task, threads: int, fresh: bool = False) -> Prepared:
    """A network of one transposed convolution."""
    first_only(p)
    return opencv_net(model(p), p)


PEERS = (
    Contestant(TORCH, "torch", refusing(by_work({
        "transposed": torch_transposed, "input": torch_gradient, "weight": torch_gradient,
        "block": torch_block,
    }))),
    Contestant("onnxruntime", "onnxruntime", engine(onnxruntime_bound), out=True),
    Contestant("openvino", "openvino", engine(openvino_bound), out=True),
    Contestant("cv2.dnn", "cv2", by_work({"transposed": opencv})),
)  # fmt: skip
