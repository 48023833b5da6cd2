"""What a bound is made of, output by output: S = Σ|x||k|, X, Σ|k|, |y|. All in float64, all from above."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._precision import error_units
from ._recipe import Recipe
from ._recipe import recipe as make_recipe

Array: TypeAlias = NDArray[Any]
Block: TypeAlias = tuple[int, ...]

SPECTRAL_UNITS = {True: 2.0**-44, False: 2.0**-14}  # by float64, by float32


def absolute(values: Array) -> Array:
    """Absolute values in float64; those of integers without overflow."""
    with np.errstate(over="ignore"):
        return np.abs(_wide(values))


def fill_of(how: Recipe) -> Array:
    """What lies beyond a constant boundary, in an array of one."""
    return np.frombuffer(how.request.fill, how.request.dtype)[:1]


def sums_of_sizes(how: Recipe, samples: Array, taps: Array, fill: Array, method: str) -> Array:
    """S of every output; NaN where a term is not finite. `method` is that of the plan."""
    # Where a plan is spectral because the direct method is slow, so are these sums.
    sums = plain(how, samples, taps, fill, "auto" if method == "spectral" else "direct")
    total = sums.run(samples, taps, None, None)
    way = sums.choose(taps).way
    if way.method == "spectral":
        total = total + of_transforms(largest_nearby(sums, samples, way.block), per_output(sums, taps), True)
    return np.maximum(total, 0) * (1 + 2 * error_units(how.terms) * 2.0**-53)


def largest_results(how: Recipe, x: Array, k: Array, sizes: Array) -> Array:
    """|y| of every output."""
    samples, taps = _wide(x), _wide(k)
    y = plain(how, samples, taps, _wide(fill_of(how)), "direct").run(samples, taps, None, None)
    return np.abs(y) + (error_units(how.terms) + 3) * 2.0**-53 * sizes


def plain(how: Recipe, samples: Array, taps: Array, fill: Array, method: str) -> Recipe:
    """The same operation on complete data of the types of these operands."""
    request = replace(
        how.request, dtype=samples.dtype, kernel_dtype=taps.dtype, weak=False, kernel_weak=False, result=None,
        fill=fill.astype(samples.dtype).tobytes(), method=method, precision="highest", overflow="raise",
        nan_policy="propagate", min_valid=0.0, return_weight=False, missing=False, double_taps=False,
    )  # fmt: skip
    return make_recipe(request)


def per_output(how: Recipe, taps: Array) -> Array:
    """Σ|k|: a number for every kernel of a batch, where its outputs are."""
    r = how.request
    sums = taps.sum(axis=tuple(i for i, axis in enumerate(r.kernel_axes) if axis in r.axes))
    batch = [axis for axis in r.kernel_axes if axis not in r.axes]
    shape = [how.kernel_at[axis] if axis in batch else 1 for axis in range(len(r.shape))]
    return np.broadcast_to(sums.reshape(shape), how.out_shape)


def of_transforms(nearby: Array, total: Array, double: bool) -> Array:
    """What transforms add: c X Σ|k|, in an order that neither underflows nor overflows early."""
    c = SPECTRAL_UNITS[double]
    return np.where(nearby < 1, c * (nearby * total), c * nearby * total)


def largest_nearby(how: Recipe, samples: Array, block: Block) -> Array:
    """X of every output: the largest finite sample within any block that holds the window whole.

    `samples` are absolute values; `block` has the points along the convolved axes, in ascending order of the
    axes. Along an axis, the blocks of N points that hold a window of R samples which begins at s reach from
    s + R - N to s + N - 1; what a boundary makes counts as well.
    """
    r, spec = how.request, how.spec
    if spec is None:
        return np.zeros(how.out_shape)
    largest, fill = np.where(np.isfinite(samples), samples, 0.0), absolute(fill_of(how))[0]
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


def _wide(values: Array) -> Array:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


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
