"""The promise in numbers: the largest error that each output may have for given samples.

    (1.1 min(n, 256) + ceil(n / 256) + 20) u S + n t        every method
    + c X Σ|k|                                              spectral: c = 2^-44 by float64, 2^-14 by float32
    + half a unit in the last place                         where the result's type is not the one that sums

S is Σ|x||k| over the window, X the largest |x| in the samples that may share a block with the window.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._dtype import is_integer, part
from ._precision import error_units
from ._recipe import Recipe
from ._recipe import recipe as make_recipe

Array: TypeAlias = NDArray[Any]

SPECTRAL_UNITS = {True: 2.0**-44, False: 2.0**-14}  # by float64, by float32
_EXACT_SUM = 2.0**53


class _Store(NamedTuple):
    """What a result type loses of a sum: a share of its size, at least so much; from where it is infinite."""

    share: float
    least: float
    end: float


_STORES = {
    "float16": _Store(2.0**-11, 2.0**-25, 65520.0),
    "bfloat16": _Store(2.0**-8, 2.0**-134, float.fromhex("0x1.ffp127")),
    "float32": _Store(2.0**-24, 2.0**-150, float.fromhex("0x1.ffffffp127")),
}


def error_bound(
    how: Recipe, x: Array, k: Array, method: str, block: tuple[int, ...] | None, precision: str
) -> Array:
    """The bound for each output of a recipe on samples `x` and taps `k`, in units of the result.

    `block` holds the points of a spectral block along the convolved axes, in ascending order of the axes.
    Where nothing is promised the bound is infinite: a window with a sample that is not finite, a sum that the
    type that sums, or a result that its own type might not hold.
    """
    if not how.size or (how.exact and is_integer(how.out_dtype)):
        return np.zeros(how.out_shape)
    samples, taps = _absolute(x), _absolute(k)
    with np.errstate(all="ignore"):
        sizes = _sums_of_sizes(how, samples, taps, method)
        bound = _of_sums(how, samples, taps, sizes, method)
        if method == "spectral" and block and not how.exact:
            bound = bound + _of_transforms(how, samples, taps, block, how.double or precision == "highest")
        bound = _of_store(how, x, k, sizes, bound)
        ends = np.finfo(np.float64 if how.double or how.exact else np.float32).max
        return np.where(sizes + bound < ends, bound, np.inf)


def largest_nearby(how: Recipe, samples: Array, block: tuple[int, ...]) -> Array:
    """X of every output: the largest finite sample within any block that holds the window whole.

    `samples` are absolute values. Along an axis, the blocks of N points that hold a window of R samples which
    begins at s reach from s + R - N to s + N - 1; what a boundary makes counts as well.
    """
    r, spec = how.request, how.spec
    if spec is None:
        return np.zeros(how.out_shape)
    largest = np.where(np.isfinite(samples), samples, 0.0)
    fill = _absolute(np.frombuffer(r.fill, r.dtype)[:1])[0]
    for points, axis in zip(block, sorted(r.axes), strict=True):
        i = r.axes.index(axis)
        largest = np.moveaxis(largest, axis, -1)
        extended = _extended(largest, r.padding[i], r.boundary[i], fill if np.isfinite(fill) else 0.0)
        reach = (spec.kernel_size[i] - 1) * r.dilation[i] + 1
        aside = min(max(points - reach, 0), extended.shape[-1])
        around = np.pad(extended, [(0, 0)] * (extended.ndim - 1) + [(aside, aside)])
        found = _sliding_maximum(around, reach + 2 * aside)
        stop = (spec.output_size[i] - 1) * r.stride[i] + 1
        largest = np.moveaxis(found[..., : stop : r.stride[i]], -1, axis)
    return np.broadcast_to(largest, how.out_shape)


def _absolute(values: Array) -> Array:
    """Absolute values in float64; those of integers without overflow."""
    wide: Array = values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
    with np.errstate(over="ignore"):
        return np.abs(wide)


def _sums_of_sizes(how: Recipe, samples: Array, taps: Array, method: str) -> Array:
    """S of every output, from above; NaN where a term is not finite."""
    r = how.request
    fill = _absolute(np.frombuffer(r.fill, r.dtype)[:1])
    # Where a plan is spectral because the direct method is slow, so are these sums.
    sums = _plain(how, samples, taps, fill, "auto" if method == "spectral" else "direct")
    total = sums.run(samples, taps, None, None)
    way = sums.choose(taps).way
    if way.method == "spectral":
        total = total + _of_transforms(sums, samples, taps, way.block, True)
    return np.maximum(total, 0) * (1 + 2 * error_units(how.terms) * 2.0**-53)


def _plain(how: Recipe, samples: Array, taps: Array, fill: Array, method: str) -> Recipe:
    """The same operation on float64 or complex128, on complete data."""
    request = replace(
        how.request, dtype=samples.dtype, kernel_dtype=taps.dtype, weak=False, kernel_weak=False, result=None,
        fill=fill.astype(samples.dtype).tobytes(), method=method, precision="highest", nan_policy="propagate",
        overflow="raise", min_valid=0.0, return_weight=False, missing=False, double_taps=False,
    )  # fmt: skip
    return make_recipe(request)


def _of_sums(how: Recipe, samples: Array, taps: Array, sizes: Array, method: str) -> Array:
    """The bound of "highest" in the type that sums."""
    if how.exact:
        most = float(samples.max(initial=0)) * float(taps.sum())
        return np.zeros(how.out_shape) if most <= _EXACT_SUM else error_units(how.terms) * 2.0**-53 * sizes
    n = how.terms + (len(how.lengths) if method == "separable" else 0)
    if how.double:
        return error_units(n) * 2.0**-53 * sizes + (n // 2 + 1) * 2.0**-1074
    return error_units(n) * 2.0**-24 * sizes + n * 2.0**-150


def _of_transforms(how: Recipe, samples: Array, taps: Array, block: tuple[int, ...], double: bool) -> Array:
    """What transforms add: c X Σ|k|, in an order that neither underflows nor overflows early."""
    c, nearby, total = SPECTRAL_UNITS[double], largest_nearby(how, samples, block), _per_output(how, taps)
    return np.where(nearby < 1, c * (nearby * total), c * nearby * total)


def _of_store(how: Recipe, x: Array, k: Array, sizes: Array, bound: Array) -> Array:
    """The bound with what the type of the result loses."""
    if is_integer(how.out_dtype):
        return bound + 0.5
    store = _STORES.get(part(how.out_dtype).name)
    if store is None or (store is _STORES["float32"] and not (how.double or how.exact)):
        return bound
    largest = _largest_results(how, x, k, sizes) + bound
    parts = 2 if how.out_dtype.kind == "c" else 1
    rounded = bound + store.share * largest + parts * store.least
    return np.where(largest < store.end, rounded, np.inf)


def _largest_results(how: Recipe, x: Array, k: Array, sizes: Array) -> Array:
    """|y| of every output, from above."""
    r = how.request
    samples, taps, fill = (
        values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
        for values in (x, k, np.frombuffer(r.fill, r.dtype)[:1])
    )
    y = _plain(how, samples, taps, fill, "direct").run(samples, taps, None, None)
    return np.abs(y) + (error_units(how.terms) + 3) * 2.0**-53 * sizes


def _per_output(how: Recipe, taps: Array) -> Array:
    """Σ|k| for every output: a number for every kernel of a batch, where its outputs are."""
    r = how.request
    along = tuple(i for i, axis in enumerate(r.kernel_axes) if axis in r.axes)
    sums = taps.sum(axis=along)
    batch = [axis for axis in r.kernel_axes if axis not in r.axes]
    shape = [how.kernel_at[axis] if axis in batch else 1 for axis in range(len(r.shape))]
    return np.broadcast_to(sums.reshape(shape), how.out_shape)


def _extended(values: Array, padding: tuple[int, int], boundary: str, fill: float) -> Array:
    """The samples with those that the boundary makes, along the last axis."""
    widths = [(0, 0)] * (values.ndim - 1) + [padding]
    if boundary == "constant":
        return np.pad(values, widths, constant_values=fill)
    word: Any = boundary
    return np.pad(values, widths, word)


def _sliding_maximum(values: Array, width: int) -> Array:
    """The largest of `width` neighbours along the last axis, by doubling: logarithmically many passes."""
    found, covered = values, 1
    while covered < width:
        step = min(covered, width - covered)
        found = np.maximum(found[..., :-step], found[..., step:])
        covered += step
    return found
