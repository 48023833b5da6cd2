"""Operands of a layer: arrays of any kind made readable, of the one data type that a layer has."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._dtype import DType, Sample
from faltung._errors import FaltungTypeError, FaltungValueError, with_shapes
from faltung._kinds import Restore, to_array
from faltung._operands import in_type, prepared

from ._request import LayerRequest, result_dtype

Array: TypeAlias = NDArray[Any]


def pair(x: Any, w: Any, names: tuple[str, str] = ("x", "w")) -> tuple[Array, Array, Restore]:
    """Input and weights, and what restores the kind of the input. Lists take the type of the other."""
    a, x_weak, restore = to_array(names[0], x)
    k, w_weak, _ = to_array(names[1], w)
    if x_weak and w_weak:
        kind = max(Sample(a.dtype).kind, Sample(k.dtype).kind) if _numbers(a, k) else 0
        dtype = np.dtype(("int64", "int64", "float64", "complex128")[kind])
        a, k = in_type(a, dtype), in_type(k, dtype)
    elif x_weak:
        a = in_type(a, k.dtype)
    elif w_weak:
        k = in_type(k, a.dtype)
    return prepared(a), prepared(k), restore


def _numbers(*arrays: Array) -> bool:
    return all(array.dtype.kind in "biufc" for array in arrays)


def addend(name: str, value: Any, dtype: DType) -> Array | None:
    """A bias or a residual, of the type of the result."""
    if value is None:
        return None
    array, weak, _ = to_array(name, value)
    array = in_type(array, dtype) if weak else array
    if array.dtype.newbyteorder("=") != dtype:
        raise FaltungTypeError(
            f"`{name}` (of {array.dtype}) must have the data type of the result, {dtype}; convert it with "
            f"`.astype({dtype.name!r})`."
        )
    return prepared(array)


def bias_of(name: str, value: Any, x: DType) -> Array | None:
    """The bias of a layer with inputs of a type."""
    return addend(name, value, result_dtype(x.newbyteorder("=")))


def by_output(request: LayerRequest, w: Array) -> Array:
    """The weights as (out, all that meet one output channel)."""
    spec = request.spec
    first = w if request.layout == "channels_first" else np.moveaxis(w, (-1, -2), (0, 1))
    if spec.transposed:
        inner, outer = spec.in_channels // spec.groups, spec.out_channels // spec.groups
        first = first.reshape(spec.groups, inner, outer, -1).swapaxes(1, 2)
    return first.reshape(spec.out_channels, -1)


def residual_of(value: Any, shape: tuple[int, ...], dtype: DType) -> Array | None:
    """The residual of a layer with such results."""
    array = addend("residual", value, dtype)
    if array is not None and array.shape != shape:
        message = "`residual` must have exactly the shape of the result."
        raise FaltungValueError(with_shapes(message, residual=array.shape, result=shape))
    return array
