"""Types of the array operation: what a checker sees of kinds and data types.

Same type in, same type out; a kernel from a list or from `faltung.kernels` leaves the type of a
floating-point array alone; an array of another library comes back as one. What depends on values is Any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypedDict, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._kernel import Kernel
from ._normalize import PerAxis

Boundary: TypeAlias = str | Sequence[str]
Progress: TypeAlias = Callable[[int, int], object]
WeakTaps: TypeAlias = Kernel | Sequence[float] | Sequence[Sequence[float]]

Scalar = TypeVar("Scalar", bound=np.generic)
Inexact = TypeVar("Inexact", np.float16, np.float32, np.float64, np.complex64, np.complex128)
Number = TypeVar(
    "Number",
    np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64,
    np.float16, np.float32, np.float64, np.complex64, np.complex128,
)  # fmt: skip


class DLPack(Protocol):
    """An array of any library that exchanges memory by DLPack; torch tensors are."""

    def __dlpack__(self, *, stream: Any = ...) -> Any:
        """Hand the memory over."""


Foreign = TypeVar("Foreign", bound=DLPack)
Out = TypeVar("Out", bound=DLPack)
ArrayOrList: TypeAlias = NDArray[Any] | Kernel | Sequence[Any] | complex


class Common(TypedDict, total=False):
    """What `convolve` and `correlate` take by keyword, but `dtype` and `out`."""

    boundary: Boundary
    fill_value: complex
    axes: PerAxis | None
    anchor: PerAxis | None
    stride: PerAxis
    dilation: PerAxis
    method: str
    precision: str | None
    overflow: str
    nan_policy: str
    mask: Any
    min_valid: float
    memory_limit: int | None
    progress: Progress | None
    workers: int | None


class Options(Common, total=False):
    """All that they take by keyword; `out` is not given."""

    dtype: DTypeLike | None
    out: None


class Untyped(Common, total=False):
    """Neither `dtype` nor `out` is given."""

    dtype: None
    out: None


class Typed(Common, total=False):
    """`dtype` is an argument of its own."""

    out: None


class Into(Common, total=False):
    """`out` is an argument of its own."""

    dtype: DTypeLike | None
