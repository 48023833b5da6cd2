"""Depthwise separable calls in one pass of the core, where that is the faster way."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._calls import forgetting
from faltung._dtype import DType
from faltung._errors import FaltungError
from faltung._operands import checked_out
from faltung._recipe import contiguous, raw, steps_whole, touches
from faltung._tuning import CACHED_CALLS

from ._describe import described
from ._operands import addend, pair
from ._pair import FUSED, pair_recipe
from ._recipe import CorePair, recipe

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
    out: Any = None


class _Place(NamedTuple):
    shape: Strides
    strides: Strides


class _Call(NamedTuple):
    pair: CorePair
    shape: Strides
    threads: int
    release: bool


def fused(data: PairData, first: Options, second: Options) -> Any:
    """The result, or None where two calls have to do it, and to say what is wrong.

    `first` and `second` are the options of the two layers, in the order of `described`. What the core cannot
    read, or write to, is copied: equal numbers give equal bits wherever they lie.
    """
    if type(data.x) is np.ndarray and all(_plain(a, data.x.dtype) for a in data) and _apart(data):
        return _run(data, first, second)
    try:
        x, depthwise, restore = pair(data.x, data.depthwise, ("x", "depthwise"))
        pointwise = pair(x, data.pointwise, ("x", "pointwise"))[1]
        others = (addend("b", a, x.dtype) for a in (data.mid_bias, data.b, data.residual))
        arrays = [None if a is None else np.ascontiguousarray(a) for a in (x, depthwise, pointwise, *others)]
    except FaltungError:
        return None
    copied = PairData(*arrays)
    if not all(_plain(a, x.dtype) for a in copied):
        return None
    y = _run(copied, first, second)
    if y is None or data.out is None:
        return None if y is None else restore(y)
    checked_out(data.out, y.shape, y.dtype)[...] = y
    return data.out


def _apart(data: PairData) -> bool:
    """Whether biases lie side by side, and results may be written to `out` at once."""
    out, operands = data.out, [a for a in data[:-1] if a is not None]
    if not all(a is None or a.flags.c_contiguous for a in (data.mid_bias, data.b)):
        return False
    return out is None or (bool(out.flags.writeable) and not touches(out, *operands))


def _run(data: PairData, first: Options, second: Options) -> Array | None:
    x, depthwise, pointwise, mid_bias, b, residual, out = data
    if x.dtype.kind not in "fV":
        return None
    try:
        hash((first, second))
    except TypeError:
        return None
    known = _known(
        x.dtype, _place(x), _place(depthwise), _place(pointwise), _shape(mid_bias), _shape(b),
        _maybe(residual), _maybe(out), first, second, (*map(type, first), *map(type, second)),
    )  # fmt: skip
    if known is None:
        return None
    y: Array = np.empty(known.shape, x.dtype) if out is None else out
    middle, outer, added = (None if a is None else raw(a) for a in (mid_bias, b, residual))
    known.pair.call(
        raw(x), raw(depthwise), raw(pointwise), middle, outer, added, raw(y), known.threads, known.release
    )  # fmt: skip
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
    return None if bias is None else bias.shape


@lru_cache(maxsize=CACHED_CALLS)
def _known(
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
) -> _Call | None:
    """What repeats a call; None where it is not for the core's pair."""
    try:
        one, workers = described(x.shape, dtype, depthwise.shape, dtype, mid_bias, first)
        two, _ = described(recipe(one).out_shape, dtype, pointwise.shape, dtype, b, second)
        how = pair_recipe(one, two)
        if how.way.method != FUSED:
            return None
        result = out or _Place(two.out_shape, contiguous(two.out_shape, dtype.itemsize))
        if result.shape != two.out_shape or (residual and residual.shape != two.out_shape):
            return None
        over = residual.strides if residual else None
        core = how.layer(x.strides, depthwise.strides, pointwise.strides, result.strides, over)
    except (FaltungError, ValueError):
        return None
    return _Call(core, two.out_shape, *how.threads(workers))


forgetting += [_known.cache_clear, pair_recipe.cache_clear]
