"""Plans of layers: decided once, with prepared weights, to run often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import index
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from faltung._dtype import DType, as_dtype
from faltung._errors import FaltungTypeError, FaltungValueError, with_shapes
from faltung._explain import Explanation
from faltung._frozen import Frozen
from faltung._kinds import Restore, to_array
from faltung._normalize import PaddingLike, PerAxis
from faltung._operands import checked_out, in_type, prepared
from faltung._recipe import raw
from faltung._spec import ConvSpec, Layout
from faltung._typing import Boundary

from ._activation import ActivationLike
from ._bound import error_bound
from ._calls import Described, LayerCache, cache
from ._describe import check_types, described
from ._explain import explain, title
from ._integers import Data
from ._operands import bias_of, residual_of
from ._recipe import CoreLayer, LayerRecipe, PackedWeights, recipe
from ._request import LayerRequest
from ._typing import ZeroPoints
from ._ways import Way, candidates

Array: TypeAlias = NDArray[Any]

KEPT = 8  # decisions of one plan: strides, with and without residual


def plan_conv(
    x_shape: Sequence[int],
    w: Any,
    b: Any = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: Boundary = "constant",
    layout: Layout = "channels_first",
    flip: bool = False,
    activation: ActivationLike = None,
    method: str = "auto",
    precision: str | None = None,
    overflow: str = "raise",
    x_zero_point: int = 0,
    w_zero_point: ZeroPoints = 0,
    workers: int | None = None,
    dtype: DTypeLike | None = None,
    measure: bool = False,
) -> LayerPlan:
    """Plan `conv` for inputs of one shape and data type, with these weights.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the inputs, with or without the batch axis.
    w, b : array_like
        Weights and bias; copied.
    dtype : dtype, optional
        Data type of the inputs; by default that of `w`. Weights of 8 bits may meet the other 8-bit type.
    measure : bool
        Run every method that keeps the precision on random data and take the fastest, instead of predicting.
        It may then differ from run to run of a program, and the last bits of results with it.
    stride, padding, dilation, groups, boundary, layout, flip, activation : optional
        As in `conv`.
    method, precision, overflow, x_zero_point, w_zero_point, workers : optional
        As in `conv`.

    Returns
    -------
    LayerPlan
        Call it as `plan(x, out=None, residual=None)`.

    Raises
    ------
    FaltungError
        As `conv`.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> w = np.ones((64, 3, 3, 3), np.float32)
    >>> plan = fl.nn.plan_conv((1, 3, 32, 32), w, padding=1, activation="relu")
    >>> plan.shape, plan(np.ones((1, 3, 32, 32), np.float32)).shape
    ((1, 64, 32, 32), (1, 64, 32, 32))
    """
    options = (stride, padding, dilation, groups, boundary, layout, flip, activation, method, precision,
               overflow, x_zero_point, w_zero_point, workers)  # fmt: skip
    return planned(x_shape, w, b, options, dtype, measure, described)


def planned(
    x_shape: Sequence[int],
    w: Any,
    b: Any,
    options: tuple[Any, ...],
    dtype: DTypeLike | None,
    measure: bool,
    request_of: Described,
) -> LayerPlan:
    """The plan of a layer whose request `request_of` makes of its options."""
    plan = unprepared(x_shape, w, b, dtype, options, request_of)
    return (fastest(plan) if measure else plan)._ready()


def unprepared(
    x_shape: Sequence[int],
    w: Any,
    b: Any,
    dtype: DTypeLike | None,
    options: tuple[Any, ...],
    request_of: Described = described,
) -> LayerPlan:
    """The predicted plan of a layer; its weights are prepared when it first runs."""
    shape = sizes_of(x_shape)
    given, weak, _ = to_array("w", w)
    x_type = given.dtype if dtype is None else as_dtype(dtype)
    if weak:
        wanted = np.dtype(np.int64 if given.dtype.kind in "bui" else np.float64) if dtype is None else x_type
        given, x_type = in_type(given, wanted), wanted
    check_types(x_type, given.dtype, ("dtype", "w"))
    weights, bias = prepared(given), bias_of("b", b, x_type)
    request, threads = request_of(
        shape, x_type, weights.shape, weights.dtype, None if bias is None else bias.shape, options
    )
    return LayerPlan(request, weights, bias, threads)


class LayerPlan(Frozen):
    """How one layer runs, with its weights: frozen, printable, reusable from any number of threads.

    Made by `plan_conv` and `plan_conv_transpose`. Calling a plan runs it on an array of exactly its shape and
    data type.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> plan = fl.nn.plan_conv((1, 5), np.float32([[[1, 2, 1]]]), padding="same")
    >>> plan([[0, 0, 1, 0, 0]])
    array([[0., 1., 2., 1., 0.]], dtype=float32)
    """

    __slots__ = (
        "_bias",
        "_calls",
        "_known",
        "_measured",
        "_packed",
        "_recipe",
        "_way",
        "_weights",
        "_workers",
    )
    _another = "`with_weights` or `plan_conv`"

    _recipe: LayerRecipe
    _weights: Array
    _bias: Array | None
    _workers: int | None
    _measured: Mapping[str, float] | None  # seconds by method, where they were measured
    _way: Way
    _known: Data  # what stays the same from call to call
    _packed: dict[CoreLayer, PackedWeights]
    _calls: LayerCache

    def __init__(
        self,
        request: LayerRequest,
        weights: Array,
        bias: Array | None,
        workers: int | None,
        measured: Mapping[str, float] | None = None,
    ) -> None:
        how = recipe(request)
        w, b = _frozen(weights), None if bias is None else _frozen(bias)
        self._set(
            _recipe=how,
            _weights=w,
            _bias=b,
            _workers=workers,
            _measured=measured,
            _way=how.way,
            _known=Data(w=w, b=b),
            _packed={},
            _calls=cache(KEPT),
        )

    def _ready(self) -> LayerPlan:
        """The plan itself, with weights for C-contiguous arrays; for others the first call prepares them."""
        how, request = self._recipe, self._recipe.request
        data = self._data(np.empty(request.in_shape, request.dtype))
        usual = how.bound(data, None, self._workers, self._way, self._known)
        if usual is not None:
            self._prepared(usual.layer)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return LayerPlan, (self._recipe.request, self._weights, self._bias, self._workers, self._measured)

    def __call__(self, x: Any, out: Any = None, *, residual: Any = None) -> Any:
        """Run on an array of exactly the plan's shape and data type.

        Parameters
        ----------
        x : array_like
            The input, of any kind that `conv` takes; a list is converted to the plan's type.
        out : array, optional
            Takes the result: exactly its shape and data type.
        residual : array_like, optional
            Added before the activation; exactly of the result's shape and data type.

        Returns
        -------
        array
            The result, of the kind of `x`; or `out`.
        """
        y = self._calls.run(x, None, None, residual, out, ())
        return self._run(x, residual, out) if y is None else y

    def _run(self, x: Any, residual: Any, out: Any) -> Any:
        """A call that was not seen before."""
        how = self._recipe
        samples, restore = self._samples(x)
        added = residual_of(residual, how.out_shape, how.out_dtype)
        target = None if out is None else checked_out(out, how.out_shape, how.out_dtype)
        data = self._data(samples, added)
        y = how.run(data, target, self._workers, self._way, self._prepared, self._known)
        if samples is x and added is residual:
            bound = how.bound(data, out, self._workers, self._way, self._known)
            if bound is not None:
                bias = None if self._bias is None else raw(self._bias)
                self._calls.add(
                    x, None, None, residual, out, (), bound.layer, self._prepared(bound.layer), bias,
                    how.out_shape, how.out_dtype, bound.threads, bound.release,
                )  # fmt: skip
        return restore(y) if out is None else out

    def _samples(self, x: Any) -> tuple[Array, Restore]:
        """The input as the core reads it, and what restores its kind."""
        dtype = self._recipe.request.dtype
        given, weak, restore = to_array("x", x)
        samples = in_type(given, dtype) if weak else given
        if samples.dtype != dtype:
            raise FaltungTypeError(
                f"`x` (of {samples.dtype}) must have exactly the plan's data type, {dtype}; convert it with "
                f"`.astype({dtype.name!r})` or make a plan for {samples.dtype}."
            )
        samples = prepared(samples)
        self._check_shape(samples)
        return samples, restore

    def _data(self, x: Array, residual: Array | None = None) -> Data:
        return Data(x, self._weights, self._bias, residual)

    def _prepared(self, layer: CoreLayer) -> PackedWeights:
        """The weights as a layer of the core wants them."""
        found = self._packed.get(layer)
        if found is None:
            if len(self._packed) >= KEPT:
                self._packed.clear()
            found = self._packed[layer] = layer.pack(raw(self._weights), self._workers or 0)
        return found

    def _check_shape(self, x: Array) -> None:
        wanted = self._recipe.request.in_shape
        if x.shape != wanted:
            message = "`x` must have exactly the plan's shape; make a plan for this one."
            raise FaltungValueError(with_shapes(message, x=x.shape, plan=wanted))

    @property
    def method(self) -> str:
        """The method that runs, in the words of `conv`."""
        return self._way.method

    @property
    def spec(self) -> ConvSpec:
        """The convolution in plain integers."""
        return self._recipe.request.spec

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
        """Real multiplications of one run, counted as on paper: those on padding included."""
        return self._recipe.products

    def explain(self) -> Explanation:
        """Every candidate with its predicted time, extra memory and promise, and why it was taken or lost.

        Then how the one that runs does so: its microkernel and register tile, blocks, bytes moved, arithmetic
        intensity, and its share of the machine's rate of multiply-adds, predicted and, where the plan was
        made with `measure=True`, measured.
        """
        return explain(self._recipe, self._way, self._measured)

    def error_bound(self, x: ArrayLike, residual: ArrayLike | None = None) -> Array:
        """The largest error that any output of `plan(x, residual=residual)` may have, output by output.

        (1.1 min(n, 256) + ceil(n / 256) + 20) u S + t before the activation, with S = sum |x| |w| + |b| +
        |residual|, n the terms of a sum, u the unit roundoff of the type that sums; t = 2^-123 sum (|x| + |w|
        + 1) for float32, which may treat subnormal numbers as zero. An activation multiplies that by its
        largest slope and adds 4 units in the last place, half types what their store loses. 0 for integers,
        infinite where nothing is promised: a window with a sample that is not finite, an overflow.

        Parameters
        ----------
        x : array_like
            The input.
        residual : array_like, optional
            What the plan will be called with.

        Returns
        -------
        ndarray
            float64, of the shape of the result.

        Examples
        --------
        >>> import faltung as fl
        >>> import numpy as np
        >>> plan = fl.nn.plan_conv((1, 3), np.float32([[[0.25, 0.5, 0.25]]]), padding=1)
        >>> (plan.error_bound([[1, 2, 3]]) / 2**-24).round(2)  # 24.3 times 1, 2 and 2
        array([[24.3, 48.6, 48.6]])
        """
        request = self._recipe.request
        samples = np.asarray(x, request.dtype)
        self._check_shape(samples)
        added = None if residual is None else np.asarray(residual, request.out_dtype)
        added = residual_of(added, self._recipe.out_shape, request.out_dtype)
        return error_bound(self._recipe, self._data(samples, added), self.method)

    def with_weights(self, w: Any, b: Any = None) -> LayerPlan:
        """The same plan with other weights of the same shape and data type.

        Parameters
        ----------
        w : array_like
            The weights.
        b : array_like, optional
            The bias, exactly where this plan has one.

        Returns
        -------
        LayerPlan
            A new plan.
        """
        return self._with(w, b)._ready()

    def _with(self, w: Any, b: Any) -> LayerPlan:
        """A new plan whose weights are prepared when it first runs."""
        weights = np.asarray(w, self._weights.dtype)
        if weights.shape != self._weights.shape:
            message = "`w` must have exactly the shape of the plan's weights; make another plan."
            raise FaltungValueError(with_shapes(message, w=weights.shape, plan=self._weights.shape))
        if (b is None) != (self._bias is None):
            rule = "has no bias" if self._bias is None else f"has a bias of {self._bias.size} numbers"
            given = "None" if b is None else "an array"
            raise FaltungValueError(f"`b` (={given}) does not fit: the plan {rule}; make another plan.")
        bias = None if b is None else np.asarray(b, self.dtype)
        if bias is not None and self._bias is not None and bias.shape != self._bias.shape:
            message = "`b` must have exactly the shape of the plan's bias."
            raise FaltungValueError(with_shapes(message, b=bias.shape, plan=self._bias.shape))
        return LayerPlan(self._recipe.request, weights, bias, self._workers, self._measured)

    def __repr__(self) -> str:
        return f"<LayerPlan: {title(self._recipe)}, method {self.method}>"


def fastest(plan: LayerPlan) -> LayerPlan:
    """The plan by the method that takes the least time on random samples, where none was asked for."""
    how = plan._recipe
    if not how.size or how.request.method != "auto":
        return plan
    x = random_samples(how.request)
    y = np.empty(how.out_shape, how.out_dtype)
    seconds: dict[str, float] = {}
    contestants = [c.method for c in candidates(how) if isinstance(c, Way) and c.method != "reference"]
    for method in contestants or ["reference"]:
        request = replace(how.request, method=method)
        contestant = LayerPlan(request, plan._weights, plan._bias, plan._workers)
        seconds[method] = least_seconds(partial(contestant, x, out=y))
    best = min(seconds, key=lambda method: seconds[method])
    request = replace(how.request, method=best)
    return LayerPlan(request, plan._weights, plan._bias, plan._workers, seconds)


def least_seconds(call: Callable[[], object]) -> float:
    """Of five calls."""
    least = float("inf")
    for _ in range(5):
        begin = perf_counter()
        call()
        least = min(least, perf_counter() - begin)
    return least


def random_samples(request: LayerRequest) -> Array:
    """Small numbers in the type of the input."""
    generator = np.random.default_rng(0)
    if request.exact:
        return generator.integers(0, 2, request.in_shape).astype(request.dtype)
    return generator.standard_normal(request.in_shape, np.float32).astype(request.dtype)


def _frozen(array: Array) -> Array:
    copy = np.array(array, copy=True, order="C")
    copy.flags.writeable = False
    return copy


def sizes_of(shape: object) -> tuple[int, ...]:
    """The argument `x_shape` as sizes."""
    try:
        sizes = tuple(index(n) for n in shape)  # type: ignore[attr-defined]
    except TypeError:
        raise FaltungTypeError(f"`x_shape` (={shape!r}) must be a sequence of ints.") from None
    if any(n < 0 for n in sizes):
        raise FaltungValueError(f"`x_shape` (={shape!r}) must not be negative.")
    return sizes
