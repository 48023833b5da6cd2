"""Types of layers: what a checker sees. The kind and the type of the input are those of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypedDict

from faltung._normalize import PaddingLike, PerAxis
from faltung._spec import Layout
from faltung._typing import Boundary

from ._activation import ActivationLike

ZeroPoints: TypeAlias = int | Sequence[int] | Any


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
