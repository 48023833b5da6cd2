"""A layer with batch normalization, activation and dropout as it is trained: `conv_block_train`."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._errors import FaltungTypeError, FaltungValueError, with_shapes
from faltung._normalize import PaddingLike, PerAxis
from faltung._precision import setting
from faltung._spec import Layout
from faltung._typing import Boundary

from ._activation import ActivationLike, resolve_activation
from ._batch_norm import BatchNorm, check_batch_norm, check_channels, check_real
from ._conv import conv
from ._describe import check_bias, check_layout, check_types
from ._forward import BlockSaved, Forward
from ._moments import Maps, Moments, moments
from ._operands import bias_of, pair, residual_of
from ._slopes import inside, kept, select

Array: TypeAlias = NDArray[Any]
Doubles: TypeAlias = NDArray[np.float64]


def conv_block_train(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    batch_norm: BatchNorm,
    activation: ActivationLike = "relu",
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: Boundary = "constant",
    layout: Layout = "channels_first",
    flip: bool = False,
    residual: Any = None,
    method: str = "auto",
    precision: str | None = None,
    workers: int | None = None,
) -> tuple[Any, BlockSaved]:
    r"""The forward pass of a block in training: batch statistics, and what the backward pass needs.

    .. math:: z = \mathrm{conv}(x, w) + b, \quad
              y = \mathrm{drop}\Bigl(\mathrm{act}\bigl(\mathrm{scale}\,\frac{z - \mu}{\sqrt{\sigma^2 +
              \mathrm{eps}}} + \mathrm{bias} + r\bigr)\Bigr)

    with the mean and the biased variance of every channel over the batch and all positions, M values.

    Parameters
    ----------
    x, w, b : array_like
        Input, weights and optional bias, as in `conv`; real floating-point numbers.
    batch_norm : BatchNorm
        Scale and bias, and the running statistics so far.
    activation : str or tuple, optional
        As in `conv`; "relu" unless it is given.
    dropout : float
        The share of outputs that become 0, one by one, last of all; the others grow by 1 / (1 - dropout).
    rng : numpy.random.Generator, optional
        Where dropout takes one float32 number for each output from, in C order; needed with dropout.
    residual : array_like, optional
        Added behind the normalization, before the activation; exactly of the result's shape.
    stride, padding, dilation, groups, boundary, layout, flip, method, precision, workers : optional
        As in `conv`.

    Returns
    -------
    y : array
        As of `conv`.
    saved : BlockSaved
        For `fl.nn.grad.conv_block`. `saved.batch_norm` is a `BatchNorm` with the running statistics
        (1 - momentum) old + momentum new; the new variance is the unbiased one, of M - 1, as in PyTorch.
        The arrays of the call are not written, and must not change before the gradients are taken.

    Raises
    ------
    FaltungValueError
        One value a channel, which has no variance; `dropout` outside 0 to 1, or without `rng`; otherwise as
        `conv_block`.
    FaltungTypeError
        As `conv_block`.

    See Also
    --------
    fl.nn.grad.conv_block : the backward pass.

    Notes
    -----
    The bias `b` cancels in `z` less its mean: it moves the running mean only, and its gradient is 0. Half
    types are computed in float32 and rounded once. Results are the same for any number of workers.

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch Normalization", arXiv:1502.03167.
    .. [2] N. Srivastava et al., "Dropout", Journal of Machine Learning Research 15, 2014.

    Examples
    --------
    >>> import faltung as fl
    >>> batch_norm = fl.nn.BatchNorm([2.0], [1.0], mean=[0.0], var=[1.0])
    >>> y, saved = fl.nn.conv_block_train([[1.0, 3, 5]], [[[1.0, 1]]], batch_norm=batch_norm)
    >>> y.round(3), saved.batch_norm.mean.round(3), saved.batch_norm.var.round(3)
    (array([[0., 3.]]), array([0.6]), array([1.7]))
    """
    samples, weights, restore = pair(x, w)
    check_real("x", samples.dtype)
    check_types(samples.dtype, weights.dtype)
    norm, arranged = check_batch_norm(batch_norm), check_layout(layout)
    check_channels(norm, weights, arranged)
    bias = bias_of("b", b, samples.dtype)
    check_bias(None if bias is None else bias.shape, norm.channels)
    how, rate = resolve_activation(activation, samples.dtype), _rate(dropout, rng)
    geometry: dict[str, Any] = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "boundary": boundary,
        "layout": arranged, "flip": flip,
    }  # fmt: skip
    running: dict[str, Any] = {"precision": setting() if precision is None else precision, "workers": workers}
    dtype, work = samples.dtype, np.dtype(np.float32 if samples.dtype.itemsize == 2 else samples.dtype)
    samples, weights = samples.astype(work, copy=False), weights.astype(work, copy=False)
    z = conv(samples, weights, method=method, **geometry, **running)
    added = residual_of(residual, z.shape, dtype)
    values = z.size // norm.channels
    if values < 2:
        message = (
            f"`x` gives {values} {'value' if values == 1 else 'values'} a channel, which have no "
            "variance in training; pass a larger batch or larger maps, or use `conv_block`."
        )
        raise FaltungValueError(with_shapes(message, x=samples.shape, result=z.shape))
    found = moments(Maps(z, arranged == "channels_first", samples.ndim == weights.ndim))
    with np.errstate(all="ignore"):
        scale, inverse = norm.scale.astype(np.float64), 1 / np.sqrt(found.var + norm.eps)
        offset = norm.bias.astype(np.float64) - scale * inverse * found.mean
        extra = np.zeros(norm.channels) if bias is None else bias.astype(np.float64)
        offset += extra - extra  # NaN where the bias is not finite
    forward = Forward(
        samples, weights, z, None if added is None else added.astype(work, copy=False), found, scale, inverse,
        offset, how, None, rate, geometry, running | {"method": method}, dtype,
        None if bias is None else bias.dtype, restore,
    )  # fmt: skip
    y = forward.affine(z, forward.gain, offset, forward.residual, activation)
    mask = inside(y, how)
    if rate:
        assert rng is not None
        keep = kept(y.shape, rate, rng)
        select(y, keep, y, 1 / (1 - rate))
        mask = keep if mask is None else np.bitwise_and(mask, keep, out=mask)
    saved = BlockSaved(_updated(norm, found, extra), forward._replace(mask=mask))
    with np.errstate(over="ignore"):
        return restore(y.astype(dtype, copy=False)), saved


def _updated(norm: BatchNorm, found: Moments, extra: Doubles) -> BatchNorm:
    """The normalization with running statistics after a batch; PyTorch's: the new variance is unbiased."""
    with np.errstate(all="ignore"):
        mean = _mixed(norm.mean, found.mean + found.shift + extra, norm.momentum)
        var = _mixed(norm.var, found.var * (found.values / (found.values - 1)), norm.momentum)
        return BatchNorm(norm.scale, norm.bias, mean, var, norm.eps, norm.momentum)


def _mixed(old: Array, new: Doubles, share: float) -> Array:
    return ((1 - share) * old.astype(np.float64) + share * new).astype(old.dtype)


def _rate(dropout: Any, rng: Any) -> float:
    """The share that dropout leaves out, with a source of random numbers where there is any."""
    real = hasattr(dropout, "__float__") and not isinstance(dropout, (bool, str)) and np.ndim(dropout) == 0
    if not real:
        raise FaltungTypeError(f"`dropout` (={dropout!r}) must be one number from 0 to below 1.")
    rate = float(dropout)
    if not 0 <= rate < 1:
        raise FaltungValueError(f"`dropout` (={dropout!r}) must be from 0 to below 1, such as 0.1.")
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise FaltungTypeError(
            f"`rng` (a {type(rng).__name__}) must be a numpy.random.Generator; pass "
            "`numpy.random.default_rng(seed)`."
        )
    if rate and rng is None:
        raise FaltungValueError(
            f"`dropout` (={dropout!r}) needs `rng`, the source of its random numbers; pass "
            "`rng=numpy.random.default_rng(seed)`."
        )
    return rate
