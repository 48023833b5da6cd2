"""From the arguments of a transposed layer to a request: every option checked, every default resolved."""

from __future__ import annotations

from typing import Any, TypeAlias

from faltung._describe import OVERFLOWS, check_flag, check_word, resolve_workers
from faltung._dtype import DType
from faltung._errors import FaltungError, FaltungValueError, with_shapes
from faltung._normalize import normalize_int
from faltung._precision import check_precision
from faltung._spec import ConvSpec, Layout

from ._activation import resolve_activation
from ._describe import (
    Remembered,
    axes_words,
    check_bias,
    check_layout,
    check_types,
    listed,
    resolve_steps,
    shortest,
    zero_points,
)
from ._request import LayerRequest

Shape: TypeAlias = tuple[int, ...]

METHODS = ("auto", "gemm", "depthwise", "grouped", "planes", "reference")


def _describe(
    shape: Shape,
    dtype: DType,
    weights: Shape,
    weight_dtype: DType,
    bias: Shape | None,
    options: tuple[Any, ...],
) -> tuple[LayerRequest, int | None]:
    (stride, padding, output_padding, output_size, dilation, groups, layout, flip, activation, method,
     precision, overflow, x_zero_point, w_zero_point, workers) = options  # fmt: skip
    arranged = check_layout(layout)
    check_word("method", method, METHODS)
    check_word("overflow", overflow, OVERFLOWS)
    x_type, w_type = check_types(dtype, weight_dtype)
    sizes = _Sizes(shape, weights, arranged)
    count = _check_channels(sizes, groups)
    out_channels, rank = sizes.group_out * count, sizes.rank
    check_bias(bias, out_channels)
    try:
        spec = ConvSpec(
            input_size=sizes.size,
            in_channels=sizes.in_channels,
            out_channels=out_channels,
            kernel_size=sizes.taps,
            stride=resolve_steps("stride", stride, rank),
            padding=padding,
            dilation=resolve_steps("dilation", dilation, rank),
            groups=count,
            transposed=True,
            output_padding=output_padding,
            flip=check_flag("flip", flip),
            bias=bias is not None,
            output_size=output_size,
        )
    except FaltungError as error:  # in the words of this function's arguments
        raise type(error)(str(error).replace("`input_size`", "the spatial axes of `x`")) from None
    request = LayerRequest(
        spec=spec,
        batch=sizes.batch,
        batched=sizes.batched,
        layout=arranged,
        dtype=x_type,
        weight_dtype=w_type,
        boundary=("constant",) * rank,
        activation=resolve_activation(activation, x_type),
        method=method,
        precision=check_precision(precision),
        overflow=overflow,
        x_zero_point=zero_points("x_zero_point", x_zero_point, x_type, 1)[0],
        w_zero_point=shortest(zero_points("w_zero_point", w_zero_point, w_type, out_channels)),
    )
    return request, resolve_workers(workers)


described = Remembered(_describe)
forget = described.forget


class _Sizes:
    """The numbers that two shapes mean in a layout."""

    def __init__(self, shape: Shape, weights: Shape, layout: Layout) -> None:
        first = layout == "channels_first"
        form = "(in, out / groups, *kernel)" if first else "(*kernel, out / groups, in)"
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
        self.weights_in, self.group_out = weights[:2] if first else weights[:-3:-1]
        self.form = form
        self.shapes = {"x": shape, "w": weights}
        empty = [name for name, ns in (("x", inner), ("w", weights)) if 0 in ns]
        if empty:
            message = f"`{empty[0]}` has an axis of size 0, and only a batch may be empty; pass at least 1."
            raise FaltungValueError(with_shapes(message, **self.shapes))


def _check_channels(sizes: _Sizes, groups: object) -> int:
    count = normalize_int("groups", groups, 1)
    channels = sizes.in_channels
    if sizes.weights_in != channels:
        message = (
            f"`w` has {sizes.weights_in} input channels and `x` has {channels}; pass weights of the shape "
            f"{sizes.form}{_hint(sizes)}."
        )
        raise FaltungValueError(with_shapes(message, **sizes.shapes))
    if channels % count:
        divisors = [n for n in range(1, channels + 1) if channels % n == 0]
        message = (
            f"`groups` (={count}) must divide the channels of `x` (={channels}); use {listed(divisors)}."
        )
        raise FaltungValueError(with_shapes(message, **sizes.shapes))
    return count


def _hint(sizes: _Sizes) -> str:
    x, w, channels = sizes.shapes["x"], sizes.shapes["w"], sizes.in_channels
    if sizes.form.startswith("(in"):
        if x[-1] == w[-1]:
            return ", or `layout='channels_last'`, which these shapes fit"
    elif x[1 if sizes.batched else 0] == w[0]:
        return ", or `layout='channels_first'`, which these shapes fit"
    if sizes.group_out == channels:
        return "; these have their two channel axes the other way round"
    return ""
