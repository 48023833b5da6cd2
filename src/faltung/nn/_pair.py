"""The depthwise separable layer in one pass of the core, where that can do it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._calls import forgetting
from faltung._dtype import DType
from faltung._errors import FaltungError
from faltung._recipe import contiguous, raw, steps_whole, touches
from faltung._tuning import CACHED_CALLS, PAIR_BYTES

from ._describe import described
from ._recipe import CorePair, LayerRecipe, recipe

Array: TypeAlias = NDArray[Any]
Strides: TypeAlias = tuple[int, ...]
Options: TypeAlias = tuple[Any, ...]


class PairData(NamedTuple):
    """The arrays of a call, as they were given."""

    x: Any
    depthwise: Any
    pointwise: Any
    mid_bias: Any
    b: Any
    residual: Any
    out: Any


class _Place(NamedTuple):
    shape: Strides
    strides: Strides


class _Bound(NamedTuple):
    pair: CorePair
    shape: Strides
    threads: int
    release: bool


def fused(data: PairData, first: Options, second: Options) -> Array | None:
    """The result, or None where two calls have to do it, and to say what is wrong.

    `first` and `second` are the options of the two layers, in the order of `described`.
    """
    x, depthwise, pointwise, mid_bias, b, residual, out = data
    if type(x) is not np.ndarray or x.nbytes < PAIR_BYTES or x.dtype.kind not in "fV":
        return None
    if not all(_plain(a, x.dtype) for a in data):
        return None
    try:
        hash((first, second))
    except TypeError:
        return None
    bound = _bound(
        x.dtype, _place(x), _place(depthwise), _place(pointwise), _shape(mid_bias), _shape(b),
        _maybe(residual), _maybe(out), first, second, (*map(type, first), *map(type, second)),
    )  # fmt: skip
    if bound is None:
        return None
    y: Array = np.empty(bound.shape, x.dtype) if out is None else out
    if out is not None and not (out.flags.writeable and steps_whole(out)):
        return None
    if out is not None and touches(out, *(a for a in data[:-1] if a is not None)):
        return None
    middle, outer, added = (None if a is None else raw(a) for a in (mid_bias, b, residual))
    bound.pair.call(
        raw(x), raw(depthwise), raw(pointwise), middle, outer, added, raw(y), bound.threads, bound.release
    )
    return y


def _plain(array: Any, dtype: DType) -> bool:
    """Whether the core reads an operand where it is."""
    return array is None or (
        type(array) is np.ndarray and array.dtype == dtype and dtype.isnative and steps_whole(array)
    )


def _place(array: Array) -> _Place:
    return _Place(array.shape, array.strides)


def _maybe(array: Array | None) -> _Place | None:
    return None if array is None else _place(array)


def _shape(bias: Array | None) -> Strides | None:
    """Of a bias, whose elements must stand side by side."""
    if bias is None:
        return None
    return bias.shape if bias.flags.c_contiguous else (-1,)


@lru_cache(maxsize=CACHED_CALLS)
def _bound(
    dtype: DType,
    x: _Place,
    depthwise: _Place,
    pointwise: _Place,
    mid_bias: Strides | None,
    b: Strides | None,
    residual: _Place | None,
    out: _Place | None,
    first: Options,
    second: Options,
    _types: tuple[type, ...],
) -> _Bound | None:
    """What repeats a call; None where it is not for the core's pair."""
    try:
        request, workers = described(x.shape, dtype, depthwise.shape, dtype, mid_bias, first)
        one = recipe(request)
        other, _ = described(one.out_shape, dtype, pointwise.shape, dtype, b, second)
        two = recipe(other)
        if not (one.size and two.size) or request.method != "auto":
            return None
        if (one.way.method, two.way.method) != ("depthwise", "gemm") or one.way.compute != two.way.compute:
            return None
        middle = contiguous(one.out_shape, dtype.itemsize)
        result = out or _Place(two.out_shape, contiguous(two.out_shape, dtype.itemsize))
        if result.shape != two.out_shape or (residual and residual.shape != two.out_shape):
            return None
        layers = (
            _layer(one, x.strides, depthwise.strides, middle, None),
            _layer(two, middle, pointwise.strides, result.strides, residual.strides if residual else None),
        )
        pair = CorePair(*layers)
    except (FaltungError, ValueError):
        return None
    seconds = one.way.seconds + two.way.seconds
    return _Bound(pair, two.out_shape, *two.threads(workers, two.way._replace(seconds=seconds)))


def _layer(how: LayerRecipe, strides: Strides, weights: Strides, out: Strides, over: Strides | None) -> Any:
    return how.layer(strides, weights, out, over, how.way.compute, "cast", how.way.method)


forgetting.append(_bound.cache_clear)
