"""Types of the array operation: what a checker sees of kinds and data types.

Same type in, same type out; a kernel from a list or from `faltung.kernels` leaves the type of a
floating-point array alone; an array of another library comes back as one; with `return_weight=True` a pair.
Integers with missing data give float64. What depends on values is Any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._kernel import Kernel
from ._normalize import PerAxis

Boundary: TypeAlias = str | Sequence[str]
Progress: TypeAlias = Callable[[int, int], object]
WeakTaps: TypeAlias = Kernel | Sequence[float] | Sequence[Sequence[float]]

Scalar = TypeVar("Scalar", bound=np.generic)
Inexact = TypeVar("Inexact", np.float16, np.float32, np.float64, np.complex64, np.complex128)
Whole = TypeVar("Whole", np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64)


class DLPack(Protocol):
    """An array of any library that exchanges memory by DLPack; torch tensors are."""

    def __dlpack__(self, *, stream: Any = ...) -> Any:
        """Hand the memory over."""


Foreign = TypeVar("Foreign", bound=DLPack)
Out = TypeVar("Out", bound=DLPack)
ArrayOrList: TypeAlias = NDArray[Any] | Kernel | Sequence[Any] | complex


class Basic(TypedDict, total=False):
    """What `convolve` and `correlate` take by keyword, but `dtype`, `out` and what is about missing data."""

    boundary: Boundary
    fill_value: complex
    axes: PerAxis | None
    anchor: PerAxis | None
    stride: PerAxis
    dilation: PerAxis
    method: str
    precision: str | None
    overflow: str
    memory_limit: int | None
    progress: Progress | None
    workers: int | None


class Common(Basic, total=False):
    """The same, and what is about missing data but `return_weight`."""

    nan_policy: str
    mask: Any
    min_valid: float


class Options(Common, total=False):
    """All that they take by keyword; `out` is not given."""

    dtype: DTypeLike | None
    out: None
    return_weight: Literal[False]


class Untyped(Common, total=False):
    """Neither `dtype` nor `out` is given."""

    dtype: None
    out: None
    return_weight: Literal[False]


class Complete(Basic, total=False):
    """The same of data that are known to be complete: integers then stay integers."""

    nan_policy: Literal["propagate", "raise"]
    mask: None
    dtype: None
    out: None
    return_weight: Literal[False]


class Typed(Common, total=False):
    """`dtype` is an argument of its own."""

    out: None
    return_weight: Literal[False]


class Into(Common, total=False):
    """`out` is an argument of its own."""

    dtype: DTypeLike | None
    return_weight: Literal[False]


class Weighed(Common, total=False):
    """`return_weight` is an argument of its own."""

    dtype: DTypeLike | None
    out: None


class WeighedUntyped(Common, total=False):
    """The same; neither `dtype` nor `out` is given."""

    dtype: None
    out: None


class WeighedInto(Common, total=False):
    """The same; `out` is another."""

    dtype: DTypeLike | None
