"""What is around every run of a layer: operands made readable, results given back, decisions kept.

`calls` holds decisions by raw arguments; a call that it knows runs without passing through Python again, and
prepares its weights there.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung import _core
from faltung._calls import forgetting
from faltung._operands import checked_out
from faltung._tuning import CACHED_CALLS

from . import _describe
from ._integers import Data
from ._operands import bias_of, pair, residual_of
from ._recipe import recipe

Array: TypeAlias = NDArray[Any]
LayerCache: TypeAlias = _core.LayerCache


def cache(limit: int) -> LayerCache:
    """Room for decisions by raw arguments."""
    return LayerCache(np.ndarray, np.empty, limit)


calls = cache(CACHED_CALLS)


def call(x: Any, w: Any, b: Any, residual: Any, out: Any, options: tuple[Any, ...]) -> Any:
    """A call that `calls` does not know."""
    samples, weights, restore = pair(x, w)
    bias = bias_of("b", b, samples.dtype)
    shape = None if bias is None else bias.shape
    request, workers = _describe.described(
        samples.shape, samples.dtype, weights.shape, weights.dtype, shape, options
    )
    how = recipe(request)
    added = residual_of(residual, how.out_shape, how.out_dtype)
    target = None if out is None else checked_out(out, how.out_shape, how.out_dtype)
    way = how.way
    data = Data(samples, weights, bias, added)
    y = how.run(data, target, workers, way)
    if samples is x and weights is w and bias is b and added is residual:
        bound = how.bound(data, out, workers, way, Data())
        if bound is not None and (bias is None or bias.flags.c_contiguous):
            calls.add(
                x, w, b, residual, out, options, bound.layer, None, None, how.out_shape, how.out_dtype,
                bound.threads, bound.release,
            )  # fmt: skip
    return restore(y) if out is None else out


def forget() -> None:
    """Forget every decision."""
    calls.clear()
    recipe.cache_clear()
    _describe.forget()


forgetting.append(forget)
