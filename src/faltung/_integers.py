"""Integers are exact: which type sums them without a rounding, and what is said when a result does not fit.

With P and N the sums of the positive and the negative taps and [l, h] the range of the samples (zero
included), every result lies in [P l + N h, P h + N l] and no partial sum leaves (P - N) max(-l, h). Up to
2^24 that is exact in float32, up to 2^53 in float64; else sums are taken modulo 2^64 where the result is
known to fit, and in 192 bits where it is not.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._dtype import DType, holding, integer_range, is_integer
from ._errors import FaltungOverflowError, FaltungValueError
from ._geometry import boundary_index

if TYPE_CHECKING:
    from ._recipe import Recipe

Array = NDArray[Any]


class Exact(NamedTuple):
    """The type that computes and what happens at the store."""

    compute: str
    store: str


def choose_exact(recipe: Recipe, a: Array, k: Array) -> Exact:
    """The fastest way that is exact for these data."""
    positive, negative = tap_sums(recipe, k)
    fill = int(np.frombuffer(recipe.request.fill, recipe.request.dtype)[0]) if recipe.request.fill else 0
    overflow = recipe.request.overflow
    how = _with_range(recipe, integer_range(a.dtype), fill, positive, negative, overflow)
    if how.store in ("fits", "cast") and how.compute in ("f32", "f64"):
        return how
    # A look at the samples can win the check at the store, which is cheaper, and sums in float32, which pay
    # for the look where there are many taps.
    if how.compute == "f32" or (how.compute == "f64" and recipe.taps < 50):
        return how
    low, high = (int(a.min()), int(a.max())) if a.size else (0, 0)
    return _with_range(recipe, (low, high), fill, positive, negative, overflow)


def _with_range(
    recipe: Recipe, samples: tuple[int, int], fill: int, positive: int, negative: int, overflow: str
) -> Exact:
    low, high = min(samples[0], fill, 0), max(samples[1], fill, 0)
    least, most = positive * low + negative * high, positive * high + negative * low
    largest = (positive - negative) * max(-low, high)
    out = recipe.out_dtype
    if not is_integer(out):
        if largest <= 2**24 and not recipe.double:
            return Exact("f32", "cast")
        return Exact("f64", "cast")
    floor, ceiling = integer_range(out)
    store = "fits" if floor <= least and most <= ceiling else overflow
    if largest <= 2**24:
        return Exact("f32", store)
    if largest <= 2**53:
        return Exact("f64", store)
    word = (0, 2**64 - 1) if out.name == "uint64" else (-(2**63), 2**63 - 1)
    if store == "wrap" or (word[0] <= least and most <= word[1]):
        return Exact("u64", store)
    return Exact("wide", store)


def tap_sums(recipe: Recipe, k: Array) -> tuple[int, int]:
    """Exact sums of the positive and of the negative taps; the largest of each over a batch of kernels."""
    if k.size <= 256 and len(recipe.request.kernel_axes) == len(recipe.request.axes):
        taps = [int(tap) for tap in k.ravel().tolist()]
        return sum(tap for tap in taps if tap > 0), sum(tap for tap in taps if tap < 0)
    if k.dtype.kind == "b":
        k = k.view(np.uint8)
    axes = tuple(i for i, axis in enumerate(recipe.request.kernel_axes) if axis in recipe.request.axes)
    zero = k.dtype.type(0)

    def extreme(part: Array, pick: Any) -> int:
        if part.size == 0:
            return 0
        if k.dtype.itemsize < 8 and k.size < 2**31:
            wide = np.int64 if k.dtype.kind == "i" else np.uint64
            return int(pick(part.sum(axis=axes, dtype=wide)))
        low = (part & k.dtype.type(0xFFFFFFFF)).sum(axis=axes, dtype=np.uint64)
        high = (part >> k.dtype.type(32)).sum(axis=axes, dtype=np.int64)
        return int(pick(high.astype(object) * 2**32 + low.astype(object)))

    positive = extreme(np.maximum(k, zero), np.max)
    negative = extreme(np.minimum(k, zero), np.min) if k.dtype.kind == "i" else 0
    return positive, negative


def overflow_error(recipe: Recipe, a: Array, k: Array, workers: int | None) -> Exception:
    """What to raise for the first result that the output type does not hold."""
    floor, ceiling = integer_range(recipe.out_dtype)
    # Rounding to float64 keeps the order: whatever does not fit is at or beyond the rounded ends.
    y = recipe.in_float64().run(a, k, None, workers)
    if not recipe.exact:
        y = np.rint(y)
    suspects = np.flatnonzero(~((y > float(floor)) & (y < float(ceiling))))
    for suspect in suspects:
        index = tuple(int(i) for i in np.unravel_index(suspect, y.shape))
        if not np.isfinite(y[index]):
            return not_finite(index, float(y[index]))
        value = exact_at(recipe, a, k, index) if recipe.exact else int(y[index])
        if floor <= value <= ceiling:
            continue
        ends = []
        for at in (np.nanargmin(y), np.nanargmax(y)):
            end = tuple(int(i) for i in np.unravel_index(at, y.shape))
            ends.append(exact_at(recipe, a, k, end) if recipe.exact else _finite(y[end], value))
        return beyond(index, value, recipe.out_dtype, holding(*ends))
    return _rounded_error(recipe, y)


def not_finite(index: tuple[int, ...], value: float) -> Exception:
    """What to raise for a result that is to be an integer and is none."""
    name = "NaN" if np.isnan(value) else f"{value}"
    return FaltungValueError(
        f"the result at index {index} is {name}, which no integer type holds; pass `dtype=np.float64`, or "
        "replace what is not finite, for instance with `np.nan_to_num`."
    )


def beyond(index: tuple[int, ...], value: int, dtype: DType, wider: str) -> Exception:
    """What to raise for a result that does not fit, where `wider` holds every one."""
    return FaltungOverflowError(
        f"the result at index {index} is {value}, beyond {dtype}; pass `dtype=np.{wider}`, which holds every "
        "result, or `overflow='saturate'` or 'wrap'."
    )


def _rounded_error(recipe: Recipe, y: Array) -> Exception:
    """A value so near the end of the range that it rounds beyond by one method and not by another."""
    floor, ceiling = integer_range(recipe.out_dtype)
    nearest = np.minimum(y - float(floor), float(ceiling) - y)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmin(nearest)), y.shape))
    value = floor - 1 if y[index] - float(floor) < float(ceiling) - y[index] else ceiling + 1
    return FaltungOverflowError(
        f"the result at index {index} rounds to {value}, beyond {recipe.out_dtype}; pass "
        f"`dtype=np.{holding(floor, value) if value > 0 else holding(value, ceiling)}` or "
        "`overflow='saturate'`."
    )


def _finite(value: float, otherwise: int) -> int:
    return int(value) if np.isfinite(value) else otherwise


def exact_at(recipe: Recipe, a: Array, k: Array, index: tuple[int, ...]) -> int:
    """One output by the definition, in Python integers."""
    request, spec = recipe.request, recipe.spec
    fill = int(np.frombuffer(request.fill, request.dtype)[0])
    where: list[list[int | None]] = []
    for axis, o in enumerate(index):
        if spec is None or axis not in request.axes:
            where.append([o if request.shape[axis] > 1 else 0])
            continue
        i = request.axes.index(axis)
        first = o * spec.stride[i] - spec.padding[i][0]
        positions = (first + t * spec.dilation[i] for t in range(spec.kernel_size[i]))
        where.append([boundary_index(p, request.shape[axis], request.boundary[i]) for p in positions])
    total = 0
    for taps in product(*(range(len(positions)) for positions in where)):
        source = tuple(where[axis][t] for axis, t in enumerate(taps))
        sample = fill if None in source else int(a[source])
        tap = []
        for i, axis in enumerate(request.kernel_axes):
            n = request.kernel_shape[i]
            if axis in request.axes:
                tap.append(n - 1 - taps[axis] if request.flip else taps[axis])
            else:
                tap.append(index[axis] if n > 1 else 0)
        total += sample * int(k[tuple(tap)])
    return total
