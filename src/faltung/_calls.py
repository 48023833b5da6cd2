"""What is around every run: operands made readable, results checked and given back, decisions kept.

`calls` holds decisions by raw arguments; a call that it knows runs without passing through Python again. It
is the first thing that `convolve`, `correlate` and a plan ask.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _core, _describe
from ._errors import FaltungTypeError, FaltungValueError, with_shapes
from ._kinds import to_array
from ._recipe import Recipe, recipe
from ._tuning import CACHED_CALLS

Array: TypeAlias = NDArray[Any]

calls = _core.CallCache(np.ndarray, np.empty, CACHED_CALLS)


def call(a: Any, k: Any, options: tuple[Any, ...], out: Any) -> Any:
    """A call that `calls` does not know."""
    samples, weak, restore = to_array("a", a)
    taps, kernel_weak, _ = to_array("k", k)
    request, workers = _describe.described(samples, weak, taps, kernel_weak, options)
    how = recipe(request)
    target = out_array(out, how)
    samples, kernel = prepared(samples), prepared(taps)
    y = how.run(samples, kernel, target, workers)
    if samples is a and kernel is k:
        remember(a, k, options, out, how, workers)
    return restore(y) if out is None else out


def remember(
    a: Array, k: Array, options: tuple[Any, ...], out: Any, how: Recipe, workers: int | None
) -> None:
    """Later calls with arrays of this shape, strides and type run without passing through Python."""
    bound = how.bound(a, k, out, workers)
    if bound is not None:
        calls.add(a, k, options, out, *bound)


def clear_cache() -> None:
    """Forget every cached decision; results do not change.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.clear_cache()
    """
    calls.clear()
    recipe.cache_clear()
    _describe.forget()


def prepared(array: Array) -> Array:
    """An array that the core can read: native, aligned, no subclass."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if type(array) is not np.ndarray:
        array = array.view(np.ndarray)
    if not array.flags.aligned:
        array = array.copy()
    return array


def out_array(out: Any, result: Recipe) -> Array | None:
    """`out` as an ndarray that shares its memory; an error where it cannot take the result."""
    if out is None:
        return None
    array = to_array("out", out)[0] if not isinstance(out, np.ndarray) and hasattr(out, "__dlpack__") else out
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise FaltungTypeError(
            f"`out` (a {type(array).__name__}) must be a plain NumPy array; leave it out to get a new array."
        )
    if array.shape != result.out_shape:
        message = "`out` must have exactly the shape of the result."
        raise FaltungValueError(with_shapes(message, out=array.shape, result=result.out_shape))
    if array.dtype != result.out_dtype:
        raise FaltungTypeError(
            f"`out` (of {array.dtype}) must have exactly the data type of the result, {result.out_dtype}; "
            f"pass `dtype={array.dtype.name!r}` or an `out` of {result.out_dtype}."
        )
    if not array.flags.writeable:
        raise FaltungValueError("`out` is read-only; pass a writable array, for instance a copy.")
    return array
