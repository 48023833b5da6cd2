"""A request: one array operation in hashable, checked values, without data."""

from __future__ import annotations

from dataclasses import dataclass

from ._dtype import DType, Sample

BOUNDARIES = ("constant", "edge", "reflect", "symmetric", "wrap")


@dataclass(frozen=True)
class Request:
    """One array operation. Axes are those of `shape`; a kernel axis stands on `kernel_axes[i]`."""

    flip: bool
    shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    dtype: DType
    kernel_dtype: DType
    weak: bool
    kernel_weak: bool
    axes: tuple[int, ...]
    kernel_axes: tuple[int, ...]
    mode: str
    boundary: tuple[str, ...]
    fill: bytes
    padding: tuple[tuple[int, int], ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    method: str
    precision: str
    nan_policy: str
    result: DType | None
    overflow: str
    min_valid: float = 0.0
    return_weight: bool = False
    missing: bool = False  # samples may be missing: nan_policy omit, or a mask
    double_taps: bool = False  # weak taps that float32 would not hold to its precision

    @property
    def samples(self) -> tuple[Sample, Sample]:
        """What of the operands decides the type of the result."""
        return Sample(self.dtype, self.weak), Sample(self.kernel_dtype, self.kernel_weak)
