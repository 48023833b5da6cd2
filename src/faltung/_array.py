"""`convolve` and `correlate` on arrays: arguments in, a request described, its recipe run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import index
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._dtype import Sample, check_fill, check_result, check_supported, taps_fit_single
from ._errors import FaltungTypeError, FaltungValueError, with_shapes
from ._kinds import to_array
from ._normalize import PerAxis, mode_padding, normalize_int, normalize_per_axis
from ._plan import (
    BOUNDARIES,
    CACHED_CALLS,
    Plan,
    Recipe,
    Request,
    calls,
    check_out,
    clear_plans,
    prepared,
    recipe,
    resolve_workers,
)
from ._precision import check_precision

Array: TypeAlias = NDArray[Any]
Boundary: TypeAlias = str | Sequence[str]

MODES = ("full", "same", "valid")
METHODS = ("auto", "direct", "reference")
OVERFLOWS = ("raise", "wrap", "saturate")
NAN_POLICIES = ("propagate", "raise")
_OTHER_BOUNDARIES = {
    "mirror": "reflect", "nearest": "edge", "replicate": "edge", "circular": "wrap", "periodic": "wrap",
    "zeros": "constant", "zero": "constant", "fill": "constant", "symm": "symmetric", "grid-wrap": "wrap",
    "grid-mirror": "symmetric", "grid-constant": "constant", "extend": "edge", "reflect101": "reflect",
    "reflect_101": "reflect", "border_constant": "constant", "border_replicate": "edge", "border_reflect": "symmetric",
    "border_reflect_101": "reflect", "border_reflect101": "reflect", "border_default": "reflect", "border_wrap": "wrap",
}  # fmt: skip



def convolve(
    a: Any,
    k: Any,
    mode: str = "full",
    *,
    boundary: Boundary = "constant",
    fill_value: complex = 0,
    axes: PerAxis | None = None,
    anchor: PerAxis | None = None,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    method: str = "auto",
    precision: str | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    nan_policy: str = "propagate",
    out: Array | None = None,
    workers: int | None = None,
) -> Any:
    r"""Convolve an array with a kernel, along all axes or some.

    .. math:: y[i] = \sum_j a[i\,S - (j - c)\,D]\; k[j]

    with stride S, dilation D and, in mode same, the anchor c; every index may be a vector.

    Parameters
    ----------
    a : array_like
        Samples. The kind of array decides the kind of the result (ndarray, torch tensor, any array with DLPack).
    k : array_like or Kernel
        Taps. Python numbers, lists and what `faltung.kernels` returns are weak: only their kind counts for the result's
        type, and their values are used exactly.
    mode : {"full", "same", "valid"}
        full: every output that any sample reaches, N + D(K-1) along an axis; same: N, also where the kernel is larger;
        valid: only outputs whose window lies inside, N - D(K-1).
    boundary : str or sequence of str
        What lies beyond the ends, one word or one for each convolved axis: "constant" (`fill_value`), "edge" aaa|abcd|ddd,
        "reflect" dcb|abcd|cba, "symmetric" cba|abcd|dcb, "wrap" bcd|abcd|abc; as `numpy.pad`, repeated as often as
        needed. mode valid ignores it.
    fill_value : number
        For boundary "constant". With 0 the terms outside are omitted.
    axes : int or sequence of int, optional
        Axes of `a` to convolve along. With k.ndim == len(axes), axis i of the kernel runs along axes[i]; with k.ndim ==
        a.ndim the kernel is aligned with `a` and the other axes broadcast. None: all axes.
    anchor : int or sequence of int, optional
        Mode same only: the tap that sits on the output's own position, 0 <= anchor < K; by default (K-1)//2.
    stride : int or sequence of int
        Take every S-th output, counted from the first.
    dilation : int or sequence of int
        Distance D between neighbouring taps, in samples.
    method : {"auto", "direct", "reference"}
        auto takes the fastest that keeps the precision; reference is the definition itself, slow.
    precision : {"highest", "high", "medium"}, optional
        Bound on the error of every output; None: the setting of `set_precision`.
    dtype : dtype, optional
        Type of the result; by default that of `numpy.result_type`. Floating point goes to integers rounded half to even.
    overflow : {"raise", "wrap", "saturate"}
        For integer results: raise where the exact result does not fit, take it modulo 2^bits, or clip it.
    nan_policy : {"propagate", "raise"}
        raise refuses NaN in `a` or `k`.
    out : ndarray, optional
        Takes the result: exactly its shape and type, any strides; may overlap `a` or `k`.
    workers : int, optional
        Threads of this call; -1 for all; None: the setting. The result is the same for any number.

    Returns
    -------
    array
        C-contiguous, of the kind of `a`; a NumPy scalar for two 0-d arrays.

    Raises
    ------
    FaltungValueError
        An argument is out of range, shapes do not fit, NaN under nan_policy "raise".
    FaltungTypeError
        A data type that cannot be computed with, operands without a common type, `out` of another type.
    FaltungOverflowError
        An integer result does not fit; the message names its index, its value and a type that holds it.

    See Also
    --------
    correlate : without the flip.
    plan_convolve : decides once, runs often.

    Notes
    -----
    The error of every output is at most (1.1 min(n, 256) + ceil(n/256) + 20) u S, n the number of terms, S the sum of
    their absolute values, u the unit roundoff of float32 (also for half types) or float64. Integers are exact.

    References
    ----------
    .. [1] A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", ch. 2.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.convolve([1, 2, 3], [0, 1, 0.5])
    array([0. , 1. , 2.5, 4. , 1.5])
    >>> fl.convolve([1, 2, 3], [1, 1, 1], "same", boundary="wrap")
    array([6, 6, 6])
    """
    options = (True, mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision, dtype, overflow,
               nan_policy, workers)  # fmt: skip
    y = calls.run(a, k, options, out)
    return _call(a, k, options, out) if y is None else y


def correlate(
    a: Any,
    k: Any,
    mode: str = "full",
    *,
    boundary: Boundary = "constant",
    fill_value: complex = 0,
    axes: PerAxis | None = None,
    anchor: PerAxis | None = None,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    method: str = "auto",
    precision: str | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    nan_policy: str = "propagate",
    out: Array | None = None,
    workers: int | None = None,
) -> Any:
    r"""Correlate an array with a kernel, along all axes or some: `convolve` without the flip.

    .. math:: y[i] = \sum_j a[i\,S + (j - c)\,D]\; \overline{k[j]}

    Parameters
    ----------
    a, k : array_like
        Samples and taps, as in `convolve`; complex taps are conjugated.
    mode, boundary, fill_value, axes, stride, dilation, method, precision, dtype, overflow, nan_policy, out, workers
        As in `convolve`.
    anchor : int or sequence of int, optional
        As in `convolve`; by default K//2.

    Returns
    -------
    array
        As in `convolve`.

    Raises
    ------
    FaltungError
        As in `convolve`.

    See Also
    --------
    convolve : with the flip.

    References
    ----------
    .. [1] A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", ch. 2.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.correlate([1, 2, 3], [0, 1, 0.5], "valid")
    array([3.5])
    """
    options = (False, mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision, dtype, overflow,
               nan_policy, workers)  # fmt: skip
    y = calls.run(a, k, options, out)
    return _call(a, k, options, out) if y is None else y


def plan_convolve(
    shape: PerAxis,
    k: Any,
    mode: str = "full",
    *,
    dtype: DTypeLike = np.float64,
    boundary: Boundary = "constant",
    fill_value: complex = 0,
    axes: PerAxis | None = None,
    anchor: PerAxis | None = None,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    method: str = "auto",
    precision: str | None = None,
    result_dtype: DTypeLike | None = None,
    overflow: str = "raise",
    nan_policy: str = "propagate",
    workers: int | None = None,
    measure: bool = False,
) -> Plan:
    """Plan `convolve` for arrays of one shape and data type.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the arrays.
    k : array_like or Kernel
        Taps; copied.
    dtype : dtype
        Data type of the arrays that the plan will run on.
    result_dtype : dtype, optional
        Data type of the result: `convolve`'s `dtype`.
    measure : bool
        Try the candidates once and keep the fastest instead of predicting. One candidate is fast today, so it is kept.
    mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision, overflow, nan_policy, workers
        As in `convolve`.

    Returns
    -------
    Plan
        Call it as `plan(x, out=None)`.

    Raises
    ------
    FaltungError
        As `convolve`.

    Examples
    --------
    >>> import faltung as fl
    >>> plan = fl.plan_convolve((480, 640), fl.kernels.box(3), "same", boundary="edge", dtype="float32")
    >>> plan.shape, plan.method
    ((480, 640), 'direct')
    """
    del measure
    options = (True, mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision, result_dtype,
               overflow, nan_policy, workers)  # fmt: skip
    return _plan(shape, dtype, k, options)


def plan_correlate(
    shape: PerAxis,
    k: Any,
    mode: str = "full",
    *,
    dtype: DTypeLike = np.float64,
    boundary: Boundary = "constant",
    fill_value: complex = 0,
    axes: PerAxis | None = None,
    anchor: PerAxis | None = None,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    method: str = "auto",
    precision: str | None = None,
    result_dtype: DTypeLike | None = None,
    overflow: str = "raise",
    nan_policy: str = "propagate",
    workers: int | None = None,
    measure: bool = False,
) -> Plan:
    """Plan `correlate` for arrays of one shape and data type.

    Parameters
    ----------
    shape, k, mode, dtype, result_dtype, measure
        As in `plan_convolve`.
    boundary, fill_value, axes, anchor, stride, dilation, method, precision, overflow, nan_policy, workers
        As in `correlate`.

    Returns
    -------
    Plan
        Call it as `plan(x, out=None)`.

    Raises
    ------
    FaltungError
        As `correlate`.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.plan_correlate(3, [0, 1, 0.5], "valid")([1, 2, 3])
    array([3.5])
    """
    del measure
    options = (False, mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision, result_dtype,
               overflow, nan_policy, workers)  # fmt: skip
    return _plan(shape, dtype, k, options)


def clear_cache() -> None:
    """Forget every cached decision; results do not change.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.clear_cache()
    """
    clear_plans()
    _describe_once.cache_clear()


def _call(a: Any, k: Any, options: tuple[Any, ...], out: Any) -> Any:
    samples, weak, restore = to_array("a", a)
    taps, kernel_weak, _ = to_array("k", k)
    out_array = out if out is None or isinstance(out, np.ndarray) or not hasattr(out, "__dlpack__") else to_array("out", out)[0]
    request, workers = _described(samples, weak, taps, kernel_weak, options)
    how = recipe(request)
    check_out(out_array, how)
    samples, kernel = prepared(samples), prepared(taps)
    y = how.run(samples, kernel, out_array, workers)
    if type(a) is np.ndarray and type(k) is np.ndarray and samples is a and kernel is k:
        _remember(a, k, options, out, how, workers)
    if out is not None:
        return out
    return y[()] if y.ndim == 0 and not hasattr(a, "__dlpack_device__") else restore(y)


def _remember(a: Array, k: Array, options: tuple[Any, ...], out: Any, how: Recipe, workers: int | None) -> None:
    """Later calls with arrays of this shape, strides and type run without passing through Python."""
    bound = how.bound(a, k, out, workers)
    if bound is not None:
        calls.add(a, k, options, out, *bound)


def _plan(shape: Any, dtype: DTypeLike, k: Any, options: tuple[Any, ...]) -> Plan:
    try:
        sizes = tuple(index(n) for n in (shape if isinstance(shape, Sequence) else (shape,)))
    except TypeError:
        raise FaltungTypeError(f"`shape` (={shape!r}) must be an int or a sequence of ints.") from None
    if any(n < 0 for n in sizes):
        raise FaltungValueError(f"`shape` (={shape!r}) must not be negative.")
    taps, kernel_weak, _ = to_array("k", k)
    double = kernel_weak and taps.dtype.kind in "fc" and not taps_fit_single(taps)
    request, workers = _describe(sizes, np.dtype(dtype), False, taps.shape, taps.dtype, kernel_weak, double, options)
    return Plan(request, prepared(taps), workers)


def _described(
    a: Array, weak: bool, taps: Array, kernel_weak: bool, options: tuple[Any, ...]
) -> tuple[Request, int | None]:
    """The request of a call; calls described before are looked up."""
    double = kernel_weak and taps.dtype.kind in "fc" and not taps_fit_single(taps)
    key = (a.shape, a.dtype, weak, taps.shape, taps.dtype, kernel_weak, double, options)
    try:
        # 1, 1.0 and True are equal but not the same argument.
        return _describe_once(*key, tuple(map(type, options)))
    except TypeError as error:
        if isinstance(error, FaltungTypeError):
            raise
        return _describe(*key)


def _describe(
    shape: tuple[int, ...],
    dtype: Any,
    weak: bool,
    taps: tuple[int, ...],
    kernel_dtype: Any,
    kernel_weak: bool,
    double_taps: bool,
    options: tuple[Any, ...],
) -> tuple[Request, int | None]:
    """Checks every argument and resolves the defaults."""
    (flip, mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision, result, overflow,
     nan_policy, workers) = options  # fmt: skip
    _check_word("mode", mode, MODES)
    _check_word("method", method, METHODS)
    _check_word("overflow", overflow, OVERFLOWS)
    _check_word("nan_policy", nan_policy, NAN_POLICIES)
    a = Sample(check_supported("a", dtype), weak)
    k = Sample(check_supported("k", kernel_dtype), kernel_weak)
    along, kernel_axes = _resolve_axes(axes, shape, taps)
    kernel_at = dict(zip(kernel_axes, taps, strict=True))
    sizes = [shape[axis] for axis in along]
    lengths = [kernel_at[axis] for axis in along]
    _check_sizes(shape, taps, along, sizes, lengths)
    rank = len(along)
    strides = normalize_per_axis("stride", stride, rank, 1) if rank else ()
    dilations = normalize_per_axis("dilation", dilation, rank, 1) if rank else ()
    anchors = _resolve_anchor(anchor, mode, lengths)
    padding = tuple(
        mode_padding(mode, taps_, d, c, flip) for taps_, d, c in zip(lengths, dilations, anchors, strict=True)
    )
    if mode == "valid":
        _check_valid(shape, taps, along, sizes, lengths, dilations)
    words = _resolve_boundary(boundary, rank)
    if mode == "valid":
        words = ("constant",) * rank
    request = Request(
        flip=flip, shape=shape, kernel_shape=taps, dtype=a.dtype, kernel_dtype=k.dtype, weak=weak,
        kernel_weak=kernel_weak, axes=along, kernel_axes=kernel_axes, mode=mode, boundary=words,
        fill=check_fill(fill_value, a.dtype), padding=padding, stride=strides, dilation=dilations, method=method,
        nan_policy=nan_policy, precision=check_precision(precision),
        result=check_result(result, max(a.kind, k.kind)), overflow=overflow,
        double_taps=double_taps,
    )  # fmt: skip
    return request, resolve_workers(workers)


@lru_cache(maxsize=CACHED_CALLS)
def _describe_once(*key: Any) -> tuple[Request, int | None]:
    return _describe(*key[:-1])


def _check_word(name: str, value: object, words: tuple[str, ...]) -> None:
    if value not in words:
        raise FaltungValueError(f"`{name}` (={value!r}) must be one of {', '.join(map(repr, words))}.")


def _resolve_axes(axes: Any, shape: tuple[int, ...], taps: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The convolved axes, and the axis of `a` on which each kernel axis stands."""
    ndim = len(shape)
    if axes is None:
        if len(taps) != ndim:
            hint = "pass `axes=` for the axes to convolve along"
            if len(taps) == 2 and ndim == 3 and shape[-1] in (2, 3, 4):
                hint = f"for an image of {shape[-1]} channels pass `axes=(0, 1)`"
            elif len(taps) < ndim:
                example = tuple(range(ndim - len(taps), ndim)) if len(taps) != 1 else -1
                hint += f", for instance `axes={example}`"
            raise FaltungValueError(
                with_shapes(f"`k` has {len(taps)} axes and `a` has {ndim}; {hint}.", a=shape, k=taps)
            )
        return tuple(range(ndim)), tuple(range(ndim))
    entries = (axes,) if not isinstance(axes, Sequence) and not isinstance(axes, np.ndarray) else tuple(axes)
    if not entries:
        raise FaltungValueError("`axes` (=()) must name at least one axis; leave it out for all.")
    along = []
    for entry in entries:
        axis = normalize_int("axes", entry, -(2**62))
        if not -ndim <= axis < ndim:
            raise FaltungValueError(f"`axes` (={axes!r}) must lie in [{-ndim}, {ndim - 1}], for `a` has {ndim} axes.")
        along.append(axis % ndim)
    if len(set(along)) != len(along):
        raise FaltungValueError(f"`axes` (={axes!r}) names an axis twice; name each once.")
    if len(taps) == len(along):
        return tuple(along), tuple(along)
    if len(taps) == ndim:
        for axis in range(ndim):
            if axis not in along and 1 not in (shape[axis], taps[axis]) and shape[axis] != taps[axis]:
                raise FaltungValueError(
                    with_shapes(
                        f"`k` (axis {axis}: {taps[axis]}) must broadcast with `a` (axis {axis}: {shape[axis]}) on the axes "
                        "that are not convolved: equal sizes, or 1.", a=shape, k=taps,
                    )
                )  # fmt: skip
        return tuple(along), tuple(range(ndim))
    raise FaltungValueError(
        with_shapes(
            f"`k` has {len(taps)} axes; with `axes={tuple(along)}` it must have {len(along)} (one an axis) or {ndim} "
            "(aligned with `a`).", a=shape, k=taps,
        )
    )  # fmt: skip


def _check_sizes(
    shape: tuple[int, ...], taps: tuple[int, ...], along: tuple[int, ...], sizes: list[int], lengths: list[int]
) -> None:
    for name, numbers in (("a", sizes), ("k", lengths)):
        if 0 in numbers:
            axis = along[numbers.index(0)]
            raise FaltungValueError(
                with_shapes(f"`{name}` is empty along the convolved axis {axis}; pass at least one sample.", a=shape, k=taps)
            )


def _check_valid(
    shape: tuple[int, ...], taps: tuple[int, ...], along: tuple[int, ...], sizes: list[int], lengths: list[int],
    dilations: tuple[int, ...],
) -> None:  # fmt: skip
    for axis, n, taps_, d in zip(along, sizes, lengths, dilations, strict=True):
        reach = d * (taps_ - 1) + 1
        if reach > n:
            dilated = f" ({reach} with `dilation` {d})" if d > 1 else ""
            raise FaltungValueError(
                with_shapes(
                    f"`k` has {taps_} taps{dilated} along axis {axis} and `a` only {n} samples, so mode 'valid' has no "
                    "output; swap `a` and `k`, or use mode 'same' or 'full'.", a=shape, k=taps,
                )
            )  # fmt: skip


def _resolve_anchor(anchor: Any, mode: str, lengths: list[int]) -> tuple[int | None, ...]:
    if anchor is None:
        return (None,) * len(lengths)
    if mode != "same":
        raise FaltungValueError(f"`anchor` (={anchor!r}) is for mode 'same'; `mode` is {mode!r}. Leave it out.")
    anchors = normalize_per_axis("anchor", anchor, len(lengths), 0) if lengths else ()
    for c, taps in zip(anchors, lengths, strict=True):
        if c >= taps:
            raise FaltungValueError(f"`anchor` (={anchor!r}) must be a tap, 0 to {taps - 1} along an axis of {taps} taps.")
    return anchors


def _resolve_boundary(boundary: Any, rank: int) -> tuple[str, ...]:
    words = (boundary,) * rank if isinstance(boundary, str) else boundary
    if isinstance(boundary, str) and rank == 0:
        _check_boundary(boundary, boundary)
        return ()
    if not isinstance(words, Sequence):
        raise FaltungTypeError(f"`boundary` (={boundary!r}) must be a word or one word for each convolved axis.")
    for word in words:
        _check_boundary(word, boundary)
    if len(words) != rank:
        raise FaltungValueError(
            f"`boundary` (={boundary!r}) has {len(words)} words for {rank} convolved axes; pass one word, or one for each."
        )
    return tuple(words)


def _check_boundary(word: object, boundary: object) -> None:
    if word in BOUNDARIES:
        return
    ours = _OTHER_BOUNDARIES.get(word.lower()) if isinstance(word, str) else None
    hint = f"that is {ours!r} here" if ours else "use one of " + ", ".join(map(repr, BOUNDARIES))
    raise FaltungValueError(f"`boundary` (={boundary!r}) has no word {word!r}; {hint}.")
