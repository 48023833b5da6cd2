"""Integers of layers are exact: in which type sums are never rounded, and what is said when one does not fit.

With P and N the sums of the positive and the negative weights of an output channel and [l, h] the range of
the samples, zero points subtracted and zero included, every sum lies in [P l + N h, P h + N l] plus bias and
residual, and no partial sum leaves (P - N) max(-l, h) plus their absolute values. Below 2^53 that is exact in
float64, below 2^24 in float32; 8-bit numbers may be summed in float32 in parts of 256 products.
"""

from __future__ import annotations

from itertools import product
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._dtype import DType, integer_range
from faltung._errors import FaltungOverflowError
from faltung._geometry import boundary_index, transposed_index
from faltung._integers import Exact

from ._operands import by_output

if TYPE_CHECKING:
    from ._recipe import LayerRecipe

Array: TypeAlias = NDArray[Any]

_EXACT, _SINGLE = 2.0**53, 2.0**24


class Data(NamedTuple):
    """The arrays of a call; what is None is not known, and any value of its type is possible."""

    x: Array | None = None
    w: Array | None = None
    b: Array | None = None
    residual: Array | None = None


def choose_exact(how: LayerRecipe, data: Data, residual: bool, in_parts: bool) -> Exact:
    """The fastest way that is exact for such data; `in_parts`: sums of 256 terms are added as integers."""
    request = how.request
    low, high = _range(request.dtype, data.x if request.dtype.itemsize > 2 else None)
    low, high = min(low - request.x_zero_point, 0), max(high - request.x_zero_point, 0)
    positive, negative = _weights(how, data.w)
    least = float(np.min(positive * low + negative * high))
    most = float(np.max(positive * high + negative * low))
    largest = float(np.max(positive - negative)) * max(-low, high)
    for given, array in ((request.spec.bias, data.b), (residual, data.residual)):
        if given:
            floor, ceiling = _range(request.out_dtype, array)
            least, most = least + min(floor, 0), most + max(ceiling, 0)
            largest += max(-floor, ceiling, 0)
    if request.activation.name == "clip":
        lo, hi = request.activation.lo, request.activation.hi
        least, most = min(max(least, lo), hi), min(max(most, lo), hi)
    floor, ceiling = _range(request.out_dtype, None)
    # The range of 64-bit results is no number of float64: below its ends there is no doubt.
    fits = floor <= least and most <= ceiling and (request.out_dtype.itemsize < 8 or largest < _EXACT)
    store = "fits" if fits else request.overflow
    if largest >= _EXACT:
        return Exact("wide", store)
    single = request.dtype.itemsize == 1 and fits and (in_parts or largest < _SINGLE)
    return Exact("f32" if single else "f64", store)


def _range(dtype: DType, array: Array | None) -> tuple[float, float]:
    if array is None:
        low, high = integer_range(dtype)
    elif array.size:
        low, high = int(array.min()), int(array.max())
    else:
        low, high = 0, 0
    return float(low), float(high)


def _weights(how: LayerRecipe, w: Array | None) -> tuple[Array, Array]:
    """Sums of the positive and of the negative weights of each output channel, or limits for them all."""
    request = how.request
    zero = np.array(request.w_zero_point or (0,), np.float64)
    if w is None:
        low, high = integer_range(request.weight_dtype)
        taps = float(how.terms)
        return taps * np.maximum(high - zero, 0), taps * np.minimum(low - zero, 0)
    weights = by_output(request, w).astype(np.float64) - zero[:, None]
    return np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)


def overflow_error(how: LayerRecipe, data: Data, run_saturated: Any) -> Exception:
    """What to raise for the first result that its type does not hold.

    `run_saturated()` gives the results clipped to the range: what does not fit is at its ends.
    """
    floor, ceiling = integer_range(how.out_dtype)
    y = run_saturated()
    for flat in np.flatnonzero((y == floor) | (y == ceiling)):
        index = tuple(int(i) for i in np.unravel_index(flat, y.shape))
        value = exact_at(how, data, index)
        if not floor <= value <= ceiling:
            return FaltungOverflowError(
                f"the result at index {index} is {value}, beyond {how.out_dtype}; pass "
                f"`overflow='saturate'` or 'wrap', or convert the arrays, as in {_wider(how, value)}."
            )
    raise AssertionError("a result was reported that fits")


def _wider(how: LayerRecipe, value: int) -> str:
    for name in ("int32", "int64"):
        low, high = integer_range(np.dtype(name))
        if how.out_dtype.itemsize < np.dtype(name).itemsize and low <= value <= high:
            return f"`.astype(np.{name})`"
    return "`.astype(np.float64)`"


def exact_at(how: LayerRecipe, data: Data, index: tuple[int, ...]) -> int:
    """One output by the definition, in Python integers."""
    request, spec = how.request, how.request.spec
    first = request.layout == "channels_first"
    inner = index[1:] if request.batched else index
    channel, at = (inner[0], inner[1:]) if first else (inner[-1], inner[:-1])
    assert data.x is not None and data.w is not None
    x = data.x[index[0]] if request.batched else data.x
    x = x if first else np.moveaxis(x, -1, 0)
    group_in, group_out = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    w = by_output(request, data.w)[channel].reshape(group_in, *spec.kernel_size)
    channels = range(channel // group_out * group_in, (channel // group_out + 1) * group_in)
    points = request.w_zero_point or (0,)
    zero = points[channel if len(points) > 1 else 0]
    total = 0
    for tap in product(*(range(n) for n in spec.kernel_size)):
        axes = zip(
            at, tap, spec.input_size, spec.stride, spec.dilation, spec.padding, request.boundary, strict=True
        )
        where = tuple(
            transposed_index(o, h, n, s, d, lo)
            if spec.transposed
            else boundary_index(o * s + h * d - lo, n, word)
            for o, h, n, s, d, (lo, _), word in axes
        )
        if None in where:
            continue
        weight = tuple(n - 1 - t for n, t in zip(spec.kernel_size, tap, strict=True)) if spec.flip else tap
        for i, c in enumerate(channels):
            total += (int(x[(c, *where)]) - request.x_zero_point) * (int(w[(i, *weight)]) - zero)
    total += int(data.b[channel]) if data.b is not None else 0
    total += int(data.residual[index]) if data.residual is not None else 0
    if request.activation.name == "clip":
        lo, hi = request.activation.lo, request.activation.hi
        total = max(total, int(lo)) if lo > -inf else total
        total = min(total, int(hi)) if hi < inf else total
    return total
