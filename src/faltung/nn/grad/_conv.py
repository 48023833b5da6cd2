"""Gradients of `fl.nn.conv`."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung._errors import FaltungValueError, with_shapes
from faltung._kinds import to_array
from faltung._normalize import PaddingLike, PerAxis, normalize_int
from faltung._operands import prepared
from faltung._spec import Layout
from faltung._typing import Boundary
from faltung.nn._describe import check_layout, check_types
from faltung.nn._operands import pair

from ._arguments import layer, shape_of
from ._weight import weight_gradient


def conv_weight(
    x: Any,
    weight_shape: Any,
    g: Any,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: Boundary = "constant",
    layout: Layout = "channels_first",
    flip: bool = False,
    method: str = "auto",
    precision: str | None = None,
    out: Any = None,
    workers: int | None = None,
) -> Any:
    r"""The gradient of a loss with respect to the weights of `faltung.nn.conv`.

    .. math:: \mathrm{dw}[o, c, h] = \sum_n \sum_i \overline{x[n, c, i\,S + h\,D - P]}\; g[n, o, i]

    with stride S, dilation D and padding P of the layer; n runs over the batch, i over all positions of the
    result.

    Parameters
    ----------
    x : array_like, (N, C, \*spatial), or (N, \*spatial, C) in the layout channels_last
        The layer's input; its kind decides the kind of the result.
    weight_shape : sequence of int
        The shape of the layer's weights: (out, C / groups, \*kernel), or (\*kernel, C / groups, out).
    g : array_like
        The gradient with respect to the layer's result: of its shape and type.
    stride, padding, dilation, groups, boundary, layout, flip : optional
        Those of the layer.
    method : {"auto", "gemm", "depthwise", "grouped", "reference"}
        How it is computed; a method that cannot run this is an error.
    precision : {"highest", "high", "medium"}, optional
        Bound on the error of every output; None: the setting of `set_precision`.
    out : array, optional
        Takes the result: exactly its shape and type, any strides; may overlap the operands.
    workers : int, optional
        Threads of this call; -1 for all; None: the setting. The result is the same for any number.

    Returns
    -------
    array
        Of the shape `weight_shape`, of the kind and the type of `x`; int32 of int8 and uint8.

    Raises
    ------
    FaltungValueError
        As `conv`; or `g` has not the shape of the layer's result, which the message names.
    FaltungTypeError
        A data type that a layer does not take, or operands of different types.
    FaltungOverflowError
        An integer sum does not fit.

    See Also
    --------
    conv_input, conv_bias : the other two gradients.

    Notes
    -----
    It is a convolution itself: x with batch and channels exchanged, g in the place of the weights, stride and
    dilation exchanged. Every element keeps the promise of layers, with as many terms as there are positions
    in the batch.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> x, g = np.float64([[[1, 2, 3, 4]]]), np.float64([[[1, 10, 100]]])
    >>> fl.nn.grad.conv_weight(x, (1, 1, 2), g)
    array([[[321., 432.]]])
    """
    samples, given, restore = pair(x, g, ("x", "g"))
    check_types(samples.dtype, given.dtype, ("x", "g"))
    names = {"x": "x", "w": "weight_shape"}
    request, threads = layer(
        samples.shape,
        shape_of("weight_shape", weight_shape),
        given,
        {
            "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
            "boundary": boundary, "layout": layout, "flip": flip, "method": method, "precision": precision,
            "workers": workers,
        },
        names,
    )  # fmt: skip
    y = weight_gradient(request, samples, given, out, method, threads)
    return restore(y) if out is None else out


def conv_bias(g: Any, rank: int, *, layout: Layout = "channels_first", workers: int | None = None) -> Any:
    r"""The gradient of a loss with respect to the bias of a layer: db[o] = Σ g[n, o, i] over n and i.

    Parameters
    ----------
    g : array_like, (N, out, \*spatial), or (N, \*spatial, out) in the layout channels_last
        The gradient with respect to the layer's result, with or without the batch axis.
    rank : int
        The number of spatial axes.
    layout : {"channels_first", "channels_last"}
        Where the channels are in `g`.
    workers : int, optional
        Threads of this call; -1 for all; None: the setting. The result is the same for any number.

    Returns
    -------
    array, (out,)
        Of the kind and the type of `g`; int32 of int8 and uint8.

    Raises
    ------
    FaltungValueError
        `g` has neither `rank` + 1 nor `rank` + 2 axes, or an axis of size 0 besides the batch.
    FaltungTypeError
        A data type that a layer does not take.

    Notes
    -----
    At most 256 numbers are added one after the other; NumPy's `sum` over the first axes of an array adds all
    of them so, and loses digits with their number.

    References
    ----------
    .. [1] N. J. Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14, 1993.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.nn.grad.conv_bias([[1.0, 2, 3], [4, 5, 6]], 1)
    array([ 6., 15.])
    """
    array, _, restore = to_array("g", g)
    given = prepared(array)
    axes = normalize_int("rank", rank, 1)
    arranged = check_layout(layout)
    if given.ndim not in (axes + 1, axes + 2):
        message = (
            f"`g` has {given.ndim} axes, and `rank` is {axes}; it must have {axes + 2}, or {axes + 1} "
            "without a batch axis."
        )
        raise FaltungValueError(with_shapes(message, g=given.shape))
    # A layer of one channel, whose every sample is 1: its weights' gradient.
    batched = given.ndim == axes + 2
    inner = given.shape[1:] if batched else given.shape
    if 0 in inner:
        message = "`g` has an axis of size 0, and only a batch may be empty; pass at least 1."
        raise FaltungValueError(with_shapes(message, g=given.shape))
    first = arranged == "channels_first"
    channels, size = (inner[0], inner[1:]) if first else (inner[-1], inner[:-1])
    ones, taps = (
        ((1, *size), (channels, 1) + (1,) * axes) if first else ((*size, 1), (1,) * (axes + 1) + (channels,))
    )
    shape = given.shape[:1] + ones if batched else ones
    samples = np.broadcast_to(np.ones((), given.dtype), shape)
    request, threads = layer(
        shape, taps, given, {"layout": arranged, "workers": workers}, {"x": "g", "w": "g"}
    )
    return restore(weight_gradient(request, samples, given, None, "auto", threads).reshape(channels))
