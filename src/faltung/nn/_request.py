"""A request: one layer in hashable, checked values, without data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faltung._dtype import DType, is_integer, part
from faltung._spec import ConvSpec, Layout

from ._activation import Activation


@dataclass(frozen=True)
class LayerRequest:
    """One layer. Without `batched` the input, the residual and the result have no batch axis."""

    spec: ConvSpec  # holds whether there is a bias
    batch: int
    batched: bool
    layout: Layout
    dtype: DType
    weight_dtype: DType
    boundary: tuple[str, ...]
    activation: Activation
    method: str
    precision: str
    overflow: str
    x_zero_point: int = 0
    w_zero_point: tuple[int, ...] = ()  # none, one for all, or one for each output channel

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of `x`."""
        return self._shape(self.spec.in_channels, self.spec.input_size)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of the result and of the residual."""
        return self._shape(self.spec.out_channels, self.spec.output_size)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """The shape of `w`."""
        return self.spec.weight_shape_in(self.layout)

    @property
    def out_dtype(self) -> DType:
        """The type of the result, the bias and the residual."""
        return result_dtype(self.dtype)

    @property
    def exact(self) -> bool:
        """Integers: sums are exact."""
        return is_integer(self.dtype)

    @property
    def complex(self) -> bool:
        """Whether numbers have two parts."""
        return self.dtype.kind == "c"

    @property
    def double(self) -> bool:
        """Whether floating point is summed in float64; half types are summed in float32."""
        return part(self.dtype).itemsize == 8

    def _shape(self, channels: int, size: tuple[int, ...]) -> tuple[int, ...]:
        inner = (channels, *size) if self.layout == "channels_first" else (*size, channels)
        return (self.batch, *inner) if self.batched else inner


def result_dtype(dtype: DType) -> DType:
    """The type of a layer's result: that of its input, int32 of 8-bit integers."""
    return np.dtype(np.int32) if is_integer(dtype) and dtype.itemsize == 1 else dtype
