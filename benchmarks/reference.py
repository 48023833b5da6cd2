"""The right answer of a problem, by the definition in wider arithmetic than any contestant's.

Where the definition would take minutes, a Fourier transform in that arithmetic takes its place, or the
definition axis by axis for outer products; both are then compared with the definition at some outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problem import Array, Problem

BLOCK = 1 << 15
"""Outputs summed at a time by the definition, so that its temporaries stay in cache."""

SLAB = 1 << 22
"""Points transformed at a time, so that large arrays need no wide copies of themselves."""

PATIENCE = 300_000_000
"""Products beyond which the definition is not asked for every output."""

SAMPLES, SAMPLED_PRODUCTS = 300, 20_000_000
"""Outputs that are compared with the definition, and the products that this may take."""

EXTRA = {"highest": 2.0**-44, "high": 2.0**-14}
"""What each promise adds to the bound of every output, in units of the largest |a| times the sum of |k|."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The exact result, the sum over absolute values (S of the error promise), and what may be demanded.

    ``floor`` is the part of the promise that is the same for all outputs.
    """

    exact: Array
    scale: NDArray[np.float64]
    roundoff: float
    terms: int
    integral: bool
    rounded: tuple[int, int] | None
    floor: float = 0.0

    @property
    def promise(self) -> float:
        """The bound that faltung keeps at ``precision="highest"``, in units of u*S."""
        return 1.1 * min(self.terms, 256) + math.ceil(self.terms / 256) + 20


def reference(problem: Problem) -> Reference:
    """The answer in float64, longdouble or int64, whichever is wider than the contestants' arithmetic."""
    result, a, k = problem.dtype, problem.a, problem.impulse
    integral = a.dtype.kind in "iub" and k.dtype.kind in "iub"
    half = result.kind == "f" and result.itemsize <= 4 or result == np.complex64
    float_to_int = result.kind in "iu" and not integral
    narrow = half or float_to_int
    wide: type[Any]
    if integral:
        wide = np.int64
    elif result.kind == "c":
        wide = np.complex128 if narrow else np.clongdouble
    else:
        wide = np.float64 if narrow else np.longdouble
    exact, scale = _with_gaps(problem, wide) if problem.missing else _whole(problem, wide, integral)
    bounds = None
    if float_to_int:
        info = np.iinfo(result)
        bounds = (int(info.min), int(info.max))
    roundoff = 2.0**-24 if narrow else 2.0**-53
    floor = 0.0 if integral else _floor(problem, narrow)
    terms = k.size * (2 if result.kind == "c" else 1)
    return Reference(exact, scale, roundoff, terms, integral, bounds, floor)


def _floor(problem: Problem, narrow: bool) -> float:
    """Float64 and complex128 keep "highest" whatever the word."""
    word = (problem.precision or "highest") if narrow else "highest"
    return EXTRA[word] * float(np.nanmax(np.abs(problem.a), initial=0)) * float(np.abs(problem.k).sum())


def _whole(problem: Problem, wide: type[Any], integral: bool) -> tuple[Array, Array]:
    padded, k, factors = problem.padded(), problem.impulse, problem.impulses
    sizes = np.abs(padded.astype(np.int64) if integral else padded)
    if factors and not problem.whole:
        exact = _by_axes(problem, padded, factors, wide)
        scale = _by_axes(problem, sizes, tuple(map(np.abs, factors)), np.float64)
    elif integral or k.size * math.prod(problem.shape) <= PATIENCE:
        return _by_definition(problem, padded, k, wide), _by_definition(problem, sizes, np.abs(k), np.float64)
    else:
        exact = _by_fft(problem, padded, k, wide)
        scale = np.maximum(_by_fft(problem, sizes, np.abs(k), np.float64), 0)
    compare_with_definition(problem, exact, scale)
    return exact, scale


def _with_gaps(problem: Problem, wide: type[Any]) -> tuple[Array, Array]:
    """Missing data: N + mu * sum k(1 - m) with mu = sum |k|ma / sum |k|m, m being 1 where a sample is there.

    What the boundary adds is there.
    """
    padded, k = problem.padded(), problem.impulse
    gaps = np.isnan(padded)
    filled = np.where(gaps, 0, padded)

    def total(values: Array, taps: Array) -> Array:
        return _by_definition(problem, values, taps, wide)

    strength, size = np.abs(k), np.abs(filled)
    weight, lost = total((~gaps).astype(wide), strength), total(gaps.astype(wide), k)
    near = total(size, strength)
    exact = total(filled, k) + total(filled, strength) / weight * lost
    return exact, (near + near / weight * np.abs(lost)).astype(np.float64)


# --- three ways to the same sums --------------------------------------------------------------------------


def _by_definition(problem: Problem, padded: Array, k: Array, wide: type[Any]) -> Array:
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


def _by_axes(problem: Problem, padded: Array, factors: tuple[Array, ...], wide: type[Any]) -> Array:
    """The definition along one axis after the other, for the outer product of ``factors``."""
    y = padded.astype(wide)
    for axis, taps in zip(problem.along, factors, strict=True):
        size = y.shape[axis] - (len(taps) - 1) * problem.dilation
        x = np.moveaxis(y, axis, 0)
        total = np.zeros((size, *x.shape[1:]), wide)
        for j, tap in enumerate(taps[::-1]):
            total += x[j * problem.dilation : j * problem.dilation + size] * wide(tap)
        y = np.moveaxis(total, 0, axis)
    return np.ascontiguousarray(y[problem.steps])


def _slabs(problem: Problem, padded: Array, reach: tuple[int, ...]) -> Iterator[tuple[int, int, int, int]]:
    """Axis, first and last output along it (without stride), and what of the padded array they need more."""
    batch = [axis for axis in range(padded.ndim) if axis not in problem.along]
    axis = batch[0] if batch else 0
    more = 0 if batch else reach[0]
    size = padded.shape[axis] - more
    each = max(1, more, SLAB // max(1, padded.size // padded.shape[axis]))
    for start in range(0, size, each):
        yield axis, start, min(start + each, size), more


def _by_fft(problem: Problem, padded: Array, k: Array, wide: type[Any]) -> Array:
    """Transform slabs of the padded array: of a circular convolution the outputs that see no wrap."""
    from scipy import fft

    real = np.dtype(wide).kind == "f"
    forward, backward = (fft.rfftn, fft.irfftn) if real else (fft.fftn, fft.ifftn)
    taps = np.zeros([(n - 1) * problem.dilation + 1 for n in k.shape], wide)
    taps[(slice(None, None, problem.dilation),) * k.ndim] = k
    aligned = problem.aligned(taps)
    reach = tuple(n - 1 for n in aligned.shape)
    y = np.empty([n - r for n, r in zip(padded.shape, reach, strict=True)], wide)
    spectrum, last = None, None
    for axis, start, stop, more in _slabs(problem, padded, reach):
        at = [slice(None)] * padded.ndim
        at[axis] = slice(start, stop + more)
        slab = padded[tuple(at)].astype(wide)
        sizes = [fft.next_fast_len(slab.shape[x], real) for x in problem.along]
        if sizes != last:
            spectrum, last = forward(aligned, sizes, problem.along), sizes
        part = backward(forward(slab, sizes, problem.along) * spectrum, sizes, problem.along)
        keep = tuple(slice(r, n) for r, n in zip(reach, slab.shape, strict=True))
        at[axis] = slice(start, stop)
        y[tuple(at)] = part[keep]
    return y[problem.steps]


# --- the check of the short cuts --------------------------------------------------------------------------


def source(boundary: str, position: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The index that a position before, in or behind an axis reads; -1 for zero.

    >>> source("reflect", np.arange(-3, 7), 4).tolist()
    [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    """
    inside = (position >= 0) & (position < size)
    if boundary == "constant":
        return np.where(inside, position, -1)
    if boundary == "edge":
        return np.clip(position, 0, size - 1)
    if boundary == "wrap":
        return position % size
    if boundary == "symmetric":
        back = position % (2 * size)
        return np.where(back < size, back, 2 * size - 1 - back)
    back = position % max(1, 2 * (size - 1))
    return np.where(back < size, back, 2 * (size - 1) - back)


def output_of(problem: Problem, index: tuple[int, ...]) -> tuple[Any, Any]:
    """One output, and its sum over absolute values, by the definition in longdouble."""
    window: Array = problem.a
    known = np.ones((), bool)
    for axis in range(problem.a.ndim):
        if axis not in problem.along:
            at = np.array([index[axis]])
        else:
            taps = problem.k.shape[problem.along.index(axis)]
            at = index[axis] * problem.stride + np.arange(taps) * problem.dilation - problem.padding[axis][0]
            at = source(problem.boundary, at, problem.a.shape[axis])
        shape = [-1 if x == axis else 1 for x in range(problem.a.ndim)]
        known = known & (at >= 0).reshape(shape)
        window = np.take(window, at, axis)
    wide = np.clongdouble if problem.dtype.kind == "c" else np.longdouble
    k: Array = problem.k.astype(wide)
    if problem.factors and not problem.whole:
        k = np.ones((), wide)
        for factor in problem.factors:
            k = np.multiply.outer(k, factor.astype(wide))
    terms = window.astype(wide) * problem.aligned(np.conj(k) if problem.correlate else np.flip(k))
    terms = np.where(known, terms, 0)
    return terms.sum(), np.abs(terms).sum()


def compare_with_definition(problem: Problem, exact: Array, scale: Array) -> None:
    """Raise ArithmeticError where a short cut's answer is not the definition's: at corners, and at random."""
    rng = np.random.default_rng(1)
    count = min(SAMPLES, max(16, SAMPLED_PRODUCTS // problem.k.size))
    at = [tuple(int(rng.integers(n)) for n in exact.shape) for _ in range(count)]
    for index in [*product(*({0, n - 1} for n in exact.shape)), *at]:
        value, size = output_of(problem, index)
        unit = (2.0**-24 if exact.dtype in (np.float64, np.complex128) else 2.0**-53) * float(size)
        if abs(value - exact[index]) > 0.1 * unit or abs(size - scale[index]) > 1e-6 * size:
            raise ArithmeticError(f"the reference is {exact[index]} at {index}, the definition {value}")
