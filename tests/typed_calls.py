"""Calls as a type checker sees them: `test_typing.py` gives this file to mypy, which must be content.

Same type in, same type out; Any where it depends on values; the ignored lines are the wrong ones.
"""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import faltung as fl

Single = NDArray[np.float32]
Double = NDArray[np.float64]
Bytes = NDArray[np.uint8]
ComplexSingle = NDArray[np.complex64]


class Tensor:
    """Stands for an array of another library."""

    def __dlpack__(self, *, stream: Any = None) -> Any: ...


def same_type(f32: Single, f64: Double, u8: Bytes, c64: ComplexSingle) -> None:
    assert_type(fl.convolve(f32, f32), Single)
    assert_type(fl.correlate(f64, f64, "same", boundary="wrap", workers=2), Double)
    assert_type(fl.convolve(u8, u8, overflow="saturate"), Bytes)
    assert_type(fl.correlate(c64, c64, axes=(0, -1), stride=2), ComplexSingle)
    assert_type(fl.convolve(f32, f64), NDArray[Any])


def weak_kernels(f32: Single, u8: Bytes, c64: ComplexSingle) -> None:
    assert_type(fl.convolve(f32, [0.5, 0.5]), Single)
    assert_type(fl.correlate(c64, [[1.0], [2.0]]), ComplexSingle)
    assert_type(fl.convolve(f32, fl.kernels.gaussian(1)), Single)
    assert_type(fl.convolve(u8, fl.kernels.gaussian(1)), NDArray[Any])


def dtype_and_out(f32: Single, u8: Bytes, tensor: Tensor) -> None:
    assert_type(fl.convolve(u8, u8, dtype=np.int32), NDArray[np.int32])
    assert_type(fl.correlate([1, 2], [3], dtype=np.float64), Double)
    assert_type(fl.convolve(f32, f32, dtype="float64"), NDArray[Any])
    assert_type(fl.convolve(f32, u8, out=f32), Single)
    assert_type(fl.convolve(f32, u8, out=f32, dtype=np.float32), Single)
    assert_type(fl.correlate(tensor, tensor, out=tensor), Tensor)


def other_kinds(f32: Single, tensor: Tensor, unknown: Any) -> None:
    assert_type(fl.convolve(tensor, f32), Tensor)
    assert_type(fl.correlate(tensor, tensor, "valid"), Tensor)
    assert_type(fl.convolve(tensor, f32, dtype=np.float64), Tensor)
    assert_type(fl.convolve(f32, tensor), NDArray[Any])
    assert_type(fl.convolve(unknown, f32), Any)
    assert_type(fl.correlate([1, 2], [3]), Any)


def missing_data(f32: Single, u8: Bytes, c64: ComplexSingle, tensor: Tensor, flag: bool) -> None:
    gone: NDArray[np.bool_] = np.zeros(3, np.bool_)
    assert_type(fl.convolve(f32, f32, nan_policy="omit", mask=gone, min_valid=0.5), Single)
    assert_type(fl.correlate(u8, u8, mask=gone), NDArray[Any])
    assert_type(fl.correlate(u8, u8, nan_policy="raise"), Bytes)
    assert_type(fl.convolve(f32, [1, 2], return_weight=True), tuple[Single, NDArray[Any]])
    assert_type(fl.correlate(c64, c64, return_weight=True), tuple[ComplexSingle, NDArray[Any]])
    assert_type(fl.convolve(u8, u8, "same", return_weight=True), tuple[NDArray[Any], NDArray[Any]])
    assert_type(fl.convolve(f32, u8, out=f32, return_weight=True), tuple[Single, Any])
    assert_type(fl.correlate(tensor, f32, return_weight=True), tuple[Tensor, Tensor])
    assert_type(fl.convolve([1.0, 2.0], [1], return_weight=True), tuple[Any, Any])
    assert_type(fl.convolve(f32, f32, return_weight=False), Single)
    assert_type(fl.convolve(f32, f32, return_weight=flag), Any)


def plans(f32: Single) -> None:
    plan = fl.plan_convolve((3,), [1, 2], dtype=np.float32)
    assert_type(plan, fl.Plan)
    assert_type(plan.error_bound(f32), NDArray[Any])
    assert_type(plan.shape, tuple[int, ...])


def layers(f32: Single, u8: Bytes, i16: NDArray[np.int16], tensor: Tensor, unknown: Any) -> None:
    assert_type(fl.nn.conv(f32, f32, padding="same", stride=(2, 1)), Single)
    assert_type(fl.nn.conv(f32, [[[1.0]]], activation=("clip", 0, 1)), Single)
    assert_type(fl.nn.conv(u8, u8, x_zero_point=3), NDArray[np.int32])
    assert_type(fl.nn.conv(i16, i16, overflow="wrap"), NDArray[np.int16])
    assert_type(fl.nn.conv(tensor, tensor, None, residual=tensor), Tensor)
    assert_type(fl.nn.conv(unknown, f32, out=f32), Single)
    assert_type(fl.nn.conv(unknown, f32), Any)
    assert_type(fl.nn.separable_conv(f32, f32, f32, mid_activation="relu6"), Single)
    plan = fl.nn.plan_conv((1, 3, 8), f32, dtype=np.float32)
    assert_type(plan, fl.nn.LayerPlan)
    assert_type(plan.error_bound(f32), NDArray[Any])
    pair = fl.nn.plan_separable_conv((1, 3, 8), f32, f32, mid_bias=f32, mid_activation="relu6", measure=True)
    assert_type(pair, fl.nn.SeparablePlan)
    assert_type(pair.with_weights(f32, f32), fl.nn.SeparablePlan)
    assert_type(pair.specs, tuple[fl.ConvSpec, fl.ConvSpec])


def wrong(f32: Single) -> None:
    fl.convolve(f32, f32, boundary=3)  # type: ignore[call-overload]
    fl.correlate(f32, f32, padding=1)  # type: ignore[call-overload]
    fl.convolve(f32, f32, "same", "wrap")  # type: ignore[call-overload]
    fl.plan_convolve((3,), [1], stride="2")  # type: ignore[arg-type]
    fl.nn.conv(f32, f32, stride="2")  # type: ignore[arg-type]
    fl.nn.plan_conv((3,), f32, layout="NCHW")  # type: ignore[arg-type]
    fl.nn.plan_separable_conv((3,), f32, f32, mid_activation=2)  # type: ignore[arg-type]
