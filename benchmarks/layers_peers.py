"""The peers of a layer: each one's own way, prepared so that only its call is timed.

Engines hold their prepared weights, a bound input and a bound output; PyTorch runs eagerly in inference mode
on tensors that are there already. Like with like: an answer is left in the layout that was asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .contestant import Contestant, Prepared, Unsupported, module
from .layers_onnx import model
from .layers_problem import Problem
from .peers import demand
from .problem import Array

Prepare = Callable[..., Prepared]

Feeds = Mapping[str, Array]
"""An engine's inputs by name."""


def refusing(prepare: Prepare) -> Prepare:
    """A peer may refuse a layer in any way it likes."""

    @functools.wraps(prepare)
    def asked(p: Problem, threads: int, fresh: bool = False) -> Prepared:
        try:
            return prepare(p, threads, fresh)
        except Unsupported:
            raise
        except Exception as error:
            text = str(error).strip().splitlines()
            raise Unsupported(text[0][:90] if text else type(error).__name__) from error

    return asked


class Eager:
    """PyTorch's view of a problem: the memory format of the layout, and axes lifted where that has none.

    A line in channels_last is an image of one row, for PyTorch has no such format for lines.
    """

    def __init__(self, p: Problem) -> None:
        self.torch, self.functional = module("torch"), module("torch.nn.functional")
        self.rank = p.shape.rank
        demand(self.rank <= 3, "at most three axes")
        self.lift = p.channels_last and self.rank == 1
        formats = {1: self.torch.channels_last, 2: self.torch.channels_last, 3: self.torch.channels_last_3d}
        self.memory = formats[self.rank] if p.channels_last else self.torch.contiguous_format

    def tensor(self, array: Any) -> Any:
        """An array in the layout's memory format."""
        held = self.torch.from_numpy(array)
        return (held[:, :, None] if self.lift else held).contiguous(memory_format=self.memory)

    def numbers(self, one: int, each: tuple[int, ...] | int) -> tuple[int, ...]:
        """A number of every axis, ``one`` that of the row."""
        axes = (each,) * self.rank if isinstance(each, int) else each
        return (one, *axes) if self.lift else axes

    def laid(self, y: Any) -> Any:
        """A result in the layout's memory format."""
        return y if y.is_contiguous(memory_format=self.memory) else y.contiguous(memory_format=self.memory)

    def finish(self, y: Any) -> Any:
        """A result as an array."""
        return (y[:, :, 0] if self.lift else y).numpy()


def torch_eager(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """torch.nn.functional.conv1d, 2d and 3d, in the memory format of the layout."""
    eager, s = Eager(p), p.shape
    functional, laid = eager.functional, eager.laid
    run = getattr(functional, f"conv{eager.rank + eager.lift}d")
    x, weights = eager.tensor(p.x), [eager.tensor(w) for w in p.weights]
    biases = [eager.torch.from_numpy(b) for b in p.biases]
    stride, padding = eager.numbers(1, s.stride), eager.numbers(0, s.padding)
    dilation, groups = eager.numbers(1, s.dilation), s.groups
    functions = {None: None, "relu": functional.relu_, "relu6": lambda z: functional.relu6(z, inplace=True)}
    between, after = functions[s.between], functions[s.after]

    def single() -> Any:
        return laid(run(x, weights[0], biases[0], stride, padding, dilation, groups))

    def pair() -> Any:
        z = run(x, weights[0], biases[0], stride, padding, dilation, groups)
        z = between(z) if between else z
        y = run(z, weights[1], biases[1])
        return laid(after(y) if after else y)

    return Prepared(pair if s.then else single, eager.finish)


def first_only(p: Problem) -> None:
    """For peers whose layout is ONNX's."""
    demand(not p.channels_last, "channels first only")


def onnxruntime_bound(code: bytes, feeds: Feeds, p: Problem, threads: int, fresh: bool) -> Prepared:
    """One session with its threads, inputs and output bound; ``fresh``: it allocates the output."""
    ort = module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = ort.InferenceSession(code, options, providers=["CPUExecutionProvider"])
    bound = session.io_binding()
    for name, array in feeds.items():
        bound.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
    if fresh:
        bound.bind_output("y", "cpu")
    else:
        y = ort.OrtValue.ortvalue_from_shape_and_type(p.out_shape, p.x.dtype.type)
        bound.bind_ortvalue_output("y", y)

    def call() -> object:
        session.run_with_iobinding(bound)
        return bound

    return Prepared(call, lambda found: np.asarray(found.get_outputs()[0].numpy()))


@refusing
def onnxruntime(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """A session of Conv."""
    first_only(p)
    return onnxruntime_bound(model(p), {"x": p.x}, p, threads, fresh)


@functools.cache
def openvino_core() -> Any:
    """One for the process."""
    return module("openvino").Core()


def openvino_bound(code: bytes, feeds: Feeds, p: Problem, threads: int, fresh: bool) -> Prepared:
    """One stream with its threads, float32 as the precision of inference, tensors bound."""
    ov, core = module("openvino"), openvino_core()
    compiled = core.compile_model(core.read_model(model=code), "CPU", {
        "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads), "INFERENCE_PRECISION_HINT": "f32",
    })  # fmt: skip
    request = compiled.create_infer_request()
    out = np.zeros(p.out_shape, p.x.dtype)
    for name, array in feeds.items():
        request.set_tensor(name, ov.Tensor(array, shared_memory=True))
    if not fresh:
        request.set_output_tensor(ov.Tensor(out, shared_memory=True))

    def call() -> Any:
        request.start_async()
        request.wait()
        return request if fresh else out  # so that it holds `out`: a shared tensor does not

    return Prepared(call, lambda y: np.asarray(y.get_output_tensor().data if fresh else y))


@refusing
def openvino(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """A compiled Convolution."""
    first_only(p)
    return openvino_bound(model(p), {"x": p.x}, p, threads, fresh)


def opencv_net(code: bytes, p: Problem) -> Prepared:
    """The network module: its input is set, and copied, in every call."""
    cv2 = module("cv2")
    demand(p.x.dtype == np.float32, "float32 only")
    net = cv2.dnn.readNetFromONNX(np.frombuffer(code, np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    x = p.x

    def call() -> object:
        net.setInput(x)
        return net.forward()

    return Prepared(call)


@refusing
def opencv(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """A network of one convolution."""
    first_only(p)
    return opencv_net(model(p), p)


TORCH = "torch eager"

PEERS = (
    Contestant(TORCH, "torch", refusing(torch_eager)),
    Contestant("onnxruntime", "onnxruntime", onnxruntime, out=True),
    Contestant("openvino", "openvino", openvino, out=True),
    Contestant("cv2.dnn", "cv2", opencv),
)
