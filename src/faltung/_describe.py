"""From arguments to a request: every option is checked and every default resolved here, once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._dtype import Sample, check_fill, check_result, check_supported, taps_fit_single
from ._errors import FaltungTypeError, FaltungValueError, with_shapes
from ._machine import cpu_limit
from ._normalize import mode_padding, normalize_int, normalize_per_axis, normalize_reals
from ._precision import check_precision
from ._request import BOUNDARIES, Request
from ._tuning import CACHED_CALLS

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

MODES = ("full", "same", "valid")
METHODS = ("auto", "direct", "separable", "spectral", "reference")
OVERFLOWS = ("raise", "wrap", "saturate")
NAN_POLICIES = ("propagate", "omit", "raise")
# Words of ndimage, OpenCV, PyTorch and others, in ours.
_OTHER_BOUNDARIES = {
    "mirror": "reflect", "nearest": "edge", "replicate": "edge", "circular": "wrap", "periodic": "wrap",
    "zeros": "constant", "zero": "constant", "fill": "constant", "symm": "symmetric", "grid-wrap": "wrap",
    "grid-mirror": "symmetric", "grid-constant": "constant", "extend": "edge", "reflect101": "reflect",
    "reflect_101": "reflect", "border_constant": "constant", "border_replicate": "edge",
    "border_reflect": "symmetric", "border_reflect_101": "reflect", "border_reflect101": "reflect",
    "border_default": "reflect", "border_wrap": "wrap",
}  # fmt: skip
_FAR = 2**31  # steps below it keep every position within 64 bits


def described(
    a: Array, weak: bool, taps: Array, kernel_weak: bool, options: tuple[Any, ...], masked: bool = False
) -> tuple[Request, int | None]:
    """The request of a call and its number of threads; calls described before are looked up."""
    key = (a.shape, a.dtype, weak, taps.shape, taps.dtype, kernel_weak, _double(taps, kernel_weak), masked,
           options)  # fmt: skip
    try:
        # 1, 1.0 and True are equal but not the same argument.
        return _once(*key, tuple(map(type, options)))
    except TypeError as error:  # an option that cannot be hashed
        if isinstance(error, FaltungTypeError):
            raise
        return _describe(*key)


def described_shape(
    shape: Shape, dtype: np.dtype[Any], taps: Array, kernel_weak: bool, options: tuple[Any, ...]
) -> tuple[Request, int | None]:
    """The same for arrays that are yet to come."""
    double = _double(taps, kernel_weak)
    return _describe(shape, dtype, False, taps.shape, taps.dtype, kernel_weak, double, False, options)


@lru_cache(maxsize=CACHED_CALLS)
def _once(*key: Any) -> tuple[Request, int | None]:
    return _describe(*key[:-1])


forget = _once.cache_clear


def _double(taps: Array, weak: bool) -> bool:
    return weak and taps.dtype.kind in "fc" and not taps_fit_single(taps)


def _describe(
    shape: Shape,
    dtype: np.dtype[Any],
    weak: bool,
    taps: Shape,
    kernel_dtype: np.dtype[Any],
    kernel_weak: bool,
    double_taps: bool,
    masked: bool,
    options: tuple[Any, ...],
) -> tuple[Request, int | None]:
    (flip, mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision, result, overflow,
     nan_policy, min_valid, return_weight, workers) = options  # fmt: skip
    check_word("mode", mode, MODES)
    check_word("method", method, METHODS)
    check_word("overflow", overflow, OVERFLOWS)
    check_word("nan_policy", nan_policy, NAN_POLICIES)
    a = Sample(check_supported("a", dtype), weak)
    k = Sample(check_supported("k", kernel_dtype), kernel_weak)
    along, kernel_axes = _resolve_axes(axes, shape, taps)
    kernel_at = dict(zip(kernel_axes, taps, strict=True))
    sizes = tuple(shape[axis] for axis in along)
    lengths = tuple(kernel_at[axis] for axis in along)
    _check_sizes(shape, taps, along, sizes, lengths)
    rank = len(along)
    strides = _resolve_steps("stride", stride, rank)
    dilations = _resolve_steps("dilation", dilation, rank)
    anchors = _resolve_anchor(anchor, mode, lengths)
    per_axis = zip(lengths, dilations, anchors, strict=True)
    padding = tuple(mode_padding(mode, n, d, c, flip) for n, d, c in per_axis)
    if mode == "valid":
        _check_valid(shape, taps, along, sizes, lengths, dilations)
    words = resolve_boundary(boundary, rank)
    weighed = check_flag("return_weight", return_weight)
    missing = masked or nan_policy == "omit" or weighed
    kind = max(a.kind, k.kind)
    means = missing and result is None and kind <= 1  # means of integers
    request = Request(
        flip=flip,
        shape=shape,
        kernel_shape=taps,
        dtype=a.dtype,
        kernel_dtype=k.dtype,
        weak=weak,
        kernel_weak=kernel_weak,
        axes=along,
        kernel_axes=kernel_axes,
        mode=mode,
        boundary=("constant",) * rank if mode == "valid" else words,
        fill=check_fill(fill_value, a.dtype),
        padding=padding,
        stride=strides,
        dilation=dilations,
        method=method,
        nan_policy=nan_policy,
        precision=check_precision(precision),
        result=np.dtype(np.float64) if means else check_result(result, kind),
        overflow=overflow,
        min_valid=_check_min_valid(min_valid),
        return_weight=weighed,
        missing=missing,
        double_taps=double_taps,
    )
    return request, resolve_workers(workers)


def check_word(name: str, value: object, words: tuple[str, ...]) -> None:
    """An error where `value` is none of the words."""
    if not isinstance(value, str) or value not in words:
        raise FaltungValueError(f"`{name}` (={value!r}) must be one of {', '.join(map(repr, words))}.")


def _check_min_valid(value: object) -> float:
    (share,) = normalize_reals("min_valid", value, 1)
    if share > 1:
        raise FaltungValueError(f"`min_valid` (={value!r}) must be a share of the kernel, from 0 to 1.")
    return share


def check_flag(name: str, value: object) -> bool:
    """`value`, which must be True or False itself."""
    if value is not True and value is not False:
        raise FaltungTypeError(f"`{name}` (={value!r}) must be True or False.")
    return value


def resolve_workers(workers: object) -> int | None:
    """The threads that a call asks for; None where the setting decides."""
    if workers is None:
        return None
    n = normalize_int("workers", workers, -(2**62))
    if n < -1 or n == 0:
        raise FaltungValueError(
            f"`workers` (={workers!r}) must be at least 1, or -1 for all CPUs, or None for the setting."
        )
    return cpu_limit() if n == -1 else min(n, 4096)


def _resolve_axes(axes: Any, shape: Shape, taps: Shape) -> tuple[Shape, Shape]:
    """The convolved axes, and the axis of `a` on which each kernel axis stands."""
    ndim = len(shape)
    if axes is None:
        if len(taps) != ndim:
            hint = _axes_hint(shape, taps)
            raise FaltungValueError(
                with_shapes(f"`k` has {len(taps)} axes and `a` has {ndim}; {hint}.", a=shape, k=taps)
            )
        return tuple(range(ndim)), tuple(range(ndim))
    several = isinstance(axes, (Sequence, np.ndarray))
    entries = tuple(axes) if several else (axes,)
    if not entries:
        raise FaltungValueError("`axes` (=()) must name at least one axis; leave it out for all.")
    along = tuple(_resolve_axis(entry, axes, ndim) for entry in entries)
    if len(set(along)) != len(along):
        raise FaltungValueError(f"`axes` (={axes!r}) names an axis twice; name each once.")
    if len(taps) == len(along):
        return along, along
    if len(taps) != ndim:
        rule = f"{len(along)} (one an axis) or {ndim} (aligned with `a`)"
        message = f"`k` has {len(taps)} axes; with `axes={along}` it must have {rule}."
        raise FaltungValueError(with_shapes(message, a=shape, k=taps))
    for axis in range(ndim):
        if axis not in along and 1 not in (shape[axis], taps[axis]) and shape[axis] != taps[axis]:
            message = (
                f"`k` (axis {axis}: {taps[axis]}) must broadcast with `a` (axis {axis}: {shape[axis]}) on "
                "the axes that are not convolved: equal sizes, or 1."
            )
            raise FaltungValueError(with_shapes(message, a=shape, k=taps))
    return along, tuple(range(ndim))


def _resolve_axis(entry: object, axes: object, ndim: int) -> int:
    axis = normalize_int("axes", entry, -(2**62))
    if not -ndim <= axis < ndim:
        raise FaltungValueError(
            f"`axes` (={axes!r}) must lie in [{-ndim}, {ndim - 1}], for `a` has {ndim} axes."
        )
    return axis % ndim


def _axes_hint(shape: Shape, taps: Shape) -> str:
    ndim = len(shape)
    if len(taps) == 2 and ndim == 3 and shape[-1] in (2, 3, 4):
        return f"for an image of {shape[-1]} channels pass `axes=(0, 1)`"
    hint = "pass `axes=` for the axes to convolve along"
    if len(taps) < ndim:
        hint += f", for instance `axes={tuple(range(ndim - len(taps), ndim)) if len(taps) != 1 else -1}`"
    return hint


def _check_sizes(shape: Shape, taps: Shape, along: Shape, sizes: Shape, lengths: Shape) -> None:
    for name, numbers in (("a", sizes), ("k", lengths)):
        if 0 in numbers:
            axis = along[numbers.index(0)]
            message = f"`{name}` is empty along the convolved axis {axis}; pass at least one sample."
            raise FaltungValueError(with_shapes(message, a=shape, k=taps))


def _check_valid(
    shape: Shape, taps: Shape, along: Shape, sizes: Shape, lengths: Shape, dilations: Shape
) -> None:
    for axis, n, length, d in zip(along, sizes, lengths, dilations, strict=True):
        reach = d * (length - 1) + 1
        if reach > n:
            dilated = f" ({reach} with `dilation` {d})" if d > 1 else ""
            message = (
                f"`k` has {length} taps{dilated} along axis {axis} and `a` only {n} samples, so mode 'valid' "
                "has no output; swap `a` and `k`, or use mode 'same' or 'full'."
            )
            raise FaltungValueError(with_shapes(message, a=shape, k=taps))


def _resolve_steps(name: str, value: Any, rank: int) -> Shape:
    steps = normalize_per_axis(name, value, rank, 1) if rank else ()
    if any(step >= _FAR for step in steps):
        raise FaltungValueError(f"`{name}` (={value!r}) must be less than 2^31.")
    return steps


def _resolve_anchor(anchor: Any, mode: str, lengths: Shape) -> tuple[int | None, ...]:
    if anchor is None:
        return (None,) * len(lengths)
    if mode != "same":
        raise FaltungValueError(
            f"`anchor` (={anchor!r}) is for mode 'same'; `mode` is {mode!r}. Leave it out."
        )
    anchors = normalize_per_axis("anchor", anchor, len(lengths), 0) if lengths else ()
    for c, taps in zip(anchors, lengths, strict=True):
        if c >= taps:
            raise FaltungValueError(
                f"`anchor` (={anchor!r}) must be a tap, 0 to {taps - 1} along an axis of {taps} taps."
            )
    return anchors


def resolve_boundary(boundary: Any, rank: int) -> tuple[str, ...]:
    """One word for every convolved axis."""
    if isinstance(boundary, str):
        _check_boundary(boundary, boundary)
        return (boundary,) * rank
    if not isinstance(boundary, Sequence):
        raise FaltungTypeError(
            f"`boundary` (={boundary!r}) must be a word or one word for each convolved axis."
        )
    for word in boundary:
        _check_boundary(word, boundary)
    if len(boundary) != rank:
        raise FaltungValueError(
            f"`boundary` (={boundary!r}) has {len(boundary)} words for {rank} convolved axes; pass one word, "
            "or one for each."
        )
    return tuple(boundary)


def _check_boundary(word: object, boundary: object) -> None:
    if word in BOUNDARIES:
        return
    ours = _OTHER_BOUNDARIES.get(word.lower()) if isinstance(word, str) else None
    hint = f"that is {ours!r} here" if ours else "use one of " + ", ".join(map(repr, BOUNDARIES))
    raise FaltungValueError(f"`boundary` (={boundary!r}) has no word {word!r}; {hint}.")
