"""Batch normalization: its numbers, and how they fold into a layer's weights and bias."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._dtype import DType
from faltung._errors import FaltungTypeError, FaltungValueError, with_shapes
from faltung._kinds import to_array
from faltung._spec import Layout

from ._describe import check_layout
from ._operands import bias_of

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class BatchNorm:
    r"""A batch normalization, one of each number for every channel.

    .. math:: y = \mathrm{scale}\, (z - \mathrm{mean}) / \sqrt{\mathrm{var} + \mathrm{eps}} + \mathrm{bias}

    Parameters
    ----------
    scale, bias : array_like, (C,)
        PyTorch's `weight` and `bias`, TensorFlow's `gamma` and `beta`.
    mean, var : array_like, (C,)
        The running mean and the running variance.
    eps : float
        Added to the variance; above 0.
    momentum : float
        The share of the new statistics in the running ones, 0 to 1, as in PyTorch; in TensorFlow's and ONNX's
        words 1 - momentum.

    Raises
    ------
    FaltungValueError
        The arrays are not of one length, a variance is negative, `eps` or `momentum` is out of range.
    FaltungTypeError
        An array is not of real floating-point numbers.

    See Also
    --------
    conv_block : a layer with it folded in.
    conv_block_train : with the statistics of the batch; returns a `BatchNorm` with updated running ones.

    Notes
    -----
    The numbers are copied, and read-only; `dataclasses.replace(batch_norm, scale=...)` makes another one.

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch Normalization", arXiv:1502.03167.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.nn.BatchNorm([1.0, 2.0], [0.0, 0.0], mean=[0.0, 0.0], var=[1.0, 1.0])
    BatchNorm(2 channels, eps=1e-05, momentum=0.1)
    """

    scale: Any
    bias: Any
    mean: Any
    var: Any
    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        for name in ("scale", "bias", "mean", "var"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        shapes = {name: getattr(self, name).shape for name in ("scale", "bias", "mean", "var")}
        if len(set(shapes.values())) > 1 or self.scale.ndim != 1 or not self.scale.size:
            message = "`scale`, `bias`, `mean` and `var` must hold one number for each channel."
            raise FaltungValueError(with_shapes(message, **shapes))
        if (self.var < 0).any():
            channel = int(np.argmax(self.var < 0))
            raise FaltungValueError(
                f"`var` (={float(self.var[channel])!r} in channel {channel}) must not be negative; pass the "
                "variance, which is no logarithm and no deviation from 1."
            )
        object.__setattr__(self, "eps", _real("eps", self.eps))
        object.__setattr__(self, "momentum", _real("momentum", self.momentum))
        if not self.eps > 0:
            raise FaltungValueError(f"`eps` (={self.eps!r}) must be above 0, such as 1e-5.")
        if not 0 <= self.momentum <= 1:
            raise FaltungValueError(f"`momentum` (={self.momentum!r}) must be from 0 to 1, such as 0.1.")

    def __repr__(self) -> str:
        return f"BatchNorm({self.channels} channels, eps={self.eps!r}, momentum={self.momentum!r})"

    @property
    def channels(self) -> int:
        """How many channels it normalizes."""
        return int(self.scale.size)

    def folded(self, w: Any, b: Any = None, *, layout: Layout = "channels_first") -> tuple[Array, Array]:
        r"""Weights and bias of the one layer that does what a layer followed by this normalization does.

        .. math:: w'[o] = a[o]\, w[o], \quad b'[o] = a[o]\, (b[o] - \mathrm{mean}[o]) + \mathrm{bias}[o],
                  \quad a = \mathrm{scale} / \sqrt{\mathrm{var} + \mathrm{eps}}

        Parameters
        ----------
        w : array_like, (C, in / groups, \*kernel), or (\*kernel, in / groups, C)
            The weights of a `conv` in its layout.
        b : array_like, (C,), optional
            Its bias.
        layout : {"channels_first", "channels_last"}
            Where the channels of `w` are.

        Returns
        -------
        tuple of two arrays
            Weights and bias of `w`'s data type, computed in float64 and rounded once.

        Raises
        ------
        FaltungValueError
            As many channels as the weights have output channels are needed.
        FaltungTypeError
            The weights are not of real floating-point numbers, or the bias is of another type.

        Examples
        --------
        >>> import faltung as fl
        >>> batch_norm = fl.nn.BatchNorm([2.0], [1.0], mean=[3.0], var=[1.0], eps=1e-9)
        >>> w, b = batch_norm.folded([[[1.0, 1.0]]])
        >>> w.round(6), b.round(6)
        (array([[[2., 2.]]]), array([-5.]))
        """
        weights, weak, _ = to_array("w", w)
        weights = weights.astype(np.float64) if weak else weights
        check_real("w", weights.dtype)
        arranged = check_layout(layout)
        check_channels(self, weights, arranged)
        bias = bias_of("b", b, weights.dtype)
        if bias is not None and bias.shape != (self.channels,):
            message = f"`b` must hold one number for each of the {self.channels} output channels."
            raise FaltungValueError(with_shapes(message, b=bias.shape, needed=(self.channels,)))
        with np.errstate(all="ignore"):
            gain = self.scale.astype(np.float64) / np.sqrt(self.var.astype(np.float64) + self.eps)
            shift = -self.mean.astype(np.float64) if bias is None else bias - self.mean.astype(np.float64)
            along = channel_shape(weights.ndim, arranged == "channels_first")
            new = np.empty_like(weights, order="C", subok=False)
            np.multiply(weights, gain.reshape(along), out=new, dtype=np.float64, casting="unsafe")
            return new, (gain * shift + self.bias).astype(weights.dtype)

    def __reduce__(self) -> tuple[type[BatchNorm], tuple[Any, ...]]:
        return BatchNorm, tuple(getattr(self, field.name) for field in fields(self))


def channel_shape(ndim: int, first: bool) -> tuple[int, ...]:
    """The shape in which numbers of output channels meet weights."""
    ones = (1,) * (ndim - 1)
    return (-1, *ones) if first else (*ones, -1)


def check_channels(batch_norm: BatchNorm, w: Array, layout: Layout) -> None:
    """An error where weights have other output channels than a normalization."""
    if w.ndim < 3:
        return  # the layer says what is wrong
    out = w.shape[0] if layout == "channels_first" else w.shape[-1]
    if out != batch_norm.channels:
        message = (
            f"`batch_norm` is of {batch_norm.channels} channels, and `w` has {out} output channels; pass a "
            f"BatchNorm of {out}."
        )
        raise FaltungValueError(with_shapes(message, w=w.shape))


def check_batch_norm(value: object) -> BatchNorm:
    """The argument itself, where it is a normalization."""
    if not isinstance(value, BatchNorm):
        raise FaltungTypeError(
            f"`batch_norm` (a {type(value).__name__}) must be a BatchNorm; pass "
            "`fl.nn.BatchNorm(scale, bias, mean, var)`."
        )
    return value


def check_real(name: str, dtype: DType) -> None:
    """An error where an operand is not of real floating-point numbers."""
    if dtype.kind != "f" and dtype.name != "bfloat16":
        raise FaltungTypeError(
            f"`{name}` has data type {dtype}, and batch normalization is for real floating-point numbers; "
            "convert it with `.astype(np.float32)`."
        )


def _numbers(name: str, value: Any) -> Array:
    array, weak, _ = to_array(name, value)
    if weak and array.dtype.kind in "biuf":
        array = array.astype(np.float64)
    check_real(name, array.dtype)
    array = np.array(array, array.dtype.newbyteorder("="), subok=False)
    array.flags.writeable = False
    return array


def _real(name: str, value: Any) -> float:
    real = hasattr(value, "__float__") and not isinstance(value, (bool, str)) and np.ndim(value) == 0
    if not real or not isfinite(float(value)):
        raise FaltungTypeError(f"`{name}` (={value!r}) must be one finite number.")
    return float(value)
