"""The array operation: `convolve` and `correlate`."""

from __future__ import annotations

from typing import Any, Literal, Unpack, overload

from numpy.typing import DTypeLike, NDArray

from ._calls import call, calls
from ._normalize import PerAxis
from ._precision import setting
from ._typing import (
    ArrayOrList,
    Boundary,
    Complete,
    Foreign,
    Inexact,
    Into,
    Options,
    Out,
    Progress,
    Scalar,
    Typed,
    Untyped,
    WeakTaps,
    Weighed,
    WeighedInto,
    WeighedUntyped,
    Whole,
)


@overload
def convolve(a: Any, k: Any, mode: str = ..., *, out: Out, **options: Unpack[Into]) -> Out: ...
@overload
def convolve(
    a: ArrayOrList, k: Any, mode: str = ..., *, dtype: type[Scalar], **options: Unpack[Typed]
) -> NDArray[Scalar]: ...
@overload
def convolve(
    a: NDArray[Inexact], k: NDArray[Inexact] | WeakTaps, mode: str = ..., **options: Unpack[Untyped]
) -> NDArray[Inexact]: ...
@overload
def convolve(
    a: NDArray[Whole], k: NDArray[Whole], mode: str = ..., **options: Unpack[Complete]
) -> NDArray[Whole]: ...
@overload
def convolve(a: NDArray[Any], k: Any, mode: str = ..., **options: Unpack[Options]) -> NDArray[Any]: ...
@overload
def convolve(a: Foreign, k: Any, mode: str = ..., **options: Unpack[Options]) -> Foreign: ...
@overload
def convolve(
    a: Any, k: Any, mode: str = ..., *, out: Out, return_weight: Literal[True], **options: Unpack[WeighedInto]
) -> tuple[Out, Any]: ...
@overload
def convolve(
    a: NDArray[Inexact],
    k: NDArray[Inexact] | WeakTaps,
    mode: str = ...,
    *,
    return_weight: Literal[True],
    **options: Unpack[WeighedUntyped],
) -> tuple[NDArray[Inexact], NDArray[Any]]: ...
@overload
def convolve(
    a: NDArray[Any], k: Any, mode: str = ..., *, return_weight: Literal[True], **options: Unpack[Weighed]
) -> tuple[NDArray[Any], NDArray[Any]]: ...
@overload
def convolve(
    a: Foreign, k: Any, mode: str = ..., *, return_weight: Literal[True], **options: Unpack[Weighed]
) -> tuple[Foreign, Foreign]: ...
@overload
def convolve(
    a: Any, k: Any, mode: str = ..., *, return_weight: Literal[True], **options: Unpack[Weighed]
) -> tuple[Any, Any]: ...
@overload
def convolve(
    a: Any, k: Any, mode: str = ..., *, return_weight: bool = ..., **options: Unpack[Weighed]
) -> Any: ...
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
    mask: Any = None,
    min_valid: float = 0.0,
    return_weight: bool = False,
    out: Any = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Any:
    r"""Convolve an array with a kernel, along all axes or some.

    .. math:: y[i] = \sum_j a[i\,S - (j - c)\,D]\; k[j]

    with stride S, dilation D and, in mode same, the anchor c; every index may be a vector.

    Parameters
    ----------
    a : array_like
        Samples. The kind of array decides the kind of the result (ndarray, torch tensor, any array with
        DLPack).
    k : array_like or Kernel
        Taps. Python numbers, lists and what `faltung.kernels` returns are weak: only their kind counts for
        the result's type, and their values are used exactly.
    mode : {"full", "same", "valid"}
        full: every output that any sample reaches, N + D(K-1) along an axis; same: N, also where the kernel
        is larger; valid: only outputs whose window lies inside, N - D(K-1).
    boundary : str or sequence of str
        What lies beyond the ends, one word or one for each convolved axis: "constant" (`fill_value`), "edge"
        aaa|abcd|ddd, "reflect" dcb|abcd|cba, "symmetric" cba|abcd|dcb, "wrap" bcd|abcd|abc; as `numpy.pad`,
        repeated as often as needed. mode valid ignores it.
    fill_value : number
        For boundary "constant". With 0 the terms outside are omitted.
    axes : int or sequence of int, optional
        Axes of `a` to convolve along. With k.ndim == len(axes), axis i of the kernel runs along axes[i]; with
        k.ndim == a.ndim the kernel is aligned with `a` and the other axes broadcast. None: all axes.
    anchor : int or sequence of int, optional
        Mode same only: the tap that sits on the output's own position, 0 <= anchor < K; by default (K-1)//2.
    stride : int or sequence of int
        Take every S-th output, counted from the first.
    dilation : int or sequence of int
        Distance D between neighbouring taps, in samples.
    method : {"auto", "direct", "separable", "spectral", "reference"}
        auto takes the fastest that keeps the precision; a method that cannot keep it is an error. reference
        is the definition itself, slow.
    precision : {"highest", "high", "medium"}, optional
        Bound on the error of every output; None: the setting of `set_precision`.
    dtype : dtype, optional
        Type of the result; by default that of `numpy.result_type`. Floating point goes to integers rounded
        half to even.
    overflow : {"raise", "wrap", "saturate"}
        For integer results: raise where the exact result does not fit, take it modulo 2^bits, or clip it.
    nan_policy : {"propagate", "omit", "raise"}
        omit takes NaN in `a` for missing data (see Notes); raise refuses NaN in `a` or `k`.
    mask : array_like of bool, optional
        True where a sample is missing, of a shape that broadcasts to `a`; masked arrays bring their own.
    min_valid : float
        With missing data: outputs whose weight is below it are NaN, from 0 to 1.
    return_weight : bool
        Return `(y, weight)`: the share of the taps' sum of absolute values that met valid samples, 0 to 1.
    out : array, optional
        Takes the result: exactly its shape and type, any strides; may overlap `a` or `k`.
    memory_limit : int, optional
        Work block by block in at most this many bytes beyond `a`, `k` and `out`; for arrays larger than
        memory, `a` and `out` may be `numpy.memmap` or paths of `.npy` files.
    progress : callable, optional
        Called as `progress(done, total)` with the outputs computed so far, from the calling thread.
    workers : int, optional
        Threads of this call; -1 for all; None: the setting. The result is the same for any number.

    Returns
    -------
    array, or a pair of arrays
        C-contiguous, of the kind of `a`; a NumPy scalar for two 0-d arrays. Integers with missing data give
        float64. With `return_weight` the result and the weights.

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
    The error of every output is at most (1.1 min(n, 256) + ceil(n/256) + 20) u S, n the number of terms, S
    the sum of their absolute values, u the unit roundoff of float32 (also for half types) or float64; where
    numbers become subnormal, n 2^-150 or n 2^-1075 more. Integers are exact.

    A missing sample counts as the mean of those that the kernel meets, weighted by its absolute values: with
    m = 1 where a sample is valid and 0 where it is missing,

    .. math:: y = \sum k\,m\,a + \frac{\sum |k|\,m\,a}{\sum |k|\,m} \sum k\,(1 - m)

    and NaN where no valid sample is met. What a boundary makes is valid, but for a NaN as `fill_value` under
    "omit".

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
    >>> fl.convolve([1, 2, float("nan"), 4], [0.25, 0.5, 0.25], "valid", nan_policy="omit")
    array([1.66666667, 3.        ])
    """
    options = (True, mode, boundary, fill_value, axes, anchor, stride, dilation, method,
               setting() if precision is None else precision, dtype, overflow, nan_policy, min_valid,
               return_weight, workers)  # fmt: skip
    if mask is None and memory_limit is None and progress is None:
        y = calls.run(a, k, options, out)
        return call(a, k, options, out) if y is None else y
    return call(a, k, options, out, mask, memory_limit, progress)


@overload
def correlate(a: Any, k: Any, mode: str = ..., *, out: Out, **options: Unpack[Into]) -> Out: ...
@overload
def correlate(
    a: ArrayOrList, k: Any, mode: str = ..., *, dtype: type[Scalar], **options: Unpack[Typed]
) -> NDArray[Scalar]: ...
@overload
def correlate(
    a: NDArray[Inexact], k: NDArray[Inexact] | WeakTaps, mode: str = ..., **options: Unpack[Untyped]
) -> NDArray[Inexact]: ...
@overload
def correlate(
    a: NDArray[Whole], k: NDArray[Whole], mode: str = ..., **options: Unpack[Complete]
) -> NDArray[Whole]: ...
@overload
def correlate(a: NDArray[Any], k: Any, mode: str = ..., **options: Unpack[Options]) -> NDArray[Any]: ...
@overload
def correlate(a: Foreign, k: Any, mode: str = ..., **options: Unpack[Options]) -> Foreign: ...
@overload
def correlate(
    a: Any, k: Any, mode: str = ..., *, out: Out, return_weight: Literal[True], **options: Unpack[WeighedInto]
) -> tuple[Out, Any]: ...
@overload
def correlate(
    a: NDArray[Inexact],
    k: NDArray[Inexact] | WeakTaps,
    mode: str = ...,
    *,
    return_weight: Literal[True],
    **options: Unpack[WeighedUntyped],
) -> tuple[NDArray[Inexact], NDArray[Any]]: ...
@overload
def correlate(
    a: NDArray[Any], k: Any, mode: str = ..., *, return_weight: Literal[True], **options: Unpack[Weighed]
) -> tuple[NDArray[Any], NDArray[Any]]: ...
@overload
def correlate(
    a: Foreign, k: Any, mode: str = ..., *, return_weight: Literal[True], **options: Unpack[Weighed]
) -> tuple[Foreign, Foreign]: ...
@overload
def correlate(
    a: Any, k: Any, mode: str = ..., *, return_weight: Literal[True], **options: Unpack[Weighed]
) -> tuple[Any, Any]: ...
@overload
def correlate(
    a: Any, k: Any, mode: str = ..., *, return_weight: bool = ..., **options: Unpack[Weighed]
) -> Any: ...
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
    mask: Any = None,
    min_valid: float = 0.0,
    return_weight: bool = False,
    out: Any = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Any:
    r"""Correlate an array with a kernel, along all axes or some: `convolve` without the flip.

    .. math:: y[i] = \sum_j a[i\,S + (j - c)\,D]\; \overline{k[j]}

    Parameters
    ----------
    a, k : array_like
        Samples and taps, as in `convolve`; complex taps are conjugated.
    mode, boundary, fill_value, axes, stride, dilation, method, precision, dtype, overflow : optional
        As in `convolve`.
    nan_policy, mask, min_valid, return_weight, out, memory_limit, progress, workers : optional
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
    options = (False, mode, boundary, fill_value, axes, anchor, stride, dilation, method,
               setting() if precision is None else precision, dtype, overflow, nan_policy, min_valid,
               return_weight, workers)  # fmt: skip
    if mask is None and memory_limit is None and progress is None:
        y = calls.run(a, k, options, out)
        return call(a, k, options, out) if y is None else y
    return call(a, k, options, out, mask, memory_limit, progress)
