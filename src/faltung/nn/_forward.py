"""What the forward pass of a block in training leaves for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._dtype import DType
from faltung._errors import FaltungTypeError, FaltungValueError, with_shapes
from faltung._kinds import to_array

from ._activation import Activation, ActivationLike
from ._batch_norm import BatchNorm, channel_shape
from ._conv import conv
from ._moments import Maps, Moments
from ._slopes import Mask

Array: TypeAlias = NDArray[Any]
Doubles: TypeAlias = NDArray[np.float64]


class Forward(NamedTuple):
    """What the backward pass needs of the forward one, in the type that computes.

    `z` are the sums of the layer, less `shift` where a channel was centred; `gain` and `offset` take them to
    what the activation sees, before the residual. The mask holds where a clip passed and dropout kept.
    """

    x: Array
    w: Array
    z: Array
    residual: Array | None
    moments: Moments
    scale: Doubles
    inverse: Doubles
    offset: Doubles
    activation: Activation
    mask: Mask | None
    rate: float
    geometry: dict[str, Any]
    running: dict[str, Any]
    dtype: DType
    biased: DType | None
    restore: Callable[[Array], Any]

    @property
    def gain(self) -> Doubles:
        """The factor of every channel."""
        return self.scale * self.inverse

    @property
    def batched(self) -> bool:
        """Whether there is a batch axis."""
        return self.x.ndim == self.w.ndim

    def maps(self, array: Array) -> Maps:
        """An array of the result's shape, by channels."""
        return Maps(array, self.geometry["layout"] == "channels_first", self.batched)

    def affine(
        self,
        z: Array,
        factor: Doubles,
        offset: Doubles,
        added: Array | None,
        activation: ActivationLike = None,
    ) -> Array:
        """act(factor z + offset + added), one factor and one offset a channel, in one pass of the core."""
        layout = self.geometry["layout"]
        along = channel_shape(self.w.ndim, layout == "channels_first")
        with np.errstate(all="ignore"):
            weights, bias = factor.astype(z.dtype).reshape(along), offset.astype(z.dtype)
        result: Array = conv(
            z, weights, bias, groups=len(bias), layout=layout, activation=activation, residual=added,
            precision="highest", workers=self.running["workers"],
        )  # fmt: skip
        return result


@dataclass(frozen=True, eq=False)
class BlockSaved:
    """What `fl.nn.grad.conv_block` needs of a forward pass, and the normalization with new statistics.

    It refers to the arrays of the call: they must not change before the gradients are taken.
    """

    batch_norm: BatchNorm
    forward: Forward = field(repr=False)


def gradient_of(g: Any, forward: Forward) -> Array:
    """The gradient with respect to a block's result, checked, in the type that computes, contiguous."""
    array, weak, _ = to_array("g", g)
    if weak and array.dtype.kind in "biuf":
        array = array.astype(forward.dtype)
    if array.dtype.newbyteorder("=") != forward.dtype:
        raise FaltungTypeError(
            f"`g` (of {array.dtype}) must have the data type of the block's result, {forward.dtype}; convert "
            f"it with `.astype({forward.dtype.name!r})`."
        )
    if array.shape != forward.z.shape:
        message = f"`g` must have the shape of the block's result, {forward.z.shape}."
        raise FaltungValueError(with_shapes(message, g=array.shape))
    return np.ascontiguousarray(array, forward.z.dtype)
