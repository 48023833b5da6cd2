"""What is around every run of a layer: operands made readable, results given back, decisions kept.

`calls` holds decisions by raw arguments; a call that it knows runs without passing through Python again, and
prepares its weights there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung import _core
from faltung._calls import forgetting
from faltung._operands import checked_out
from faltung._tuning import CACHED_CALLS

from . import _describe, _transpose_describe
from ._integers import Data
from ._operands import bias_of, pair, residual_of
from ._recipe import recipe
from ._request import LayerRequest

Array: TypeAlias = NDArray[Any]
LayerCache: TypeAlias = _core.LayerCache
Described: TypeAlias = Callable[..., tuple[LayerRequest, int | None]]


def cache(limit: int) -> LayerCache:
    """Room for decisions by raw arguments."""
    return LayerCache(np.ndarray, np.empty, limit)


calls = cache(CACHED_CALLS)
transposed_calls = cache(CACHED_CALLS)


def call(
    x: Any,
    w: Any,
    b: Any,
    residual: Any,
    out: Any,
    options: tuple[Any, ...],
    described: Described = _describe.described,
    kept: LayerCache = calls,
) -> Any:
    """A call that `kept` does not know; `described` makes its request."""
    samples, weights, restore = pair(x, w)
    bias = bias_of("b", b, samples.dtype)
    shape = None if bias is None else bias.shape
    request, workers = described(samples.shape, samples.dtype, weights.shape, weights.dtype, shape, options)
    how = recipe(request)
    added = residual_of(residual, how.out_shape, how.out_dtype)
    target = None if out is None else checked_out(out, how.out_shape, how.out_dtype)
    way = how.way
    data = Data(samples, weights, bias, added)
    y = how.run(data, target, workers, way)
    if samples is x and weights is w and bias is b and added is residual:
        bound = how.bound(data, out, workers, way, Data())
        if bound is not None and (bias is None or bias.flags.c_contiguous):
            kept.add(
                x, w, b, residual, out, options, bound.layer, None, None, how.out_shape, how.out_dtype,
                bound.threads, bound.release,
            )  # fmt: skip
    return restore(y) if out is None else out


def forget() -> None:
    """Forget every decision."""
    calls.clear()
    transposed_calls.clear()
    recipe.cache_clear()
    _describe.forget()
    _transpose_describe.forget()


forgetting.append(forget)
