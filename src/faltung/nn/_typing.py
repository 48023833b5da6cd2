"""Types of layers: what a checker sees. The kind and the type of the input are those of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypedDict, TypeVar

import numpy as np

from faltung._normalize import PaddingLike, PerAxis
from faltung._spec import Layout
from faltung._typing import Boundary

from ._activation import ActivationLike

ZeroPoints: TypeAlias = int | Sequence[int] | Any

# What a layer gives back in its own type; 8-bit integers give int32.
Same = TypeVar(
    "Same",
    np.float16, np.float32, np.float64, np.complex64, np.complex128,
    np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64,
)  # fmt: skip
Byte: TypeAlias = np.uint8 | np.int8


class Geometry(TypedDict, total=False):
    """What every function of layers takes by keyword."""

    stride: PerAxis
    padding: PaddingLike
    dilation: PerAxis
    boundary: Boundary
    layout: Layout


class Options(Geometry, total=False):
    """What `conv` takes by keyword, but `out`."""

    groups: int
    flip: bool
    activation: ActivationLike
    residual: Any
    method: str
    precision: str | None
    overflow: str
    x_zero_point: int
    w_zero_point: ZeroPoints
    workers: int | None


class TransposeOptions(TypedDict, total=False):
    """What `conv_transpose` takes by keyword, but `out`."""

    stride: PerAxis
    padding: PaddingLike
    output_padding: PerAxis
    output_size: PerAxis | None
    dilation: PerAxis
    groups: int
    layout: Layout
    flip: bool
    activation: ActivationLike
    residual: Any
    method: str
    precision: str | None
    overflow: str
    x_zero_point: int
    w_zero_point: ZeroPoints
    workers: int | None


class SeparableOptions(Geometry, total=False):
    """What `separable_conv` takes by keyword, but `out`."""

    mid_bias: Any
    mid_activation: ActivationLike
    flip: bool
    activation: ActivationLike
    residual: Any
    method: str
    precision: str | None
    overflow: str
    workers: int | None
