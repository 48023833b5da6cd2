"""The peers: each one's own way to compute a `Problem`, prepared so that only its call is timed.

Peers get every courtesy that does not change the question: kernels flipped and laid out beforehand, arrays
already wrapped as tensors, output buffers where they take one, and FFTs with all workers. Conversions that a
user's data would need on each call (uint8 to float32) and slicing after the fact (stride) are timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .contestant import Contestant, Prepared, Unsupported, module
from .problem import Array, Problem

PATIENCE = 1.0
"""Seconds that a call may be expected to take: by direct sums, large kernels take minutes."""


def demand(fact: bool, reason: str) -> None:
    """Raise ``Unsupported`` unless ``fact``."""
    if not fact:
        raise Unsupported(reason)


def worth(problem: Problem, rate: float) -> None:
    """Whether direct sums at ``rate`` operations a second, the best seen of this peer, end in time."""
    seconds = problem.flop / rate
    demand(seconds <= PATIENCE, f"direct sums take at least {seconds:.0f} s")


def plainly(problem: Problem) -> None:
    """For peers that know no missing data."""
    demand(not problem.missing, "no missing data")


def finisher(problem: Problem) -> tuple[Callable[[Array], Array], bool]:
    """Round, saturate and cast a float result to the integers asked for; second: whether that is needed."""
    target = problem.dtype
    floats = problem.a.dtype.kind == "f" or problem.k.dtype.kind == "f"
    if not (target.kind in "iu" and floats):
        return (lambda y: y), False
    info = np.iinfo(target)

    def finish(y: Array) -> Array:
        return np.asarray(np.clip(np.rint(y, out=y), info.min, info.max, out=y).astype(target))

    return finish, True


# --- NumPy and SciPy --------------------------------------------------------------------------------------


def numpy_convolve(problem: Problem, threads: int) -> Prepared:
    """numpy.convolve: one dimension, zero fill."""
    plainly(problem)
    demand(problem.a.ndim == 1, "1-D only")
    worth(problem, 40e9)
    demand(problem.boundary == "constant" or problem.mode == "valid", "zero fill only")
    a, k, mode, step = problem.a, problem.dilated(), problem.mode, problem.stride
    words: Any = mode
    return Prepared(lambda: np.convolve(a, k, words)[::step])


def scipy_signal(function: str, **fixed: Any) -> Callable[[Problem, int], Prepared]:
    """scipy.signal.convolve, fftconvolve, oaconvolve and convolve2d."""

    def prepare(problem: Problem, threads: int) -> Prepared:
        signal = module("scipy.signal")
        plainly(problem)
        if "direct" in fixed.values() or function == "convolve2d":
            worth(problem, 40e9 if problem.a.ndim == 1 else 1e9)
        run = getattr(signal, function)
        a, k, mode = problem.a, problem.dilated(), problem.mode
        options = dict(fixed)
        if function == "convolve2d":
            demand(a.ndim == 2 and problem.axes is None, "2-D only")
            if problem.boundary != "constant":
                words = {"symmetric": "symm", "wrap": "wrap"}
                demand(problem.boundary in words, f"no boundary {problem.boundary}")
                options["boundary"] = words[problem.boundary]
        else:
            demand(problem.boundary == "constant" or mode == "valid", "zero fill only")
            k = problem.aligned(k)
            if function != "convolve" and problem.axes is not None:
                options["axes"] = problem.axes
        finish, needed = finisher(problem)
        if function in ("fftconvolve", "oaconvolve"):
            demand(problem.dtype.kind in "fc" or needed, "would round in float64")
        widen = a.dtype.kind in "iu" and k.dtype.kind == "f" and a.dtype != k.dtype
        cut = problem.steps

        def call() -> object:
            x = a.astype(k.dtype) if widen else a
            return finish(run(x, k, mode=mode, **options)[cut])

        return Prepared(call)

    return prepare


NDIMAGE_WORDS = {
    "constant": "constant", "edge": "nearest", "reflect": "mirror", "symmetric": "reflect", "wrap": "wrap"
}  # fmt: skip


def ndimage(function: str) -> Callable[[Problem, int], Prepared]:
    """scipy.ndimage.convolve, correlate and convolve1d, writing into ``output=``."""

    def prepare(problem: Problem, threads: int) -> Prepared:
        run = getattr(module("scipy.ndimage"), function)
        plainly(problem)
        demand(problem.mode == "same", "mode same only")
        worth(problem, 2e9)
        options: dict[str, Any] = {"mode": NDIMAGE_WORDS[problem.boundary]}
        a, k = problem.a, problem.dilated()
        finish, needed = finisher(problem)
        if function == "convolve1d":
            demand(k.ndim == 1, "1-D kernels only")
            options |= {"axis": problem.along[0], "origin": -1 if k.size % 2 == 0 else 0}
        else:
            k = problem.aligned(k)
            even = [taps % 2 == 0 for taps in k.shape]
            if function == "correlate":
                k = np.ascontiguousarray(np.flip(np.conj(k)))  # complex weights are conjugated
            options["origin"] = [-1 if e and function == "convolve" else 0 for e in even]
        size = problem.a.shape
        output = np.empty(size, np.float64 if needed else problem.dtype)
        cut = problem.steps

        def call() -> object:
            run(a, k, output=output, **options)
            return finish(output[cut])

        return Prepared(call)

    return prepare


# --- OpenCV -----------------------------------------------------------------------------------------------


def cv2_words(problem: Problem) -> tuple[int, int]:
    """OpenCV's constants for the boundary and for the result's dtype."""
    cv2 = module("cv2")
    depths = {"uint8": cv2.CV_8U, "uint16": cv2.CV_16U, "int16": cv2.CV_16S, "float32": cv2.CV_32F,
              "float64": cv2.CV_64F}  # fmt: skip
    name = problem.a.dtype.name
    demand(name in depths and problem.dtype.name in depths, f"no {name}")
    borders = {"constant": cv2.BORDER_CONSTANT, "edge": cv2.BORDER_REPLICATE,
               "reflect": cv2.BORDER_REFLECT_101, "symmetric": cv2.BORDER_REFLECT}  # fmt: skip
    demand(problem.boundary in borders, f"no boundary {problem.boundary}")
    return borders[problem.boundary], depths[problem.dtype.name]


def cv2_filter2d(problem: Problem, threads: int) -> Prepared:
    """cv2.filter2D: correlation with the kernel flipped beforehand, ``dst`` given; loops over a batch."""
    cv2 = module("cv2")
    plainly(problem)
    a, k = problem.a, problem.dilated()
    demand(problem.mode == "same", "mode same only")
    border, depth = cv2_words(problem)
    along = problem.along
    if a.ndim == 1:
        a, k = a[None], k[None]
    elif k.ndim == 1:
        demand(a.ndim == 2, "images only")
        k = k[:, None] if along == (0,) else k[None]
    else:
        demand(k.ndim == 2 and (along == (0, 1) or a.ndim == 3 and along == (1, 2)), "images only")
    kernel = np.ascontiguousarray(np.flip(k))
    anchor = tuple(n - 1 - (n - 1) // 2 for n in kernel.shape[::-1])
    dst, step = np.empty(a.shape, problem.dtype), problem.stride
    run = cv2.filter2D
    if along == (1, 2):

        def batch() -> object:
            for image, target in zip(a, dst, strict=True):
                run(image, depth, kernel, target, anchor, 0, border)
            return dst

        return Prepared(batch)
    if problem.a.ndim == 1:
        return Prepared(lambda: run(a, depth, kernel, dst, anchor, 0, border)[0, ::step])
    if step == 1:
        return Prepared(lambda: run(a, depth, kernel, dst, anchor, 0, border))
    return Prepared(lambda: run(a, depth, kernel, dst, anchor, 0, border)[::step, ::step])


# --- PyTorch ----------------------------------------------------------------------------------------------


TORCH_WORDS = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}


def torch_conv(problem: Problem, threads: int) -> Prepared:
    """torch.nn.functional.conv1d, 2d and 3d with the kernel flipped beforehand, in inference mode."""
    torch = module("torch")
    functional = module("torch.nn.functional")
    plainly(problem)
    worth(problem, 7e9 if problem.k.size <= 225 or problem.k.ndim == 1 else 1e9)
    a, k, rank = problem.a, problem.impulse, problem.k.ndim
    run = getattr(functional, f"conv{rank}d")
    lead = tuple(x for x in range(a.ndim) if x not in problem.along)
    demand(len(lead) <= 1, "one batch or channel axis")
    data = a if a.flags.c_contiguous or a.flags.f_contiguous else np.ascontiguousarray(a)
    tensor = torch.from_numpy(data)
    colour = bool(lead) and lead[0] == a.ndim - 1
    batch = bool(lead) and not colour
    if colour:
        x = tensor.movedim(-1, 0)[None]  # strides of channels_last, as torch wants it
    else:
        x = tensor[:, None] if batch else tensor[None, None]
    weight = torch.from_numpy(np.ascontiguousarray(np.flip(k)))[None, None]
    groups = a.shape[-1] if colour else 1
    if colour:
        weight = weight.repeat(groups, *(1,) * (rank + 1))
    pads = [problem.padding[axis] for axis in problem.along]
    even = all(lo == hi for lo, hi in pads)
    demand(problem.mode == "valid" or problem.boundary in TORCH_WORDS, f"no boundary {problem.boundary}")
    direct = even and (problem.boundary == "constant" or problem.mode == "valid")
    flat = [n for pair in reversed(pads) for n in pair]
    padding = [lo for lo, _ in pads] if direct else 0
    word = TORCH_WORDS.get(problem.boundary, "constant")
    widen = a.dtype.kind in "iu" and k.dtype.kind == "f"
    target = getattr(torch, problem.dtype.name)
    demand(widen or a.dtype == k.dtype, "mixed dtypes")
    info = np.iinfo(problem.dtype) if widen and problem.dtype.kind in "iu" else None
    stride, dilation = problem.stride, problem.dilation

    def call() -> Any:
        z = x.to(weight.dtype) if widen else x
        if not direct:
            z = functional.pad(z, flat, mode=word)
        y = run(z, weight, None, stride, padding, dilation, groups)
        return y if info is None else y.round_().clamp_(info.min, info.max).to(target)

    def finish(y: Any) -> Array:
        plane = y[0].movedim(0, -1) if colour else y[:, 0] if batch else y[0, 0]
        return np.asarray(plane.numpy())

    return Prepared(call, finish)


# --- astropy ----------------------------------------------------------------------------------------------


def astropy_convolve(function: str) -> Callable[[Problem, int], Prepared]:
    """astropy.convolution; without missing data its normalization and its treatment of NaN are off."""

    def prepare(problem: Problem, threads: int) -> Prepared:
        run = getattr(module("astropy.convolution"), function)
        demand(problem.mode == "same" and problem.stride == 1, "mode same, stride 1 only")
        demand(problem.axes is None, "whole arrays only")
        demand(problem.dtype.kind == "f", "floats only")
        words = {"constant": "fill", "edge": "extend", "wrap": "wrap"}
        demand(problem.boundary in words, f"no boundary {problem.boundary}")
        a, k = problem.a, problem.dilated()
        demand(all(n % 2 for n in k.shape), "odd kernels only")
        options: dict[str, Any] = {"normalize_kernel": False, "nan_treatment": "fill", "fill_value": 0.0,
                                   "boundary": words[problem.boundary]}  # fmt: skip
        if problem.missing:  # it divides by the sum of the taps, which must be one then
            demand(bool(np.all(k >= 0)) and abs(k.sum() - 1) < 1e-12, "positive taps of sum one only")
            options |= {"normalize_kernel": True, "nan_treatment": "interpolate"}
        if function == "convolve":
            worth(problem, 3e9)
        else:
            demand(problem.boundary != "edge", "no boundary edge")
            fft = module("scipy.fft")
            options |= {"allow_huge": True, "fftn": fft.fftn, "ifftn": fft.ifftn}
        return Prepared(lambda: run(a, k, **options))

    return prepare


PEERS = (
    Contestant("numpy.convolve", "numpy", numpy_convolve),
    Contestant("scipy.signal.convolve direct", "scipy", scipy_signal("convolve", method="direct")),
    Contestant("scipy.signal.convolve fft", "scipy", scipy_signal("convolve", method="fft")),
    Contestant("scipy.signal.convolve auto", "scipy", scipy_signal("convolve", method="auto")),
    Contestant("scipy.signal.fftconvolve", "scipy", scipy_signal("fftconvolve")),
    Contestant("scipy.signal.oaconvolve", "scipy", scipy_signal("oaconvolve")),
    Contestant("scipy.signal.convolve2d", "scipy", scipy_signal("convolve2d")),
    Contestant("scipy.ndimage.convolve", "scipy", ndimage("convolve"), out=True),
    Contestant("scipy.ndimage.correlate", "scipy", ndimage("correlate"), out=True),
    Contestant("scipy.ndimage.convolve1d", "scipy", ndimage("convolve1d"), out=True),
    Contestant("cv2.filter2D", "cv2", cv2_filter2d, out=True),
    Contestant("torch conv", "torch", torch_conv),
    Contestant("astropy convolve", "astropy", astropy_convolve("convolve")),
    Contestant("astropy convolve_fft", "astropy", astropy_convolve("convolve_fft")),
)
