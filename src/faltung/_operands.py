"""Operands as the core takes them: readable input, and an `out` that can take the result."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._dtype import DType, Sample
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
    return checked_out(out, result.out_shape, result.out_dtype, "pass `dtype={given!r}` or ")


def checked_out(out: Any, shape: tuple[int, ...], dtype: DType, fix: str = "pass ") -> Array:
    """The same for a result of this shape and type; `fix` begins what to do about another type."""
    array = to_array("out", out)[0] if not isinstance(out, np.ndarray) and hasattr(out, "__dlpack__") else out
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise FaltungTypeError(
            f"`out` (a {type(array).__name__}) must be a plain NumPy array; leave it out to get a new array."
        )
    if array.shape != shape:
        message = "`out` must have exactly the shape of the result."
        raise FaltungValueError(with_shapes(message, out=array.shape, result=shape))
    if array.dtype != dtype:
        raise FaltungTypeError(
            f"`out` (of {array.dtype}) must have exactly the data type of the result, {dtype}; "
            f"{fix.format(given=array.dtype.name)}an `out` of {dtype}."
        )
    if not array.flags.writeable:
        raise FaltungValueError("`out` is read-only; pass a writable array, for instance a copy.")
    return array


def in_type(a: Array, dtype: DType) -> Array:
    """A list in the wanted type, where that type holds its values; floating point may round."""
    with np.errstate(all="ignore"):
        converted = a.astype(dtype) if a.dtype.kind in "biufc" else a
    holds = (
        Sample(a.dtype).kind <= Sample(dtype).kind
        if dtype.kind not in "bui"
        else np.array_equal(converted, a)
    )
    return converted if holds else a
