"""Peers of single questions, and what an expert would write by hand where no package has a function.

What is written by hand is shown in every table, but the official ratio is to what packages offer as one call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .contestant import Contestant, Prepared, module
from .peers import cv2_words, demand, plainly
from .problem import Problem

BY_HAND = "by hand: "


def _search(problem: Problem) -> None:
    demand(problem.correlate and problem.mode == "valid", "template search only")
    demand(problem.a.ndim == problem.k.ndim == 2, "images only")
    demand(problem.stride == problem.dilation == 1, "stride 1 only")


def match_template(problem: Problem, threads: int) -> Prepared:
    """cv2.matchTemplate with TM_CCORR, and ``result``; a complex search is four real ones."""
    cv2 = module("cv2")
    plainly(problem)
    _search(problem)
    a, k = problem.a, problem.k
    kind, run = cv2.TM_CCORR, cv2.matchTemplate
    demand(a.dtype == k.dtype and a.dtype in (np.float32, np.complex64), f"no {a.dtype}")
    if a.dtype == np.float32:
        result = np.empty(problem.shape, np.float32)
        return Prepared(lambda: run(a, k, kind, result))
    parts = [np.ascontiguousarray(part) for part in (k.real, k.imag)]
    result = np.empty(problem.shape, np.complex64)

    def call() -> object:
        real, imaginary = np.ascontiguousarray(a.real), np.ascontiguousarray(a.imag)
        np.add(run(real, parts[0], kind), run(imaginary, parts[1], kind), out=result.real)
        np.subtract(run(imaginary, parts[0], kind), run(real, parts[1], kind), out=result.imag)
        return result

    return Prepared(call)


def torch_fft(problem: Problem, threads: int) -> Prepared:
    """torch.fft: transform, multiply, transform back, cut; what torchaudio.functional.fftconvolve does."""
    torch, fft = module("torch"), module("torch.fft")
    plainly(problem)
    demand(problem.boundary == "constant" or problem.mode == "valid", "zero fill only")
    demand(problem.a.dtype == problem.k.dtype and problem.dtype.kind in "fc", "one float dtype only")
    demand(problem.a.flags.c_contiguous, "contiguous arrays only")
    real = problem.dtype.kind == "f"
    a = torch.from_numpy(problem.a)
    k = torch.from_numpy(np.ascontiguousarray(problem.aligned(problem.dilated())))
    fast = module("scipy.fft").next_fast_len
    sizes, cut = [], [slice(None)] * a.ndim
    for axis in problem.along:
        n, reach = a.shape[axis], k.shape[axis] - 1
        first, last = {"full": (0, n + reach), "valid": (reach, n),
                       "same": (reach // 2, reach // 2 + n)}[problem.mode]  # fmt: skip
        sizes.append(fast(max(last, n + reach - first), real))  # what wraps around is cut off
        cut[axis] = slice(first, last, problem.stride)
    forward, backward = (fft.rfftn, fft.irfftn) if real else (fft.fftn, fft.ifftn)
    along, at = problem.along, tuple(cut)

    def call() -> Any:
        return backward(forward(a, sizes, along) * forward(k, sizes, along), sizes, along)[at]

    return Prepared(call, lambda y: np.asarray(y.numpy()))


def filter_with_gaps(problem: Problem, threads: int) -> Prepared:
    """Two cv2.filter2D: the filled array over the weights. For positive taps of sum one."""
    cv2 = module("cv2")
    demand(problem.missing and problem.a.ndim == problem.k.ndim == 2, "images with missing data only")
    demand(problem.mode == "same" and problem.boundary == "constant", "mode same, zero fill only")
    demand(problem.stride == problem.dilation == 1, "stride 1 only")
    demand(bool(np.all(problem.k >= 0)) and all(n % 2 for n in problem.k.shape), "odd, positive taps only")
    border, depth = cv2_words(problem)
    a, k = problem.a, np.ascontiguousarray(np.flip(problem.impulse))
    run, total = cv2.filter2D, problem.k.sum()

    def call() -> object:
        gaps = np.isnan(a)
        sums = run(np.where(gaps, 0, a), depth, k, None, (-1, -1), 0, border)
        lost = run(gaps.astype(a.dtype), depth, k, None, (-1, -1), 0, border)
        return np.divide(sums, np.subtract(total, lost, out=lost), out=sums)

    return Prepared(call)


SPECIAL = (
    Contestant("cv2.matchTemplate", "cv2", match_template, out=True),
    Contestant(BY_HAND + "torch.fft", "torch", torch_fft),
    Contestant(BY_HAND + "cv2.filter2D ×2", "cv2", filter_with_gaps),
)
