"""Gradients of `fl.nn.conv_transpose`: those of the convolution that it transposes, x and g exchanged."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung._describe import check_flag
from faltung._errors import FaltungValueError, with_shapes
from faltung._geometry import effective_size
from faltung._normalize import PaddingLike, Pairs, PerAxis, normalize_int
from faltung._spec import ConvSpec, Layout
from faltung.nn._conv import conv
from faltung.nn._describe import check_layout, check_types
from faltung.nn._operands import pair

from ._arguments import Array, Shape, check_shape, conjugate, layer, shape_of
from ._weight import weight_gradient


def conv_transpose_input(
    input_shape: Any,
    w: Any,
    g: Any,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    output_size: PerAxis | None = None,
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    flip: bool = False,
    method: str = "auto",
    precision: str | None = None,
    out: Any = None,
    workers: int | None = None,
) -> Any:
    r"""The gradient of a loss with respect to the input of `faltung.nn.conv_transpose`.

    .. math:: \mathrm{dx}[n, c, i] = \sum_o \sum_h \overline{w[c, o, h]}\; g[n, o, i\,S + h\,D - P]

    It is `faltung.nn.conv` of g with the same weights: the convolution that was transposed.

    Parameters
    ----------
    input_shape : sequence of int
        The shape of the layer's input.
    w : array_like, (C, out / groups, \*kernel), or (\*kernel, out / groups, C) in the layout channels_last
        The layer's weights.
    g : array_like
        The gradient with respect to the layer's result: of its shape and type.
    stride, padding, output_padding, output_size, dilation, groups, layout, flip : optional
        Those of the layer.
    method, precision, out, workers : optional
        As in `faltung.nn.conv`, which computes it.

    Returns
    -------
    array
        Of the shape `input_shape`, of the kind and the type of `g`; int32 of int8 and uint8.

    Raises
    ------
    FaltungValueError
        Shapes that do not fit; the message names the shape that `g` must have.
    FaltungTypeError
        A data type that a layer does not take, or operands of different types.
    FaltungOverflowError
        An integer sum does not fit.

    See Also
    --------
    conv_transpose_weight : the gradient of the weights.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> g = np.float64([[[1, 2, 3, 4, 5]]])
    >>> fl.nn.grad.conv_transpose_input((1, 1, 2), np.float64([[[1, 10, 100]]]), g, stride=2)
    array([[[321., 543.]]])
    """
    given, weights, restore = pair(g, w, ("g", "w"))
    check_types(given.dtype, weights.dtype, ("g", "w"))
    shape = shape_of("input_shape", input_shape)
    o = {"stride": stride, "padding": padding, "output_padding": output_padding, "output_size": output_size,
         "dilation": dilation, "groups": groups, "layout": layout, "flip": flip}  # fmt: skip
    spec = _transposed(shape, weights.shape, given, o, {"x": "input_shape", "w": "w"})
    pairs, cut = _seen(spec, layout, given.ndim == weights.ndim)
    y = conv(
        given[cut], conjugate(weights), stride=spec.stride, padding=pairs, dilation=spec.dilation,
        groups=spec.groups, layout=layout, flip=flip, method=method, precision=precision, out=out,
        workers=workers,
    )  # fmt: skip
    return restore(y) if out is None else out


def conv_transpose_weight(
    x: Any,
    weight_shape: Any,
    g: Any,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    output_size: PerAxis | None = None,
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    flip: bool = False,
    method: str = "auto",
    precision: str | None = None,
    out: Any = None,
    workers: int | None = None,
) -> Any:
    r"""The gradient of a loss with respect to the weights of `faltung.nn.conv_transpose`.

    .. math:: \mathrm{dw}[c, o, h] = \sum_n \sum_i \overline{x[n, c, i]}\; g[n, o, i\,S + h\,D - P]

    It is `conv_weight` with x and g exchanged.

    Parameters
    ----------
    x : array_like, (N, C, \*spatial), or (N, \*spatial, C) in the layout channels_last
        The layer's input; its kind decides the kind of the result.
    weight_shape : sequence of int
        The shape of the layer's weights: (C, out / groups, \*kernel), or (\*kernel, out / groups, C).
    g : array_like
        The gradient with respect to the layer's result: of its shape and type.
    stride, padding, output_padding, output_size, dilation, groups, layout, flip : optional
        Those of the layer.
    method, precision, out, workers : optional
        As in `conv_weight`.

    Returns
    -------
    array
        Of the shape `weight_shape`, of the kind and the type of `x`; int32 of int8 and uint8.

    Raises
    ------
    FaltungValueError
        Shapes that do not fit; the message names the shape that `g` must have.
    FaltungTypeError
        A data type that a layer does not take, or operands of different types.
    FaltungOverflowError
        An integer sum does not fit.

    See Also
    --------
    conv_transpose_input : the gradient of the input.
    conv_bias : that of the bias, which is the same for both layers.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> x, g = np.float64([[[1, 10]]]), np.float64([[[1, 2, 3, 4, 5]]])
    >>> fl.nn.grad.conv_transpose_weight(x, (1, 1, 3), g, stride=2)
    array([[[31., 42., 53.]]])
    """
    samples, given, restore = pair(x, g, ("x", "g"))
    check_types(samples.dtype, given.dtype, ("x", "g"))
    weights = shape_of("weight_shape", weight_shape)
    o = {"stride": stride, "padding": padding, "output_padding": output_padding, "output_size": output_size,
         "dilation": dilation, "groups": groups, "layout": layout, "flip": flip}  # fmt: skip
    names = {"x": "x", "w": "weight_shape"}
    spec = _transposed(samples.shape, weights, given, o, names)
    pairs, cut = _seen(spec, layout, samples.ndim == len(weights))
    seen = given[cut]
    options = o | {"stride": spec.stride, "padding": pairs, "dilation": spec.dilation,
                   "precision": precision, "workers": workers}  # fmt: skip
    request, threads = layer(seen.shape, weights, samples, options, names)
    # conv_weight conjugates what it takes for the input, here g: the result is conjugated back.
    y = weight_gradient(request, seen, samples, out, method, threads)
    if y.dtype.kind == "c":
        np.conjugate(y, out=y)
    return restore(y) if out is None else out


def _transposed(x: Shape, w: Shape, g: Array, options: dict[str, Any], names: dict[str, str]) -> ConvSpec:
    """The transposed layer of these shapes; an error where they do not fit, or `g` not its result."""
    first = check_layout(options["layout"]) == "channels_first"
    shapes = {names["x"]: x, names["w"]: w}
    if len(w) < 3 or len(x) not in (len(w), len(w) - 1):
        message = (
            f"`{names['x']}` has {len(x)} axes and `{names['w']}` has {len(w)}; weights have at least 3, and "
            "the input as many, or one less without a batch axis."
        )
        raise FaltungValueError(with_shapes(message, **shapes))
    batched = len(x) == len(w)
    inner = x[1:] if batched else x
    empty = [name for name, sizes in ((names["x"], inner), (names["w"], w)) if 0 in sizes]
    if empty:
        message = f"`{empty[0]}` has an axis of size 0, and only a batch may be empty; pass at least 1."
        raise FaltungValueError(with_shapes(message, **shapes))
    channels, size = (inner[0], inner[1:]) if first else (inner[-1], inner[:-1])
    (inside, outside), taps = (w[:2], w[2:]) if first else ((w[-1], w[-2]), w[:-2])
    groups = normalize_int("groups", options["groups"], 1)
    if inside != channels:
        message = f"`{names['w']}` has {inside} input channels, but `{names['x']}` has {channels} channels."
        raise FaltungValueError(with_shapes(message, **shapes))
    wanted = {
        name: options[name] for name in ("stride", "padding", "output_padding", "output_size", "dilation")
    }
    spec = ConvSpec(
        input_size=size, kernel_size=taps, in_channels=inside, out_channels=outside * groups, groups=groups,
        transposed=True, flip=check_flag("flip", options["flip"]), **wanted,
    )  # fmt: skip
    result = (spec.out_channels, *spec.output_size) if first else (*spec.output_size, spec.out_channels)
    check_shape(g, x[:1] + result if batched else result, names, x, w)
    return spec


def _seen(spec: ConvSpec, layout: Layout, batched: bool) -> tuple[Pairs, tuple[slice, ...]]:
    """Padding with which the convolution has exactly the input's positions, and the part of g that it sees.

    What output padding appended beyond the last window is cut off.
    """
    pairs, cut = [], []
    for n, k, s, d, (lo, _), size in zip(
        spec.input_size,
        spec.kernel_size,
        spec.stride,
        spec.dilation,
        spec.padding,
        spec.output_size,
        strict=True,
    ):
        reach = (n - 1) * s + effective_size(k, d) - lo
        pairs.append((lo, max(reach - size, 0)))
        cut.append(slice(0, max(min(size, reach), 1)))
    channels: tuple[slice, ...] = (slice(None),)
    inner = (*channels, *cut) if layout == "channels_first" else (*cut, *channels)
    return tuple(pairs), (slice(None), *inner) if batched else inner
