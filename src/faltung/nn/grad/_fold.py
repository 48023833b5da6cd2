"""The gradient of what lies beyond the ends of an input, added to the samples that it was read from."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._dtype import DType, integer_range, is_integer
from faltung._errors import FaltungOverflowError
from faltung._geometry import boundary_index
from faltung.nn._request import LayerRequest

Array: TypeAlias = NDArray[Any]


def folds(request: LayerRequest) -> tuple[bool, ...]:
    """For each spatial axis whether its border stands for samples inside."""
    spec = request.spec
    pairs = zip(spec.padding, request.boundary, strict=True)
    return tuple(any(pair) and word != "constant" for pair, word in pairs)


def summing_dtype(dtype: DType) -> DType:
    """The type in which a border is added, rounded or checked once at the end."""
    if is_integer(dtype):
        return np.dtype(np.uint64 if dtype == np.uint64 else np.int64)
    return np.dtype(np.float32) if dtype.itemsize == 2 else dtype


def folded(padded: Array, request: LayerRequest) -> Array:
    """The inner part of a padded input's gradient, borders added to it; `padded` is overwritten.

    Raises
    ------
    FaltungOverflowError
        An integer sum does not fit the type of the result.
    """
    spec = request.spec
    if is_integer(padded.dtype) and _beyond(padded, request):
        padded = padded.astype(object)
    first = (1 if request.layout == "channels_first" else 0) + request.batched
    inner: list[slice] = [slice(None)] * padded.ndim
    for i, folds_here in enumerate(folds(request)):
        if not folds_here:
            continue
        (lo, hi), n = spec.padding[i], spec.input_size[i]
        lines = np.moveaxis(padded, first + i, 0)
        for at in (*range(lo), *range(lo + n, lo + n + hi)):
            source = boundary_index(at - lo, n, request.boundary[i])
            assert source is not None
            lines[lo + source] += lines[at]
        inner[first + i] = slice(lo, lo + n)
    return _stored(padded[tuple(inner)], request.out_dtype)


def _beyond(padded: Array, request: LayerRequest) -> bool:
    """Whether sums of these integers may leave their type."""
    copies = 1
    for lo, hi in request.spec.padding:
        copies *= 1 + lo + hi
    largest = max(abs(int(padded.max())), abs(int(padded.min()))) if padded.size else 0
    return largest * copies > np.iinfo(padded.dtype).max


def _stored(sums: Array, dtype: DType) -> Array:
    if is_integer(dtype) and sums.size:
        low, high = integer_range(dtype)
        if sums.min() < low or sums.max() > high:
            raise FaltungOverflowError(
                f"a sum of the gradient does not fit {dtype}; convert the arrays, as in `.astype(np.int64)` "
                "or `.astype(np.float64)`."
            )
    return np.ascontiguousarray(sums.astype(dtype, copy=False))
