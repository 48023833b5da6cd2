"""From arguments to a request: every option of a layer is checked and every default resolved here, once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from faltung._describe import OVERFLOWS, check_flag, check_word, resolve_boundary, resolve_workers
from faltung._dtype import DType, check_supported, integer_range, is_integer
from faltung._errors import FaltungTypeError, FaltungValueError, with_shapes
from faltung._geometry import effective_size
from faltung._normalize import (
    Pairs,
    as_int,
    normalize_int,
    normalize_padding,
    normalize_per_axis,
)
from faltung._precision import check_precision
from faltung._spec import ConvSpec, Layout
from faltung._tuning import CACHED_CALLS

from ._activation import resolve_activation
from ._request import LayerRequest

Shape: TypeAlias = tuple[int, ...]

LAYOUTS: tuple[Layout, ...] = ("channels_first", "channels_last")
METHODS = ("auto", "gemm", "depthwise", "grouped", "planes", "matrix", "spectral", "reference")
_OTHER_LAYOUTS = {
    "nchw": "channels_first", "ncw": "channels_first", "ncdhw": "channels_first", "ncl": "channels_first",
    "contiguous_format": "channels_first", "nhwc": "channels_last", "nwc": "channels_last",
    "ndhwc": "channels_last", "nlc": "channels_last", "channels_last_3d": "channels_last",
}  # fmt: skip
_FAR = 2**31  # steps below it keep every position within 64 bits


class Remembered:
    """A description of layers that looks up what it described before."""

    def __init__(self, describe: Callable[..., tuple[LayerRequest, int | None]]) -> None:
        self._describe = describe
        self._once = lru_cache(maxsize=CACHED_CALLS)(lambda *key: describe(*key[:-1]))
        self.forget = self._once.cache_clear

    def __call__(
        self,
        shape: Shape,
        dtype: DType,
        weights: Shape,
        weight_dtype: DType,
        bias: Shape | None,
        options: tuple[Any, ...],
    ) -> tuple[LayerRequest, int | None]:
        """The request of a layer and its number of threads."""
        key = (shape, dtype, weights, weight_dtype, bias, options)
        try:
            # 1, 1.0 and True are equal but not the same argument.
            return self._once(*key, tuple(map(type, options)))
        except TypeError as error:  # an option that cannot be hashed
            if isinstance(error, FaltungTypeError):
                raise
            return self._describe(*key)


def _describe(
    shape: Shape,
    dtype: DType,
    weights: Shape,
    weight_dtype: DType,
    bias: Shape | None,
    options: tuple[Any, ...],
) -> tuple[LayerRequest, int | None]:
    (stride, padding, dilation, groups, boundary, layout, flip, activation, method, precision, overflow,
     x_zero_point, w_zero_point, workers) = options  # fmt: skip
    arranged = check_layout(layout)
    check_word("method", method, METHODS)
    check_word("overflow", overflow, OVERFLOWS)
    x_type, w_type = check_types(dtype, weight_dtype)
    sizes = _Sizes(shape, weights, arranged)
    count = _check_channels(sizes, groups)
    taps, rank = sizes.taps, sizes.rank
    strides, dilations = resolve_steps("stride", stride, rank), resolve_steps("dilation", dilation, rank)
    pairs = normalize_padding(padding, sizes.size, taps, strides, dilations)
    check_fit("w", pairs, sizes.size, taps, dilations)
    check_bias(bias, sizes.out_channels)
    spec = ConvSpec(
        input_size=sizes.size,
        in_channels=sizes.in_channels,
        out_channels=sizes.out_channels,
        kernel_size=taps,
        stride=strides,
        padding=pairs,
        dilation=dilations,
        groups=count,
        flip=check_flag("flip", flip),
        bias=bias is not None,
    )
    request = LayerRequest(
        spec=spec,
        batch=sizes.batch,
        batched=sizes.batched,
        layout=arranged,
        dtype=x_type,
        weight_dtype=w_type,
        boundary=resolve_boundary(boundary, rank),
        activation=resolve_activation(activation, x_type),
        method=method,
        precision=check_precision(precision),
        overflow=overflow,
        x_zero_point=zero_points("x_zero_point", x_zero_point, x_type, 1)[0],
        w_zero_point=shortest(zero_points("w_zero_point", w_zero_point, w_type, sizes.out_channels)),
    )
    return request, resolve_workers(workers)


described = Remembered(_describe)
forget = described.forget


class _Sizes:
    """The numbers that two shapes mean in a layout."""

    def __init__(self, shape: Shape, weights: Shape, layout: Layout) -> None:
        first = layout == "channels_first"
        form = "(out, in / groups, *kernel)" if first else "(*kernel, in / groups, out)"
        if len(weights) < 3:
            message = f"`w` has {axes_words(len(weights))}; it must have at least 3, {form}."
            raise FaltungValueError(with_shapes(message, x=shape, w=weights))
        self.rank = len(weights) - 2
        if len(shape) not in (len(weights), len(weights) - 1):
            message = (
                f"`x` has {axes_words(len(shape))} and `w` has {len(weights)}; `x` must have {len(weights)}, "
                f"or {len(weights) - 1} without a batch axis."
            )
            raise FaltungValueError(with_shapes(message, x=shape, w=weights))
        self.batched = len(shape) == len(weights)
        self.batch = shape[0] if self.batched else 1
        inner = shape[1:] if self.batched else shape
        self.in_channels, self.size = (inner[0], inner[1:]) if first else (inner[-1], inner[:-1])
        self.taps = weights[2:] if first else weights[:-2]
        self.group_in, self.out_channels = (weights[1], weights[0]) if first else weights[-2:]
        self.shapes = {"x": shape, "w": weights}
        self.layout = layout
        empty = [name for name, ns in (("x", inner), ("w", weights)) if 0 in ns]
        if empty:
            message = f"`{empty[0]}` has an axis of size 0, and only a batch may be empty; pass at least 1."
            raise FaltungValueError(with_shapes(message, **self.shapes))


def _check_channels(sizes: _Sizes, groups: object) -> int:
    count = normalize_int("groups", groups, 1)
    channels, out = sizes.in_channels, sizes.out_channels
    if channels % count or out % count:
        least = min(channels, out)
        divisors = [n for n in range(1, least + 1) if channels % n == 0 and out % n == 0]
        message = (
            f"`groups` (={count}) must divide the channels of `x` (={channels}) and the output channels of "
            f"`w` (={out}); use {listed(divisors)}."
        )
        raise FaltungValueError(with_shapes(message, **sizes.shapes))
    if sizes.group_in * count == channels:
        return count
    message = (
        f"`w` has {sizes.group_in} input channels a group and `groups` is {count}, but `x` has {channels} "
        f"channels; {_channels_hint(sizes, count)}."
    )
    raise FaltungValueError(with_shapes(message, **sizes.shapes))


def _channels_hint(sizes: _Sizes, groups: int) -> str:
    x, w = sizes.shapes["x"], sizes.shapes["w"]
    if sizes.layout == "channels_first":
        other, elsewhere = "channels_last", x[-1] == w[-2] * groups
    else:
        inner = x[1:] if sizes.batched else x
        other, elsewhere = "channels_first", inner[0] == w[1] * groups
    if elsewhere:
        return f"these shapes fit `layout={other!r}`"
    count, rest = divmod(sizes.in_channels, sizes.group_in)
    if not rest and sizes.out_channels % count == 0:
        return f"pass `groups={count}`, or weights with {sizes.in_channels // groups} channels a group"
    return f"pass weights with {sizes.in_channels // groups} channels a group"


def check_layout(layout: object) -> Layout:
    """The layout itself; an error that knows other libraries' words."""
    for word in LAYOUTS:
        if isinstance(layout, str) and layout == word:
            return word
    ours = _OTHER_LAYOUTS.get(layout.lower()) if isinstance(layout, str) else None
    hint = f"that is {ours!r} here" if ours else f"use {listed([repr(word) for word in LAYOUTS])}"
    raise FaltungValueError(f"`layout` (={layout!r}) is no layout; {hint}.")


def check_types(x: DType, w: DType, names: tuple[str, str] = ("x", "w")) -> tuple[DType, DType]:
    """The native types of input and weights, which must be one; 8-bit integers may be mixed."""
    found = check_supported(names[0], x), check_supported(names[1], w)
    for name, dtype in zip(names, found, strict=True):
        if dtype.kind == "b":
            raise FaltungTypeError(
                f"`{name}` has data type bool, which a layer does not take; convert it with "
                "`.astype(np.uint8)`."
            )
    if found[0] == found[1] or all(is_integer(dtype) and dtype.itemsize == 1 for dtype in found):
        return found
    raise FaltungTypeError(
        f"`{names[1]}` (of {found[1]}) must have the data type of `{names[0]}` ({found[0]}), for a layer has "
        f"one (int8 and uint8 may be mixed); convert it with `.astype({found[0].name!r})`."
    )


def check_bias(bias: Shape | None, channels: int, name: str = "b") -> None:
    """An error where a bias is not one number an output channel."""
    if bias is not None and bias != (channels,):
        message = f"`{name}` must hold one number for each of the {channels} output channels."
        raise FaltungValueError(with_shapes(message, **{name: bias, "needed": (channels,)}))


def resolve_steps(name: str, value: Any, rank: int) -> Shape:
    """One step an axis."""
    steps = normalize_per_axis(name, value, rank, 1)
    if any(step >= _FAR for step in steps):
        raise FaltungValueError(f"`{name}` (={value!r}) must be less than 2^31.")
    return steps


def check_fit(name: str, padding: Pairs, size: Shape, taps: Shape, dilation: Shape) -> None:
    """An error where a kernel does not fit into its padded input; it names the padding that would do."""
    for axis, (pair, n, k, d) in enumerate(zip(padding, size, taps, dilation, strict=True)):
        reach = effective_size(k, d)
        missing = reach - n - sum(pair)
        if missing <= 0:
            continue
        dilated = f" with `dilation` {d}" if d > 1 else ""
        most = (n + sum(pair) - 1) // d + 1
        raise FaltungValueError(
            f"`padding` (={padding}) leaves no output along spatial axis {axis}: the {k} taps of "
            f"`{name}`{dilated} span {reach} samples, and `x` has {n} + {pair[0]} + {pair[1]}; pad by "
            f"{sum(pair) + missing} in all (an input of {n + missing} would do without more), or use at most "
            f"{most} {'tap' if most == 1 else 'taps'}."
        )


def zero_points(name: str, value: object, dtype: DType, channels: int) -> tuple[int, ...]:
    """What stands for 0: one number, or one for each output channel."""
    single = as_int(value)
    entries: list[object] = [single]
    if single is None:
        rule = "an int" if channels == 1 else f"an int or one int for each of the {channels} output channels"
        entries = list(value) if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value) == 1 else []
        if len(entries) not in (1, channels) or any(as_int(entry) is None for entry in entries):
            raise FaltungTypeError(f"`{name}` (={value!r}) must be {rule}.")
    points = tuple(int(entry) for entry in map(as_int, entries) if entry is not None)
    if any(points):
        if not (is_integer(dtype) and dtype.itemsize == 1):
            raise FaltungTypeError(
                f"`{name}` (={value!r}) is for int8 and uint8, and the data type is {dtype}; leave it out."
            )
        low, high = integer_range(dtype)
        if not all(low <= point <= high for point in points):
            raise FaltungValueError(f"`{name}` (={value!r}) must be a value of {dtype}, {low} to {high}.")
    return points


def shortest(points: tuple[int, ...]) -> tuple[int, ...]:
    """None where all are 0, one where all are equal."""
    if len(set(points)) > 1:
        return points
    return points[:1] if points[0] else ()


def listed(words: list[Any]) -> str:
    """Words in a sentence.

    >>> listed([1, 2, 4])
    '1, 2 or 4'
    """
    head, last = [str(word) for word in words[:-1]], str(words[-1])
    return f"{', '.join(head)} or {last}" if head else last


def axes_words(count: int) -> str:
    """A number of axes in words."""
    return "1 axis" if count == 1 else f"{count} axes"
