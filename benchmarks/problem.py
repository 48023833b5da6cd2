"""One convolution to be timed, its answer by the definition, and the judgement of a contestant's answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 1 << 15
"""Outputs summed at a time by the reference, so that its temporaries stay in cache."""


@dataclass(frozen=True, eq=False)
class Problem:
    """y[i] = sum_j a[i*stride + anchor*dilation - j*dilation] * k[j] along ``axes``, anchor = (K - 1) // 2.

    ``boundary`` is numpy.pad's word; constant fills with zero. ``dtype`` is the result's, rounded half to
    even and saturated when floats become integers.
    """

    a: Array
    k: Array
    mode: str = "same"
    boundary: str = "constant"
    axes: tuple[int, ...] | None = None
    stride: int = 1
    dilation: int = 1
    result: type[np.generic] | None = None

    @property
    def along(self) -> tuple[int, ...]:
        """The axes of ``a`` that the kernel runs along."""
        return tuple(range(self.a.ndim)) if self.axes is None else self.axes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The result's dtype."""
        return np.result_type(self.a, self.k) if self.result is None else np.dtype(self.result)

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """What ``mode`` adds at both ends of each axis of ``a``."""
        pads = [(0, 0)] * self.a.ndim
        for axis, taps in zip(self.along, self.k.shape, strict=True):
            reach = (taps - 1) * self.dilation
            lo = (taps - 1 - (taps - 1) // 2) * self.dilation
            pads[axis] = {"full": (reach, reach), "same": (lo, reach - lo), "valid": (0, 0)}[self.mode]
        return tuple(pads)

    @property
    def shape(self) -> tuple[int, ...]:
        """The result's shape."""
        size = [n + lo + hi for n, (lo, hi) in zip(self.a.shape, self.padding, strict=True)]
        for axis, taps in zip(self.along, self.k.shape, strict=True):
            size[axis] = (size[axis] - (taps - 1) * self.dilation - 1) // self.stride + 1
        return tuple(size)

    @property
    def flop(self) -> int:
        """Useful work: a multiplication and an addition per tap and output, four of each when complex."""
        per_tap = {"c": 8}.get(self.dtype.kind, 2)
        return per_tap * self.k.size * math.prod(self.shape)

    def dilated(self) -> Array:
        """The kernel with zeros between its taps, for peers that know no dilation."""
        if self.dilation == 1:
            return self.k
        wide = np.zeros([(taps - 1) * self.dilation + 1 for taps in self.k.shape], self.k.dtype)
        wide[(slice(None, None, self.dilation),) * self.k.ndim] = self.k
        return wide

    def aligned(self, k: Array) -> Array:
        """``k`` with an axis of size 1 for every axis of ``a`` that it does not run along."""
        shape = [1] * self.a.ndim
        for axis, taps in zip(self.along, k.shape, strict=True):
            shape[axis] = taps
        return k.reshape(shape)

    def padded(self) -> Array:
        """``a`` extended by ``padding`` with ``boundary``."""
        if self.boundary == "constant":
            return np.pad(self.a, self.padding)
        words: Any = self.boundary
        return np.asarray(np.pad(self.a, self.padding, mode=words))


@dataclass(frozen=True, eq=False)
class Reference:
    """The exact result, the sum over absolute values (S of the error promise), and what may be demanded."""

    exact: Array
    scale: NDArray[np.float64]
    roundoff: float
    terms: int
    integral: bool
    rounded: tuple[int, int] | None

    @property
    def promise(self) -> float:
        """The bound that faltung keeps at ``precision="highest"``, in units of u*S."""
        return 1.1 * min(self.terms, 256) + math.ceil(self.terms / 256) + 20


def reference(problem: Problem) -> Reference:
    """Apply the definition in wider arithmetic than any contestant's: float64, longdouble or int64."""
    result, a, k = problem.dtype, problem.padded(), problem.k
    integral = a.dtype.kind in "iub" and k.dtype.kind in "iub"
    half = result.kind == "f" and result.itemsize <= 4 or result == np.complex64
    float_to_int = result.kind in "iu" and not integral
    wide: type[Any]
    if integral:
        wide = np.int64
    elif result.kind == "c":
        wide = np.complex128 if half else np.clongdouble
    else:
        wide = np.float64 if half or float_to_int else np.longdouble
    exact = _sum(problem, a, k, wide)
    scale = _sum(problem, np.abs(a.astype(np.int64) if integral else a), np.abs(k), np.float64)
    bounds = None
    if float_to_int:
        info = np.iinfo(result)
        bounds = (int(info.min), int(info.max))
    roundoff = 2.0**-24 if half or float_to_int else 2.0**-53
    return Reference(exact, scale, roundoff, k.size * (2 if result.kind == "c" else 1), integral, bounds)


def _sum(problem: Problem, padded: Array, k: Array, wide: type[Any]) -> Array:
    """Add shifted copies of the padded array, a block of rows at a time."""
    shape, ndim = problem.shape, problem.a.ndim
    y = np.zeros(shape, wide)
    rows = max(1, BLOCK // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], rows):
        stop = min(start + rows, shape[0])
        for tap in product(*map(range, k.shape)):
            at = [slice(None)] * ndim
            for axis, taps, j in zip(problem.along, k.shape, tap, strict=True):
                lo = (taps - 1 - j) * problem.dilation
                at[axis] = slice(lo, lo + (shape[axis] - 1) * problem.stride + 1, problem.stride)
            first = at[0]
            step = problem.stride if 0 in problem.along else 1
            origin = first.start or 0
            at[0] = slice(origin + start * step, origin + (stop - 1) * step + 1, step)
            y[start:stop] += padded[tuple(at)].astype(wide) * wide(k[tap])
    return y


@dataclass(frozen=True)
class Verdict:
    """A contestant's answer beside the reference.

    ``relative`` is max|error| / max|exact|, ``units`` the largest error in u*S; ``keeps`` says whether every
    output keeps faltung's promise. ``wrong`` holds the reason when the answer is not the asked one at all.
    """

    relative: float
    units: float
    keeps: bool
    wrong: str | None = None


def judge(answer: Array, ref: Reference) -> Verdict:
    """Compare an answer with the reference; it never raises.

    >>> ref = reference(Problem(np.arange(5.0), np.array([1.0, 2.0, 3.0])))
    >>> judge(np.convolve(np.arange(5.0), [1.0, 2.0, 3.0], "same"), ref).wrong is None
    True
    >>> judge(np.correlate(np.arange(5.0), [1.0, 2.0, 3.0], "same"), ref).wrong
    'off by 0.35 of the largest value'
    """
    nan = math.nan
    if answer.shape != ref.exact.shape:
        return Verdict(nan, nan, False, f"shape {answer.shape}, not {ref.exact.shape}")
    if answer.dtype.kind not in "biufc":
        return Verdict(nan, nan, False, f"dtype {answer.dtype}")
    if ref.integral:
        if answer.dtype.kind in "biu":
            off = int(np.max(np.abs(answer.astype(np.int64) - ref.exact), initial=0))
        else:
            off = int(np.max(answer != ref.exact.astype(answer.dtype), initial=0))
            off = max(off, int(np.max(np.abs(ref.exact), initial=0) > 2**53))
        peak = float(np.max(np.abs(ref.exact.astype(np.float64)), initial=0.0)) or 1.0
        return Verdict(off / peak, 0.0, off == 0, None if off == 0 else "not exact")
    if not np.all(np.isfinite(answer)):
        return Verdict(nan, nan, False, "not finite")
    with np.errstate(divide="ignore", invalid="ignore"):
        if ref.rounded is not None:
            return _judge_rounded(answer, ref)
        error = np.abs(answer.astype(ref.exact.dtype) - ref.exact).astype(np.float64)
        units = np.where(error == 0, 0.0, error / (ref.roundoff * ref.scale))
    peak = float(np.max(np.abs(ref.exact), initial=0.0)) or 1.0
    relative, worst = (float(error.max(initial=0.0)) / peak, float(units.max(initial=0.0)))
    limit = 1e-4 if ref.roundoff > 2.0**-40 else 1e-10
    wrong = f"off by {relative:.2g} of the largest value" if relative > limit else None
    return Verdict(relative, worst, worst <= ref.promise, wrong)


def _judge_rounded(answer: Array, ref: Reference) -> Verdict:
    """Judge integers made from floats: half a unit of rounding is free, what is beyond counts as error."""
    assert ref.rounded is not None
    exact = np.clip(ref.exact, *ref.rounded)
    beyond = np.maximum(np.abs(answer.astype(np.float64) - exact) - 0.5, 0.0)
    units = np.where(beyond == 0, 0.0, beyond / (ref.roundoff * ref.scale))
    worst, step = float(units.max(initial=0.0)), float(beyond.max(initial=0.0))
    peak = float(np.max(np.abs(exact), initial=0.0)) or 1.0
    wrong = f"off by {0.5 + step:.3g} steps before rounding" if step > 0.02 else None
    return Verdict(step / peak, worst, worst <= ref.promise, wrong)
