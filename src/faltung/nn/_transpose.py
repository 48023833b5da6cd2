"""The transposed convolutional layer: `conv_transpose` and its plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from faltung._normalize import PaddingLike, PerAxis
from faltung._precision import setting
from faltung._spec import Layout
from faltung._typing import Foreign, Out

from ._activation import ActivationLike
from ._calls import call, transposed_calls
from ._plan import LayerPlan, planned
from ._transpose_describe import described
from ._typing import Byte, Same, TransposeOptions, ZeroPoints


@overload
def conv_transpose(x: Any, w: Any, b: Any = ..., *, out: Out, **options: Unpack[TransposeOptions]) -> Out: ...
@overload
def conv_transpose(
    x: NDArray[Same], w: Any, b: Any = ..., *, out: None = ..., **options: Unpack[TransposeOptions]
) -> NDArray[Same]: ...
@overload
def conv_transpose(
    x: NDArray[Byte], w: Any, b: Any = ..., *, out: None = ..., **options: Unpack[TransposeOptions]
) -> NDArray[np.int32]: ...
@overload
def conv_transpose(
    x: NDArray[Any], w: Any, b: Any = ..., *, out: None = ..., **options: Unpack[TransposeOptions]
) -> NDArray[Any]: ...
@overload
def conv_transpose(
    x: Foreign, w: Any, b: Any = ..., *, out: None = ..., **options: Unpack[TransposeOptions]
) -> Foreign: ...
@overload
def conv_transpose(
    x: Any, w: Any, b: Any = ..., *, out: Any = ..., **options: Unpack[TransposeOptions]
) -> Any: ...
def conv_transpose(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    output_size: PerAxis | None = None,
    dilation: PerAxis = 1,
    groups: int = 1,
    layout: Layout = "channels_first",
    flip: bool = False,
    activation: ActivationLike = None,
    residual: Any = None,
    method: str = "auto",
    precision: str | None = None,
    overflow: str = "raise",
    x_zero_point: int = 0,
    w_zero_point: ZeroPoints = 0,
    out: Any = None,
    workers: int | None = None,
) -> Any:
    r"""The transposed convolutional layer of a network, of any rank: exactly the transpose of `conv`.

    .. math:: y[n, o, i\,S + h\,D - P] \mathrel{+}= \sum_c x[n, c, i]\; w[c, o, h]

    with stride S, dilation D and padding P, over all samples i and taps h; then bias, residual and
    activation. :math:`\langle A x, y\rangle = \langle x, A^T y\rangle` with
    :math:`\langle x, y\rangle = \sum x y` and A the `conv` of the same weights and options. Complex numbers
    are not conjugated.

    Parameters
    ----------
    x : array_like, (N, C, \*spatial), or (N, \*spatial, C) in the layout channels_last
        The input; its kind decides the kind of the result. Without the batch axis N exactly when it has one
        axis less than `w`; then the residual and the result have none either.
    w : array_like, (C, out / groups, \*kernel), or (\*kernel, out / groups, C)
        The weights, as those of the `conv` that leads the other way; they decide the rank.
    b : array_like, (out,), optional
        The bias.
    stride, dilation : int or sequence of int
        One number, or one for each spatial axis.
    padding : int, sequence or str
        How far the output is cropped: a number; one for each axis, for both ends; one (lo, hi) pair an axis;
        or a word, which means the padding of the `conv` that starts from this output: "valid", "same"
        (output = input times stride), "same_lower", "full", "causal".
    output_padding : int or sequence of int
        Samples appended to the output, less than the stride or the dilation.
    output_size : int or sequence of int, optional
        The spatial size of the output; solves `output_padding`.
    groups : int
        Divides the input and the output channels; channels reach those of their own group.
    layout : {"channels_first", "channels_last"}
        Where the channels are in `x`, `w`, the residual and the result.
    flip : bool
        The transpose of `conv(..., flip=True)`: the kernel is flipped along every spatial axis.
    activation, residual : optional
        As in `conv`.
    method : {"auto", "gemm", "depthwise", "grouped", "planes", "reference"}
        auto takes the fastest; a method that cannot run this is an error. reference is the definition itself,
        slow.
    precision, overflow, x_zero_point, w_zero_point, out, workers : optional
        As in `conv`.

    Returns
    -------
    array
        C-contiguous in its layout, of the kind and the type of `x`; int32 of int8 and uint8. Along each axis
        it has (N - 1) S - lo - hi + D (K - 1) + output_padding + 1 samples.

    Raises
    ------
    FaltungValueError
        An argument is out of range, shapes do not fit, the padding crops everything, the output size is out
        of reach.
    FaltungTypeError
        A data type that a layer does not take, or operands of different types.
    FaltungOverflowError
        An integer result does not fit; the message names its index and its value.

    See Also
    --------
    plan_conv_transpose : decides and prepares the weights once, runs often.
    conv : the layer whose transpose this is.
    faltung.ConvSpec : sizes and counts, with `transposed=True`.

    Notes
    -----
    Data types, and the bound on the error, are those of `conv`; a sum has as many terms as taps that reach
    the same output. No matrix of columns is made: for each residue of the output position modulo the stride,
    the taps that reach it are one convolution of stride 1, and the result is woven from these in cache.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285,
       section 4.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> x, w = np.ones((1, 8, 4, 4), np.float32), np.ones((8, 3, 4, 4), np.float32)
    >>> y = fl.nn.conv_transpose(x, w, stride=2, padding=1)
    >>> (
    ...     y.shape,
    ...     float(y[0, 0, 0, 0]),
    ...     float(y[0, 0, 3, 3]),
    ... )  # a corner gets 1 sample of 8 channels, others 4
    ((1, 3, 8, 8), 8.0, 32.0)
    """
    options = (stride, padding, output_padding, output_size, dilation, groups, layout, flip, activation,
               method, setting() if precision is None else precision, overflow, x_zero_point, w_zero_point,
               workers)  # fmt: skip
    y = transposed_calls.run(x, w, b, residual, out, options)
    return call(x, w, b, residual, out, options, described, transposed_calls) if y is None else y


def plan_conv_transpose(
    x_shape: Sequence[int],
    w: Any,
    b: Any = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    output_padding: PerAxis = 0,
    output_size: PerAxis | None = None,
    dilation: PerAxis = 1,
    groups: int = 1,
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
    """Plan `conv_transpose` for inputs of one shape and data type, with these weights.

    Parameters
    ----------
    x_shape : sequence of int
        Shape of the inputs, with or without the batch axis.
    w, b : array_like
        Weights and bias; copied.
    dtype : dtype, optional
        Data type of the inputs; by default that of `w`. Weights of 8 bits may meet the other 8-bit type.
    measure : bool
        Run every method on random data and take the fastest, instead of predicting. It may then differ from
        run to run of a program, and the last bits of results with it.
    stride, padding, output_padding, output_size, dilation, groups, layout, flip, activation : optional
        As in `conv_transpose`.
    method, precision, overflow, x_zero_point, w_zero_point, workers : optional
        As in `conv_transpose`.

    Returns
    -------
    LayerPlan
        Call it as `plan(x, out=None, residual=None)`.

    Raises
    ------
    FaltungError
        As `conv_transpose`.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> w = np.ones((8, 3, 4, 4), np.float32)
    >>> plan = fl.nn.plan_conv_transpose((1, 8, 4, 4), w, stride=2, padding=1)
    >>> plan.shape, plan(np.ones((1, 8, 4, 4), np.float32)).shape
    ((1, 3, 8, 8), (1, 3, 8, 8))
    """
    options = (stride, padding, output_padding, output_size, dilation, groups, layout, flip, activation,
               method, precision, overflow, x_zero_point, w_zero_point, workers)  # fmt: skip
    return planned(x_shape, w, b, options, dtype, measure, described)
