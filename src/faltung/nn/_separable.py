"""The depthwise separable layer: `separable_conv`."""

from __future__ import annotations

from typing import Any, Unpack, overload

from numpy.typing import NDArray

from faltung._errors import FaltungError
from faltung._normalize import PaddingLike, PerAxis
from faltung._precision import setting
from faltung._spec import Layout
from faltung._typing import Boundary, Foreign, Out

from ._activation import ActivationLike
from ._conv import conv
from ._describe import check_layout
from ._pair_calls import PairData, fused
from ._separable_words import check_weights, depthwise_words, pointwise_words, shape_of
from ._typing import Same, SeparableOptions


@overload
def separable_conv(
    x: Any, depthwise: Any, pointwise: Any, b: Any = ..., *, out: Out, **options: Unpack[SeparableOptions]
) -> Out: ...
@overload
def separable_conv(
    x: NDArray[Same],
    depthwise: Any,
    pointwise: Any,
    b: Any = ...,
    *,
    out: None = ...,
    **options: Unpack[SeparableOptions],
) -> NDArray[Same]: ...
@overload
def separable_conv(
    x: Foreign,
    depthwise: Any,
    pointwise: Any,
    b: Any = ...,
    *,
    out: None = ...,
    **options: Unpack[SeparableOptions],
) -> Foreign: ...
@overload
def separable_conv(
    x: Any,
    depthwise: Any,
    pointwise: Any,
    b: Any = ...,
    *,
    out: Any = ...,
    **options: Unpack[SeparableOptions],
) -> Any: ...
def separable_conv(
    x: Any,
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
    residual: Any = None,
    method: str = "auto",
    precision: str | None = None,
    overflow: str = "raise",
    out: Any = None,
    workers: int | None = None,
) -> Any:
    r"""The depthwise separable layer: a kernel for each channel, then a 1x1 layer over the channels.

    `conv(conv(x, depthwise, mid_bias, groups=C, activation=mid_activation), pointwise, b, activation=...)`,
    with the stride, padding, dilation and boundary of the depthwise layer.

    Parameters
    ----------
    x : array_like, (N, C, \*spatial), or (N, \*spatial, C) in the layout channels_last
        The input, with or without the batch axis, as in `conv`.
    depthwise : array_like, (C m, 1, \*kernel), or (\*kernel, 1, C m)
        The kernels, in `conv`'s shape for as many groups as channels; m results from every channel.
    pointwise : array_like, (out, C m, 1, ...), or (1, ..., C m, out)
        The 1x1 weights, with their axes of size 1.
    b : array_like, (out,), optional
        The bias of the pointwise layer.
    mid_bias : array_like, (C m,), optional
        The bias of the depthwise layer.
    mid_activation : str or tuple, optional
        The activation between the two layers.
    activation : str or tuple, optional
        The last activation, after the residual.
    stride, padding, dilation, boundary, layout, flip, residual : optional
        As in `conv`.
    method, precision, overflow, out, workers : optional
        As in `conv`; a method is that of both layers.

    Returns
    -------
    array
        C-contiguous in its layout, of the kind and the type of `x`.

    Raises
    ------
    FaltungError
        As `conv`.

    See Also
    --------
    conv : one layer.
    faltung.ConvSpec.separable : what the pair saves.

    References
    ----------
    .. [1] A. Howard et al., "MobileNets", arXiv:1704.04861.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> x = np.ones((1, 2, 5, 5), np.float32)
    >>> depthwise, pointwise = np.ones((2, 1, 3, 3)), np.ones((4, 2, 1, 1))
    >>> y = fl.nn.separable_conv(x, np.float32(depthwise), np.float32(pointwise), padding=1)
    >>> y.shape, float(y[0, 0, 2, 2])
    ((1, 4, 5, 5), 18.0)
    """
    channels = check_weights(shape_of(x), depthwise, pointwise, check_layout(layout))
    sums = setting() if precision is None else precision
    first = (stride, padding, dilation, channels, boundary, layout, flip, mid_activation, method, sums,
             overflow, 0, 0, workers)  # fmt: skip
    second = (1, 0, 1, 1, "constant", layout, False, activation, method, sums, overflow, 0, 0, workers)
    y = fused(PairData(x, depthwise, pointwise, mid_bias, b, residual, out), first, second)
    if y is not None:
        return y
    try:
        middle = conv(
            x, depthwise, mid_bias, stride=stride, padding=padding, dilation=dilation, groups=channels,
            boundary=boundary, layout=layout, flip=flip, activation=mid_activation, method=method,
            precision=precision, overflow=overflow, workers=workers,
        )  # fmt: skip
    except FaltungError as error:
        raise depthwise_words(error) from None
    try:
        return conv(
            middle, pointwise, b, layout=layout, activation=activation, residual=residual, method=method,
            precision=precision, overflow=overflow, out=out, workers=workers,
        )  # fmt: skip
    except FaltungError as error:
        raise pointwise_words(error) from None
