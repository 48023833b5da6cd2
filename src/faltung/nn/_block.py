"""A layer with batch normalization and activation, folded into one: `conv_block`."""

from __future__ import annotations

from typing import Any, Unpack, overload

from numpy.typing import NDArray

from faltung._normalize import PaddingLike, PerAxis
from faltung._spec import Layout
from faltung._typing import Boundary, Foreign, Out

from ._activation import ActivationLike
from ._batch_norm import BatchNorm, check_batch_norm, check_real
from ._conv import conv
from ._describe import check_types
from ._operands import pair
from ._typing import Geometry, Same


class BlockOptions(Geometry, total=False):
    """What `conv_block` takes by keyword, but the normalization and `out`."""

    groups: int
    flip: bool
    activation: ActivationLike
    residual: Any
    method: str
    precision: str | None
    workers: int | None


@overload
def conv_block(
    x: Any, w: Any, b: Any = ..., *, batch_norm: BatchNorm, out: Out, **options: Unpack[BlockOptions]
) -> Out: ...
@overload
def conv_block(
    x: NDArray[Same],
    w: Any,
    b: Any = ...,
    *,
    batch_norm: BatchNorm,
    out: None = ...,
    **options: Unpack[BlockOptions],
) -> NDArray[Same]: ...
@overload
def conv_block(
    x: Foreign,
    w: Any,
    b: Any = ...,
    *,
    batch_norm: BatchNorm,
    out: None = ...,
    **options: Unpack[BlockOptions],
) -> Foreign: ...
@overload
def conv_block(
    x: Any, w: Any, b: Any = ..., *, batch_norm: BatchNorm, out: Any = ..., **options: Unpack[BlockOptions]
) -> Any: ...
def conv_block(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    batch_norm: BatchNorm,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: Boundary = "constant",
    layout: Layout = "channels_first",
    flip: bool = False,
    activation: ActivationLike = "relu",
    residual: Any = None,
    method: str = "auto",
    precision: str | None = None,
    out: Any = None,
    workers: int | None = None,
) -> Any:
    r"""A layer, its batch normalization with the running statistics, and its activation, as one layer.

    .. math:: y = \mathrm{act}\bigl(\mathrm{norm}(\mathrm{conv}(x, w) + b) + r\bigr)

    The normalization is folded into weights and bias in float64, which are rounded once; then `conv` runs.

    Parameters
    ----------
    x, w, b : array_like
        Input, weights and optional bias, as in `conv`; real floating-point numbers.
    batch_norm : BatchNorm
        Scale, bias, running mean and variance, one of each for every output channel.
    activation : str or tuple, optional
        As in `conv`; "relu" unless it is given.
    residual : array_like, optional
        Added behind the normalization, before the activation; exactly of the result's shape.
    stride, padding, dilation, groups, boundary, layout, flip, method, precision, out, workers : optional
        As in `conv`.

    Returns
    -------
    array
        C-contiguous in its layout, of the kind and the type of `x`.

    Raises
    ------
    FaltungValueError
        `batch_norm` has other channels than `w`; otherwise as `conv`.
    FaltungTypeError
        Integers or complex numbers; otherwise as `conv`.

    See Also
    --------
    BatchNorm.folded : the folded weights, for a plan that runs often.
    conv_block_train : with the statistics of the batch.

    Notes
    -----
    The error of every output keeps the bound of `conv` with two terms more.

    References
    ----------
    .. [1] B. Jacob et al., "Quantization and training of neural networks for efficient
       integer-arithmetic-only inference", arXiv:1712.05877, section 3.2.

    Examples
    --------
    >>> import faltung as fl
    >>> batch_norm = fl.nn.BatchNorm([2.0], [1.0], mean=[3.0], var=[1.0], eps=1e-9)
    >>> fl.nn.conv_block([[1.0, 2, 3]], [[[1.0, 1]]], batch_norm=batch_norm).round(6)
    array([[1., 5.]])
    """
    samples, weights, _ = pair(x, w)
    check_real("x", samples.dtype)
    check_types(samples.dtype, weights.dtype)
    folded = check_batch_norm(batch_norm).folded(weights, b, layout=layout)
    given = samples if isinstance(x, (list, tuple)) else x
    return conv(
        given, *folded, stride=stride, padding=padding, dilation=dilation, groups=groups, boundary=boundary,
        layout=layout, flip=flip, activation=activation, residual=residual, method=method,
        precision=precision, out=out, workers=workers,
    )  # fmt: skip
