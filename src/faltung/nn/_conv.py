"""The convolutional layer: `conv`."""

from __future__ import annotations

from typing import Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from faltung._normalize import PaddingLike, PerAxis
from faltung._precision import setting
from faltung._spec import Layout
from faltung._typing import Boundary, Foreign, Out

from ._activation import ActivationLike
from ._calls import call, calls
from ._typing import Byte, Options, Same, ZeroPoints


@overload
def conv(x: Any, w: Any, b: Any = ..., *, out: Out, **options: Unpack[Options]) -> Out: ...
@overload
def conv(
    x: NDArray[Same], w: Any, b: Any = ..., *, out: None = ..., **options: Unpack[Options]
) -> NDArray[Same]: ...
@overload
def conv(
    x: NDArray[Byte], w: Any, b: Any = ..., *, out: None = ..., **options: Unpack[Options]
) -> NDArray[np.int32]: ...
@overload
def conv(
    x: NDArray[Any], w: Any, b: Any = ..., *, out: None = ..., **options: Unpack[Options]
) -> NDArray[Any]: ...
@overload
def conv(x: Foreign, w: Any, b: Any = ..., *, out: None = ..., **options: Unpack[Options]) -> Foreign: ...
@overload
def conv(x: Any, w: Any, b: Any = ..., *, out: Any = ..., **options: Unpack[Options]) -> Any: ...
def conv(
    x: Any,
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
    residual: Any = None,
    method: str = "auto",
    precision: str | None = None,
    overflow: str = "raise",
    x_zero_point: int = 0,
    w_zero_point: ZeroPoints = 0,
    out: Any = None,
    workers: int | None = None,
) -> Any:
    r"""The convolutional layer of a network, of any rank: a correlation unless `flip`.

    .. math:: y[n, o, i] = \mathrm{act}\Bigl(\sum_c \sum_h x[n, c, i\,S + h\,D - P]\; w[o, c, h] + b[o]
              + r[n, o, i]\Bigr)

    with stride S, dilation D and padding P; i and h run over any number of axes, c over the channels of o's
    group. Complex numbers are not conjugated.

    Parameters
    ----------
    x : array_like, (N, C, \*spatial), or (N, \*spatial, C) in the layout channels_last
        The input; its kind decides the kind of the result. Without the batch axis N exactly when it has one
        axis less than `w`; then the residual and the result have none either.
    w : array_like, (out, C / groups, \*kernel), or (\*kernel, C / groups, out)
        The weights; they decide the rank.
    b : array_like, (out,), optional
        The bias.
    stride, dilation : int or sequence of int
        One number, or one for each spatial axis.
    padding : int, sequence or str
        How far the input is extended: a number; one for each axis, for both ends; one (lo, hi) pair an axis;
        or a word: "valid" (not at all), "same" (ceil(N/S) outputs, an odd sample at the end), "same_lower"
        (at the start), "full" (D(K-1) on both ends), "causal" (rank 1: D(K-1) at the start).
    groups : int
        Divides the input and the output channels; channels see those of their own group. As many groups as
        input channels make the layer depthwise.
    boundary : str or sequence of str
        What lies beyond the ends, as in `faltung.convolve`: "constant" (terms outside are absent), "edge",
        "reflect", "symmetric", "wrap"; one word, or one for each spatial axis.
    layout : {"channels_first", "channels_last"}
        Where the channels are in `x`, `w`, the residual and the result.
    flip : bool
        True convolution: the kernel is flipped along every spatial axis.
    activation : str or tuple, optional
        "relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "silu", "tanh", "gelu", "gelu_tanh",
        ("leaky_relu", slope) or ("clip", low, high).
    residual : array_like, optional
        Added before the activation; exactly of the result's shape.
    method : {"auto", "gemm", "depthwise", "grouped", "planes", "matrix", "spectral", "reference"}
        auto takes the fastest that keeps the precision; a method that cannot run this is an error. reference
        is the definition itself, slow.
    precision : {"highest", "high", "medium"}, optional
        Bound on the error of every output; None: the setting of `set_precision`.
    overflow : {"raise", "wrap", "saturate"}
        For integers: raise where the exact result does not fit, take it modulo 2^bits, or clip it.
    x_zero_point : int
        8-bit integers: what stands for 0 in `x`. Terms outside a constant boundary stay absent.
    w_zero_point : int or sequence of int
        8-bit integers: what stands for 0 in `w`; one number, or one for each output channel.
    out : array, optional
        Takes the result: exactly its shape and type, any strides; may overlap the operands.
    workers : int, optional
        Threads of this call; -1 for all; None: the setting. The result is the same for any number.

    Returns
    -------
    array
        C-contiguous in its layout, of the kind and the type of `x`; int32 of int8 and uint8.

    Raises
    ------
    FaltungValueError
        An argument is out of range, shapes do not fit, the padding leaves no output.
    FaltungTypeError
        A data type that a layer does not take, or operands of different types.
    FaltungOverflowError
        An integer result does not fit; the message names its index and its value.

    See Also
    --------
    plan_conv : decides and prepares the weights once, runs often.
    separable_conv : a depthwise and a pointwise layer in one.
    faltung.convolve : the array operation, which flips.

    Notes
    -----
    x, w, b and the residual share one data type: float32, float64, float16 and bfloat16 (summed in float32),
    complex64, complex128, or integers, which are exact; int8 and uint8 may be mixed, and give int32 with a
    bias of int32. Strided views, such as a transposed (N, H, W, C), are read where they are.

    The error of every output, before the activation, is at most
    (1.1 min(n, 256) + ceil(n/256) + 20) u S, n the number of terms, S the sum of their absolute values, u the
    unit roundoff of float32 (also for half types) or float64; float32 may treat subnormal numbers as zero.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> x, w = np.ones((1, 3, 32, 32), np.float32), np.ones((64, 3, 3, 3), np.float32)
    >>> y = fl.nn.conv(x, w, padding=1, activation="relu")
    >>> y.shape, float(y[0, 0, 0, 0]), float(y[0, 0, 1, 1])
    ((1, 64, 32, 32), 12.0, 27.0)
    """
    options = (stride, padding, dilation, groups, boundary, layout, flip, activation, method,
               setting() if precision is None else precision, overflow, x_zero_point, w_zero_point,
               workers)  # fmt: skip
    y = calls.run(x, w, b, residual, out, options)
    return call(x, w, b, residual, out, options) if y is None else y
