"""The backward pass of `fl.nn.conv_block_train`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from faltung._errors import FaltungTypeError
from faltung.nn._batch_norm import channel_shape
from faltung.nn._forward import Array, BlockSaved, Doubles, Forward, gradient_of
from faltung.nn._slopes import select, times_slope

from ._conv import conv_input, conv_weight


class BlockGradients(NamedTuple):
    """Gradients of a loss with respect to the operands of a block; None for those that it had not."""

    x: Any
    w: Any
    b: Any
    scale: Any
    bias: Any
    residual: Any


def conv_block(g: Any, saved: BlockSaved) -> BlockGradients:
    r"""The gradients of a loss with respect to everything that a block in training takes.

    Parameters
    ----------
    g : array_like
        The gradient with respect to the block's result: of its shape and type.
    saved : BlockSaved
        What `fl.nn.conv_block_train` gave beside its result; it is not changed, and may be used again.

    Returns
    -------
    BlockGradients
        A named tuple `(x, w, b, scale, bias, residual)`: each of the shape and the type of its operand; those
        of x, w and the residual of x's kind. `b` and `residual` are None where there was none. The gradient
        of `b` is 0, for the mean takes it away.

    Raises
    ------
    FaltungValueError
        `g` has not the shape of the block's result.
    FaltungTypeError
        `g` is of another data type, or `saved` is something else.

    See Also
    --------
    faltung.nn.conv_block_train : the forward pass.

    Notes
    -----
    With p the gradient behind the normalization (after dropout and the activation), :math:`\hat z` the
    normalized sums and M values a channel, dbias = Σp, dscale = Σp :math:`\hat z`, and

    .. math:: \mathrm{d}z = \frac{\mathrm{scale}}{\sqrt{\sigma^2 + \mathrm{eps}}}
              \Bigl(p - \frac{\mathrm{dbias} + \hat z\,\mathrm{dscale}}{M}\Bigr).

    The gradients of `x` and `w` are `conv_input` and `conv_weight` of dz. At a corner of a clip, such as that
    of relu, the slope is 0.

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch Normalization", arXiv:1502.03167, section 3.

    Examples
    --------
    >>> import faltung as fl
    >>> batch_norm = fl.nn.BatchNorm([2.0], [1.0], mean=[0.0], var=[1.0])
    >>> y, saved = fl.nn.conv_block_train([[1.0, 3, 5]], [[[1.0, 1]]], batch_norm=batch_norm)
    >>> gradients = fl.nn.grad.conv_block([[1.0, 1.0]], saved)
    >>> gradients.scale.round(3), gradients.bias
    (array([1.]), array([1.]))
    """
    if not isinstance(saved, BlockSaved):
        raise FaltungTypeError(
            f"`saved` (a {type(saved).__name__}) must be what `fl.nn.conv_block_train` gave beside its "
            "result; pass that."
        )
    forward = saved.forward
    behind = gradient_of(g, forward)
    before = _before(behind, forward)
    with np.errstate(all="ignore"):
        dz, factor, scale, bias = _normalization(before, forward)
        dx, dw = _layer(dz, factor, forward)
    norm = saved.batch_norm
    residual = None
    if forward.residual is not None:
        residual = forward.restore(before.astype(forward.dtype, copy=before is behind))
    return BlockGradients(
        x=forward.restore(dx),
        w=forward.restore(dw),
        b=None if forward.biased is None else np.zeros(norm.channels, forward.biased),
        scale=scale.astype(norm.scale.dtype),
        bias=bias.astype(norm.bias.dtype),
        residual=residual,
    )


def _before(behind: Array, forward: Forward) -> Array:
    """The gradient before dropout and the activation; `behind` itself where there is neither."""
    before = behind
    if forward.mask is not None:
        before = select(behind, forward.mask, np.empty_like(behind), 1 / (1 - forward.rate))
    if forward.activation.name in ("none", "clip"):
        return before
    argument = forward.affine(forward.z, forward.gain, forward.offset, forward.residual)
    return times_slope(forward.activation, argument, before)


def _normalization(before: Array, forward: Forward) -> tuple[Array, Doubles, Doubles, Doubles]:
    """The gradient of the layer's sums without its factor, that factor, and those of scale and bias.

    dz / factor = p - dbias / M - z^ dscale / M, one pass over p and z.
    """
    mean, count = forward.moments.mean, forward.moments.values
    p, z = forward.maps(before), forward.maps(forward.z)
    bias = p.sums()
    scale = (p.products(z) - mean * bias) * forward.inverse
    slope = -forward.inverse * scale / count
    dz = forward.affine(forward.z, slope, -bias / count - slope * mean, before)
    return dz, forward.gain, scale, bias


def _layer(dz: Array, factor: Doubles, forward: Forward) -> tuple[Array, Array]:
    """The gradients of x and w; the factor goes where fewer numbers are, into dz or into w and dw."""
    first = forward.geometry["layout"] == "channels_first"
    along = factor.astype(dz.dtype).reshape(channel_shape(forward.w.ndim, first))
    into_weights = 2 * forward.w.size < dz.size
    if not into_weights:
        dz *= along.reshape(-1, *(1,) * (forward.w.ndim - 2)) if first else along.reshape(-1)
    dw = np.empty(forward.w.shape, forward.w.dtype)
    w = _weights(forward.w, along if into_weights else None, first, dw)
    method = "reference" if forward.running["method"] == "reference" else "auto"
    how = forward.geometry | forward.running | {"method": method}
    dx = conv_input(forward.x.shape, w, dz, **how)
    conv_weight(forward.x, dw.shape, dz, out=dw, **how)
    if into_weights:
        dw *= along
    return dx.astype(forward.dtype, copy=False), dw.astype(forward.dtype, copy=False)


def _weights(w: Array, factor: Array | None, first: bool, room: Array) -> Array:
    """The weights, times the factor, with input channels next to each other, in the memory of `room`.

    They are the output channels of `conv_input`, which prepares weights by rows of those; taps apart from
    each other, as channels_first has them, would make that several times as long as this copy.
    """
    if not first or w.shape[2:] == (1,) * (w.ndim - 2):
        return w if factor is None else np.multiply(w, factor, out=room)
    order = (0, *range(2, w.ndim), 1)
    laid = room.reshape([w.shape[axis] for axis in order])
    if factor is None:
        np.copyto(laid, w.transpose(order))
    else:
        np.multiply(w.transpose(order), factor.transpose(order), out=laid)
    return np.moveaxis(laid, -1, 1)
