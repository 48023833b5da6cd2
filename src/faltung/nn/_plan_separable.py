"""Plans of depthwise separable layers: decided once, both weights prepared, to run often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from faltung._dtype import DType
from faltung._errors import FaltungError
from faltung._explain import Explanation
from faltung._frozen import Frozen
from faltung._normalize import PaddingLike, PerAxis
from faltung._operands import checked_out
from faltung._precision import setting
from faltung._recipe import raw, steps_whole, touches
from faltung._spec import ConvSpec, Layout
from faltung._typing import Boundary

from ._activation import ActivationLike
from ._bound import error_bound
from ._calls import LayerCache, cache
from ._describe import check_layout
from ._explain_pair import explain, pair_title
from ._operands import residual_of
from ._pair import FUSED, PairRecipe, pair_recipe
from ._plan import KEPT, LayerPlan, fastest, least_seconds, random_samples, sizes_of, unprepared
from ._recipe import CorePair, PackedWeights
from ._separable_words import check_weights, depthwise_words, pointwise_words
from ._ways import Refusal, Way

Array: TypeAlias = NDArray[Any]


def plan_separable_conv(
    x_shape: Sequence[int],
    depthwise: Any,
    pointwise: Any,
    b: Any = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    mid_bias: Any = None,
    mid_activation: ActivationLike = None,
    boundary: Boundary = "constant",
    layout: Layout = "channels_first",
    flip: bool = False,
    activation: ActivationLike = None,
    method: str = "auto",
    precision: str | None = None,
    overflow: str = "raise",
    workers: int | None = None,
    dtype: DTypeLike | None = None,
    measure: bool = False,
) -> SeparablePlan:
    """Plan `separable_conv` for inputs of one shape and data type, with these weights.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the inputs, with or without the batch axis.
    depthwise, pointwise, b, mid_bias : array_like
        Weights and biases; copied.
    dtype : dtype, optional
        Data type of the inputs; by default that of `depthwise`.
    measure : bool
        Run one pass over both layers, and both layers by every method that keeps the precision, on random
        data and take the fastest, instead of predicting. It may then differ from run to run of a program,
        and the last bits of results with it.
    stride, padding, dilation, mid_activation, boundary, layout, flip, activation : optional
        As in `separable_conv`.
    method, precision, overflow, workers : optional
        As in `separable_conv`.

    Returns
    -------
    SeparablePlan
        Call it as `plan(x, out=None, residual=None)`.

    Raises
    ------
    FaltungError
        As `separable_conv`.

    See Also
    --------
    separable_conv : the call.
    plan_conv : a plan of one layer.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> depthwise, pointwise = (
    ...     np.ones((32, 1, 3, 3), np.float32),
    ...     np.ones((64, 32, 1, 1), np.float32),
    ... )
    >>> plan = fl.nn.plan_separable_conv((1, 32, 56, 56), depthwise, pointwise, padding=1)
    >>> plan.shape, plan.method
    ((1, 64, 56, 56), 'fused')
    """
    shape = sizes_of(x_shape)
    channels = check_weights(shape, depthwise, pointwise, check_layout(layout))
    sums = setting() if precision is None else precision
    geometry = (stride, padding, dilation, channels, boundary, layout, flip)
    rest = (method, sums, overflow, 0, 0, workers)
    try:
        first = unprepared(shape, depthwise, mid_bias, dtype, (*geometry, mid_activation, *rest))
    except FaltungError as error:
        raise depthwise_words(error) from None
    ones = (1, 0, 1, 1, "constant", layout, False)
    try:
        second = unprepared(first.shape, pointwise, b, first.dtype, (*ones, activation, *rest))
    except FaltungError as error:
        raise pointwise_words(error) from None
    plan = SeparablePlan(first, second)
    return (_fastest(plan) if measure else plan)._ready()


class SeparablePlan(Frozen):
    """How a depthwise separable layer runs, with its weights: frozen, printable, for any number of threads.

    Made by `plan_separable_conv`. Calling a plan runs it on an array of exactly its shape and data type, in
    one pass of which no whole intermediate is made, or where that is impossible or slower by two plans.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> plan = fl.nn.plan_separable_conv(
    ...     (1, 5), np.float32([[[1, 2, 1]]]), np.float32([[[2]]]), padding=1
    ... )
    >>> plan([[0, 0, 1, 0, 0]])
    array([[0., 2., 4., 2., 0.]], dtype=float32)
    """

    __slots__ = ("_calls", "_first", "_measured", "_packed", "_recipe", "_second", "_way", "_workers")
    _another = "`with_weights` or `plan_separable_conv`"

    _first: LayerPlan
    _second: LayerPlan
    _recipe: PairRecipe
    _way: Way
    _workers: int | None
    _measured: Mapping[str, float] | None  # seconds by method, where they were measured
    _packed: dict[CorePair, PackedWeights]
    _calls: LayerCache  # of the one pass

    def __init__(
        self, first: LayerPlan, second: LayerPlan, measured: Mapping[str, float] | None = None
    ) -> None:
        how = pair_recipe(first._recipe.request, second._recipe.request)
        way: Way | Refusal = how.way
        if measured:
            least = min(measured, key=lambda method: measured[method])
            way = next(found for found in how.candidates if found.method == least)
            assert isinstance(way, Way)
        self._set(
            _first=first,
            _second=second,
            _recipe=how,
            _way=way,
            _workers=first._workers,
            _measured=measured,
            _packed={},
            _calls=cache(KEPT),
        )

    def _ready(self) -> SeparablePlan:
        """The plan itself, with weights for C-contiguous arrays; for others the first call prepares them."""
        if self.method == FUSED:
            self._prepared(self._recipe.usual())
        else:
            self._first._ready()
            self._second._ready()
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return SeparablePlan, (self._first, self._second, self._measured)

    def __call__(self, x: Any, out: Any = None, *, residual: Any = None) -> Any:
        """Run on an array of exactly the plan's shape and data type.

        Parameters
        ----------
        x : array_like
            The input, of any kind that `separable_conv` takes; a list is converted to the plan's type.
        out : array, optional
            Takes the result: exactly its shape and data type.
        residual : array_like, optional
            Added before the last activation; exactly of the result's shape and data type.

        Returns
        -------
        array
            The result, of the kind of `x`; or `out`.
        """
        if self._way.method != FUSED:
            return self._second(self._first(x), out, residual=residual)
        y = self._calls.run(x, None, None, residual, out, ())
        return self._run(x, residual, out) if y is None else y

    def _run(self, x: Any, residual: Any, out: Any) -> Any:
        """One pass over arrays that were not seen before."""
        samples, restore = self._first._samples(x)
        added = residual_of(residual, self.shape, self.dtype)
        target = None if out is None else checked_out(out, self.shape, self.dtype)
        operands = [samples] if added is None else [samples, added]
        in_place = target is not None and steps_whole(target) and not touches(target, *operands)
        y = target if target is not None and in_place else np.empty(self.shape, self.dtype)
        try:
            layer = self._layer(samples.strides, y.strides, None if added is None else added.strides)
        except ValueError:  # steps that the pass does not take
            samples = np.ascontiguousarray(samples)
            added = None if added is None else np.ascontiguousarray(added)
            y, layer = np.empty(self.shape, self.dtype), self._recipe.usual(added is not None)
        threads, release = self._recipe.threads(self._workers)
        bias = None if self._second._bias is None else raw(self._second._bias)
        packed = self._prepared(layer)
        layer.run(raw(samples), packed, bias, None if added is None else raw(added), raw(y), threads, release)
        plain = out is None or (type(out) is np.ndarray and y is out)
        if plain and samples is x and added is residual:
            self._calls.add(
                x,
                None,
                None,
                residual,
                out,
                (),
                layer,
                packed,
                bias,
                self.shape,
                self.dtype,
                threads,
                release,
            )
        if target is not None and y is not target:
            target[...] = y
        return restore(y) if out is None else out

    def _layer(self, x: tuple[int, ...], y: tuple[int, ...], residual: tuple[int, ...] | None) -> CorePair:
        """The pass for arrays with these strides."""
        one, two = self._first._weights, self._second._weights
        return self._recipe.layer(x, one.strides, two.strides, y, residual)

    def _prepared(self, layer: CorePair) -> PackedWeights:
        """Both weights and the bias between, as a pass of the core wants them."""
        found = self._packed.get(layer)
        if found is None:
            if len(self._packed) >= KEPT:
                self._packed.clear()
            one, two = self._first, self._second
            middle = None if one._bias is None else raw(one._bias)
            found = layer.pack(raw(one._weights), raw(two._weights), middle, self._workers or 0)
            self._packed[layer] = found
        return found

    @property
    def method(self) -> str:
        """For one pass "fused", else the methods of both layers: "depthwise, gemm"."""
        return self._way.method

    @property
    def specs(self) -> tuple[ConvSpec, ConvSpec]:
        """Both convolutions in plain integers."""
        return self._first.spec, self._second.spec

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return self._second.shape

    @property
    def dtype(self) -> DType:
        """The data type of the result."""
        return self._second.dtype

    @property
    def cost(self) -> int:
        """Real multiplications of one run, counted as on paper: those on padding included."""
        return self._first.cost + self._second.cost

    def explain(self) -> Explanation:
        """One pass and two layers with predicted time, extra memory and promise, and why one was taken.

        Then how it runs: microkernels, register tiles, blocks, bytes moved, arithmetic intensity, and the
        share of the machine's rate of multiply-adds.
        """
        return explain(self._recipe, self._way, self._measured)

    def error_bound(self, x: ArrayLike, residual: ArrayLike | None = None) -> Array:
        """The largest error that any output of `plan(x, residual=residual)` may have, output by output.

        With E the bound of the depthwise layer, as of `plan_conv`, the sums of the pointwise one may be off
        by sum |w| E, and by their own bound, in which S holds the depthwise results and twice E.

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
        >>> plan = fl.nn.plan_separable_conv(
        ...     (1, 3), np.float32([[[1, 2, 1]]]), np.float32([[[1]]]), padding=1
        ... )
        >>> (plan.error_bound([[1, 2, 3]]) / 2**-24).round(1)
        array([[185.6, 371.2, 371.2]])
        """
        first, second = self._first, self._second
        if first._recipe.request.exact:
            return np.zeros(self.shape)
        samples = np.asarray(x, first._recipe.request.dtype)
        carried = first.error_bound(samples)
        added = None if residual is None else np.asarray(residual, self.dtype)
        data = second._data(first(samples), residual_of(added, self.shape, self.dtype))
        return error_bound(second._recipe, data, second.method, carried)

    def with_weights(
        self, depthwise: Any, pointwise: Any, b: Any = None, *, mid_bias: Any = None
    ) -> SeparablePlan:
        """The same plan with other weights of the same shapes and data type.

        Parameters
        ----------
        depthwise, pointwise : array_like
            The weights.
        b, mid_bias : array_like, optional
            The biases, exactly where this plan has them.

        Returns
        -------
        SeparablePlan
            A new plan.
        """
        try:
            first = self._first._with(depthwise, mid_bias)
        except FaltungError as error:
            raise depthwise_words(error) from None
        try:
            second = self._second._with(pointwise, b)
        except FaltungError as error:
            raise pointwise_words(error) from None
        return SeparablePlan(first, second, self._measured)._ready()

    def __repr__(self) -> str:
        return f"<SeparablePlan: {pair_title(self._recipe)}, method {self.method}>"


def _fastest(plan: SeparablePlan) -> SeparablePlan:
    """The plan by what takes the least time on random samples, where no method was asked for."""
    how = plan._recipe
    if not how.second.size or how.asked:
        return plan
    x, y = random_samples(how.first.request), np.empty(plan.shape, plan.dtype)
    first, second = fastest(plan._first), fastest(plan._second)
    seconds = {f"{first.method}, {second.method}": least_seconds(lambda: second(first(x), out=y))}
    if isinstance(how.candidates[0], Way):
        once = SeparablePlan(first, second, {FUSED: 0.0})
        seconds[FUSED] = least_seconds(lambda: once(x, out=y))
    return SeparablePlan(first, second, seconds)
