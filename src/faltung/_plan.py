"""Plans: an array operation decided once, with its kernel, to run often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from operator import index
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._bound import error_bound
from ._calls import calls, remember
from ._describe import described_shape
from ._dtype import DType, as_dtype
from ._errors import FaltungTypeError, FaltungValueError, with_shapes
from ._explain import Explanation, explain, title
from ._frozen import Frozen
from ._kinds import factors_of, to_array
from ._missing import find_mask, perform
from ._normalize import PerAxis
from ._operands import in_type, out_array, prepared
from ._recipe import Recipe, recipe
from ._request import Request
from ._spec import ConvSpec
from ._typing import Boundary
from ._ways import Choice, Known, Refusal, candidates

Array: TypeAlias = NDArray[Any]


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
    min_valid: float = 0.0,
    return_weight: bool = False,
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
        Run every method that keeps the promise on random data and take the fastest, instead of predicting. It
        may then differ from run to run of a program, and the last bits of results with it.
    mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision : optional
        As in `convolve`.
    overflow, nan_policy, min_valid, return_weight, workers : optional
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
    >>> box = fl.kernels.box(3)
    >>> plan = fl.plan_convolve((480, 640), box, "same", boundary="edge", dtype="float32")
    >>> plan.shape, plan.method
    ((480, 640), 'direct')
    """
    options = (True, mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision,
               result_dtype, overflow, nan_policy, min_valid, return_weight, workers)  # fmt: skip
    return _plan(shape, dtype, k, options, measure)


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
    min_valid: float = 0.0,
    return_weight: bool = False,
    workers: int | None = None,
    measure: bool = False,
) -> Plan:
    """Plan `correlate` for arrays of one shape and data type.

    Parameters
    ----------
    shape, k, mode, dtype, result_dtype, measure
        As in `plan_convolve`.
    boundary, fill_value, axes, anchor, stride, dilation, method, precision : optional
        As in `correlate`.
    overflow, nan_policy, min_valid, return_weight, workers : optional
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
    options = (False, mode, boundary, fill_value, axes, anchor, stride, dilation, method, precision,
               result_dtype, overflow, nan_policy, min_valid, return_weight, workers)  # fmt: skip
    return _plan(shape, dtype, k, options, measure)


class Plan(Frozen):
    """How one array operation runs, with its kernel: frozen, printable, reusable from any number of threads.

    Made by `plan_convolve` and `plan_correlate`. Calling a plan runs it on an array of exactly its shape and
    data type.

    Examples
    --------
    >>> import faltung as fl
    >>> plan = fl.plan_convolve((5,), [1, 2, 1], "same", dtype="float32")
    >>> plan([0, 0, 1, 0, 0])
    array([0., 1., 2., 1., 0.], dtype=float32)
    >>> plan.method
    'direct'
    """

    __slots__ = ("_choice", "_kernel", "_key", "_known", "_measured", "_recipe", "_taps", "_workers")
    _another = "`with_weights` or `plan_convolve`"

    _recipe: Recipe
    _kernel: Array
    _workers: int | None
    _known: Known  # factors that the kernel came with
    _measured: bool  # the method was measured, not predicted
    _choice: Choice
    _taps: Array  # what the core is given: the kernel, or its factors
    _key: tuple[Any, ...]

    def __init__(
        self,
        request: Request,
        kernel: Array,
        workers: int | None,
        measured: bool = False,
        known: Known = None,
    ) -> None:
        frozen = np.array(kernel, copy=True, order="C")
        frozen.flags.writeable = False
        how = recipe(request)
        choice = how.choose(frozen, keep=True, known=known)
        self._set(
            _recipe=how,
            _kernel=frozen,
            _workers=workers,
            _measured=measured,
            _known=known,
            _choice=choice,
            _taps=frozen if choice.factors is None else choice.factors,
            _key=(how.serial, choice.way.method, choice.way.terms, workers),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Plan, (self._recipe.request, self._kernel, self._workers, self._measured, self._known)

    def __call__(self, x: Any, out: Any = None) -> Any:
        """Run on an array of exactly the plan's shape and data type.

        Parameters
        ----------
        x : array_like
            The samples, an array of any kind that `convolve` takes; a list is converted to the plan's type.
        out : array, optional
            Takes the result: exactly its shape and data type.

        Returns
        -------
        array
            The result, of the kind of `x`; or `out`.
        """
        y = calls.run(x, self._taps, self._key, out)
        if y is not None:
            return y
        request = self._recipe.request
        a, weak, restore = to_array("x", x, masked=True)
        if weak:
            a = in_type(a, request.dtype)
        if a.dtype != request.dtype:
            raise FaltungTypeError(
                f"`x` (of {a.dtype}) must have exactly the plan's data type, {request.dtype}; convert it "
                f"with `.astype({request.dtype.name!r})` or make a plan for {a.dtype}."
            )
        if a.shape != request.shape:
            message = "`x` must have exactly the plan's shape; make a plan for this one."
            raise FaltungValueError(with_shapes(message, x=a.shape, plan=request.shape))
        target = out_array(out, self._recipe)
        missing = find_mask(x, None, a)
        result, weight = perform(
            self._recipe, prepared(a), self._kernel, missing, target, self._workers, self._choice
        )
        if type(x) is np.ndarray:
            remember(x, self._taps, self._key, out, self._recipe, self._workers, self._choice)
        y = restore(result) if out is None else out
        return (y, restore(weight)) if weight is not None else y

    @property
    def method(self) -> str:
        """The method that runs: "direct", "separable", "spectral" or "reference"."""
        return self._choice.way.method

    @property
    def block(self) -> tuple[int, ...] | None:
        """Points of a block of the spectral method along each convolved axis; None for other methods.

        Samples at most that far from an output may add to its error; see `error_bound`.
        """
        return self._choice.way.block or None

    @property
    def spec(self) -> ConvSpec | None:
        """The convolution in plain integers; None for two 0-d arrays."""
        return self._recipe.spec

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return self._recipe.out_shape

    @property
    def dtype(self) -> DType:
        """The data type of the result."""
        return self._recipe.out_dtype

    @property
    def cost(self) -> int:
        """Real multiplications of one run."""
        return self._recipe.products

    def explain(self) -> Explanation:
        """Every candidate with its predicted time, extra memory and promise, and why it was taken or lost."""
        why = "measured fastest" if self._measured else None
        return explain(self._recipe, self._kernel, self._choice, why, self._known)

    def error_bound(self, x: ArrayLike) -> Array:
        """The largest error that any output of `plan(x)` may have, output by output.

        (1.1 min(n, 256) + ceil(n / 256) + 20) u S + n t, with S = sum |x| |k|, n the terms of a sum, u the
        unit roundoff and t half the smallest number of the type that sums; 0 for integers. The spectral
        method adds c X sum |k|, X the largest finite |x| that may share a block with the window, c = 2^-44,
        or 2^-14 by float32. A result of another type than the one that sums adds what the store loses, and
        gaps in the data cost what docs/missing-data.md says. Infinite where nothing is promised: a window
        with a sample that is not finite, or with too few; an overflow.

        Parameters
        ----------
        x : array_like
            The samples; a masked array for a plan that takes it.

        Returns
        -------
        ndarray
            float64, of the shape of the result.

        Examples
        --------
        >>> import faltung as fl
        >>> plan = fl.plan_convolve((3,), [0.25, 0.5, 0.25], "same", dtype="float32")
        >>> plan.error_bound([1, 2, 3]) / 2**-24  # 24.3 times 1, 2 and 2
        array([24.3, 48.6, 48.6])
        """
        request = self._recipe.request
        samples, mask = np.asarray(x, request.dtype), find_mask(x, None, np.empty(0))
        if mask is not None and mask.any() and not request.missing:
            raise FaltungTypeError(
                "`x` has masked samples, and this plan is for complete data; plan with `nan_policy='omit'`."
            )
        if samples.shape != request.shape:
            message = "`x` must have exactly the plan's shape; make a plan for this one."
            raise FaltungValueError(with_shapes(message, x=samples.shape, plan=request.shape))
        return error_bound(
            self._recipe, samples, self._kernel, self.method, self.block, request.precision, mask
        )

    def with_weights(self, k: Any) -> Plan:
        """The same plan with another kernel of the same shape and data type."""
        kernel = np.asarray(k, self._kernel.dtype)
        if kernel.shape != self._kernel.shape:
            message = "`k` must have exactly the plan's kernel shape; make another plan."
            raise FaltungValueError(with_shapes(message, k=kernel.shape, plan=self._kernel.shape))
        return Plan(self._recipe.request, kernel, self._workers, self._measured, factors_of(k))

    def __repr__(self) -> str:
        return f"<Plan: {title(self._recipe)}, method {self.method}>"


def _plan(shape: Any, dtype: DTypeLike, k: Any, options: tuple[Any, ...], measure: object) -> Plan:
    try:
        sizes = tuple(index(n) for n in (shape if isinstance(shape, Sequence) else (shape,)))
    except TypeError:
        raise FaltungTypeError(f"`shape` (={shape!r}) must be an int or a sequence of ints.") from None
    if any(n < 0 for n in sizes):
        raise FaltungValueError(f"`shape` (={shape!r}) must not be negative.")
    taps, kernel_weak, _ = to_array("k", k)
    request, workers = described_shape(sizes, as_dtype(dtype), taps, kernel_weak, options)
    plan = Plan(request, prepared(taps), workers, known=factors_of(k))
    return fastest(plan) if measure and request.method == "auto" else plan


def fastest(plan: Plan) -> Plan:
    """The plan by the method that takes the least time on random samples; each runs three times."""
    how, kernel = plan._recipe, plan._kernel
    if not how.size or how.request.missing:
        return plan
    x = _random_samples(how.request)
    best, least = plan, inf
    for candidate in candidates(how, kernel, plan._known):
        if isinstance(candidate, Refusal) or candidate.way.method == "reference":
            continue
        request = replace(how.request, method=candidate.way.method)
        contestant = Plan(request, kernel, plan._workers, True, plan._known)
        for _ in range(3):
            begin = perf_counter()
            contestant(x)
            seconds = perf_counter() - begin
            if seconds < least:
                best, least = contestant, seconds
    return best


def _random_samples(request: Request) -> Array:
    """Small numbers in the request's type: no result overflows."""
    generator = np.random.default_rng(0)
    if request.dtype.kind in "bui":
        return generator.integers(0, 2, request.shape).astype(request.dtype)
    values = generator.standard_normal(request.shape, np.float32)
    return values.astype(request.dtype)
