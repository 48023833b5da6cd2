"""The peers of a layer: each one's own way, prepared so that only its call is timed.

Engines hold their prepared weights, a bound input and a bound output; PyTorch runs eagerly in inference mode
on tensors that are there already. Like with like: an answer is left in the layout that was asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .contestant import Contestant, Prepared, Unsupported, module
from .layers_onnx import model
from .layers_problem import Problem
from .peers import demand

Prepare = Callable[..., Prepared]


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


def torch_eager(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """torch.nn.functional.conv1d, 2d and 3d, in the memory format of the layout.

    A line in channels_last is an image of one row, for PyTorch has no such format for lines.
    """
    torch, functional = module("torch"), module("torch.nn.functional")
    s, rank = p.shape, p.shape.rank
    demand(rank <= 3, "at most three axes")
    lift = p.channels_last and rank == 1
    run = getattr(functional, f"conv{rank + lift}d")
    formats = {1: torch.channels_last, 2: torch.channels_last, 3: torch.channels_last_3d}
    memory = formats[rank] if p.channels_last else torch.contiguous_format

    def tensor(array: Any) -> Any:
        held = torch.from_numpy(array)
        return (held[:, :, None] if lift else held).contiguous(memory_format=memory)

    x, weights = tensor(p.x), [tensor(w) for w in p.weights]
    biases = [torch.from_numpy(b) for b in p.biases]

    def numbers(one: int, each: tuple[int, ...] | int) -> Any:
        axes = (each,) * rank if isinstance(each, int) else each
        return (one, *axes) if lift else axes

    stride, padding, dilation = numbers(1, s.stride), numbers(0, s.padding), numbers(1, s.dilation)
    groups = s.groups
    functions = {None: None, "relu": functional.relu_, "relu6": lambda z: functional.relu6(z, inplace=True)}
    between, after = functions[s.between], functions[s.after]

    def single() -> Any:
        y = run(x, weights[0], biases[0], stride, padding, dilation, groups)
        return y if y.is_contiguous(memory_format=memory) else y.contiguous(memory_format=memory)

    def pair() -> Any:
        z = run(x, weights[0], biases[0], stride, padding, dilation, groups)
        z = between(z) if between else z
        y = run(z, weights[1], biases[1])
        y = after(y) if after else y
        return y if y.is_contiguous(memory_format=memory) else y.contiguous(memory_format=memory)

    def finish(y: Any) -> Any:
        return (y[:, :, 0] if lift else y).numpy()

    return Prepared(pair if s.then else single, finish)


def first_only(p: Problem) -> None:
    """For peers whose layout is ONNX's."""
    demand(not p.channels_last, "channels first only")


@refusing
def onnxruntime(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """One session with its threads, input and output bound; ``fresh``: it allocates the output."""
    ort = module("onnxruntime")
    first_only(p)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model(p), options, providers=["CPUExecutionProvider"])
    bound = session.io_binding()
    x = ort.OrtValue.ortvalue_from_numpy(p.x)
    bound.bind_ortvalue_input("x", x)
    if fresh:
        bound.bind_output("y", "cpu")
    else:
        y = ort.OrtValue.ortvalue_from_shape_and_type(p.out_shape, p.x.dtype.type)
        bound.bind_ortvalue_output("y", y)

    def call() -> object:
        session.run_with_iobinding(bound)
        return bound

    return Prepared(call, lambda found: np.asarray(found.get_outputs()[0].numpy()))


@functools.cache
def openvino_core() -> Any:
    """One for the process."""
    return module("openvino").Core()


@refusing
def openvino(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """One stream with its threads, float32 as the precision of inference, tensors bound."""
    ov = module("openvino")
    first_only(p)
    core = openvino_core()
    compiled = core.compile_model(core.read_model(model=model(p)), "CPU", {
        "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads), "INFERENCE_PRECISION_HINT": "f32",
    })  # fmt: skip
    request = compiled.create_infer_request()
    out = np.zeros(p.out_shape, p.x.dtype)
    request.set_input_tensor(ov.Tensor(p.x, shared_memory=True))
    if not fresh:
        request.set_output_tensor(ov.Tensor(out, shared_memory=True))

    def call() -> Any:
        request.start_async()
        request.wait()
        return request if fresh else out  # so that it holds `out`: a shared tensor does not

    return Prepared(call, lambda y: np.asarray(y.get_output_tensor().data if fresh else y))


@refusing
def opencv(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """The network module: its input is set, and copied, beforehand."""
    cv2 = module("cv2")
    first_only(p)
    demand(p.x.dtype == np.float32, "float32 only")
    net = cv2.dnn.readNetFromONNX(np.frombuffer(model(p), np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    x = p.x

    def call() -> object:
        net.setInput(x)
        return net.forward()

    return Prepared(call)


TORCH = "torch eager"

PEERS = (
    Contestant(TORCH, "torch", refusing(torch_eager)),
    Contestant("onnxruntime", "onnxruntime", onnxruntime, out=True),
    Contestant("openvino", "openvino", openvino, out=True),
    Contestant("cv2.dnn", "cv2", opencv),
)
