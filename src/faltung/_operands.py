"""Operands as the core takes them: readable input, and an `out` that can take the result."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._errors import FaltungTypeError, FaltungValueError, with_shapes
from ._kinds import to_array
from ._recipe import Recipe

Array: TypeAlias = NDArray[Any]


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
