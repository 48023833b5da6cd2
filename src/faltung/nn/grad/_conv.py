"""Gradients of `fl.nn.conv`."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung._errors import FaltungValueError, with_shapes
from faltung._kinds import to_array
from faltung._normalize import PaddingLike, PerAxis, normalize_int
from faltung._operands import checked_out, prepared
from faltung._precision import setting
from faltung._spec import Layout
from faltung._typing import Boundary
from faltung.nn._describe import check_layout, check_types
from faltung.nn._operands import pair
from faltung.nn._transpose import conv_transpose

from ._arguments import conjugate, layer, shape_of
from ._fold import folded, folds, summing_dtype
from ._weight import calls, weight_gradient


def conv_input(
    input_shape: Any,
    w: Any,
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
    r"""The gradient of a loss with respect to the input of `faltung.nn.conv`.

    .. math:: \mathrm{dx}[n, c, i\,S + h\,D - P] \mathrel{+}= \sum_o \overline{w[o, c, h]}\; g[n, o, i]

    with stride S, dilation D and padding P of the layer, over all its outputs i and taps h. What lands beyond
    the ends is dropped, or with another boundary than constant added to the samples that were read there.

    Parameters
    ----------
    input_shape : sequence of int
        The shape of the layer's input: (N, C, \*spatial), or (N, \*spatial, C) in the layout channels_last.
    w : array_like, (out, C / groups, \*kernel), or (\*kernel, C / groups, out)
        The layer's weights.
    g : array_like
        The gradient with respect to the layer's result: of its shape and type. Its kind decides the kind of
        the result.
    stride, padding, dilation, groups, boundary, layout, flip : optional
        Those of the layer.
    method, precision, out, workers : optional
        As in `faltung.nn.conv_transpose`, which computes it.

    Returns
    -------
    array
        Of the shape `input_shape`, of the kind and the type of `g`; int32 of int8 and uint8.

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
    conv_weight, conv_bias : the other two gradients.
    faltung.nn.conv_transpose : the same map, for real weights.

    Notes
    -----
    It is the exact transpose of the layer, by its conjugated weights: a convolution itself. Every element
    keeps the promise of layers, with as many terms as outputs and taps reach it. Borders that stand for
    samples inside cost one array of the padded size.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> w, g = np.float64([[[1, 10]]]), np.float64([[[1, 2, 3]]])
    >>> fl.nn.grad.conv_input((1, 1, 4), w, g)
    array([[[ 1., 12., 23., 30.]]])
    >>> fl.nn.grad.conv_input((1, 1, 3), w, g, padding=((1, 0),), boundary="edge")
    array([[[13., 23., 30.]]])
    """
    given, weights, restore = pair(g, w, ("g", "w"))
    check_types(given.dtype, weights.dtype, ("g", "w"))
    request, _ = layer(
        shape_of("input_shape", input_shape),
        weights.shape,
        given,
        {
            "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
            "boundary": boundary, "layout": layout, "flip": flip, "precision": precision, "workers": workers,
        },
        {"x": "input_shape", "w": "w"},
    )  # fmt: skip
    spec, border = request.spec, folds(request)
    target = None if out is None else checked_out(out, request.in_shape, request.out_dtype)
    if any(border):
        sums = summing_dtype(given.dtype)
        given, weights = given.astype(sums, copy=False), weights.astype(sums, copy=False)
    y = conv_transpose(
        given,
        conjugate(weights),
        stride=spec.stride,
        padding=tuple(
            (0, 0) if folding else ends for folding, ends in zip(border, spec.padding, strict=True)
        ),
        output_size=tuple(
            n + sum(ends) if folding else n
            for folding, ends, n in zip(border, spec.padding, spec.input_size, strict=True)
        ),
        dilation=spec.dilation,
        groups=spec.groups,
        layout=request.layout,
        flip=spec.flip,
        method=method,
        precision=precision,
        out=None if any(border) else out,
        workers=workers,
    )
    if any(border):
        y = folded(y, request)
        if target is not None:
            target[...] = y
    return restore(y) if out is None else out


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
    method : {"auto", "gemm", "depthwise", "reference"}
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
    if type(weight_shape) is not tuple:
        weight_shape = shape_of("weight_shape", weight_shape)
    known = (weight_shape, stride, padding, dilation, groups, boundary, layout, flip, method,
             setting() if precision is None else precision, workers)  # fmt: skip
    found = calls.run(x, g, out, known)
    if found is not None:
        return found
    samples, given, restore = pair(x, g, ("x", "g"))
    check_types(samples.dtype, given.dtype, ("x", "g"))
    names = {"x": "x", "w": "weight_shape"}
    options = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "boundary": boundary,
        "layout": layout, "flip": flip, "precision": precision, "workers": workers,
    }  # fmt: skip
    shape = shape_of("weight_shape", weight_shape)
    request, threads = layer(samples.shape, shape, given, options, names)
    plain = samples is x and given is g
    y = weight_gradient(request, samples, given, out, method, threads, known if plain else None)
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
