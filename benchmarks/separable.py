"""Peers of kernels given by factors: a pass along each axis, or a filter of their own with the same taps."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contestant import Contestant, Prepared, module
from .peers import NDIMAGE_WORDS, TORCH_WORDS, cv2_words, demand, finisher
from .problem import Array, Problem


def _image(problem: Problem, rank: int | None = 2) -> tuple[Array, tuple[Array, ...]]:
    """The array and its factors, for peers that filter whole arrays of odd windows at every position."""
    factors = problem.impulses
    demand(bool(factors), "factors only")
    demand(problem.mode == "same" and problem.stride == problem.dilation == 1, "mode same, stride 1 only")
    demand(problem.along == tuple(range(problem.a.ndim)), "whole arrays only")
    demand(rank is None or problem.a.ndim == rank, f"{rank}-D only")
    demand(all(factor.size % 2 for factor in factors), "odd kernels only")
    return problem.a, factors


def cv2_separable(problem: Problem, threads: int) -> Prepared:
    """cv2.sepFilter2D, with ``dst``."""
    cv2 = module("cv2")
    a, factors = _image(problem)
    border, depth = cv2_words(problem)
    ky, kx = (np.ascontiguousarray(factor[::-1]) for factor in factors)
    dst = np.empty(a.shape, problem.dtype)
    run = cv2.sepFilter2D
    return Prepared(lambda: run(a, depth, kx, ky, dst, (-1, -1), 0, border))


def cv2_two_passes(problem: Problem, threads: int) -> Prepared:
    """cv2.filter2D along the rows, then along the columns; what lies between is float32 or float64."""
    cv2 = module("cv2")
    a, factors = _image(problem)
    border, depth = cv2_words(problem)
    ky, kx = (np.ascontiguousarray(factor[::-1]) for factor in factors)
    ky, kx = ky[:, None], kx[None]
    between = np.result_type(a, kx) if problem.dtype.kind == "f" else np.dtype(np.float32)
    middle = cv2.CV_64F if between == np.float64 else cv2.CV_32F
    rows, dst = np.empty(a.shape, between), np.empty(a.shape, problem.dtype)
    run = cv2.filter2D

    def call() -> object:
        run(a, middle, kx, rows, (-1, -1), 0, border)
        return run(rows, depth, ky, dst, (-1, -1), 0, border)

    return Prepared(call)


def own_line(sigma: float, count: int, dtype: np.dtype[Any]) -> Array:
    """The taps that cv2.GaussianBlur takes for images of a dtype."""
    cv2 = module("cv2")
    if dtype != np.uint8:
        wide = cv2.CV_64F if dtype == np.float64 else cv2.CV_32F
        return np.asarray(cv2.getGaussianKernel(count, sigma, wide))[:, 0]
    line = np.zeros((count, 4 * count + 1), np.uint8)  # 256ths, rounded by 255 / 256, show as they are
    line[:, 2 * count] = 255
    blurred = cv2.GaussianBlur(line, (count, count), sigma)
    at = 2 * count - count // 2
    return np.asarray(blurred[count // 2, at : at + count], np.float32) / 256


def cv2_gaussian(problem: Problem, threads: int) -> Prepared:
    """cv2.GaussianBlur, with ``dst``, where the taps that it would take are those asked for."""
    cv2 = module("cv2")
    a, factors = _image(problem)
    border, _ = cv2_words(problem)
    sigma = problem.sigma
    demand(sigma is not None and a.dtype == problem.dtype, "gaussians of one dtype only")
    assert sigma is not None
    for factor in factors:
        demand(np.array_equal(own_line(sigma, factor.size, a.dtype), factor), "its own taps are others")
    size, dst = tuple(factor.size for factor in reversed(factors)), np.empty_like(a)
    run = cv2.GaussianBlur
    return Prepared(lambda: run(a, size, sigma, dst, sigma, border))


def ndimage_passes(problem: Problem, threads: int) -> Prepared:
    """scipy.ndimage.convolve1d along each axis, writing into ``output=``; integers round once, at the end."""
    run = module("scipy.ndimage").convolve1d
    a, factors = _image(problem, None)
    word = NDIMAGE_WORDS[problem.boundary]
    finish, needed = finisher(problem)
    output = np.empty(a.shape, np.float32 if needed else problem.dtype)

    def call() -> object:
        x = a
        for axis, factor in enumerate(factors):
            x = run(x, factor, axis, output, word)
        return finish(output)

    return Prepared(call)


def ndimage_gaussian(problem: Problem, threads: int) -> Prepared:
    """scipy.ndimage.gaussian_filter of the same radius, writing into ``output=``."""
    run = module("scipy.ndimage").gaussian_filter
    a, factors = _image(problem, None)
    sigma, word = problem.sigma, NDIMAGE_WORDS[problem.boundary]
    demand(sigma is not None, "gaussians only")
    for factor in factors:
        line = np.exp(-((np.arange(factor.size) - factor.size // 2) ** 2) / (2 * float(sigma or 1) ** 2))
        near = np.allclose(line / line.sum(), factor, rtol=2.0**-23, atol=0)
        demand(near, "its own taps are others")
    finish, needed = finisher(problem)
    output = np.empty(a.shape, np.float32 if needed else problem.dtype)
    radius = [factor.size // 2 for factor in factors]

    def call() -> object:
        run(a, sigma, output=output, mode=word, radius=radius)
        return finish(output)

    return Prepared(call)


def torch_passes(problem: Problem, threads: int) -> Prepared:
    """A convolution with every factor in turn, torch.nn.functional.conv1d to conv3d."""
    torch, functional = module("torch"), module("torch.nn.functional")
    a, factors = _image(problem, None)
    demand(problem.boundary in TORCH_WORDS, f"no boundary {problem.boundary}")
    demand(a.ndim <= 3, "at most three axes")
    run, rank = getattr(functional, f"conv{a.ndim}d"), a.ndim
    x = torch.from_numpy(a)[None, None]
    weights, pads = [], []
    for axis, factor in enumerate(factors):
        shape = [factor.size if y == axis else 1 for y in range(rank)]
        flipped = np.ascontiguousarray(factor[::-1]).reshape(1, 1, *shape)
        weights.append(torch.from_numpy(flipped))
        pads.append([factor.size // 2 if y == axis else 0 for y in range(rank)])
    widen = a.dtype != factors[0].dtype
    bounds = np.iinfo(problem.dtype) if problem.dtype.kind in "iu" else None
    target, word = getattr(torch, problem.dtype.name), TORCH_WORDS[problem.boundary]

    def call() -> Any:
        z = x.to(weights[0].dtype) if widen else x
        for weight, pad in zip(weights, pads, strict=True):
            if word == "constant":
                z = run(z, weight, None, 1, pad)
            else:
                z = run(functional.pad(z, [n for p in reversed(pad) for n in (p, p)], mode=word), weight)
        return z if bounds is None else z.round_().clamp_(bounds.min, bounds.max).to(target)

    return Prepared(call, lambda y: np.asarray(y[0, 0].numpy()))


SEPARABLE = (
    Contestant("cv2.sepFilter2D", "cv2", cv2_separable, out=True),
    Contestant("cv2.filter2D ×2", "cv2", cv2_two_passes, out=True),
    Contestant("cv2.GaussianBlur", "cv2", cv2_gaussian, out=True),
    Contestant("scipy.ndimage.convolve1d ×n", "scipy", ndimage_passes, out=True),
    Contestant("scipy.ndimage.gaussian_filter", "scipy", ndimage_gaussian, out=True),
    Contestant("torch conv ×n", "torch", torch_passes),
)
