"""Missing data: what is missing, and calls that work without it. `_weighted` has the formula."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._blocks_cut import Box, cut
from ._dtype import DType, is_integer, part
from ._errors import FaltungTypeError, FaltungValueError, with_shapes
from ._kinds import own_mask, to_array
from ._recipe import Recipe, recipe, refuse_nan
from ._tuning import MISSING_BLOCK
from ._ways import Choice
from ._weighted import Weighted, fill_is_missing, one_sign

Array: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]


def find_mask(a: Any, mask: Any, samples: Array) -> Mask | None:
    """Where samples are missing (shaped as `samples`): the call's `mask`, a masked array's own, or both."""
    own = own_mask(a)
    if mask is None:
        return own
    given = to_array("mask", mask)[0]
    if given.dtype != np.bool_:
        raise FaltungTypeError(
            f"`mask` (of {given.dtype}) must be of bool, True where a sample is missing; pass `mask != 0`."
        )
    try:
        missing: Mask = np.broadcast_to(given, samples.shape)
    except ValueError:
        message = "`mask` must have the shape of `a`, or broadcast to it."
        raise FaltungValueError(with_shapes(message, mask=given.shape, a=samples.shape)) from None
    return missing if own is None else missing | own


def perform(
    how: Recipe,
    a: Array,
    k: Array,
    mask: Mask | None,
    out: Array | None,
    workers: int | None,
    choice: Choice | None = None,
) -> tuple[Array, Array | None]:
    """The result, and the weight of every output where it is to be returned.

    `choice` is a plan's. Nothing is written to `out` before every error is raised.
    """
    request = how.request
    if mask is not None and not request.missing:
        raise FaltungTypeError(
            "`x` is a masked array, and this plan is for complete data; plan with `nan_policy='omit'`."
        )
    if request.nan_policy == "omit" and not is_integer(request.dtype):
        nan = np.isnan(a)
        mask = nan if mask is None else mask | nan
    if not fill_is_missing(request):
        if mask is None or not mask.any():
            y = how.run(a, k, out, workers, choice)
            return y, np.ones(how.out_shape, weight_dtype(how)) if request.return_weight else None
    elif mask is None:
        mask = np.zeros(request.shape, np.bool_)
    return _in_blocks(how, a, k, mask, out, workers, choice)


def _in_blocks(
    how: Recipe, a: Array, k: Array, mask: Mask, out: Array | None, workers: int | None, choice: Choice | None
) -> tuple[Array, Array | None]:
    """Blocks of outputs, one after the other: what is between the convolutions stays in cache."""
    request = how.request
    whole = Weighted(how, k, workers)
    y = np.empty(how.out_shape, whole.dtype)
    if out is not None and _like(out, y) and not _touches(out, a, k, mask):
        y = out
    weight = np.empty(how.out_shape, weight_dtype(how)) if request.return_weight else None
    if request.nan_policy == "raise":
        refuse_nan(a=without(a, mask), k=k)
    if request.precision != "highest":  # the plan's method may not be precise enough
        choice = None
    if whole.spectral or how.size <= MISSING_BLOCK:
        _, shares = whole.run(without(a, mask), mask, y, weight is not None, choice)
        if weight is not None and shares is not None:
            weight[...] = shares
    else:
        parts: dict[Any, Weighted] = {}
        for box in _rows(how.out_shape):
            piece = cut(how, box)
            key = piece.request, tuple((taps.start, taps.stop) for taps in piece.taps)
            if key not in parts:
                parts[key] = Weighted(recipe(piece.request), k[piece.taps], workers)
            gone = piece.read(mask)
            _, shares = parts[key].run(without(piece.read(a), gone), gone, y[box], weight is not None)
            if weight is not None and shares is not None:
                weight[box] = shares
    return y if y is out else _stored(how, y, out, workers), weight


def _rows(shape: tuple[int, ...]) -> Iterator[Box]:
    """Contiguous boxes of about as many outputs as a cache holds."""
    axis, size = 0, prod(shape[1:])
    while size > MISSING_BLOCK:
        axis += 1
        size //= shape[axis]
    step = MISSING_BLOCK // size
    for index in np.ndindex(*shape[:axis]):
        before = tuple(slice(i, i + 1) for i in index)
        after = tuple(slice(0, n) for n in shape[axis + 1 :])
        for first in range(0, shape[axis], step):
            yield *before, slice(first, min(first + step, shape[axis])), *after


def describe_missing(how: Recipe, k: Array) -> tuple[tuple[str, str], ...]:
    """For people: how many convolutions missing data take."""
    if not how.request.missing:
        return ()
    if one_sign(k):
        text = "2 sub-convolutions for taps of one sign, 3 where most of a kernel may be missing"
    else:
        text = "4 sub-convolutions for taps of both signs, 5 where most of a kernel may be missing"
    return (("missing data", f"{text}; 1 where nothing is missing"),)


def weight_dtype(how: Recipe) -> DType:
    """The type of weights: that of a part of the result, float64 for integers."""
    return np.dtype(np.float64) if is_integer(how.out_dtype) else part(how.out_dtype)


def without(a: Array, mask: Mask) -> Array:
    """A copy with zeros for the samples that are missing."""
    if a.dtype.kind == "c":
        return np.where(mask, a.dtype.type(0), a)
    # Twice as fast as np.where on random masks: 0 - 1 keeps all bits of a sample, 1 - 1 none.
    bits = np.dtype(f"i{a.dtype.itemsize}")
    kept: Array = a.view(bits) & (mask.view(np.int8) - np.int8(1))
    return kept.view(a.dtype)


def _stored(how: Recipe, y: Array, out: Array | None, workers: int | None) -> Array:
    """`y` in the type of the result; integers are rounded and checked as those of any call."""
    if not is_integer(how.out_dtype):
        with np.errstate(over="ignore"):
            result = y.astype(how.out_dtype, copy=False)
        if out is None:
            return result
        out[...] = result
        return out
    one = np.ones((1,) * min(y.ndim, 1), y.dtype)
    axes = (y.ndim - 1,) if y.ndim else ()
    rounding = replace(
        how.request, shape=y.shape, kernel_shape=one.shape, dtype=y.dtype, kernel_dtype=one.dtype, weak=False,
        kernel_weak=False, axes=axes, kernel_axes=axes, mode="valid", boundary=("constant",) * len(axes),
        fill=y.dtype.type(0).tobytes(), padding=((0, 0),) * len(axes), stride=(1,) * len(axes),
        dilation=(1,) * len(axes), method="direct", nan_policy="propagate", missing=False, double_taps=False,
    )  # fmt: skip
    return recipe(rounding).run(y, one, out, workers)


def _like(out: Array, y: Array) -> bool:
    return out.dtype == y.dtype and out.flags.c_contiguous and out.flags.aligned


def _touches(out: Array, *others: Array) -> bool:
    return any(np.may_share_memory(out, other) for other in others)
